//! The names of the variables in contexts.

use crate::heap::Heap;
use crate::memory::{is_strong, smi};
use crate::scope::Scope;

impl Heap<'_> {
    pub(crate) fn scope(&self, scope_info: u64) -> Scope {
        Scope::read(self.space.layout, self.space.rest_of_page(scope_info))
    }

    /// The variables of a scope that live in its context: name (a tagged string) and slot of the context.
    pub(crate) fn scope_variables(&self, scope_info: u64) -> Vec<(u64, u64)> {
        let scope = self.scope(scope_info);
        let first = if scope.has_extension_slot { 3 } else { 2 };
        let names = scope_info + scope.names;
        if scope.inline {
            return (0..scope.count).map(|n| (self.word(names + 8 * n), first + n)).collect();
        }
        let table = self.word(names);
        if !is_strong(table) {
            return Vec::new();
        }
        let mut variables = Vec::new();
        let table = table - 1;
        let entries = self.array_length(table);
        // A hash table of name and index: three words of header.
        for entry in (3..entries.saturating_sub(1)).step_by(2) {
            let name = self.word(table + 16 + 8 * entry);
            if self.is_string(name) {
                let index = smi(self.word(table + 24 + 8 * entry));
                variables.extend(u64::try_from(index).ok().map(|index| (name, first + index)));
            }
        }
        variables
    }

    /// The hash table of names, of a scope that has too many to have them inline.
    pub(crate) fn names_table(&self, scope_info: u64) -> Option<u64> {
        let scope = self.scope(scope_info);
        (!scope.inline).then(|| self.word(scope_info + scope.names))
    }
}
