//! The references of each object, as V8's snapshot has them (`V8HeapExplorer::ExtractReferences`): first those that
//! have a meaning for the kind of object, then as hidden edges every reference that is left.

mod fields;

use std::rc::Rc;

use fields::Fields;
use foldhash::{HashMap, HashMapExt, HashSet};

use crate::heap::Heap;
use crate::kind::Kind;
use crate::mark::Marks;
use crate::memory::{is_strong, smi};
use crate::names::NameTable;
use crate::node::{EdgeKind, NodeKind};
use crate::object::{MapInfo, tagged_part};
use crate::properties::FieldSlot;

/// An edge's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    Index(u32),
    Made(u32),
    /// The text of a string of the heap.
    Text(u64),
}

/// Where edges go to.
pub(crate) trait Sink {
    /// `to` is a marked object.
    fn edge(&mut self, kind: EdgeKind, label: Label, to: u64);
    /// The object is named so if it has no name; only the first tag of an object counts.
    fn tag(&mut self, _object: u64, _tag: &'static str, _kind: Option<NodeKind>) {}
    /// Bytes outside the heap that the object owns.
    fn outside(&mut self, label: Label, address: u64, bytes: u64);
}

/// Objects that no snapshot shows references to: undefined, the empty arrays and their like.
pub(crate) struct Inessential {
    pub(crate) all: HashSet<u64>,
    pub(crate) holes: HashSet<u64>,
}

/// Walks objects; one for all of a heap, so that what is known of maps and names is kept.
pub(crate) struct Visitor<'h, 'm> {
    pub(crate) heap: &'h Heap<'m>,
    pub(crate) marks: &'h Marks,
    pub(crate) names: NameTable,
    inessential: Inessential,
    fields: HashMap<u64, Rc<Fields>>,
    numbers: Vec<u32>,
    keys: HashMap<u64, Label>,
    /// Words of the current object that an edge has been given for.
    seen: Vec<u64>,
}

impl<'h, 'm> Visitor<'h, 'm> {
    pub(crate) fn new(
        heap: &'h Heap<'m>,
        marks: &'h Marks,
        names: NameTable,
        inessential: Inessential,
    ) -> Self {
        Visitor {
            heap,
            marks,
            names,
            inessential,
            fields: HashMap::new(),
            numbers: Vec::new(),
            keys: HashMap::new(),
            seen: Vec::new(),
        }
    }

    /// All edges of a marked object.
    pub(crate) fn visit(&mut self, object: u64, sink: &mut impl Sink) {
        let heap = self.heap;
        let Some(&map) = heap.info(object) else { return };
        let size = heap.size(object, &map);
        self.seen.clear();
        self.seen.resize((size as usize / 8).div_ceil(64), 0);
        self.own_edges(object, &map, size, sink);
        self.internal("map", map.address + 1, None, sink);
        self.hidden_edges(object, &map, size, sink);
    }

    /// The marked object behind a word.
    #[inline(always)]
    fn target(&self, word: u64) -> Option<u64> {
        (word & 1 == 1 && self.marks.contains(&self.heap.space, word & !3)).then_some(word & !3)
    }

    #[inline(always)]
    fn is_essential(&self, word: u64) -> bool {
        word & 1 == 1 && !self.inessential.all.contains(&(word & !3))
    }

    fn is_hole(&self, word: u64) -> bool {
        self.inessential.holes.contains(&(word & !3))
    }

    fn see(&mut self, offset: Option<u64>) {
        if let Some(offset) = offset {
            let word = offset as usize / 8;
            if let Some(bits) = self.seen.get_mut(word / 64) {
                *bits |= 1 << (word % 64);
            }
        }
    }

    /// Numbers as names of internal edges.
    fn number(&mut self, index: usize) -> Label {
        while self.numbers.len() <= index {
            let name = self.numbers.len().to_string();
            self.numbers.push(self.names.id(&name));
        }
        Label::Made(self.numbers[index])
    }

    pub(crate) fn key_label(&mut self, key: u64) -> Label {
        if self.heap.is_string(key) && !self.is_indirect(key) {
            return Label::Text(key - 1);
        }
        if let Some(&label) = self.keys.get(&key) {
            return label;
        }
        let label = Label::Made(self.names.id(&self.heap.key(key)));
        self.keys.insert(key, label);
        label
    }

    /// Strings whose text is not in the table of strings under their own address.
    fn is_indirect(&self, string: u64) -> bool {
        self.target(string).is_none()
            || self
                .heap
                .info(string & !3)
                .is_none_or(|m| matches!(m.kind, Kind::ConsString | Kind::SlicedString))
    }

