//! The references of objects that JavaScript does not see: maps, code, feedback, tables.

use super::{Sink, Visitor};
use crate::kind::Kind;
use crate::memory::is_strong;
use crate::node::{EdgeKind, NodeKind};
use crate::object::MapInfo;

impl Visitor<'_, '_> {
    pub(super) fn system_edges(&mut self, object: u64, map: &MapInfo, size: u64, sink: &mut impl Sink) {
        let heap = self.heap;
        let layout = &heap.space.layout;
        let (types, offsets) = (&layout.types, &layout.offsets);
        let it = map.instance_type;
        let bytes = self.bytes;
        let word = |at: u64| crate::memory::word_at(bytes, at as usize);
        if it == types.symbol {
            self.field(object, "name", 16, sink);
        } else if it == types.map {
            self.map(object, sink);
        } else if it == types.shared_function_info {
            self.tag(object + 1, "(shared function info)", None, sink);
            let name = word(offsets.shared_name);
            if heap.type_behind(name) == types.scope_info {
                self.tag(name, "(function scope info)", None, sink);
            }
            self.field(object, "name_or_scope_info", offsets.shared_name, sink);
            self.field(object, "script", offsets.shared_script, sink);
            self.field(object, layout.shape.shared_data_name, offsets.shared_data, sink);
            if let Some(at) = layout.shape.untrusted_function_data {
                self.field(object, "untrusted_function_data", at, sink);
            }
            self.field(object, "raw_outer_scope_info_or_feedback_metadata", offsets.shared_outer, sink);
        } else if it == types.script {
            self.field(object, "source", offsets.script_source, sink);
            self.field(object, "name", offsets.script_name, sink);
            self.field(object, "context_data", 40, sink);
            self.tag(word(offsets.script_line_ends), "(script line ends)", Some(NodeKind::Code), sink);
            self.field(object, "line_ends", offsets.script_line_ends, sink);
            self.tag(word(88), layout.shape.script_infos_tag, Some(NodeKind::Code), sink);
        } else if it == types.accessor_pair {
            self.field(object, "getter", 8, sink);
            self.field(object, "setter", 16, sink);
        } else if it == types.cell {
            self.field(object, "value", 8, sink);
        } else if it == types.feedback_cell {
            self.tag(object + 1, "(feedback cell)", None, sink);
            self.field(object, "value", 8, sink);
        } else if it == types.property_cell {
            self.field(object, "value", 24, sink);
            self.tag(word(32), "(dependent code)", Some(NodeKind::Code), sink);
            self.field(object, "dependent_code", 32, sink);
        } else if it == types.prototype_info {
            self.tag(word(24), "(prototype chain enum cache)", Some(NodeKind::ObjectShape), sink);
            self.tag(word(16), "(prototype users)", Some(NodeKind::ObjectShape), sink);
        } else if it == types.allocation_site {
            self.field(object, "transition_info", 8, sink);
            self.field(object, "nested_site", 16, sink);
            self.tag(word(24), "(dependent code)", Some(NodeKind::Code), sink);
            self.field(object, "dependent_code", 24, sink);
            self.see(Some(40));
        } else if it == types.array_boilerplate {
            self.field(object, "constant_elements", 16, sink);
            self.tag(word(16), "(constant elements)", Some(NodeKind::Code), sink);
        } else if it == types.enum_cache {
            self.tag(word(8), "(enum cache)", Some(NodeKind::ObjectShape), sink);
            self.tag(word(16), "(enum cache)", Some(NodeKind::ObjectShape), sink);
        } else if it == types.ephemeron_table {
            self.ephemerons(object, sink);
        } else if it == types.weak_cell {
            let (target, token) = layout.shape.weak_cell;
            self.named(EdgeKind::Weak, "target", word(target), Some(target), sink);
            self.named(EdgeKind::Weak, "unregister_token", word(token), Some(token), sink);
        } else {
            self.bodies(object, map, size, sink);
        }
    }

    fn bodies(&mut self, object: u64, map: &MapInfo, size: u64, sink: &mut impl Sink) {
        let heap = self.heap;
        let layout = &heap.space.layout;
        let types = &layout.types;
        match map.kind {
            Kind::Context => self.context(object, map, sink),
            Kind::ScopeInfo => {
                if let Some(table) = heap.names_table(object) {
                    self.tag(table, "(context local names)", Some(NodeKind::Code), sink);
                }
            }
            Kind::FeedbackVector => {
                for at in (layout.shape.feedback_vector_header..size).step_by(8) {
                    let word = heap.word(object + at);
                    let found = heap.type_behind(word);
                    if found == types.weak_fixed_array || found == types.fixed_array {
                        self.tag(word, "(feedback)", Some(NodeKind::Code), sink);
                    }
                }
            }
            Kind::DescriptorArray => {
                self.field(object, "enum_cache", layout.shape.enum_cache, sink);
                self.mixed(layout.offsets.descriptors_header, size, sink);
            }
            Kind::WeakFixedArray if map.instance_type == types.weak_fixed_array => self.mixed(16, size, sink),
            Kind::WeakArrayList => self.mixed(24, size, sink),
            // V8 takes the elements of other arrays of this shape as hidden references.
            Kind::FixedArray if self.has_numbered_elements(map) => self.mixed(16, size, sink),
            Kind::InstructionStream => self.code_tables(object, 32, sink),
            Kind::Fields if map.instance_type == types.code => self.code_tables(object, size, sink),
            Kind::BytecodeArray => {
                let (pool, handlers, positions) = layout.shape.bytecode_tables;
                self.constant_pool(heap.word(object + pool), 3, sink);
                for (at, tag) in [(handlers, "(handler table)"), (positions, "(source position table)")] {
                    self.tag(heap.word(object + at), tag, Some(NodeKind::Code), sink);
                }
            }
            _ => {}
        }
    }

