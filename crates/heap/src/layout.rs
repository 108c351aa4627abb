//! Which V8 the memory is of: its constants and instance types, from the tables that `scripts/heap-layout.mjs` wrote.
//!
//! A table is keyed by a hash of all v8dbg constants of its binary. A binary whose constants have another hash is
//! refused, so every constant here is one that the process had.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::{Refusal, Result};
use crate::kind::{Kind, kind_of};
use crate::shape::{Shape, shape_of};

const TABLES: [&str; 4] = [
    include_str!("../layouts/v8-11.3.json"),
    include_str!("../layouts/v8-12.4.json"),
    include_str!("../layouts/v8-13.6.json"),
    include_str!("../layouts/v8-14.6.json"),
];

/// V8's instance types end below this.
pub(crate) const TYPES: usize = 4096;

/// The integers behind a binary's symbols `v8dbg_…`, by the rest of the name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Constants(BTreeMap<String, i64>);

impl Constants {
    pub fn new(constants: impl IntoIterator<Item = (String, i64)>) -> Constants {
        Constants(constants.into_iter().collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// FNV-1a, 64 bits, over `name=value` lines in the order of the names.
    pub fn key(&self) -> String {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for (name, value) in &self.0 {
            for byte in format!("{name}={value}\n").bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
            }
        }
        format!("{hash:016x}")
    }
}

#[derive(Deserialize)]
struct LayoutTable {
    v8: String,
    keys: Vec<String>,
    builds: BTreeMap<String, String>,
    types: BTreeMap<u16, String>,
    constants: BTreeMap<String, i64>,
}

/// A V8 version whose memory can be read.
pub struct Layout {
    pub(crate) shape: Shape,
    pub(crate) types: Types,
    pub(crate) offsets: Offsets,
    pub(crate) kinds: Vec<Kind>,
    names: Vec<String>,
    constants: BTreeMap<String, i64>,
}

fn tables() -> impl Iterator<Item = LayoutTable> {
    // The tables are part of the program; a test reads each.
    TABLES.iter().filter_map(|text| serde_json::from_str(text).ok())
}

fn supported() -> String {
    let mut nodes: Vec<String> = tables()
        .filter_map(|t| t.builds.values().next().and_then(|v| v.split('.').next().map(str::to_owned)))
        .collect();
    nodes.sort();
    nodes.join(", ")
}

impl Layout {
    /// The layout of a binary, by its constants.
    pub fn of_constants(constants: &Constants) -> Result<Layout> {
        if constants.is_empty() {
            return Err(Refusal::new(
                "the binary has no v8dbg symbols, so it is no Node, or one that was linked without them",
                "Give the binary that the process ran with --node PATH.",
            ));
        }
        let key = constants.key();
        match tables().find(|t| t.keys.contains(&key)) {
            Some(table) => Layout::of_table(table),
            None => Err(Refusal::new(
                format!(
                    "the layout of this V8 is not known (constants {key}); known are those of Node {}",
                    supported()
                ),
                "Take a snapshot in the process instead, or run scripts/heap-layout.mjs on that binary and build again.",
            )),
        }
    }

    /// The layout of an official build, by the build id of its binary, with the Node version.
    pub fn of_build(build_id: &str) -> Option<(Layout, String)> {
        let table = tables().find(|t| t.builds.contains_key(build_id))?;
        let version = table.builds.get(build_id)?.clone();
        Some((Layout::of_table(table).ok()?, version))
    }

    /// Every known layout: for memory whose binary is gone, of which the probes let one pass at most.
    pub fn all() -> Vec<Layout> {
        tables().filter_map(|table| Layout::of_table(table).ok()).collect()
    }

    /// V8's major.minor version.
    pub fn v8(&self) -> &str {
        self.shape.v8
    }

    fn of_table(table: LayoutTable) -> Result<Layout> {
        let shape = shape_of(&table.v8).ok_or_else(|| {
            Refusal::new(
                format!("V8 {} has a table but no shape", table.v8),
                "Add it to crates/heap/src/shape.rs.",
            )
        })?;
        let mut names = vec![String::new(); TYPES];
        for (number, name) in table.types {
            if let Some(slot) = names.get_mut(usize::from(number)) {
                *slot = name;
            }
        }
        let types = Types::new(&names, &table.constants);
        let offsets = Offsets::new(&table.constants, &shape);
        let kinds = names
            .iter()
            .enumerate()
            .map(|(number, name)| kind_of(name, number as u16, types.first_nonstring, &shape))
            .collect();
        Ok(Layout { shape, types, offsets, kinds, names, constants: table.constants })
    }

