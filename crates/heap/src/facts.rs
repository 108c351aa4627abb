//! What Node's own objects say about the process: when it was started, its timers, its handles, an error that was being
//! thrown. Each is looked up by the names that Node's JavaScript gives it, and left out where that doesn't fit.

use foldhash::{HashMap, HashMapExt};

use crate::embedder;
use crate::functions::line_and_column;
use crate::heap::Heap;
use crate::kind::Kind;
use crate::memory::{is_strong, smi, word_at};
use crate::names::{NameTable, Namer};
use crate::object::MapInfo;
use crate::snapshot::Live;
use crate::special::well_known;

/// Kinds of timers and of handles that are told apart.
const MOST_KINDS: usize = 1000;

/// What Node's objects say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Timers that wait, the same ones together, the most frequent first.
    pub timers: Vec<Timers>,
    /// Node's C++ objects that keep themselves alive (handles and requests), by their class.
    pub handles: Vec<(String, u64)>,
}

/// Timers with one function and one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Timers {
    pub count: u64,
    pub milliseconds: f64,
    /// Whether they start again.
    pub repeats: bool,
    pub function: String,
    pub script: Option<String>,
    /// Where the function begins: line and column from 1.
    pub place: Option<(u32, u32)>,
}

/// An error object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorObject {
    pub class: String,
    pub message: String,
}

/// The names that are asked for, tagged; 0 of one that no object has.
struct Keys<const N: usize>([u64; N]);

impl<const N: usize> Keys<N> {
    fn find(heap: &Heap<'_>, live: &Live, names: [&str; N]) -> Keys<N> {
        let mut keys = [0; N];
        let longest = names.iter().map(|name| name.len()).max().unwrap_or(0);
        for object in objects(heap, live) {
            let is_key = heap
                .info(object)
                .is_some_and(|m| m.kind == Kind::OneByteString && m.instance_type & 0x60 == 0);
            if !is_key || heap.string_length(object) as usize > longest {
                continue;
            }
            let text = heap.text(object);
            if let Some(index) = names.iter().position(|name| *name == text) {
                keys[index] = object + 1;
            }
        }
        Keys(keys)
    }
}

fn objects<'a>(heap: &'a Heap<'_>, live: &'a Live) -> impl Iterator<Item = u64> + use<'a> {
    (0..heap.space.pages.len()).flat_map(|page| live.marks.of_page(&heap.space, page))
}

const OF_TIMERS: [&str; 4] = ["_onTimeout", "_idleTimeout", "_destroyed", "_repeat"];

const OF_TIMES: [&str; 3] = ["milestones", "constants", "NODE_PERFORMANCE_MILESTONE_TIME_ORIGIN_TIMESTAMP"];

