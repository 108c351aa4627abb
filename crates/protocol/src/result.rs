//! What JavaScript gets back. It travels as JSON, since the same text goes to the promise, to the event, to the line
//! on stderr and to the status page.

use serde::Serialize;
use serde_json::Value;

use crate::{Compression, Failure, FilePath, LossyPath, Trigger};

/// A capture that went well. index.d.ts has the public description of each field.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CaptureResult {
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub file: Option<FilePath>,
    pub bytes: u64,
    pub raw_bytes: u64,
    pub compress: Compression,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub redacted: bool,
    pub pause_ms: f64,
    pub generate_ms: f64,
    pub serialize_ms: f64,
    pub duration_ms: f64,
    pub mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode_reason: Option<String>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub fork: Option<ForkFigures>,
    /// Why the working memory was not where it was asked to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scratch_reason: Option<&'static str>,
    pub engine: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_reason: Option<String>,
    pub object_ids: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_ids_reason: Option<&'static str>,
    pub node_count: Option<u64>,
    pub pid: u32,
    pub thread_id: u32,
    pub is_main_thread: bool,
    pub start_time: String,
    pub trigger: Trigger,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback_dir: Option<FallbackDir>,
    /// The descriptor of a spool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fd: Option<i32>,
}

/// What only a forked capture has to tell.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ForkFigures {
    /// How many children it took.
    pub attempts: u32,
    /// Why the earlier ones came to nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed_attempts: Vec<String>,
    /// What was done beforehand, on another thread.
    pub prepare_ms: f64,
    pub pause_parts: PauseParts,
    pub child_pid: i32,
    pub memory: ForkMemory,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thaw: Option<Thaw>,
    /// What native finalizers tried in the child and weren't let do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused_calls: Vec<RefusedCall>,
}

/// A system call that was refused to native code in a forked child.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RefusedCall {
    pub call: &'static str,
    pub times: u32,
}

/// Making the service's pages writable again after the child's end, on a thread of stillheap's own.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Thaw {
    pub ms: f64,
    /// Resident bytes of pages.
    pub bytes: u64,
}

/// The parts of the pause, of all attempts together.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PauseParts {
    /// Comparing the address space with what it was, and the memory that is left with what is needed.
    pub recheck_ms: f64,
    /// Taking V8's marks off.
    pub include_ms: f64,
    pub fork_ms: f64,
    /// Putting the marks back.
    pub restore_ms: f64,
}

/// Bytes.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ForkMemory {
    /// What the child was expected to need beside the parent.
    pub estimate: u64,
    /// What was left; null if nothing says so.
    pub room: Option<u64>,
    /// What the child took: its growth, and the whole heap for the pages that it or the parent wrote to.
    pub taken: u64,
    /// The most resident bytes of the child; most of them are the parent's, too.
    pub child_peak: u64,
    /// What its working memory took of the disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<u64>,
}

/// Another directory than the first choice was used.
#[derive(Clone, Debug, Serialize)]
pub struct FallbackDir {
    /// The directory that could not be written to.
    pub wanted: LossyPath,
    /// What the system said.
    pub reason: String,
}

/// The JSON of an outcome: `{"result": …}` or `{"error": …}`. Whatever the outcome has, this is no panic.
pub fn outcome_json<T: Serialize>(outcome: &Result<T, Failure>) -> Value {
    let (key, value) = match outcome {
        Ok(result) => ("result", serde_json::to_value(result)),
        Err(failure) => ("error", serde_json::to_value(failure)),
    };
    let (key, value) = match value {
        Ok(value) => (key, value),
        Err(error) => {
            let failure =
                Failure::own("ERR_STILLHEAP_INTERNAL", format!("the outcome can't be told: {error}"));
            ("error", serde_json::to_value(failure).unwrap_or_default())
        }
    };
    Value::Object([(key.to_owned(), value)].into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As serde has it for a path that is not UTF-8.
    struct NotSerializable;

    impl Serialize for NotSerializable {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no text"))
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_failure_tells_any_path() {
        use std::os::unix::ffi::OsStrExt;
        let path = std::path::Path::new(std::ffi::OsStr::from_bytes(b"/tmp/caf\xe9"));
        let failure = Failure::system(&std::io::Error::from_raw_os_error(28), "write", path);
        assert_eq!(outcome_json::<()>(&Err(failure))["error"]["path"], "/tmp/caf\u{fffd}");
    }

    #[test]
    fn an_outcome_that_cannot_be_told_is_an_error_and_no_panic() {
        let json = outcome_json(&Ok(NotSerializable));
        assert_eq!(json["error"]["code"], "ERR_STILLHEAP_INTERNAL");
        assert_eq!(json["error"]["message"], "the outcome can't be told: no text");
    }
}