    /// V8's name of an instance type without `_TYPE`; empty for numbers that have none.
    pub(crate) fn type_name(&self, instance_type: u16) -> &str {
        self.names.get(usize::from(instance_type)).map_or("", String::as_str)
    }

    pub(crate) fn kind(&self, instance_type: u16) -> Kind {
        match self.kinds.get(usize::from(instance_type)) {
            Some(Kind::Unknown) | None if instance_type >= self.types.special_api_object => Kind::Fields,
            Some(kind) => *kind,
            None => Kind::Unknown,
        }
    }

    /// The frame type's name without `Frame`, of a marker on the stack.
    pub(crate) fn frame_type(&self, number: u64) -> Option<&str> {
        let (name, _) = self
            .constants
            .iter()
            .find(|(name, value)| name.starts_with("frametype_") && u64::try_from(**value) == Ok(number))?;
        Some(name.trim_start_matches("frametype_"))
    }

    pub(crate) fn constant(&self, name: &str) -> Option<i64> {
        self.constants.get(name).copied()
    }
}

macro_rules! types {
    ($($field:ident = $name:literal),* $(,)?) => {
        /// The numbers of the instance types that code asks for; `NONE` where this V8 has no such type.
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct Types {
            $(pub(crate) $field: u16,)*
            pub(crate) first_nonstring: u16,
            pub(crate) first_context: u16,
            pub(crate) last_context: u16,
            pub(crate) first_function: u16,
            pub(crate) last_function: u16,
            pub(crate) special_api_object: u16,
            pub(crate) first_receiver: u16,
        }

        impl Types {
            fn new(names: &[String], constants: &BTreeMap<String, i64>) -> Types {
                let number = |name: &str| names.iter().position(|n| n == name).map_or(NONE, |n| n as u16);
                let constant = |name: &str| constants.get(name).and_then(|&v| u16::try_from(v).ok());
                let function = number("JS_FUNCTION");
                Types {
                    $($field: number($name),)*
                    first_nonstring: constant("FirstNonstringType").unwrap_or(NONE),
                    first_context: constant("FirstContextType").unwrap_or(NONE),
                    last_context: constant("LastContextType").unwrap_or(0),
                    first_function: constant("FirstJSFunctionType").unwrap_or(function),
                    last_function: constant("LastJSFunctionType").unwrap_or_else(|| number("JS_CLASS_CONSTRUCTOR")),
                    special_api_object: constant("SpecialAPIObjectType").unwrap_or(NONE),
                    first_receiver: number("JS_PROXY").min(number("JS_GLOBAL_OBJECT")),
                }
            }
        }
    };
}

/// No instance type.
pub(crate) const NONE: u16 = u16::MAX;

types! {
    symbol = "SYMBOL", bigint = "BIG_INT_BASE", shared_function_info = "SHARED_FUNCTION_INFO", script = "SCRIPT",
    native_context = "NATIVE_CONTEXT", function_context = "FUNCTION_CONTEXT", script_context = "SCRIPT_CONTEXT",
    module_context = "MODULE_CONTEXT", eval_context = "EVAL_CONTEXT", block_context = "BLOCK_CONTEXT",
    heap_number = "HEAP_NUMBER", code = "CODE", instruction_stream = "INSTRUCTION_STREAM", map = "MAP",
    regexp = "JS_REG_EXP", bound_function = "JS_BOUND_FUNCTION", wrapped_function = "JS_WRAPPED_FUNCTION",
    proxy = "JS_PROXY", global_object = "JS_GLOBAL_OBJECT", global_proxy = "JS_GLOBAL_PROXY",
    scope_info = "SCOPE_INFO", function_template_info = "FUNCTION_TEMPLATE_INFO", oddball = "ODDBALL", hole = "HOLE",
    js_array = "JS_ARRAY", accessor_pair = "ACCESSOR_PAIR", property_cell = "PROPERTY_CELL",
    tuple2 = "TUPLE2", js_map = "JS_MAP", js_set = "JS_SET", weak_map = "JS_WEAK_MAP", weak_set = "JS_WEAK_SET",
    array_buffer = "JS_ARRAY_BUFFER", typed_array = "JS_TYPED_ARRAY", data_view = "JS_DATA_VIEW",
    rab_gsab_data_view = "JS_RAB_GSAB_DATA_VIEW",
    promise = "JS_PROMISE", generator = "JS_GENERATOR_OBJECT", async_function = "JS_ASYNC_FUNCTION_OBJECT",
    async_generator = "JS_ASYNC_GENERATOR_OBJECT", weak_ref = "JS_WEAK_REF", fixed_array = "FIXED_ARRAY",
    name_dictionary = "NAME_DICTIONARY", ephemeron_table = "EPHEMERON_HASH_TABLE",
    primitive_wrapper = "JS_PRIMITIVE_WRAPPER", transition_array = "TRANSITION_ARRAY",
    weak_fixed_array = "WEAK_FIXED_ARRAY", cell = "CELL",
    feedback_cell = "FEEDBACK_CELL", allocation_site = "ALLOCATION_SITE",
    array_boilerplate = "ARRAY_BOILERPLATE_DESCRIPTION", enum_cache = "ENUM_CACHE", prototype_info = "PROTOTYPE_INFO",
    weak_cell = "WEAK_CELL", free_space = "FREE_SPACE", filler = "FILLER",

}

/// Offsets of fields, in bytes from the object's start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offsets {
    pub(crate) instance_size: u64,
    pub(crate) inobject_start: u64,
    pub(crate) instance_type: u64,
    pub(crate) bit_field: u64,
    pub(crate) bit_field2: u64,
    pub(crate) bit_field3: u64,
    pub(crate) map_prototype: u64,
    pub(crate) map_constructor: u64,
    pub(crate) map_descriptors: u64,
    pub(crate) map_dependent_code: u64,
    pub(crate) map_transitions: u64,
    pub(crate) properties: u64,
    pub(crate) elements: u64,
    pub(crate) array_length: u64,
    pub(crate) function_shared: u64,
    pub(crate) function_context: u64,
    pub(crate) function_feedback: u64,
    pub(crate) function_prototype: u64,
    pub(crate) shared_data: u64,
    pub(crate) shared_name: u64,
    pub(crate) shared_outer: u64,
    pub(crate) shared_script: u64,
    pub(crate) script_source: u64,
    pub(crate) script_name: u64,
    pub(crate) script_line_ends: u64,
    pub(crate) regexp_source: u64,
    pub(crate) regexp_data_source: Option<u64>,
    pub(crate) buffer_length: u64,
    pub(crate) buffer_store: u64,
    pub(crate) descriptors_header: u64,
    pub(crate) bytecode_header: u64,
    pub(crate) oddball_kind: u64,
    pub(crate) scope_first_vars: u64,
    pub(crate) dictionary_elements: u8,
    pub(crate) fast_elements: u8,
    pub(crate) fast_holey_elements: u8,
    pub(crate) detail_index_mask: u64,
    pub(crate) detail_index_shift: u32,
    pub(crate) detail_location_mask: u64,
    pub(crate) detail_representation_mask: u64,
    pub(crate) detail_representation_shift: u32,
    pub(crate) dictionary_start: u64,
}

