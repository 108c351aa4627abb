//! What a node is called, and of which type it is: as V8's snapshot has it (`heap-snapshot-generator.cc`,
//! `V8HeapExplorer::AddEntry`, and `JSReceiver::GetConstructorName`).

use foldhash::{HashMap, HashMapExt};

use crate::builtins::BuiltinNames;
use crate::heap::Heap;
use crate::kind::Kind;
use crate::layout::NONE;
use crate::memory::is_strong;
use crate::node::NodeKind;
use crate::object::MapInfo;

/// Names made by the reader, each once.
pub(crate) struct NameTable {
    by_text: HashMap<String, u32>,
    all: Vec<String>,
    /// Names that the program's text has, by where they are in it, and their ids.
    fixed: Box<[(usize, usize, u32)]>,
}

/// Places in [`NameTable::fixed`].
const FIXED: usize = 1 << 9;

impl NameTable {
    pub(crate) fn new() -> NameTable {
        let mut names =
            NameTable { by_text: HashMap::new(), all: Vec::new(), fixed: vec![(0, 0, 0); FIXED].into() };
        names.id("");
        names
    }

    /// The same as [`NameTable::id`] of a text that never changes, so that its address stands for it.
    #[inline(always)]
    pub(crate) fn fixed(&mut self, text: &'static str) -> u32 {
        let at = text.as_ptr() as usize;
        let slot = (at ^ at >> 9) % FIXED;
        match self.fixed[slot] {
            (its, length, id) if its == at && length == text.len() => id,
            _ => {
                let id = self.id(text);
                self.fixed[slot] = (at, text.len(), id);
                id
            }
        }
    }

    pub(crate) fn id(&mut self, text: &str) -> u32 {
        if let Some(&id) = self.by_text.get(text) {
            return id;
        }
        let id = self.all.len() as u32;
        self.all.push(text.to_owned());
        self.by_text.insert(text.to_owned(), id);
        id
    }

    pub(crate) fn find(&self, text: &str) -> Option<u32> {
        self.by_text.get(text).copied()
    }

    pub(crate) fn all(&self) -> &[String] {
        &self.all
    }

    fn made(&mut self, text: &'static str) -> Name {
        Name::Made(self.fixed(text))
    }

    pub(crate) fn get(&self, id: u32) -> &str {
        self.all.get(id as usize).map_or("", String::as_str)
    }
}

/// A node's name: made by the reader, or the text of a string of the heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Made(u32),
    Text(u64),
}

/// Strings of the heap that names are looked up by, tagged; 0 where there is none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WellKnown {
    pub(crate) to_string_tag: u64,
    pub(crate) constructor: u64,
    pub(crate) name: u64,
}

/// Names nodes. Objects of one fast map have one class, so most are named once.
pub(crate) struct Namer {
    well_known: WellKnown,
    builtins: Option<BuiltinNames>,
    /// By the number of the map: the class's name and the constructor.
    classes: Vec<Option<(u32, u64)>>,
    plain: HashMap<u16, (NodeKind, u32)>,
}

/// Prototypes that are followed; more is a cycle.
const MOST_PROTOTYPES: usize = 100;

impl Namer {
    pub(crate) fn new(well_known: WellKnown) -> Namer {
        Namer { well_known, builtins: None, classes: Vec::new(), plain: HashMap::new() }
    }

    /// With names for the code of V8's builtins.
    pub(crate) fn with_builtins(self, builtins: Option<BuiltinNames>) -> Namer {
        Namer { builtins, ..self }
    }

