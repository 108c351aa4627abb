//! Paths in what is told. A path is bytes; JSON is text. So these types are the only paths that results and failures
//! may have: their text is made lossy here, once, and they can't fail to serialise. (serde's own `Serialize` for
//! paths is an error for one byte that is not UTF-8, and `json!` makes that a panic.)

use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

/// A path whose JSON is text: what is not UTF-8 becomes U+FFFD.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct LossyPath(PathBuf);

impl<P: Into<PathBuf>> From<P> for LossyPath {
    fn from(path: P) -> Self {
        LossyPath(path.into())
    }
}

impl Deref for LossyPath {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for LossyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl Serialize for LossyPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_string_lossy())
    }
}

/// The path of a finished file: `file`, and `fileBytes` in hexadecimal digits where `file` can't say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePath(pub PathBuf);

impl Serialize for FilePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("file", &self.0.to_string_lossy())?;
        if self.0.to_str().is_none() {
            let bytes = self.0.as_os_str().as_encoded_bytes();
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            map.serialize_entry("fileBytes", &digits)?;
        }
        map.end()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn a_byte_that_is_not_utf8_is_no_error() {
        let path = PathBuf::from(OsStr::from_bytes(b"/tmp/caf\xe9"));
        assert_eq!(serde_json::to_string(&LossyPath::from(path.clone())).unwrap(), "\"/tmp/caf\u{fffd}\"");
        let file = serde_json::to_value(FilePath(path.clone())).unwrap();
        assert_eq!(file["file"], "/tmp/caf\u{fffd}");
        assert_eq!(file["fileBytes"], "2f746d702f636166e9");
    }

    #[test]
    fn other_paths_are_said_once() {
        let file = serde_json::to_string(&FilePath("/tmp/größe".into())).unwrap();
        assert_eq!(file, "{\"file\":\"/tmp/größe\"}");
    }
}
