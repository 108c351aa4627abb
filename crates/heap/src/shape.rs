//! What V8's debugging constants don't tell, per V8 version: offsets and sizes, each with the header that has it.

/// How a page says where its objects are. Numbers are words from the start.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PageHeader {
    /// Everything lies at the start of the page (`memory-chunk.h`, `basic-memory-chunk.h`).
    OnPage { size: usize, flags: usize, heap: usize, area_start: usize, area_end: usize, owner: usize },
    /// The page has flags and a pointer to its metadata (`memory-chunk-metadata.h`).
    Beside {
        flags: usize,
        metadata: usize,
        size: usize,
        heap: usize,
        area_start: usize,
        area_end: usize,
        owner: usize,
    },
}

/// Parts of ScopeInfo (`scope-info.tq`) that moved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScopeShape {
    /// Whether the flags are a raw 32-bit number instead of a Smi.
    pub(crate) raw_flags: bool,
    /// Whether the positions stand before the names.
    pub(crate) positions_first: bool,
    /// Whether a module's number of variables stands before the names.
    pub(crate) module_count_first: bool,
    /// ScopeType::MODULE_SCOPE.
    pub(crate) module_scope: u32,
}

/// Everything of one V8 version that no symbol tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) v8: &'static str,
    pub(crate) page: PageHeader,
    /// FreeSpace::size in words instead of bytes.
    pub(crate) free_space_words: bool,
    /// Bytes before the slots of a FeedbackVector (`feedback-vector.tq`).
    pub(crate) feedback_vector_header: u64,
    /// Whether FeedbackMetadata has two bytes for each closure it may create.
    pub(crate) closure_parameter_counts: bool,
    /// Bytes before the elements of an ObjectBoilerplateDescription and a ScriptContextTable.
    pub(crate) boilerplate_header: u64,
    /// WeakCell::target and ::unregister_token.
    pub(crate) weak_cell: (u64, u64),
    /// Which bits of a Symbol's flags say that it is private, and which value of them that it is a private name.
    pub(crate) private_symbol: (u32, u32),
    pub(crate) scope: ScopeShape,
    /// FunctionTemplateInfo::class_name.
    pub(crate) template_class_name: u64,
    /// Whether the constructor's own `name` property comes before the name in its code.
    pub(crate) constructor_own_name: bool,
    /// Whether objects of a template are named after it even with no constructor function.
    pub(crate) template_names_objects: bool,
    /// Whether JSReceiver::class_name looks into the function's template.
    pub(crate) class_name_from_template: bool,
    /// JSFunction::code, where it is no handle.
    pub(crate) function_code: Option<u64>,
    /// JSFunction::dispatch_handle.
    pub(crate) dispatch_handle: Option<u64>,
    /// SharedFunctionInfo::untrusted_function_data.
    pub(crate) untrusted_function_data: Option<u64>,
    /// JSArrayBufferView::buffer.
    pub(crate) view_buffer: u64,
    /// JSArrayBufferView::byte_offset.
    pub(crate) view_byte_offset: u64,
    /// DescriptorArray::enum_cache.
    pub(crate) enum_cache: u64,
    /// BytecodeArray::constant_pool, ::handler_table and ::source_position_table.
    pub(crate) bytecode_tables: (u64, u64, u64),
    /// Low bits of a step in a table of source positions that are flags; 0 where the step's sign is the flag
    /// (`source-position-table.cc`).
    pub(crate) position_flag_bits: u32,
    /// InstructionStream: bytes of the header, where the body's size is, alignment.
    pub(crate) instructions: Option<(u64, u64, u64)>,
    /// Script::id, between line_ends and eval_from_shared (`script.tq`).
    pub(crate) script_id: u64,
    /// Whether nothing is counted of objects of the read-only space, and of external strings their characters
    /// (`SizeForSnapshot`).
    pub(crate) size_for_snapshot: bool,
    /// Whether CodeWrapper and BytecodeWrapper are nodes of the type code.
    pub(crate) wrappers_are_code: bool,
    /// Whether oddballs are named by what they print as.
    pub(crate) oddballs_are_named: bool,
    /// The tag of a script's list of functions.
    pub(crate) script_infos_tag: &'static str,
    /// The name of a SharedFunctionInfo's reference to its code.
    pub(crate) shared_data_name: &'static str,
    /// JSGlobalObject::global_proxy.
    pub(crate) global_proxy: u64,
    /// JSGlobalProxy::native_context.
    pub(crate) proxy_context: Option<u64>,
    /// Whether the class of a global proxy without another name is `global`.
    pub(crate) proxy_is_global: bool,
    /// Bytes before the embedder's fields of an API object: from 13 on there is a pointer to its C++ object.
    pub(crate) api_object_header: u64,
    /// Whether the root's shortcuts lead to contexts instead of global objects.
    pub(crate) shortcut_to_context: bool,
}