impl Offsets {
    /// Every name is one of the tables'; where a class's field is not exported, the other versions' place stands,
    /// which the headers confirm.
    fn new(constants: &BTreeMap<String, i64>, _shape: &Shape) -> Offsets {
        let named = |name: &str| constants.get(name).and_then(|&v| u64::try_from(v).ok());
        // The C++ type at the end of the symbol's name differs between versions.
        let field = |class: &str, field: &str| {
            let prefix = format!("class_{class}__{field}__");
            constants
                .iter()
                .find(|(name, _)| name.starts_with(&prefix))
                .and_then(|(_, &v)| u64::try_from(v).ok())
        };
        let shared_name = field("SharedFunctionInfo", "name_or_scope_info").unwrap_or(16);
        Offsets {
            instance_size: field("Map", "instance_size_in_words").unwrap_or(8),
            inobject_start: field("Map", "inobject_properties_start_or_constructor_function_index")
                .unwrap_or(9),
            instance_type: field("Map", "instance_type").unwrap_or(12),
            bit_field: field("Map", "bit_field").unwrap_or(14),
            bit_field2: field("Map", "bit_field2").unwrap_or(15),
            bit_field3: field("Map", "bit_field3").unwrap_or(16),
            map_prototype: field("Map", "prototype").unwrap_or(24),
            map_constructor: field("Map", "constructor_or_back_pointer").unwrap_or(32),
            map_descriptors: named("class_Map__instance_descriptors_offset").unwrap_or(40),
            map_dependent_code: field("Map", "dependent_code").unwrap_or(48),
            map_transitions: field("Map", "raw_transitions").unwrap_or(64),
            properties: field("JSReceiver", "raw_properties_or_hash").unwrap_or(8),
            elements: field("JSObject", "elements").unwrap_or(16),
            array_length: field("JSObject", "internal_fields").unwrap_or(24),
            function_shared: field("JSFunction", "shared").unwrap_or(32),
            function_context: field("JSFunction", "context").unwrap_or(40),
            function_feedback: field("JSFunction", "raw_feedback_cell").unwrap_or(48),
            function_prototype: field("JSFunction", "prototype_or_initial_map").unwrap_or(56),
            shared_data: field("SharedFunctionInfo", "function_data").unwrap_or(8),
            shared_name,
            shared_outer: shared_name + 8,
            shared_script: field("SharedFunctionInfo", "script_or_debug_info")
                .or_else(|| field("SharedFunctionInfo", "raw_script"))
                .unwrap_or(shared_name + 16),
            script_source: field("Script", "source").unwrap_or(8),
            script_name: field("Script", "name").unwrap_or(16),
            script_line_ends: field("Script", "line_ends").unwrap_or(56),
            regexp_source: field("JSRegExp", "source").unwrap_or(32),
            regexp_data_source: field("RegExpData", "source"),
            buffer_length: field("JSArrayBuffer", "byte_length").unwrap_or(32),
            buffer_store: field("JSArrayBuffer", "backing_store").unwrap_or(48),
            descriptors_header: field("DescriptorArray", "header_size").unwrap_or(24),
            bytecode_header: field("BytecodeArray", "data").unwrap_or(64),
            oddball_kind: field("Oddball", "kind").or_else(|| field("Oddball", "kind_offset")).unwrap_or(40),
            scope_first_vars: named("scopeinfo_idx_first_vars").unwrap_or(3),
            dictionary_elements: named("elements_dictionary_elements").unwrap_or(13) as u8,
            fast_elements: named("elements_fast_elements").unwrap_or(2) as u8,
            fast_holey_elements: named("elements_fast_holey_elements").unwrap_or(3) as u8,
            detail_index_mask: named("prop_index_mask").unwrap_or(0),
            detail_index_shift: named("prop_index_shift").unwrap_or(0) as u32,
            detail_location_mask: named("prop_location_mask").unwrap_or(0),
            detail_representation_mask: named("prop_representation_mask").unwrap_or(0),
            detail_representation_shift: named("prop_representation_shift").unwrap_or(0) as u32,
            dictionary_start: 3 + named("namedictionaryshape_prefix_size").unwrap_or(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_read_and_known_by_its_own_constants() {
        assert_eq!(tables().count(), TABLES.len());
        for table in tables() {
            let constants = Constants(table.constants.clone());
            assert!(table.keys.contains(&constants.key()), "V8 {}", table.v8);
            let layout = Layout::of_constants(&constants).unwrap();
            assert_eq!(layout.v8(), table.v8);
            for (build, version) in &table.builds {
                assert_eq!(&Layout::of_build(build).unwrap().1, version);
            }
        }
    }

    #[test]
    fn a_constant_that_differs_is_another_layout() {
        let table = tables().next().unwrap();
        let mut constants = table.constants.clone();
        *constants.values_mut().next().unwrap() += 1;
        let refusal = Layout::of_constants(&Constants(constants)).err().unwrap().to_string();
        assert!(refusal.contains("not known"), "{refusal}");
        let refusal = Layout::of_constants(&Constants::default()).err().unwrap().to_string();
        assert!(refusal.contains("--node PATH"), "{refusal}");
    }
}