    fn edge(&mut self, kind: EdgeKind, label: Label, word: u64, offset: Option<u64>, sink: &mut impl Sink) {
        if let Some(to) = self.target(word) {
            sink.edge(kind, label, to);
            self.see(offset);
        }
    }

    /// An internal or weak edge, which inessential objects don't get.
    fn named(&mut self, kind: EdgeKind, name: &str, word: u64, offset: Option<u64>, sink: &mut impl Sink) {
        if self.is_essential(word) {
            let label = Label::Made(self.names.id(name));
            self.edge(kind, label, word, offset, sink);
        }
    }

    fn internal(&mut self, name: &str, word: u64, offset: Option<u64>, sink: &mut impl Sink) {
        self.named(EdgeKind::Internal, name, word, offset, sink);
    }

    /// The internal edge of a field.
    fn field(&mut self, object: u64, name: &str, offset: u64, sink: &mut impl Sink) {
        self.internal(name, self.heap.word(object + offset), Some(offset), sink);
    }

    fn tag(&mut self, word: u64, tag: &'static str, kind: Option<NodeKind>, sink: &mut impl Sink) {
        if self.is_essential(word)
            && let Some(object) = self.target(word)
        {
            sink.tag(object, tag, kind);
        }
    }

    fn tagged_field(
        &mut self,
        object: u64,
        name: &str,
        offset: u64,
        tag: &'static str,
        sink: &mut impl Sink,
    ) {
        self.tag(self.heap.word(object + offset), tag, None, sink);
        self.field(object, name, offset, sink);
    }

    fn hidden_edges(&mut self, object: u64, map: &MapInfo, size: u64, sink: &mut impl Sink) {
        let bytes = self.heap.space.rest_of_page(object);
        let range = tagged_part(map, size);
        let mut index = 0;
        for at in range.step_by(8) {
            let word = crate::memory::word_at(bytes, at);
            if word & 1 == 0 || self.seen.get(at / 512).is_some_and(|bits| bits >> (at / 8 % 64) & 1 == 1) {
                continue;
            }
            if self.is_essential(word)
                && let Some(to) = self.target(word)
            {
                if word & 3 == 3 {
                    let label = self.number(index);
                    sink.edge(EdgeKind::Weak, label, to);
                } else {
                    sink.edge(EdgeKind::Hidden, Label::Index(index as u32), to);
                }
                index += 1;
            }
        }
    }

    fn own_edges(&mut self, object: u64, map: &MapInfo, size: u64, sink: &mut impl Sink) {
        let heap = self.heap;
        let types = &heap.space.layout.types;
        let it = map.instance_type;
        if it < types.first_nonstring {
            match map.kind {
                Kind::ConsString => {
                    self.field(object, "first", 16, sink);
                    self.field(object, "second", 24, sink);
                }
                Kind::SlicedString => self.field(object, "parent", 16, sink),
                Kind::ThinString => self.field(object, "actual", 16, sink),
                _ => {}
            }
        } else if map.receiver && it != types.proxy {
            if it == types.global_proxy {
                self.global_proxy(object, map, sink);
            } else {
                self.receiver(object, map, size, sink);
            }
        } else {
            self.system_edges(object, map, size, sink);
        }
    }

    /// `ExtractJSGlobalProxyReferences`.
    fn global_proxy(&mut self, object: u64, map: &MapInfo, sink: &mut impl Sink) {
        let heap = self.heap;
        let layout = &heap.space.layout;
        if let Some(at) = layout.shape.proxy_context {
            self.field(object, "native_context", at, sink);
        } else if layout.shape.shortcut_to_context {
            // Through the map's map, which belongs to the context.
            let meta_map = heap.word(map.address);
            let context = heap.word((meta_map & !1) + layout.offsets.map_constructor);
            if heap.type_behind(context) == layout.types.native_context {
                let label = Label::Made(self.names.id("native_context"));
                self.edge(EdgeKind::Shortcut, label, context, None, sink);
                let label = Label::Made(self.names.id("global_object"));
                self.edge(EdgeKind::Shortcut, label, heap.word(context - 1 + 32), None, sink);
            }
        }
    }

