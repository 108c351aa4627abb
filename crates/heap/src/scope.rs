//! ScopeInfo (`scope-info.tq`): where its parts are.

use crate::layout::Layout;
use crate::memory::{half_at, smi, word_at};

/// Names in a ScopeInfo are a hash table beyond this many.
const INLINE_NAMES: u64 = 75;

/// More slots than any function has; a count beyond it is no count.
const MOST_SLOTS: u64 = 1 << 24;

/// Where the parts of a ScopeInfo are, as offsets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scope {
    pub(crate) flags: u32,
    pub(crate) names: u64,
    pub(crate) inline: bool,
    pub(crate) count: u64,
    /// The function's name, followed by the slot that holds the function.
    pub(crate) function_name: Option<u64>,
    pub(crate) inferred_name: Option<u64>,
    /// Start and end of the function in the source.
    pub(crate) positions: Option<u64>,
    pub(crate) has_extension_slot: bool,
    pub(crate) size: u64,
}

impl Scope {
    /// Of a ScopeInfo whose bytes start here.
    pub(crate) fn read(layout: &Layout, bytes: &[u8]) -> Scope {
        let shape = &layout.shape.scope;
        let flags = if shape.raw_flags { half_at(bytes, 8) } else { smi(word_at(bytes, 8)) as u32 };
        let bit = |n: u32| flags >> n & 1 == 1;
        let count = u64::try_from(smi(word_at(bytes, 24))).unwrap_or(0).min(MOST_SLOTS);
        let module_count =
            |at: u64| u64::try_from(smi(word_at(bytes, at as usize))).unwrap_or(0).min(MOST_SLOTS);
        let scope_type = flags & 15;
        let mut at = 8 + 8 * layout.offsets.scope_first_vars;
        let mut positions = shape.positions_first.then_some(32);
        let is_module = scope_type == shape.module_scope;
        let mut module_variables = 0;
        if shape.module_count_first && is_module {
            module_variables = module_count(at);
            at += 8;
        }
        let names = at;
        let inline = count < INLINE_NAMES;
        at += if inline { 8 * count } else { 8 } + 8 * count;
        if bit(10) {
            at += 8;
        }
        let function_variable = flags >> 12 & 3;
        let function_name = (function_variable != 0).then_some(at);
        if function_variable != 0 {
            at += 16;
        }
        let inferred_name = bit(14).then_some(at);
        if bit(14) {
            at += 8;
        }
        if !shape.positions_first {
            // Functions, evals, modules, scripts and classes that aren't empty.
            let has_positions = matches!(scope_type, 1..=4 | 8) || scope_type == 0 && !bit(29);
            if has_positions {
                positions = Some(at);
                at += 16;
            }
        }
        if bit(22) {
            at += 8;
        }
        if !shape.positions_first && bit(28) {
            at += 8;
        }
        if is_module {
            at += 8;
            if !shape.module_count_first {
                module_variables = module_count(at);
                at += 8;
            }
            at += 24 * module_variables;
        }
        if shape.positions_first {
            if bit(4) {
                at += 8;
            }
            if layout.shape.v8 == "14.6" && scope_type == 4 {
                at += 8;
            }
        }
        Scope {
            flags,
            names,
            inline,
            count,
            function_name,
            inferred_name,
            positions,
            has_extension_slot: bit(26),
            size: at,
        }
    }

    /// Whether the function's own name is a variable in the context.
    pub(crate) fn function_is_in_context(&self) -> bool {
        self.function_name.is_some() && self.flags >> 12 & 3 == 2
    }

    /// Whether an eval's or a block's scope declares variables of its own.
    pub(crate) fn declares(&self, bit: u32) -> bool {
        self.flags >> bit & 1 == 1
    }
}
