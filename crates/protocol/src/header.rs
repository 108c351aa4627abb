//! The object `stillheap` in a snapshot's header, beside `meta`: which process and id space it comes from, so that a
//! comparison knows whether ids may be matched. Readers skip fields that they don't know.

use serde::Serialize;

/// What is written there; docs/json-schema.md describes the fields.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    pub version: &'static str,
    pub pid: u32,
    pub thread_id: u32,
    /// The time of the process's first capture, like `time`: in containers every process is number 1.
    pub start_time: String,
    /// ISO 8601, UTC, with milliseconds.
    pub time: String,
    pub mode: &'static str,
    pub object_ids: &'static str,
    /// The id space.
    pub process_id: String,
    #[serde(flatten)]
    pub origin: Origin,
    #[serde(flatten)]
    pub usage: Usage,
}

/// Which program the process runs, and where; absent what is not known.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// The machine's or the container's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// `OTEL_SERVICE_NAME`, else npm's package name, else the name of the main script.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// `v22.23.3`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_version: Option<String>,
}

/// Bytes of this process; null what is not known.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Resident in memory.
    #[serde(rename = "residentBytes")]
    pub resident: Option<u64>,
    /// Given out by malloc: V8's heap is not among them, the memory of Buffers is.
    #[serde(rename = "allocatedBytes")]
    pub allocated: Option<u64>,
    /// Memory of Buffers, those that have not been collected yet included: V8's `external_memory`.
    #[serde(rename = "externalBytes")]
    pub external: Option<u64>,
    /// What V8 itself has from malloc, for compiling and the like: its `malloced_memory`.
    #[serde(rename = "mallocedBytes")]
    pub malloced: Option<u64>,
    /// The heap's size at which V8 ends the process: its `heap_size_limit`.
    #[serde(rename = "heapLimitBytes")]
    pub heap_limit: Option<u64>,
}

impl Header {
    /// The object's text.
    pub fn json(&self) -> String {
        // Strings and numbers: nothing here can fail to serialise.
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }
}
