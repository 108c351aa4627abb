//! Objects by their map: what kind of body they have, how long they are, which part of it holds references.

use crate::kind::Kind;
use crate::layout::{Layout, NONE};
use crate::memory::{half_at, short_at, smi, word_at};

/// What an object's map says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MapInfo {
    /// Its place among the maps met ([`crate::heap::Maps`]): for tables by map.
    pub(crate) number: u32,
    pub(crate) address: u64,
    pub(crate) instance_type: u16,
    pub(crate) kind: Kind,
    /// Bytes of an instance; 0 if they vary.
    pub(crate) size: u64,
    pub(crate) inobject_start: u8,
    pub(crate) bit_field: u8,
    pub(crate) bit_field2: u8,
    pub(crate) bit_field3: u32,
    pub(crate) receiver: bool,
}

impl MapInfo {
    /// `map` is the bytes of the map at `address`.
    pub(crate) fn read(layout: &Layout, address: u64, map: &[u8]) -> MapInfo {
        let o = &layout.offsets;
        let byte = |offset: u64| map.get(offset as usize).copied().unwrap_or(0);
        let instance_type = short_at(map, o.instance_type as usize);
        MapInfo {
            number: 0,
            address,
            instance_type,
            kind: layout.kind(instance_type),
            size: u64::from(byte(o.instance_size)) * 8,
            inobject_start: byte(o.inobject_start),
            bit_field: byte(o.bit_field),
            bit_field2: byte(o.bit_field2),
            bit_field3: half_at(map, o.bit_field3 as usize),
            receiver: instance_type != NONE && instance_type >= layout.types.first_receiver,
        }
    }

    pub(crate) fn is_dictionary(&self) -> bool {
        self.bit_field3 >> 21 & 1 == 1
    }

    pub(crate) fn is_prototype(&self) -> bool {
        self.bit_field3 >> 20 & 1 == 1
    }

    pub(crate) fn own_descriptors(&self) -> u64 {
        u64::from(self.bit_field3 >> 10 & 0x3ff)
    }

    pub(crate) fn elements_kind(&self) -> u8 {
        self.bit_field2 >> 2
    }

    pub(crate) fn has_prototype_slot(&self) -> bool {
        self.bit_field >> 7 & 1 == 1
    }

    pub(crate) fn is_constructed_by_new_target(&self) -> bool {
        self.bit_field2 & 1 == 1
    }
}

/// The length in a word, none for what no length can be.
#[inline(always)]
fn length(bytes: &[u8], offset: usize) -> Option<u64> {
    u64::try_from(smi(word_at(bytes, offset))).ok()
}

fn aligned(size: u64) -> u64 {
    (size + 7) & !7
}

/// The bytes of an object of which `bytes` are the ones up to its page's end. None if no object is so long.
pub(crate) fn size_of(layout: &Layout, map: &MapInfo, bytes: &[u8]) -> Option<u64> {
    let (shape, types) = (&layout.shape, &layout.types);
    let half = |offset: usize| u64::from(half_at(bytes, offset));
    let size = match map.kind {
        Kind::FreeSpace => length(bytes, 8)? * if shape.free_space_words { 8 } else { 1 },
        _ if map.size != 0 => map.size,
        Kind::OneByteString => aligned(16 + half(12)),
        Kind::TwoByteString => aligned(16 + 2 * half(12)),
        Kind::FixedArray | Kind::WeakFixedArray | Kind::FixedDoubleArray | Kind::EmbedderDataArray => {
            16 + 8 * length(bytes, 8)?
        }
        Kind::Context => {
            16 + 8 * length(bytes, 8)? + if map.instance_type == types.native_context { 8 } else { 0 }
        }
        Kind::PropertyArray => 16 + 8 * (length(bytes, 8)? & 0x3ff),
        Kind::WeakArrayList | Kind::ArrayList => 24 + 8 * length(bytes, 8)?,
        Kind::RegExpMatchInfo => 40 + 8 * length(bytes, 8)?,
        Kind::WideHeaderArray => 32 + 8 * length(bytes, 8)?,
        Kind::DescriptorArray => layout.offsets.descriptors_header + 24 * u64::from(short_at(bytes, 8)),
        Kind::ByteArray => aligned(16 + length(bytes, 8)?),
        Kind::BytecodeArray => aligned(layout.offsets.bytecode_header + length(bytes, 8)?),
        Kind::FeedbackVector => shape.feedback_vector_header + 8 * half(8),
        Kind::FeedbackMetadata => {
            let closures = if shape.closure_parameter_counts { 2 * half(12) } else { 0 };
            aligned(16 + 4 * half(8).div_ceil(6) + closures)
        }
        Kind::BigInt => 16 + 8 * (word_at(bytes, 8) >> 1 & 0x3fff_ffff),
        Kind::PreparseData => aligned(16 + half(8)) + 8 * half(12),
        Kind::CoverageInfo => 16 + 16 * half(8),
        Kind::ScopeInfo => crate::scope::Scope::read(layout, bytes).size,
        Kind::InstructionStream => match shape.instructions {
            Some((header, at, alignment)) => (header + half(at as usize)).next_multiple_of(alignment),
            // In V8 11.3 the body's size is in the Code, which is not read: the header alone is counted.
            None => 32,
        },
        // In V8 14 the holes' maps give no size; what is behind a hole's map word is not mapped.
        Kind::Fields if map.instance_type == types.hole => 8,
        _ => return None,
    };
    (size >= 8 && size % 8 == 0 && size <= bytes.len() as u64).then_some(size)
}

/// The bytes of an object that hold tagged words, from its start.
pub(crate) fn tagged_part(map: &MapInfo, size: u64) -> std::ops::Range<usize> {
    let size = size as usize;
    match map.kind {
        Kind::OneByteString
        | Kind::TwoByteString
        | Kind::ExternalString
        | Kind::FixedDoubleArray
        | Kind::ByteArray
        | Kind::FeedbackMetadata
        | Kind::BigInt
        | Kind::FreeSpace
        | Kind::Filler
        | Kind::Raw
        | Kind::CoverageInfo
        | Kind::Unknown => 0..0,
        Kind::ConsString | Kind::SlicedString | Kind::ThinString => 16..size,
        Kind::BytecodeArray => 8..size.min(56),
        _ => 8..size,
    }
}
