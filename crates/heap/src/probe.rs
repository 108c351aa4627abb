//! Whether the layout is that of the memory. Each check fails if one of the tables is wrong, and names what it is
//! about; builtins alone don't count, since their names are plain strings wherever they are.

use crate::error::{Refusal, Result};
use crate::heap::Heap;
use crate::mark::Marks;
use crate::memory::{is_strong, smi};
use crate::object::MapInfo;

/// Of a thousand references at most one may lead nowhere.
const INVALID: u64 = 1000;

/// What the probes found out on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessInfo {
    /// `process.version`.
    pub node: String,
    /// `process.versions.v8`.
    pub v8: String,
    /// `process.argv`.
    pub arguments: Vec<String>,
}

const CONSTRUCTORS: [&str; 5] = ["Object", "Array", "Map", "Promise", "Error"];

pub(crate) fn check(heap: &Heap<'_>, marks: &Marks) -> Result<ProcessInfo> {
    if marks.invalid.saturating_mul(INVALID) > marks.objects {
        return Err(Refusal::probe(format!(
            "{} references lead to no object, of {} objects",
            marks.invalid, marks.objects
        )));
    }
    constructors(heap, marks)?;
    let (info, next_tick) = process(heap, marks)?;
    closure(heap, next_tick)?;
    maps(heap, marks)?;
    Ok(info)
}

fn marked<'a>(heap: &'a Heap<'_>, marks: &'a Marks) -> impl Iterator<Item = u64> + use<'a> {
    (0..heap.space.pages.len()).flat_map(|page| marks.of_page(&heap.space, page))
}

/// From each native context's global object, the language's own constructors, by name.
fn constructors(heap: &Heap<'_>, marks: &Marks) -> Result<()> {
    let types = &heap.space.layout.types;
    let mut found = false;
    for &context in &marks.landmarks.contexts {
        let global = heap.word(context + 32);
        if heap.type_behind(global) != types.global_object {
            return Err(Refusal::probe("a native context has no global object"));
        }
        found = true;
        for name in &CONSTRUCTORS {
            let constructor = heap.own(global - 1, marks.landmarks.named(name));
            // A program may have replaced or deleted one; a function of another name is enough to doubt.
            if heap.is_function(constructor) && heap.debug_name(heap.shared_of(constructor - 1)) == **name {
                continue;
            }
            if *name == "Object" {
                return Err(Refusal::probe("the global object's constructor Object isn't found by its name"));
            }
        }
    }
    if found { Ok(()) } else { Err(Refusal::probe("there is no native context")) }
}

/// The process object: its version, its V8, its arguments, and a function that was compiled from JavaScript.
fn process(heap: &Heap<'_>, marks: &Marks) -> Result<(ProcessInfo, u64)> {
    let types = &heap.space.layout.types;
    let is_version = |text: &str| {
        text.strip_prefix('v')
            .is_some_and(|t| t.split('.').count() >= 3 && t.starts_with(|c: char| c.is_ascii_digit()))
    };
    let key = |name: &str| marks.landmarks.named(name);
    let next_tick_key = key("nextTick");
    // Nearly all objects have a map that says that they have no such property.
    let may_have = |map: &MapInfo| {
        map.receiver
            && map.instance_type != types.proxy
            && (map.is_dictionary()
                || map.instance_type == types.global_object
                || heap.descriptors(map).iter().any(|property| property.key == next_tick_key))
    };
    let candidates: Vec<bool> = heap.maps.all().iter().map(may_have).collect();
    let is_candidate = |map: &MapInfo| candidates.get(map.number as usize) == Some(&true);
    for object in marked(heap, marks) {
        if !heap.info(object).is_some_and(is_candidate) {
            continue;
        }
        let next_tick = heap.own(object, next_tick_key);
        if !heap.is_function(next_tick) {
            continue;
        }
        let Some(node) = heap.text_behind(heap.own(object, key("version"))).filter(|text| is_version(text))
        else {
            continue;
        };
        let versions = heap.own(object, key("versions"));
        let v8 = heap.text_behind(heap.own(versions & !1, key("v8"))).unwrap_or_default();
        if !v8.starts_with(&format!("{}.", heap.v8())) {
            return Err(Refusal::probe(format!(
                "process.versions.v8 is {v8:?}, the layout is of V8 {}",
                heap.v8()
            )));
        }
        let arguments = array_of_texts(heap, heap.own(object, key("argv")))
            .ok_or_else(|| Refusal::probe("process.argv is no array of strings"))?;
        let name = heap.debug_name(heap.shared_of(next_tick - 1));
        if name != "nextTick" {
            return Err(Refusal::probe(format!("the function process.nextTick has the name {name:?}")));
        }
        return Ok((ProcessInfo { node, v8, arguments }, next_tick - 1));
    }
    Err(Refusal::probe("Node's process object isn't found: Node may not have started yet"))
}

