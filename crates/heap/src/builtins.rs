//! The names of V8's builtins: the program has a symbol for the machine code of each.

use foldhash::HashSet;

use crate::heap::Heap;
use crate::memory::BUILTIN;
use crate::roots::{Category, Root};

/// Fields of a Code that may say where its instructions begin.
const FIELDS: std::ops::Range<u64> = 8..72;

/// Where a Code says where its instructions begin, and how far V8 has copied the program's builtins: it may put them
/// beside the code that it makes itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BuiltinNames {
    at: u64,
    moved: u64,
}

impl BuiltinNames {
    /// The field that leads to a builtin's symbol in nearly all pieces of code that the table of builtins has.
    pub(crate) fn find(heap: &Heap<'_>, roots: &[Root]) -> Option<BuiltinNames> {
        let all: Vec<u64> =
            roots.iter().filter(|root| root.category == Category::Builtins).map(|root| root.object).collect();
        let first = heap.space.view.symbols(BUILTIN).map(|symbol| symbol.address).min()?;
        let candidates = FIELDS.step_by(8).filter_map(|at| {
            let moved = all.iter().map(|code| heap.word(code + at)).min()?.wrapping_sub(first);
            let names = [BuiltinNames { at, moved: 0 }, BuiltinNames { at, moved }];
            names.into_iter().map(|names| (names.hits(heap, &all), names)).max_by_key(|&(hits, _)| hits)
        });
        let (hits, best) = candidates.max_by_key(|&(hits, _)| hits)?;
        (hits * 10 >= all.len() * 9).then_some(best)
    }

    /// The different names that it gives: a field that is the same everywhere names nothing.
    fn hits(self, heap: &Heap<'_>, all: &[u64]) -> usize {
        all.iter().filter_map(|&code| self.name(heap, code)).collect::<HashSet<_>>().len()
    }

    /// The builtin that a Code is of, if it is one.
    pub(crate) fn name<'m>(self, heap: &Heap<'m>, code: u64) -> Option<&'m str> {
        let start = heap.word(code + self.at).wrapping_sub(self.moved);
        let symbol = heap.space.view.symbol(start)?;
        symbol.name.strip_prefix(BUILTIN).filter(|_| symbol.address == start)
    }
}
