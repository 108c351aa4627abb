//! What JavaScript asks for and what it gets back. The two travel as JSON, since the same text goes to the
//! promise, to the event, to the line on stderr and to the status page.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use stillheap_sink::{Compression, Failure, NameTemplate};

/// One capture's options; checked on the JavaScript side, which knows how to name what is wrong.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CaptureRequest {
    /// The file to write; else one is named after `name` in `dir`.
    pub file: Option<PathBuf>,
    pub dir: Option<PathBuf>,
    pub fallback_dir: Option<PathBuf>,
    pub name: Option<String>,
    pub compress: Compression,
    pub numeric_values: bool,
    pub internals: bool,
    pub keep_object_ids: bool,
    pub overwrite: bool,
    /// Write to an unlinked file whose descriptor is given back, instead of to a named one.
    pub spool: bool,
    pub trigger: Trigger,
    /// Said of signals only: no lines on stderr.
    pub quiet: bool,
}

impl CaptureRequest {
    pub fn name_template(&self) -> Result<NameTemplate, Failure> {
        match &self.name {
            None => Ok(NameTemplate::default()),
            Some(name) => NameTemplate::parse(name)
                .map_err(|error| Failure::own("ERR_INVALID_ARG_VALUE", error.to_string())),
        }
    }
}

/// Who wanted the capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    #[default]
    Call,
    Signal,
}

/// A capture that went well. index.d.ts has the public description of each field.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CaptureResult {
    pub file: Option<PathBuf>,
    pub bytes: u64,
    pub raw_bytes: u64,
    pub compress: Compression,
    pub pause_ms: f64,
    pub generate_ms: f64,
    pub serialize_ms: f64,
    pub duration_ms: f64,
    pub mode: &'static str,
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

/// Another directory than the first choice was used.
#[derive(Clone, Debug, Serialize)]
pub struct FallbackDir {
    /// The directory that could not be written to.
    pub wanted: PathBuf,
    /// What the system said.
    pub reason: String,
}

/// The JSON of an outcome: `{"result": …}` or `{"error": …}`.
pub fn outcome_json<T: Serialize>(outcome: &Result<T, Failure>) -> serde_json::Value {
    match outcome {
        Ok(result) => serde_json::json!({ "result": result }),
        Err(error) => serde_json::json!({ "error": error }),
    }
}