    /// The builtin that a Code is of.
    pub(crate) fn builtin<'m>(&self, heap: &Heap<'m>, code: u64) -> Option<&'m str> {
        self.builtins?.name(heap, code)
    }

    /// Type and name of a marked object.
    pub(crate) fn classify(
        &mut self,
        heap: &Heap<'_>,
        names: &mut NameTable,
        object: u64,
        map: &MapInfo,
    ) -> (NodeKind, Name) {
        let types = &heap.space.layout.types;
        let it = map.instance_type;
        if it < types.first_nonstring {
            return match map.kind {
                Kind::ConsString => (NodeKind::ConcatenatedString, names.made("(concatenated string)")),
                Kind::SlicedString => (NodeKind::SlicedString, names.made("(sliced string)")),
                _ => (NodeKind::String, Name::Text(object)),
            };
        }
        if map.receiver && it != types.proxy {
            return self.receiver(heap, names, object, map);
        }
        if it == types.symbol {
            return if heap.is_private_symbol(object) {
                (NodeKind::Hidden, names.made("private symbol"))
            } else {
                (NodeKind::Symbol, names.made("symbol"))
            };
        }
        if it == types.bigint {
            return (NodeKind::BigInt, names.made("bigint"));
        }
        if it == types.code
            && let Some(name) = self.builtin(heap, object)
        {
            return (NodeKind::Code, Name::Made(names.id(&format!("({name} builtin code)"))));
        }
        if it == types.code || it == types.instruction_stream {
            return (NodeKind::Code, Name::Made(0));
        }
        if it == types.shared_function_info {
            return (NodeKind::Code, text_or_empty(heap, heap.shared_name(object)));
        }
        if it == types.script {
            let name = heap.word(object + heap.space.layout.offsets.script_name);
            return (NodeKind::Code, text_or_empty(heap, if heap.is_string(name) { name } else { 0 }));
        }
        if it == types.native_context {
            return (NodeKind::Hidden, names.made("system / NativeContext"));
        }
        if (types.first_context..=types.last_context).contains(&it) {
            return (NodeKind::Object, names.made("system / Context"));
        }
        if it == types.heap_number {
            return (NodeKind::Number, names.made("heap number"));
        }
        if it == types.map {
            return map_node(heap, names, object);
        }
        if it == types.oddball && heap.space.layout.shape.oddballs_are_named {
            let text = heap.word(object + 16);
            return (NodeKind::Hidden, text_or_empty(heap, if heap.is_string(text) { text } else { 0 }));
        }
        if let Some(&(kind, name)) = self.plain.get(&it) {
            return (kind, Name::Made(name));
        }
        let (kind, name) = system(heap, map);
        let name = names.id(&name);
        self.plain.insert(it, (kind, name));
        (kind, Name::Made(name))
    }

    fn receiver(
        &mut self,
        heap: &Heap<'_>,
        names: &mut NameTable,
        object: u64,
        map: &MapInfo,
    ) -> (NodeKind, Name) {
        let layout = &heap.space.layout;
        let (types, it) = (&layout.types, map.instance_type);
        if (types.first_function..=types.last_function).contains(&it) {
            return (NodeKind::Closure, text_or_empty(heap, heap.shared_name(heap.shared_of(object))));
        }
        if it == types.bound_function {
            return (NodeKind::Closure, names.made("native_bind"));
        }
        if it == types.regexp {
            let source = match layout.offsets.regexp_data_source {
                Some(at) => {
                    let data = heap.word(object + 24);
                    if is_strong(data) { heap.word(data - 1 + at) } else { 0 }
                }
                None => heap.word(object + layout.offsets.regexp_source),
            };
            return (NodeKind::RegExp, text_or_empty(heap, if heap.is_string(source) { source } else { 0 }));
        }
        (NodeKind::Object, Name::Made(self.class(heap, names, object, map).0))
    }

    /// The name of an object's class, and its constructor; 0 if no function is known to be it.
    pub(crate) fn class(
        &mut self,
        heap: &Heap<'_>,
        names: &mut NameTable,
        object: u64,
        map: &MapInfo,
    ) -> (u32, u64) {
        // Slow objects may differ from each other, and a wrapper's class is that of its value.
        let one_class =
            !map.is_dictionary() && map.instance_type != heap.space.layout.types.primitive_wrapper;
        let number = map.number as usize;
        if let (true, Some(&Some(class))) = (one_class, self.classes.get(number)) {
            return class;
        }
        let (mut name, constructor) = self.constructor(heap, object, map);
        let types = &heap.space.layout.types;
        if heap.space.layout.shape.shortcut_to_context {
            if map.instance_type == types.global_object {
                name.push_str(" (global*)");
            } else if map.instance_type == types.global_proxy {
                name.push_str(" (global)");
            }
        }
        let class = (names.id(&name), constructor);
        if one_class {
            if self.classes.len() <= number {
                self.classes.resize(heap.maps.count(), None);
            }
            self.classes[number] = Some(class);
        }
        class
    }

    /// JSReceiver::GetConstructorHelper and ::GetConstructorName.
    fn constructor(&self, heap: &Heap<'_>, object: u64, map: &MapInfo) -> (String, u64) {
        let layout = &heap.space.layout;
        let named = |name: &str| !name.is_empty() && name != "Object";
        if map.is_constructed_by_new_target() && !map.is_prototype() {
            let constructor = heap.map_constructor(map.address);
            if heap.is_function(constructor) {
                let own = if layout.shape.constructor_own_name {
                    heap.text_behind(heap.own(constructor - 1, self.well_known.name)).unwrap_or_default()
                } else {
                    String::new()
                };
                let name =
                    if own.is_empty() { heap.debug_name(heap.shared_of(constructor - 1)) } else { own };
                if named(&name) {
                    return (name, constructor - 1);
                }
            } else if layout.shape.template_names_objects
                && heap.type_behind(constructor) == layout.types.function_template_info
                && let Some(name) =
                    heap.text_behind(heap.word(constructor - 1 + layout.shape.template_class_name))
            {
                return (name, 0);
            }
        }
        let mut current = object;
        for _ in 0..MOST_PROTOTYPES {
            if heap.type_of(current) == layout.types.proxy {
                break;
            }
            if let Some(tag) = heap.text_behind(heap.own(current, self.well_known.to_string_tag)) {
                return (tag, 0);
            }
            if current != object {
                let constructor = heap.own(current, self.well_known.constructor);
                if heap.is_function(constructor) {
                    let name = heap.debug_name(heap.shared_of(constructor - 1));
                    if named(&name) {
                        return (name, constructor - 1);
                    }
                }
            }
            let prototype = heap.word((heap.word(current) & !1) + layout.offsets.map_prototype);
            if !heap.info(prototype & !1).is_some_and(|m| m.receiver) {
                break;
            }
            current = prototype - 1;
        }
        (heap.class_name(object, map), 0)
    }
}

