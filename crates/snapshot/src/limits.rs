//! How much a reader may read and hold.

use stillheap_graph::{Error, ErrorKind, Result};

/// What ends the reading of a snapshot that is larger than anybody expects: a few megabytes of gzip can stand for
/// terabytes of text. Beyond a limit reading fails with [`ErrorKind::OverLimit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimits {
    /// Bytes of text, after decompression.
    pub bytes: u64,
    pub nodes: u64,
    pub edges: u64,
    /// Bytes of memory for what has been read. A graph takes about half as much as its text; what questions compute
    /// comes on top, about as much again.
    pub memory: u64,
}

impl Default for ReadLimits {
    /// 64 GiB of text and of memory, which is beyond any heap that V8 has written.
    fn default() -> ReadLimits {
        ReadLimits::of(64 << 30)
    }
}

impl ReadLimits {
    /// No limits but those of the format (2^32 nodes and edges).
    pub const NONE: ReadLimits =
        ReadLimits { bytes: u64::MAX, nodes: u64::MAX, edges: u64::MAX, memory: u64::MAX };

    /// At most this much text, and as much memory.
    pub fn of(bytes: u64) -> ReadLimits {
        ReadLimits { bytes, memory: bytes, ..ReadLimits::NONE }
    }

    pub(crate) fn check_text(&self, bytes: u64) -> Result<()> {
        if bytes <= self.bytes {
            return Ok(());
        }
        Err(over(format!("the snapshot has more than the {} bytes of text that may be read", self.bytes)))
    }

    pub(crate) fn check_graph(&self, nodes: usize, edges: usize, memory: usize) -> Result<()> {
        let exceeded = [
            (nodes, self.nodes, "nodes that may be read"),
            (edges, self.edges, "edges that may be read"),
            (memory, self.memory, "bytes of memory that it may take"),
        ];
        match exceeded.into_iter().find(|&(found, most, _)| found as u64 > most) {
            Some((_, most, what)) => Err(over(format!("the snapshot needs more than the {most} {what}"))),
            None => Ok(()),
        }
    }
}

fn over(message: String) -> Error {
    Error::new(ErrorKind::OverLimit, None, message)
}
