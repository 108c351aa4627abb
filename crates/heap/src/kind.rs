//! Kinds of bodies, by the name of the instance type.

use crate::shape::Shape;

/// How an object's body is laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub(crate) enum Kind {
    /// As many tagged words as its map says.
    Fields,
    OneByteString,
    TwoByteString,
    ConsString,
    SlicedString,
    ThinString,
    ExternalString,
    FixedArray,
    PropertyArray,
    WeakFixedArray,
    WeakArrayList,
    ArrayList,
    RegExpMatchInfo,
    /// A length and two or more words before the elements.
    WideHeaderArray,
    DescriptorArray,
    ByteArray,
    FixedDoubleArray,
    BytecodeArray,
    FeedbackVector,
    FeedbackMetadata,
    BigInt,
    PreparseData,
    Context,
    ScopeInfo,
    CoverageInfo,
    InstructionStream,
    FreeSpace,
    Filler,
    /// No references.
    Raw,
    EmbedderDataArray,
    Unknown,
}

pub(crate) fn kind_of(name: &str, number: u16, first_nonstring: u16, shape: &Shape) -> Kind {
    if name.is_empty() {
        return Kind::Unknown;
    }
    if number < first_nonstring {
        let one_byte = number & 8 != 0;
        return match number & 7 {
            0 if one_byte => Kind::OneByteString,
            0 => Kind::TwoByteString,
            1 => Kind::ConsString,
            2 => Kind::ExternalString,
            3 => Kind::SlicedString,
            5 => Kind::ThinString,
            _ => Kind::Unknown,
        };
    }
    match name {
        "FIXED_ARRAY"
        | "HASH_TABLE"
        | "EPHEMERON_HASH_TABLE"
        | "GLOBAL_DICTIONARY"
        | "NAME_DICTIONARY"
        | "NAME_TO_INDEX_HASH_TABLE"
        | "NUMBER_DICTIONARY"
        | "ORDERED_HASH_MAP"
        | "ORDERED_HASH_SET"
        | "ORDERED_NAME_DICTIONARY"
        | "REGISTERED_SYMBOL_TABLE"
        | "SIMPLE_NUMBER_DICTIONARY"
        | "SIMPLE_NAME_DICTIONARY"
        | "CLOSURE_FEEDBACK_CELL_ARRAY"
        | "TRUSTED_FIXED_ARRAY"
        | "PROTECTED_FIXED_ARRAY"
        | "EXTERNAL_POINTER_ARRAY" => Kind::FixedArray,
        "OBJECT_BOILERPLATE_DESCRIPTION" | "SCRIPT_CONTEXT_TABLE" => {
            if shape.boilerplate_header > 16 {
                Kind::WideHeaderArray
            } else {
                Kind::FixedArray
            }
        }
        "SLOPPY_ARGUMENTS_ELEMENTS" => Kind::WideHeaderArray,
        "ARRAY_LIST" => Kind::ArrayList,
        "REG_EXP_MATCH_INFO" => Kind::RegExpMatchInfo,
        "PROPERTY_ARRAY" => Kind::PropertyArray,
        "WEAK_FIXED_ARRAY"
        | "TRANSITION_ARRAY"
        | "TRUSTED_WEAK_FIXED_ARRAY"
        | "PROTECTED_WEAK_FIXED_ARRAY" => Kind::WeakFixedArray,
        "WEAK_ARRAY_LIST" => Kind::WeakArrayList,
        "DESCRIPTOR_ARRAY" | "STRONG_DESCRIPTOR_ARRAY" => Kind::DescriptorArray,
        "BYTE_ARRAY" | "TRUSTED_BYTE_ARRAY" => Kind::ByteArray,
        "FIXED_DOUBLE_ARRAY" => Kind::FixedDoubleArray,
        "BYTECODE_ARRAY" => Kind::BytecodeArray,
        "FEEDBACK_VECTOR" => Kind::FeedbackVector,
        "FEEDBACK_METADATA" => Kind::FeedbackMetadata,
        "BIG_INT_BASE" => Kind::BigInt,
        "PREPARSE_DATA" => Kind::PreparseData,
        "SCOPE_INFO" => Kind::ScopeInfo,
        "COVERAGE_INFO" => Kind::CoverageInfo,
        "INSTRUCTION_STREAM" => Kind::InstructionStream,
        "FREE_SPACE" => Kind::FreeSpace,
        "FILLER" => Kind::Filler,
        "HEAP_NUMBER" | "FOREIGN" => Kind::Raw,
        "EMBEDDER_DATA_ARRAY" => Kind::EmbedderDataArray,
        "DEBUG_CONTEXT" => Kind::Fields,
        _ if name.ends_with("_CONTEXT") => Kind::Context,
        _ => Kind::Fields,
    }
}
