//! The references of a context: its variables by name, and the slots that all contexts have.

use super::{Sink, Visitor};
use crate::memory::smi;
use crate::node::EdgeKind;
use crate::object::MapInfo;

impl Visitor<'_, '_> {
    pub(super) fn context(&mut self, object: u64, map: &MapInfo, sink: &mut impl Sink) {
        let heap = self.heap;
        let types = &heap.space.layout.types;
        let native = map.instance_type == types.native_context;
        let slots = heap.array_length(object);
        let scope_info = heap.word(object + 16);
        if !native && heap.type_behind(scope_info) == types.scope_info {
            self.variables(object, map, slots, scope_info - 1, sink);
        }
        self.field(object, "scope_info", 16, sink);
        self.field(object, "previous", 24, sink);
        if !native
            && heap.type_behind(scope_info) == types.scope_info
            && heap.scope(scope_info - 1).has_extension_slot
        {
            self.field(object, "extension", 32, sink);
        }
        if native {
            self.field(object, "extension", 32, sink);
            for slot in 3..slots.saturating_sub(1) {
                let label = self.number(slot as usize);
                let word = heap.word(object + 16 + 8 * slot);
                if self.is_essential(word) {
                    self.edge(EdgeKind::Internal, label, word, Some(16 + 8 * slot), sink);
                }
            }
            // The list of contexts is weak.
            self.see(Some(16 + 8 * slots.saturating_sub(1)));
        }
    }

    fn variables(&mut self, object: u64, map: &MapInfo, slots: u64, scope_info: u64, sink: &mut impl Sink) {
        let heap = self.heap;
        let types = &heap.space.layout.types;
        let scope = heap.scope(scope_info);
        let it = map.instance_type;
        let declares = it == types.function_context
            || it == types.script_context
            || it == types.module_context
            || it == types.eval_context && scope.declares(5)
            || it == types.block_context && scope.declares(6);
        if !declares {
            return;
        }
        let mut variables = heap.scope_variables(scope_info);
        if let (true, Some(at)) = (scope.function_is_in_context(), scope.function_name) {
            let slot = smi(heap.word(scope_info + at + 8));
            let name = heap.word(scope_info + at);
            variables
                .extend(u64::try_from(slot).ok().filter(|_| heap.is_string(name)).map(|slot| (name, slot)));
        }
        for (name, slot) in variables {
            if slot < slots {
                let label = self.key_label(name);
                let at = 16 + 8 * slot;
                self.edge(EdgeKind::Context, label, heap.word(object + at), Some(at), sink);
            }
        }
    }
}