fn map_node(heap: &Heap<'_>, names: &mut NameTable, object: u64) -> (NodeKind, Name) {
    let layout = &heap.space.layout;
    let of = heap.short(object + layout.offsets.instance_type);
    let name = if of < layout.types.first_nonstring {
        Name::Made(names.id(&format!("system / Map ({})", camel(layout.type_name(of)))))
    } else {
        names.made("system / Map")
    };
    let read_only = heap.space.page(object).is_some_and(|p| p.read_only);
    (if read_only { NodeKind::Hidden } else { NodeKind::ObjectShape }, name)
}

/// An empty name is one that a tag may replace.
fn text_or_empty(heap: &Heap<'_>, string: u64) -> Name {
    if string == 0 || heap.string_length(string - 1) == 0 { Name::Made(0) } else { Name::Text(string - 1) }
}

/// `FIXED_ARRAY` → `FixedArray`.
fn camel(name: &str) -> String {
    name.split('_')
        .map(|part| {
            if part == "JS" {
                return part.to_owned();
            }
            let mut letters = part.chars();
            letters.next().map_or(String::new(), |first| first.to_string() + &letters.as_str().to_lowercase())
        })
        .collect()
}

/// Objects of V8's own that no rule above names (`GetSystemEntryName`, `GetSystemEntryType`).
fn system(heap: &Heap<'_>, map: &MapInfo) -> (NodeKind, String) {
    let layout = &heap.space.layout;
    let name = layout.type_name(map.instance_type);
    let array = matches!(map.kind, Kind::FixedArray | Kind::FixedDoubleArray | Kind::ByteArray)
        && !name.starts_with("TRUSTED")
        && !name.starts_with("PROTECTED")
        && name != "EXTERNAL_POINTER_ARRAY"
        && !(layout.shape.boilerplate_header > 16 && name == "CLOSURE_FEEDBACK_CELL_ARRAY");
    let nameless = array || name == "TRUSTED_FIXED_ARRAY";
    let code = matches!(
        name,
        "ALLOCATION_SITE"
            | "ARRAY_BOILERPLATE_DESCRIPTION"
            | "BYTECODE_ARRAY"
            | "CLOSURE_FEEDBACK_CELL_ARRAY"
            | "CODE"
            | "FEEDBACK_CELL"
            | "FEEDBACK_METADATA"
            | "FEEDBACK_VECTOR"
            | "INSTRUCTION_STREAM"
            | "INTERPRETER_DATA"
            | "LOAD_HANDLER"
            | "OBJECT_BOILERPLATE_DESCRIPTION"
            | "PREPARSE_DATA"
            | "REG_EXP_BOILERPLATE_DESCRIPTION"
            | "SCOPE_INFO"
            | "STORE_HANDLER"
            | "TEMPLATE_OBJECT_DESCRIPTION"
    ) || name.starts_with("UNCOMPILED_DATA")
        || name.starts_with("TURBOFAN")
        || layout.shape.wrappers_are_code && matches!(name, "CODE_WRAPPER" | "BYTECODE_WRAPPER");
    let shape = name.ends_with("DESCRIPTOR_ARRAY")
        || matches!(name, "TRANSITION_ARRAY" | "PROTOTYPE_INFO" | "ENUM_CACHE");
    let kind = match () {
        () if code => NodeKind::Code,
        () if array => NodeKind::Array,
        () if shape => NodeKind::ObjectShape,
        () => NodeKind::Hidden,
    };
    (kind, if nameless { String::new() } else { format!("system / {}", camel(name)) })
}

