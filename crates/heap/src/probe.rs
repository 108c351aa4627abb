//! Whether the layout is that of the memory. Each check fails if one of the tables is wrong, and names what it is
//! about; builtins alone don't count, since their names are plain strings wherever they are.

use crate::error::{Refusal, Result};
use crate::heap::Heap;
use crate::kind::Kind;
use crate::mark::Marks;
use crate::memory::{is_strong, smi};

/// Of a thousand references at most one may lead nowhere.
const INVALID: u64 = 1000;

/// Maps of the application that are looked into.
const MAPS: usize = 100;

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

/// The internalized strings by which the probes look properties up.
#[derive(Default)]
struct Keys {
    version: u64,
    versions: u64,
    v8: u64,
    argv: u64,
    next_tick: u64,
    constructors: [u64; CONSTRUCTORS.len()],
}

const CONSTRUCTORS: [&str; 5] = ["Object", "Array", "Map", "Promise", "Error"];

pub(crate) fn check(heap: &Heap<'_>, marks: &Marks) -> Result<ProcessInfo> {
    if marks.invalid.saturating_mul(INVALID) > marks.objects {
        return Err(Refusal::probe(format!(
            "{} references lead to no object, of {} objects",
            marks.invalid, marks.objects
        )));
    }
    let keys = keys(heap, marks);
    constructors(heap, marks, &keys)?;
    let (info, next_tick) = process(heap, marks, &keys)?;
    closure(heap, next_tick)?;
    maps(heap, marks)?;
    Ok(info)
}

fn marked<'a>(heap: &'a Heap<'_>, marks: &'a Marks) -> impl Iterator<Item = u64> + use<'a> {
    (0..heap.space.pages.len()).flat_map(|page| marks.of_page(&heap.space, page))
}

fn keys(heap: &Heap<'_>, marks: &Marks) -> Keys {
    let mut keys = Keys::default();
    for object in marked(heap, marks) {
        let is_name =
            heap.info(object).is_some_and(|m| m.kind == Kind::OneByteString && m.instance_type & 0x60 == 0);
        if !is_name || heap.string_length(object) > 8 {
            continue;
        }
        let text = heap.text(object);
        let slot = match text.as_str() {
            "version" => &mut keys.version,
            "versions" => &mut keys.versions,
            "v8" => &mut keys.v8,
            "argv" => &mut keys.argv,
            "nextTick" => &mut keys.next_tick,
            other => match CONSTRUCTORS.iter().position(|name| *name == other) {
                Some(index) => &mut keys.constructors[index],
                None => continue,
            },
        };
        *slot = object + 1;
    }
    keys
}

/// From each native context's global object, the language's own constructors, by name.
fn constructors(heap: &Heap<'_>, marks: &Marks, keys: &Keys) -> Result<()> {
    let types = &heap.space.layout.types;
    let mut found = false;
    for context in marked(heap, marks).filter(|&o| heap.type_of(o) == types.native_context) {
        let global = heap.word(context + 32);
        if heap.type_behind(global) != types.global_object {
            return Err(Refusal::probe("a native context has no global object"));
        }
        found = true;
        for (name, &key) in CONSTRUCTORS.iter().zip(&keys.constructors) {
            let constructor = heap.own(global - 1, key);
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
fn process(heap: &Heap<'_>, marks: &Marks, keys: &Keys) -> Result<(ProcessInfo, u64)> {
    let types = &heap.space.layout.types;
    let is_version = |text: &str| {
        text.strip_prefix('v')
            .is_some_and(|t| t.split('.').count() >= 3 && t.starts_with(|c: char| c.is_ascii_digit()))
    };
    for object in marked(heap, marks) {
        let candidate = heap.info(object).is_some_and(|m| m.receiver && m.instance_type != types.proxy);
        if !candidate {
            continue;
        }
        let next_tick = heap.own(object, keys.next_tick);
        if !heap.is_function(next_tick) {
            continue;
        }
        let Some(node) = heap.text_behind(heap.own(object, keys.version)).filter(|text| is_version(text))
        else {
            continue;
        };
        let versions = heap.own(object, keys.versions);
        let v8 = heap.text_behind(heap.own(versions & !1, keys.v8)).unwrap_or_default();
        if !v8.starts_with(&format!("{}.", heap.v8())) {
            return Err(Refusal::probe(format!(
                "process.versions.v8 is {v8:?}, the layout is of V8 {}",
                heap.v8()
            )));
        }
        let arguments = array_of_texts(heap, heap.own(object, keys.argv))
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
    let types = &heap.space.layout.types;
    let (mut all, mut wrong) = (0, 0);
    for object in marked(heap, marks).filter(|&o| heap.type_of(o) == types.js_map).take(MAPS) {
        all += 1;
        wrong += usize::from(!is_sound_map(heap, object));
    }
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
