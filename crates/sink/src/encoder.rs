//! The file behind an optional compressor.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use serde::{Deserialize, Serialize};

/// How the file is compressed while it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Plain JSON, ready for DevTools.
    #[default]
    None,
    /// gzip, level 1: snapshots shrink about sixfold, and V8 isn't kept waiting.
    Gzip,
    /// zstd, level 3.
    Zstd,
}

impl Compression {
    /// The extension of a snapshot written this way, with its dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::None => ".heapsnapshot",
            Self::Gzip => ".heapsnapshot.gz",
            Self::Zstd => ".heapsnapshot.zst",
        }
    }
}

const GZIP_LEVEL: u32 = 1;
const ZSTD_LEVEL: i32 = 3;
/// One write call for several of the compressors' small outputs.
const OUTPUT_BUFFER: usize = 256 * 1024;

pub(crate) enum Encoder {
    Plain(File),
    Gzip(flate2::write::GzEncoder<BufWriter<File>>),
    Zstd(zstd::stream::write::Encoder<'static, BufWriter<File>>),
}

impl Encoder {
    pub(crate) fn new(file: File, compression: Compression) -> io::Result<Self> {
        let buffered = |file| BufWriter::with_capacity(OUTPUT_BUFFER, file);
        Ok(match compression {
            Compression::None => Self::Plain(file),
            Compression::Gzip => {
                let level = flate2::Compression::new(GZIP_LEVEL);
                Self::Gzip(flate2::write::GzEncoder::new(buffered(file), level))
            }
            Compression::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(buffered(file), ZSTD_LEVEL)?;
                encoder.include_checksum(true)?;
                Self::Zstd(encoder)
            }
        })
    }

    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.write_all(bytes),
            Self::Gzip(encoder) => encoder.write_all(bytes),
            Self::Zstd(encoder) => encoder.write_all(bytes),
        }
    }

    /// Writes what is still held back, and gives the file back.
    pub(crate) fn finish(self) -> io::Result<File> {
        let unbuffer =
            |buffered: BufWriter<File>| buffered.into_inner().map_err(io::IntoInnerError::into_error);
        match self {
            Self::Plain(file) => Ok(file),
            Self::Gzip(encoder) => unbuffer(encoder.finish()?),
            Self::Zstd(encoder) => unbuffer(encoder.finish()?),
        }
    }
}