    /// Fields that the embedder keeps in an object, by their number (`ExtractInternalReferences`).
    fn embedder_fields(&mut self, object: u64, map: &MapInfo, sink: &mut impl Sink) {
        let layout = &self.heap.space.layout;
        let is_api = map.instance_type >= layout.types.special_api_object
            && layout.type_name(map.instance_type).ends_with("API_OBJECT");
        if !is_api {
            return;
        }
        let header = layout.shape.api_object_header;
        for (number, at) in (header..8 * u64::from(map.inobject_start)).step_by(8).enumerate() {
            let word = self.heap.word(object + at);
            if self.is_essential(word) {
                let label = self.number(number);
                self.edge(EdgeKind::Internal, label, word, Some(at), sink);
            }
        }
    }

    fn receiver(&mut self, object: u64, map: &MapInfo, size: u64, sink: &mut impl Sink) {
        let heap = self.heap;
        let layout = &heap.space.layout;
        let (types, offsets) = (&layout.types, &layout.offsets);
        let it = map.instance_type;
        if it == types.array_buffer {
            let (store, length) =
                (heap.word(object + offsets.buffer_store), heap.word(object + offsets.buffer_length));
            if store != 0 {
                let label = Label::Made(self.names.id("backing_store"));
                sink.outside(label, store, length);
            }
            // V8 takes the other references of a buffer as hidden ones.
            return;
        } else if it == types.js_map || it == types.js_set || it == types.weak_map || it == types.weak_set {
            self.field(object, "table", 24, sink);
        } else if it == types.promise {
            self.field(object, "reactions_or_result", 24, sink);
        } else if it == types.generator || it == types.async_function || it == types.async_generator {
            self.field(object, "function", 24, sink);
            self.field(object, "context", 32, sink);
            self.field(object, "receiver", 40, sink);
            self.field(object, "parameters_and_registers", 72, sink);
        } else if it == types.weak_ref {
            self.named(EdgeKind::Weak, "target", heap.word(object + 24), Some(24), sink);
        }
        self.properties(object, map, sink);
        self.elements(object, map, sink);
        let prototype = Label::Made(self.names.id("__proto__"));
        self.edge(EdgeKind::Property, prototype, heap.word(map.address + offsets.map_prototype), None, sink);
        if it == types.bound_function {
            self.bound_function(object, sink);
        } else if (types.first_function..=types.last_function).contains(&it) {
            self.function(object, map, size, sink);
        } else if it == types.global_object {
            self.field(object, "global_proxy", layout.shape.global_proxy, sink);
        } else if it == types.typed_array || it == types.data_view || it == types.rab_gsab_data_view {
            self.field(object, "buffer", layout.shape.view_buffer, sink);
        }
        self.tagged_field(object, "properties", offsets.properties, "(object properties)", sink);
        self.tagged_field(object, "elements", offsets.elements, "(object elements)", sink);
        self.embedder_fields(object, map, sink);
    }

    fn properties(&mut self, object: u64, map: &MapInfo, sink: &mut impl Sink) {
        let heap = self.heap;
        if let Some(slow) = heap.slow_properties(object, map) {
            for property in slow {
                for (kind, label, value) in self.property_edges(&property) {
                    self.edge(kind, label, value, None, sink);
                }
            }
            return;
        }
        let fields = match self.fields.get(&map.address) {
            Some(fields) => fields.clone(),
            None => {
                let fields = Rc::new(self.fields_of(map));
                self.fields.insert(map.address, fields.clone());
                fields
            }
        };
        for &(place, kind, label) in &fields.fields {
            let offset = match place {
                FieldSlot::Inside(offset) => Some(offset),
                FieldSlot::Outside(_) => None,
            };
            self.edge(kind, label, heap.at_place(object, place), offset, sink);
        }
        for &(kind, label, value) in &fields.constants {
            self.edge(kind, label, value, None, sink);
        }
        for &(place, property) in &fields.accessors {
            let value = heap.at_place(object, place);
            for (kind, label, value) in
                self.property_edges(&crate::properties::Property { value, ..property })
            {
                self.edge(kind, label, value, None, sink);
            }
        }
    }

