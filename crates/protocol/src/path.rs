//! Paths in what is told and asked. A path is bytes; JSON is text. So these types are the only paths that requests,
//! results and failures may have: their text is made lossy here, once, and they can't fail to serialise. (serde's
//! own `Serialize` for paths is an error for one byte that is not UTF-8, and `json!` makes that a panic.)

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

/// A path as JavaScript gives it: text, or a `Buffer`'s JSON where it is not UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "GivenForm")]
pub struct GivenPath(PathBuf);

#[derive(Deserialize)]
#[serde(untagged)]
enum GivenForm {
    Text(PathBuf),
    Buffer { data: Vec<u8> },
}

impl From<GivenForm> for GivenPath {
    fn from(given: GivenForm) -> Self {
        GivenPath(match given {
            GivenForm::Text(path) => path,
            GivenForm::Buffer { data } => of_bytes(data),
        })
    }
}

#[cfg(unix)]
fn of_bytes(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}

/// Elsewhere paths are Unicode.
#[cfg(not(unix))]
fn of_bytes(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

impl Deref for GivenPath {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

/// The bytes of a path in hexadecimal digits, where its text does not say them.
pub fn path_bytes(path: &Path) -> Option<String> {
    if path.to_str().is_some() {
        return None;
    }
    Some(path.as_os_str().as_encoded_bytes().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The path of a finished file: `file`, and `fileBytes` in hexadecimal digits where `file` can't say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePath(pub PathBuf);

impl Serialize for FilePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("file", &LossyPath(self.0.clone()))?;
        if let Some(digits) = path_bytes(&self.0) {
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
    fn a_buffer_is_a_path() {
        let json = r#"[{"type":"Buffer","data":[47,99,233]},"/caf\u00e9"]"#;
        let paths: Vec<GivenPath> = serde_json::from_str(json).unwrap();
        assert_eq!((&*paths[0], &*paths[1]), (Path::new(OsStr::from_bytes(b"/c\xe9")), Path::new("/café")));
    }

    #[test]
    fn other_paths_are_said_once() {
        let file = serde_json::to_string(&FilePath("/tmp/größe".into())).unwrap();
        assert_eq!(file, "{\"file\":\"/tmp/größe\"}");
    }
}