const V8_11_3: Shape = Shape {
    v8: "11.3",
    page: PageHeader::OnPage { size: 0, flags: 1, heap: 2, area_start: 3, area_end: 4, owner: 8 },
    free_space_words: false,
    feedback_vector_header: 56,
    closure_parameter_counts: false,
    boilerplate_header: 16,
    weak_cell: (16, 24),
    private_symbol: (1, 16),
    scope: ScopeShape {
        raw_flags: false,
        positions_first: false,
        module_count_first: false,
        module_scope: 3,
    },
    template_class_name: 48,
    constructor_own_name: false,
    template_names_objects: false,
    class_name_from_template: true,
    function_code: Some(48),
    dispatch_handle: None,
    untrusted_function_data: None,
    view_buffer: 24,
    view_byte_offset: 32,
    enum_cache: 16,
    bytecode_tables: (16, 24, 32),
    position_flag_bits: 0,
    instructions: None,
    script_id: 64,
    size_for_snapshot: false,
    wrappers_are_code: false,
    oddballs_are_named: false,
    script_infos_tag: "(shared function infos)",
    shared_data_name: "function_data",
    global_proxy: 32,
    proxy_context: Some(24),
    proxy_is_global: true,
    api_object_header: 24,
    shortcut_to_context: false,
};

const V8_12_4: Shape = Shape {
    v8: "12.4",
    page: PageHeader::Beside {
        flags: 0,
        metadata: 1,
        size: 2,
        heap: 3,
        area_start: 4,
        area_end: 5,
        owner: 9,
    },
    feedback_vector_header: 56,
    boilerplate_header: 32,
    scope: ScopeShape { module_count_first: true, ..V8_11_3.scope },
    template_class_name: 40,
    class_name_from_template: false,
    function_code: Some(24),
    bytecode_tables: (40, 32, 24),
    instructions: Some((32, 24, 64)),
    global_proxy: 24,
    proxy_context: None,
    ..V8_11_3
};

const V8_13_6: Shape = Shape {
    v8: "13.6",
    page: PageHeader::Beside {
        flags: 0,
        metadata: 1,
        size: 6,
        heap: 8,
        area_start: 9,
        area_end: 7,
        owner: 10,
    },
    free_space_words: true,
    feedback_vector_header: 48,
    closure_parameter_counts: true,
    scope: ScopeShape { raw_flags: true, positions_first: true, module_count_first: true, module_scope: 5 },
    template_class_name: 56,
    template_names_objects: true,
    function_code: None,
    dispatch_handle: Some(24),
    untrusted_function_data: Some(16),
    view_buffer: 32,
    view_byte_offset: 48,
    size_for_snapshot: true,
    wrappers_are_code: true,
    oddballs_are_named: true,
    global_proxy: 32,
    api_object_header: 32,
    ..V8_12_4
};

const V8_14_6: Shape = Shape {
    v8: "14.6",
    weak_cell: (24, 32),
    private_symbol: (3, 2),
    constructor_own_name: true,
    enum_cache: 24,
    shortcut_to_context: true,
    position_flag_bits: 2,
    proxy_is_global: false,
    shared_data_name: "trusted_function_data",
    script_infos_tag: "(infos)",
    ..V8_13_6
};

const SHAPES: [Shape; 4] = [V8_11_3, V8_12_4, V8_13_6, V8_14_6];

pub(crate) fn shape_of(v8: &str) -> Option<Shape> {
    SHAPES.into_iter().find(|s| s.v8 == v8)
}