/// Back pointers from map to map that are followed; more is a cycle.
const MOST_BACK_POINTERS: usize = 2000;

impl Heap<'_> {
    /// Map::GetConstructor: through the back pointers; a tagged word.
    pub(crate) fn map_constructor(&self, map: u64) -> u64 {
        let (types, at) = (&self.space.layout.types, self.space.layout.offsets.map_constructor);
        let mut constructor = self.word(map + at);
        for _ in 0..MOST_BACK_POINTERS {
            match self.type_behind(constructor) {
                NONE => return 0,
                found if found == types.map => constructor = self.word(constructor - 1 + at),
                found if found == types.tuple2 => constructor = self.word(constructor - 1 + 8),
                _ => return constructor,
            }
        }
        0
    }

    /// JSReceiver::class_name.
    fn class_name(&self, object: u64, map: &MapInfo) -> String {
        let layout = &self.space.layout;
        let types = &layout.types;
        let it = map.instance_type;
        let function = (types.first_function..=types.last_function).contains(&it)
            || it == types.bound_function
            || it == types.wrapped_function;
        let fixed = match layout.type_name(it) {
            _ if function => "Function",
            "JS_ARGUMENTS_OBJECT" => "Arguments",
            "JS_ARRAY" => "Array",
            "JS_ARRAY_BUFFER" => "ArrayBuffer",
            "JS_ARRAY_ITERATOR" => "Array Iterator",
            "JS_DATE" => "Date",
            "JS_ERROR" => "Error",
            "JS_GENERATOR_OBJECT" | "JS_ASYNC_FUNCTION_OBJECT" | "JS_ASYNC_GENERATOR_OBJECT" => "Generator",
            "JS_MAP" => "Map",
            "JS_MAP_KEY_ITERATOR" | "JS_MAP_KEY_VALUE_ITERATOR" | "JS_MAP_VALUE_ITERATOR" => "Map Iterator",
            "JS_REG_EXP" => "RegExp",
            "JS_SET" => "Set",
            "JS_SET_KEY_VALUE_ITERATOR" | "JS_SET_VALUE_ITERATOR" => "Set Iterator",
            "JS_WEAK_MAP" => "WeakMap",
            "JS_WEAK_SET" => "WeakSet",
            "JS_GLOBAL_PROXY" if layout.shape.proxy_is_global => "global",
            "JS_PRIMITIVE_WRAPPER" => match self.word(object + 24) {
                value if value & 1 == 0 => "Number",
                value if self.is_string(value) => "String",
                value => match self.type_behind(value) {
                    found if found == types.symbol => "Symbol",
                    found if found == types.bigint => "BigInt",
                    found if found == types.heap_number => "Number",
                    found if found == types.oddball => "Boolean",
                    _ => "Script",
                },
            },
            _ => "",
        };
        if !fixed.is_empty() {
            return fixed.to_owned();
        }
        if layout.shape.class_name_from_template {
            let constructor = self.map_constructor(map.address);
            let template = if self.is_function(constructor) {
                self.word(self.shared_of(constructor - 1) + layout.offsets.shared_data)
            } else {
                constructor
            };
            if self.type_behind(template) == types.function_template_info
                && let Some(name) =
                    self.text_behind(self.word(template - 1 + layout.shape.template_class_name))
            {
                return name;
            }
        }
        "Object".to_owned()
    }
}
