//! Objects that V8 knows by themselves, found by what they are.

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};

use crate::edges::Inessential;
use crate::heap::Heap;
use crate::kind::Kind;
use crate::mark::Marks;
use crate::memory::smi;
use crate::names::WellKnown;

/// Every object of the read-only space.
fn read_only<'a>(heap: &'a Heap<'_>, marks: &'a Marks) -> impl Iterator<Item = u64> + use<'a> {
    let pages = heap.space.pages.iter().enumerate().filter(|(_, page)| page.read_only);
    pages.flat_map(|(index, _)| marks.of_page(&heap.space, index))
}

/// `V8HeapExplorer::IsEssentialObject`.
pub(crate) fn inessential(heap: &Heap<'_>, marks: &Marks) -> Inessential {
    let layout = &heap.space.layout;
    let types = &layout.types;
    let mut first_maps: HashMap<u16, u64> = HashMap::new();
    let (mut all, mut holes) = (HashSet::new(), HashSet::new());
    for object in read_only(heap, marks) {
        let it = heap.type_of(object);
        if it == types.oddball || it == types.hole {
            all.insert(object);
            if it == types.hole || smi(heap.word(object + layout.offsets.oddball_kind)) == HOLE {
                holes.insert(object);
            }
        } else if it == types.map {
            first_maps.entry(heap.short(object + layout.offsets.instance_type)).or_insert(object);
        }
    }
    let maps = [
        types.fixed_array,
        types.cell,
        types.property_cell,
        types.shared_function_info,
        types.free_space,
        types.filler,
    ];
    all.extend(maps.iter().filter_map(|it| first_maps.get(it)));
    let fixed_array_map = first_maps.get(&types.fixed_array).copied();
    // The first empty one of each kind.
    let mut seen: HashSet<Kind> = HashSet::new();
    for object in read_only(heap, marks) {
        let Some(map) = heap.info(object) else { continue };
        let empty = match map.kind {
            Kind::FixedArray => Some(map.address) == fixed_array_map && smi(heap.word(object + 8)) == 0,
            Kind::WeakFixedArray => {
                map.instance_type == types.weak_fixed_array && smi(heap.word(object + 8)) == 0
            }
            Kind::ByteArray => smi(heap.word(object + 8)) == 0,
            Kind::DescriptorArray => heap.short(object + 8) == 0,
            _ => false,
        };
        if empty && seen.insert(map.kind) {
            all.insert(object);
        }
    }
    Inessential::new(all, holes)
}

/// Oddball::kTheHole.
const HOLE: i64 = 2;

/// Strings and symbols that V8 knows by itself.
pub(crate) fn well_known(heap: &Heap<'_>, marks: &Marks) -> WellKnown {
    let symbol = heap.space.layout.types.symbol;
    let to_string_tag = read_only(heap, marks).find(|&object| {
        heap.type_of(object) == symbol
            && heap.text_behind(heap.word(object + 16)).as_deref() == Some("Symbol.toStringTag")
    });
    WellKnown {
        to_string_tag: to_string_tag.map_or(0, |object| object + 1),
        constructor: marks.landmarks.named("constructor"),
        name: marks.landmarks.named("name"),
    }
}

/// 20 bits by which two captures differ.
pub(crate) fn salt(heap: &Heap<'_>, marks: &Marks) -> u64 {
    let mut hash = marks.bytes.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ marks.objects;
    for thread in &heap.space.threads {
        hash = (hash.rotate_left(7) ^ thread.registers.stack).wrapping_mul(0x100_0000_01b3);
    }
    for page in heap.space.pages.iter().filter(|p| p.young) {
        for word in page.bytes.chunks_exact(8).step_by(64) {
            hash = (hash.rotate_left(7) ^ crate::memory::word_at(word, 0)).wrapping_mul(0x100_0000_01b3);
        }
    }
    hash >> 44
}
