//! The file behind an optional compressor.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use stillheap_protocol::Compression;

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