fn array_of_texts(heap: &Heap<'_>, array: u64) -> Option<Vec<String>> {
    let offsets = &heap.space.layout.offsets;
    if heap.type_behind(array) != heap.space.layout.types.js_array {
        return None;
    }
    let elements = heap.word(array - 1 + offsets.elements);
    let length = u64::try_from(smi(heap.word(array - 1 + offsets.array_length))).ok()?;
    if !is_strong(elements) || length > heap.array_length(elements - 1) || length == 0 {
        return None;
    }
    (0..length.min(1000)).map(|n| heap.text_behind(heap.word(elements - 1 + 16 + 8 * n))).collect()
}

/// A function of Node's own JavaScript: its script, and the names of the variables around it.
fn closure(heap: &Heap<'_>, function: u64) -> Result<()> {
    let (layout, types) = (&heap.space.layout, &heap.space.layout.types);
    let script = heap
        .script_of(heap.shared_of(function))
        .and_then(|script| heap.script_name(script))
        .ok_or_else(|| Refusal::probe("process.nextTick has no script"))?;
    if !script.starts_with("node:") {
        return Err(Refusal::probe(format!("process.nextTick is of the script {script:?}")));
    }
    let context = heap.word(function + layout.offsets.function_context);
    if !heap.is_context(context) {
        return Err(Refusal::probe("process.nextTick has no context"));
    }
    let context = context - 1;
    let scope_info = heap.word(context + 16);
    if heap.type_behind(scope_info) != types.scope_info {
        return Err(Refusal::probe("the context of process.nextTick has no scope"));
    }
    let variables = heap.scope_variables(scope_info - 1);
    let slots = heap.array_length(context);
    if variables.is_empty() || variables.iter().any(|&(name, slot)| !heap.is_string(name) || slot >= slots) {
        return Err(Refusal::probe("the variables around process.nextTick have no names"));
    }
    Ok(())
}

/// Of ten Maps one may be wrong: a stale word may keep one that is dead, whose table is gone.
const WRONG_MAPS: usize = 10;

/// Tables of Maps: as many entries as they say, in a table that can hold them.
fn maps(heap: &Heap<'_>, marks: &Marks) -> Result<()> {
    let all = marks.landmarks.maps.len();
    let wrong = marks.landmarks.maps.iter().filter(|&&map| !is_sound_map(heap, map)).count();
    if wrong * WRONG_MAPS > all {
        return Err(Refusal::probe(format!(
            "of {all} Maps {wrong} have a table with not as many entries as it says"
        )));
    }
    Ok(())
}

fn is_sound_map(heap: &Heap<'_>, map: u64) -> bool {
    let table = heap.word(map + 24);
    let of = |n: u64| smi(heap.word(table - 1 + 16 + 8 * n));
    is_strong(table)
        && heap.space.layout.type_name(heap.type_behind(table)) == "ORDERED_HASH_MAP"
        // Elements, deleted elements, buckets: each bucket stands for two entries of three words.
        && of(0) >= 0
        && of(1) >= 0
        && of(2) >= 0
        && of(0).saturating_add(of(1)) <= of(2).saturating_mul(2)
        && of(2).saturating_mul(7).saturating_add(3) <= heap.array_length(table - 1) as i64
}