    fn has_numbered_elements(&self, map: &MapInfo) -> bool {
        let layout = &self.heap.space.layout;
        let name = layout.type_name(map.instance_type);
        let hidden_cells = layout.shape.boilerplate_header > 16 && name == "CLOSURE_FEEDBACK_CELL_ARRAY";
        !hidden_cells && !name.starts_with("TRUSTED") && !name.starts_with("PROTECTED")
    }

    /// Tables that belong to machine code: of positions, of relocations.
    fn code_tables(&mut self, object: u64, end: u64, sink: &mut impl Sink) {
        for at in (8..end).step_by(8) {
            let word = self.heap.word(object + at);
            if self.heap.info(word & !1).is_some_and(|m| is_strong(word) && m.kind == Kind::ByteArray) {
                self.tag(word, "(code table)", Some(NodeKind::Code), sink);
            }
        }
    }

    /// `RecursivelyTagConstantPool`.
    fn constant_pool(&mut self, word: u64, depth: u32, sink: &mut impl Sink) {
        if depth == 0 || !is_strong(word) {
            return;
        }
        let heap = self.heap;
        match heap.space.layout.type_name(heap.type_behind(word)) {
            "FIXED_ARRAY" | "TRUSTED_FIXED_ARRAY" => {
                self.tag(word, "(constant pool)", Some(NodeKind::Code), sink);
                for n in 0..if depth > 1 { heap.array_length(word - 1) } else { 0 } {
                    self.constant_pool(heap.word(word - 1 + 16 + 8 * n), depth - 1, sink);
                }
            }
            "NAME_DICTIONARY" | "NUMBER_DICTIONARY" => {
                self.tag(word, "(constant pool)", Some(NodeKind::Code), sink);
            }
            _ => {}
        }
    }

    /// Elements that are strong or weak, by number.
    fn mixed(&mut self, from: u64, size: u64, sink: &mut impl Sink) {
        let bytes = self.bytes;
        for (index, at) in (from..size).step_by(8).enumerate() {
            let word = crate::memory::word_at(bytes, at as usize);
            // A weak reference that was cleared has no address in it.
            if word & 1 == 0 || word >> 32 == 0 || !self.is_essential(word) {
                continue;
            }
            if let Some(to) = self.target(word) {
                let kind = if word & 3 == 3 { EdgeKind::Weak } else { EdgeKind::Internal };
                let label = self.number(index);
                sink.edge(kind, label, to);
                self.see(Some(at));
            }
        }
    }

    fn map(&mut self, object: u64, sink: &mut impl Sink) {
        let heap = self.heap;
        let (types, offsets) = (&heap.space.layout.types, &heap.space.layout.offsets);
        let transitions = heap.word(object + offsets.map_transitions);
        let at = offsets.map_transitions;
        if transitions & 3 == 3 {
            self.named(EdgeKind::Weak, "transition", transitions, Some(at), sink);
        } else if is_strong(transitions) {
            let found = heap.type_behind(transitions);
            if found == types.transition_array {
                self.tagged_field(object, "transitions", at, "(transition array)", sink);
            } else if found == types.fixed_array {
                self.tagged_field(object, "transition", at, "(transition)", sink);
            } else if heap.half(object + offsets.bit_field3) >> 20 & 1 == 1 {
                self.tagged_field(object, "prototype_info", at, "prototype_info", sink);
            }
        }
        self.tagged_field(object, "descriptors", offsets.map_descriptors, "(map descriptors)", sink);
        self.field(object, "prototype", offsets.map_prototype, sink);
        let of = heap.short(object + offsets.instance_type);
        let constructor = heap.word(object + offsets.map_constructor);
        let at = offsets.map_constructor;
        if (types.first_context..=types.last_context).contains(&of) || of == types.map {
            self.tagged_field(object, "native_context", at, "(native context)", sink);
        } else if is_strong(constructor) {
            let found = heap.type_behind(constructor);
            if found == types.map {
                self.tagged_field(object, "back_pointer", at, "(back pointer)", sink);
            } else if found == types.function_template_info {
                let tag = "(constructor function data)";
                self.tagged_field(object, "constructor_function_data", at, tag, sink);
            } else {
                self.field(object, "constructor", at, sink);
            }
        }
        let dependent_code = heap.word(object + offsets.map_dependent_code);
        self.tag(dependent_code, "(dependent code)", Some(NodeKind::Code), sink);
        self.field(object, "dependent_code", offsets.map_dependent_code, sink);
        let cell = heap.word(object + offsets.map_dependent_code + 8);
        self.tag(cell, "(prototype validity cell)", Some(NodeKind::ObjectShape), sink);
    }

    fn ephemerons(&mut self, table: u64, sink: &mut impl Sink) {
        let heap = self.heap;
        for entry in (3..heap.array_length(table).saturating_sub(1)).step_by(2) {
            for (index, at) in [(entry, 16 + 8 * entry), (entry + 1, 24 + 8 * entry)] {
                let word = heap.word(table + at);
                if self.is_essential(word) {
                    let label = self.number(index as usize);
                    self.edge(EdgeKind::Weak, label, word, Some(at), sink);
                }
            }
        }
    }
}
