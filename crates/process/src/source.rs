//! The bytes of a file: mapped, unpacked first if it is packed.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use memmap2::Mmap;

use crate::error::{Error, Result};

const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const LZ4: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];

/// Opens a core, packed or not.
pub(crate) fn open(path: &Path) -> Result<Mmap> {
    let mut file = File::open(path).map_err(|e| Error::io("could not open", path, e))?;
    let mut magic = [0; 4];
    let has_magic = file.read_exact(&mut magic).is_ok();
    file.seek(SeekFrom::Start(0)).map_err(|e| Error::io("could not read", path, e))?;
    let file = match magic {
        ZSTD if has_magic => {
            let unpacked = zstd::stream::read::Decoder::new(file);
            unpack(unpacked.map_err(|e| Error::io("could not unpack", path, e))?, path)?
        }
        LZ4 if has_magic => unpack(lz4_flex::frame::FrameDecoder::new(file), path)?,
        _ => file,
    };
    map(&file).map_err(|e| Error::io("could not map", path, e))
}

/// The first four bytes of what a file holds, unpacked.
pub(crate) fn first_bytes(beginning: &[u8]) -> Option<[u8; 4]> {
    let magic: [u8; 4] = beginning.get(..4)?.try_into().ok()?;
    let mut first = [0; 4];
    match magic {
        ZSTD => zstd::stream::read::Decoder::new(beginning).ok()?.read_exact(&mut first).ok()?,
        LZ4 => lz4_flex::frame::FrameDecoder::new(beginning).read_exact(&mut first).ok()?,
        plain => first = plain,
    }
    Some(first)
}

/// Into a file that nobody else can open and that is gone with us. A packed core that ends too early is read as far
/// as it goes, like one that isn't packed.
fn unpack(mut packed: impl Read, path: &Path) -> Result<File> {
    let file =
        tempfile::tempfile().map_err(|e| Error::io("could not make a temporary file to unpack", path, e))?;
    let mut out = BufWriter::new(&file);
    let mut buffer = vec![0; 1 << 16];
    let mut written = 0u64;
    loop {
        let read = match packed.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(e) if written == 0 => return Err(Error::io("could not unpack", path, e)),
            Err(_) => break,
        };
        let part = buffer.get(..read).unwrap_or_default();
        out.write_all(part).map_err(|e| {
            let why =
                format!("{e}; set TMPDIR to a directory with room for the whole core, or unpack it yourself");
            Error::io("could not unpack", path, io::Error::new(e.kind(), why))
        })?;
        written += read as u64;
    }
    out.flush().map_err(|e| Error::io("could not unpack", path, e))?;
    drop(out);
    Ok(file)
}

#[allow(unsafe_code)]
pub(crate) fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map is only read, as bytes, and every value in it is checked as untrusted input. Bytes that change
    // meanwhile change what is read, never what is valid. What remains is that another process cuts the file while
    // it is mapped: then the kernel ends this process with SIGBUS, which is no worse than any other way to stop, and
    // a core file is not written to once it is there. Reading it whole instead would take as much memory as the
    // dead process had.
    unsafe { Mmap::map(file) }
}
