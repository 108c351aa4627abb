//! The references of JavaScript objects: properties, elements, and what an object's type adds.

use std::rc::Rc;

use super::{Label, Sink, Visitor};
use crate::kind::Kind;
use crate::memory::{is_strong, smi};
use crate::node::EdgeKind;
use crate::object::MapInfo;
use crate::properties::FieldSlot;

impl Visitor<'_, '_> {
    /// `ExtractJSGlobalProxyReferences`.
    pub(super) fn global_proxy(&mut self, object: u64, map: &MapInfo, sink: &mut impl Sink) {
        let heap = self.heap;
        let layout = &heap.space.layout;
        if let Some(at) = layout.shape.proxy_context {
            self.field(object, "native_context", at, sink);
        } else if layout.shape.shortcut_to_context {
            // Through the map's map, which belongs to the context.
            let meta_map = heap.word(map.address);
            let context = heap.word((meta_map & !1) + layout.offsets.map_constructor);
            if heap.type_behind(context) == layout.types.native_context {
                let label = Label::Made(self.names.fixed("native_context"));
                self.edge(EdgeKind::Shortcut, label, context, None, sink);
                let label = Label::Made(self.names.fixed("global_object"));
                self.edge(EdgeKind::Shortcut, label, heap.word(context - 1 + 32), None, sink);
            }
        }
    }

    /// Fields that the embedder keeps in an object, by their number (`ExtractInternalReferences`).
    fn embedder_fields(&mut self, object: u64, map: &MapInfo, sink: &mut impl Sink) {
        let Some(header) = self.heap.embedder_header(map) else { return };
        for (number, at) in (header..8 * u64::from(map.inobject_start)).step_by(8).enumerate() {
            let word = self.heap.word(object + at);
            if self.is_essential(word) {
                let label = self.number(number);
                self.edge(EdgeKind::Internal, label, word, Some(at), sink);
            }
        }
    }

    pub(super) fn receiver(&mut self, object: u64, map: &MapInfo, size: u64, sink: &mut impl Sink) {
        let heap = self.heap;
        let layout = &heap.space.layout;
        let (types, offsets) = (&layout.types, &layout.offsets);
        let it = map.instance_type;
        if it == types.array_buffer {
            let (store, length) =
                (heap.word(object + offsets.buffer_store), heap.word(object + offsets.buffer_length));
            if store != 0 {
                let label = Label::Made(self.names.fixed("backing_store"));
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
        let prototype = Label::Made(self.names.fixed("__proto__"));
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
        let number = map.number as usize;
        let fields = match self.fields.get(number) {
            Some(Some(fields)) => fields.clone(),
            _ => {
                let fields = Rc::new(self.fields_of(map));
                if self.fields.len() <= number {
                    self.fields.resize(heap.maps.count(), None);
                }
                self.fields[number] = Some(fields.clone());
                fields
            }
        };
        for &(place, kind, label) in &fields.fields {
            match place {
                FieldSlot::Inside(offset) => {
                    self.edge(kind, label, self.word_of(object, offset), Some(offset), sink);
                }
                FieldSlot::Outside(_) => {
                    self.edge(kind, label, heap.at_place(object, place), None, sink);
                }
            }
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
        let word = self.word_of(object, offsets.elements);
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
                let label = Label::Made(self.names.fixed("prototype"));
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
}
