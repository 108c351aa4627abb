//! Node's C++ objects behind JavaScript's wrappers, as far as they can be told: `Node / TCPWrap`.
//!
//! A wrapper has in its second internal field a `node::BaseObject`, which begins with its vtable and then has the
//! global handle of its wrapper (`base_object.h`). All three have to agree: the vtable is a symbol of a class in the
//! namespace node, and the handle leads back to the wrapper. The class is the vtable's; V8's snapshot asks the object
//! itself, which may answer another word (`TCPSocketWrap`). What such an object refers to besides, no memory tells.

use crate::handles::{GlobalHandles, HandleState, malloc_block};
use crate::heap::{Heap, Space};
use crate::mark::Marks;
use crate::memory::VTABLE;
use crate::object::MapInfo;

/// BaseObject::kSlot.
const SLOT: u64 = 1;

/// A C++ object with its wrapper.
#[derive(Clone, Debug)]
pub(crate) struct Embedded {
    pub(crate) wrapper: u64,
    pub(crate) class: String,
    /// What malloc gave for it; 0 if it is a part of something else.
    pub(crate) bytes: u64,
    /// Whether it keeps its wrapper.
    pub(crate) root: bool,
}

pub(crate) fn find(heap: &Heap<'_>, marks: &Marks) -> Vec<Embedded> {
    let space = &heap.space;
    if !space.view.has_symbols() {
        return Vec::new();
    }
    let handles = GlobalHandles::find(space);
    let wrappers = (0..space.pages.len()).flat_map(|page| marks.of_page(space, page));
    wrappers.filter_map(|object| of_wrapper(heap, &handles, object)).collect()
}

fn of_wrapper(heap: &Heap<'_>, handles: &GlobalHandles<'_>, wrapper: u64) -> Option<Embedded> {
    let space = &heap.space;
    let map = heap.info(wrapper)?;
    let slot = heap.embedder_header(map)? + 8 * SLOT;
    if slot >= 8 * u64::from(map.inobject_start) {
        return None;
    }
    let base = heap.word(wrapper + slot);
    if base == 0 || !base.is_multiple_of(8) {
        return None;
    }
    let vtable = space.view.word(base)?;
    let class = class_of_vtable(&space.view.symbol(vtable)?.name)?;
    let (object, state) = handles.at(space.view.word(base + 8)?)?;
    if object != wrapper + 1 {
        return None;
    }
    let bytes = whole_object(space, base, vtable).map_or(0, |size| size - 8);
    Some(Embedded { wrapper, class, bytes, root: state == HandleState::Strong })
}

/// The block of malloc that the object begins, of which the base may be any part.
fn whole_object(space: &Space<'_>, base: u64, vtable: u64) -> Option<u64> {
    // The offset to the top stands two words before the functions.
    let to_top = space.view.word(vtable.checked_sub(16)?)? as i64;
    let top = base.checked_add_signed(to_top)?;
    malloc_block(space, top, 1 << 32)
}

/// The last word of `_ZTVN4node2fs10FileHandleE`.
fn class_of_vtable(symbol: &str) -> Option<String> {
    let mut rest = symbol.strip_prefix(VTABLE)?;
    let mut class = None;
    loop {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return class.map(str::to_owned);
        }
        let length: usize = rest[..digits].parse().ok()?;
        class = Some(rest.get(digits..digits.checked_add(length)?)?);
        rest = &rest[digits + length..];
    }
}

impl Heap<'_> {
    /// Where the fields begin that the embedder keeps in an object; none if it is no API object.
    pub(crate) fn embedder_header(&self, map: &MapInfo) -> Option<u64> {
        let layout = self.space.layout;
        let is_api = map.instance_type >= layout.types.special_api_object
            && layout.type_name(map.instance_type).ends_with("API_OBJECT");
        is_api.then_some(layout.shape.api_object_header)
    }
}

#[cfg(test)]
mod tests {
    use super::class_of_vtable;

    #[test]
    fn a_class_is_the_last_word_of_its_vtable() {
        let cases = [
            ("_ZTVN4node7TCPWrapE", Some("TCPWrap")),
            ("_ZTVN4node2fs10FileHandleE", Some("FileHandle")),
            (
                "_ZTVN4node2fs12FSReqPromiseINS_17AliasedBufferBaseIdN2v812Float64ArrayEEEEE",
                Some("FSReqPromise"),
            ),
            ("_ZTVN4node12_GLOBAL__N_16ParserE", Some("Parser")),
            ("_ZTVN4node", None),
            ("_ZTVN4node99xE", None),
            ("_ZTVN4node18446744073709551615xE", None),
            ("_ZTV", None),
            ("", None),
        ];
        for (symbol, class) in cases {
            assert_eq!(class_of_vtable(symbol).as_deref(), class, "{symbol}");
        }
    }
}