impl Heap<'_> {
    /// When the process was started: `performance.timeOrigin`, in milliseconds since 1970.
    pub fn started_ms(&self, live: &Live) -> Option<f64> {
        let [milestones, constants, origin] = Keys::find(self, live, OF_TIMES).0;
        if milestones == 0 {
            return None;
        }
        // Whether objects of a fast map have milestones.
        let mut have: HashMap<u64, bool> = HashMap::new();
        self.receivers(live).find_map(|(object, map)| {
            let may = map.is_dictionary()
                || *have.entry(map.address).or_insert_with(|| {
                    self.descriptors(&map).iter().any(|property| property.key == milestones)
                });
            may.then(|| self.time_origin(object, milestones, constants, origin)).flatten()
        })
    }

    fn receivers<'a>(&'a self, live: &'a Live) -> impl Iterator<Item = (u64, MapInfo)> {
        let proxy = self.space.layout.types.proxy;
        let all = objects(self, live).filter_map(|object| Some((object, *self.info(object)?)));
        all.filter(move |(_, map)| map.receiver && map.instance_type != proxy)
    }

    /// What Node's own objects say about the process.
    pub fn facts(&self, live: &Live) -> Facts {
        let [on_timeout, idle_timeout, destroyed, repeat] = Keys::find(self, live, OF_TIMERS).0;
        let mut facts = Facts::default();
        let mut namer = Namer::new(well_known(self, &live.marks));
        let mut names = NameTable::new();
        let mut timers: HashMap<(u64, u64, bool), u64> = HashMap::new();
        for (object, map) in self.receivers(live) {
            let (class, _) = namer.class(self, &mut names, object, &map);
            if on_timeout == 0 || timers.len() >= MOST_KINDS || names.get(class) != "Timeout" {
                continue;
            }
            let function = self.own(object, on_timeout);
            let waits = self.own(object, destroyed);
            if !self.is_function(function) || self.oddball(waits).as_deref() != Some("false") {
                continue;
            }
            let Some(after) = self.double(self.own(object, idle_timeout)).filter(|&ms| ms >= 0.0) else {
                continue;
            };
            let repeats = self.double(self.own(object, repeat)).is_some();
            *timers.entry((self.shared_of(function - 1), after.to_bits(), repeats)).or_default() += 1;
        }
        let mut all: Vec<_> = timers.into_iter().collect();
        all.sort_by_key(|&(key, count)| (std::cmp::Reverse(count), key));
        facts.timers = all
            .into_iter()
            .map(|((shared, after, repeats), count)| Timers {
                count,
                milliseconds: f64::from_bits(after),
                repeats,
                function: self.debug_name(shared),
                script: self.script_of(shared).and_then(|script| self.script_name(script)),
                place: self
                    .script_of(shared)
                    .zip(self.start_position(shared))
                    .map(|(script, position)| line_and_column(&self.line_ends(script), position)),
            })
            .collect();
        facts.handles = self.handles(live);
        facts
    }

    fn handles(&self, live: &Live) -> Vec<(String, u64)> {
        let mut by_class: HashMap<String, u64> = HashMap::new();
        for one in embedder::find(self, &live.marks).into_iter().filter(|one| one.root) {
            *by_class.entry(one.class).or_default() += 1;
        }
        let mut all: Vec<_> = by_class.into_iter().collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        all.truncate(MOST_KINDS);
        all
    }

    /// The first milestone of Node's: microseconds since 1970, in an array whose places have names.
    fn time_origin(&self, object: u64, milestones: u64, constants: u64, origin: u64) -> Option<f64> {
        let layout = self.space.layout;
        let array = self.own(object, milestones);
        let places = self.own(object, constants);
        if self.type_behind(array) != layout.types.typed_array || !is_strong(places) || origin == 0 {
            return None;
        }
        let index = self.double(self.own(places - 1, origin))?;
        let buffer = self.word(array - 1 + layout.shape.view_buffer);
        if self.type_behind(buffer) != layout.types.array_buffer || !(0.0..1000.0).contains(&index) {
            return None;
        }
        let offset = self.word(array - 1 + layout.shape.view_byte_offset);
        let store = self.word(buffer - 1 + layout.offsets.buffer_store);
        let at = store.checked_add(offset)?.checked_add(8 * index as u64)?;
        let microseconds = f64::from_bits(self.space.view.word(at)?);
        // From 2015 to 2100: all else is no time.
        (1.42e15..4.1e15).contains(&microseconds).then_some(microseconds / 1000.0)
    }

    /// A number, small or not.
    fn double(&self, word: u64) -> Option<f64> {
        if word & 1 == 0 {
            return Some(smi(word) as f64);
        }
        let is_number = self.type_behind(word) == self.space.layout.types.heap_number;
        is_number.then(|| f64::from_bits(self.word(word - 1 + 8)))
    }

    /// What undefined, null, true and false print as.
    fn oddball(&self, word: u64) -> Option<String> {
        if self.type_behind(word) != self.space.layout.types.oddball {
            return None;
        }
        self.text_behind(self.word(word - 1 + 16))
    }

    /// The first error object that a part of a stack refers to.
    pub fn error_on_stack(&self, live: &Live, from: u64, to: u64) -> Option<ErrorObject> {
        let message = Keys::find(self, live, ["message"]).0[0];
        let bytes = self.space.view.bytes(from & !7, usize::try_from(to.checked_sub(from & !7)?).ok()?)?;
        let mut namer = Namer::new(well_known(self, &live.marks));
        let mut names = NameTable::new();
        bytes.chunks_exact(8).find_map(|word| {
            let word = word_at(word, 0);
            let map = *self.info(word & !1).filter(|_| is_strong(word))?;
            if self.space.layout.type_name(map.instance_type) != "JS_ERROR" {
                return None;
            }
            let (class, _) = namer.class(self, &mut names, word - 1, &map);
            let message = self.text_behind(self.own(word - 1, message)).unwrap_or_default();
            Some(ErrorObject { class: names.get(class).to_owned(), message })
        })
    }

    /// The lines that V8 keeps of its last collections (`[pid:isolate] time ms: …`), the oldest first.
    pub fn last_collections(&self) -> Vec<String> {
        let heap = self.space.heap & !7;
        let mut lines: Vec<(u64, String)> = Vec::new();
        for region in self.space.view.regions.iter().filter(|r| r.writable && r.contains(heap)) {
            let from = (heap - region.start) as usize;
            let bytes = region.bytes();
            let part = bytes.get(from..bytes.len().min(from + ISOLATE)).unwrap_or_default();
            let mut at = 0;
            while let Some(open) = part[at..].iter().position(|&b| b == b'[') {
                at += open;
                match collection(&part[at..]) {
                    Some((time, line)) => {
                        at += line.len();
                        lines.push((time, line));
                    }
                    None => at += 1,
                }
                if lines.len() >= MOST_LINES {
                    break;
                }
            }
        }
        lines.sort();
        lines.dedup();
        lines.into_iter().map(|(_, line)| line).collect()
    }
}

/// Bytes behind the start of V8's Heap in which its text is.
const ISOLATE: usize = 0x20000;

/// V8 keeps 512 bytes.
const MOST_LINES: usize = 16;

/// A line of V8's text, and when it was in milliseconds.
fn collection(bytes: &[u8]) -> Option<(u64, String)> {
    let end = bytes.iter().take(512).position(|&b| b == b'\n' || b == 0)?;
    if bytes.get(end) != Some(&b'\n') {
        return None;
    }
    let line = std::str::from_utf8(&bytes[..end]).ok()?;
    let (head, rest) = line.strip_prefix('[')?.split_once(']')?;
    let (pid, isolate) = head.split_once(":0x")?;
    let known = pid.parse::<u32>().is_ok() && u64::from_str_radix(isolate, 16).is_ok();
    let (time, what) = rest.trim_start().split_once(" ms: ")?;
    let sound = known && !what.is_empty() && what.bytes().all(|b| (b' '..=b'~').contains(&b));
    sound.then_some((time.parse().ok()?, line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::collection;

    #[test]
    fn a_line_of_a_collection_is_known_by_its_parts() {
        let line =
            "[1234:0x7f00aa10]     1540 ms: Mark-Compact 119.2 (140.1) -> 119.0 (140.1) MB, 31.5 / 0.00 ms";
        assert_eq!(collection(format!("{line}\nnext").as_bytes()), Some((1540, line.to_owned())));
        for text in [
            "[1234:0x7f00aa10]  15 ms: cut",
            "[x:0x1] 5 ms: a\n",
            "[1:0x1] ms: a\n",
            "[1:0x1] 5 ms: \u{1}\n",
            "",
        ] {
            assert_eq!(collection(text.as_bytes()), None, "{text}");
        }
    }
}
