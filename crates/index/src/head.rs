//! The first bytes of an index file.

use xxhash_rust::xxh3::xxh3_64;

pub(crate) const MAGIC: [u8; 16] = *b"stillheap index\n";
pub(crate) const HEAD: usize = 48;
/// Largest metadata that is accepted: a hundred bytes for each of ten million classes.
pub(crate) const MOST_FACTS: u64 = 1 << 30;

/// Whether bytes have their checksum. While fuzzing they all have: what is in a block of a forged file must be met
/// by the code behind this.
#[allow(unexpected_cfgs, reason = "cargo-fuzz sets it")]
pub(crate) fn is_intact(bytes: &[u8], checksum: u64) -> bool {
    cfg!(fuzzing) || xxh3_64(bytes) == checksum
}