    fn elements(&mut self, object: u64, map: &MapInfo, sink: &mut impl Sink) {
        let heap = self.heap;
        let offsets = &heap.space.layout.offsets;
        let word = heap.word(object + offsets.elements);
        let kind = map.elements_kind();
        if !is_strong(word) {
            return;
        }
        let elements = word - 1;
        if kind == offsets.fast_elements || kind == offsets.fast_holey_elements {
            if heap.info(elements).is_none_or(|m| m.kind != Kind::FixedArray) {
                return;
            }
            let capacity = heap.array_length(elements);
            let length = if map.instance_type == heap.space.layout.types.js_array {
                u64::try_from(smi(heap.word(object + offsets.array_length))).unwrap_or(0).min(capacity)
            } else {
                capacity
            };
            let bytes = heap.space.rest_of_page(elements).get(16..).unwrap_or_default();
            for (index, word) in bytes.chunks_exact(8).take(length as usize).enumerate() {
                let word = crate::memory::word_at(word, 0);
                if word & 1 == 1 && !self.is_hole(word) {
                    self.edge(EdgeKind::Element, Label::Index(index as u32), word, None, sink);
                }
            }
        } else if kind == offsets.dictionary_elements {
            for (index, value) in heap.number_dictionary(elements) {
                self.edge(EdgeKind::Element, Label::Index(index), value, None, sink);
            }
        }
    }

    fn bound_function(&mut self, object: u64, sink: &mut impl Sink) {
        let heap = self.heap;
        self.tagged_field(object, "bindings", 40, "(bound arguments)", sink);
        self.field(object, "bound_this", 32, sink);
        self.field(object, "bound_function", 24, sink);
        let bindings = heap.word(object + 40);
        if is_strong(bindings) {
            for index in 0..heap.array_length(bindings - 1) {
                let label = Label::Made(self.names.id(&format!("bound_argument_{index}")));
                self.edge(EdgeKind::Shortcut, label, heap.word(bindings - 1 + 16 + 8 * index), None, sink);
            }
        }
    }

    fn function(&mut self, object: u64, map: &MapInfo, size: u64, sink: &mut impl Sink) {
        let heap = self.heap;
        let layout = &heap.space.layout;
        let offsets = &layout.offsets;
        let slot = offsets.function_prototype;
        if map.has_prototype_slot() && slot + 8 <= size {
            let word = heap.word(object + slot);
            if is_strong(word) && !self.is_hole(word) {
                let label = Label::Made(self.names.id("prototype"));
                if heap.type_behind(word) == layout.types.map {
                    let prototype = heap.word(word - 1 + offsets.map_prototype);
                    self.edge(EdgeKind::Property, label, prototype, None, sink);
                    self.internal("initial_map", word, Some(slot), sink);
                } else {
                    self.edge(EdgeKind::Property, label, word, Some(slot), sink);
                }
            }
        }
        self.tagged_field(
            object,
            "feedback_cell",
            offsets.function_feedback,
            "(function feedback cell)",
            sink,
        );
        self.tagged_field(object, "shared", offsets.function_shared, "(shared function info)", sink);
        self.tagged_field(object, "context", offsets.function_context, "(context)", sink);
        if let Some(at) = layout.shape.function_code {
            self.field(object, "code", at, sink);
        } else if let (Some(at), Some(table)) = (layout.shape.dispatch_handle, self.marks.dispatch)
            && let Some(code) = table.known_code(&heap.space, &heap.maps, heap.half(object + at))
        {
            self.internal("code", code, None, sink);
        }
    }

    fn system_edges(&mut self, object: u64, map: &MapInfo, size: u64, sink: &mut impl Sink) {
        let heap = self.heap;
        let layout = &heap.space.layout;
        let (types, offsets) = (&layout.types, &layout.offsets);
        let it = map.instance_type;
        let word = |at: u64| heap.word(object + at);
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
                self.mixed(object, layout.offsets.descriptors_header, size, sink);
            }
            Kind::WeakFixedArray if map.instance_type == types.weak_fixed_array => {
                self.mixed(object, 16, size, sink)
            }
            Kind::WeakArrayList => self.mixed(object, 24, size, sink),
            // V8 takes the elements of other arrays of this shape as hidden references.
            Kind::FixedArray if self.has_numbered_elements(map) => self.mixed(object, 16, size, sink),
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
    fn mixed(&mut self, object: u64, from: u64, size: u64, sink: &mut impl Sink) {
        let bytes = self.heap.space.rest_of_page(object);
        for (index, at) in (from..size).step_by(8).enumerate() {
            let word = crate::memory::word_at(bytes, at as usize);
            // A weak reference that was cleared has no address in it.
            if word & 1 == 0 || word >> 32 == 0 || !self.is_essential(word) || self.target(word).is_none() {
                continue;
            }
            let kind = if word & 3 == 3 { EdgeKind::Weak } else { EdgeKind::Internal };
            let label = self.number(index);
            self.edge(kind, label, word, Some(at), sink);
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

    fn context(&mut self, object: u64, map: &MapInfo, sink: &mut impl Sink) {
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
