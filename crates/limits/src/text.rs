//! Texts of the system.

use std::io;
use std::path::Path;

/// Reads a text of `/proc` or of a control group; what is not UTF-8 in it becomes U+FFFD.
///
/// Such texts hold names that anybody chose: of commands (`process.title` cut in the middle of a character), mapped
/// files and control groups. One byte of a name must not lose everything else that the text says.
///
/// # Errors
/// The system's.
pub fn read_text(path: impl AsRef<Path>) -> io::Result<String> {
    std::fs::read(path).map(|bytes| match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}
