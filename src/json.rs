//! What JavaScript and the addon say to each other.

use napi::{Error, Result};
use serde::{Deserialize, Serialize};
use stillheap_protocol::{Failure, outcome_json};

/// Reads what index.js has written.
pub fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T> {
    serde_json::from_str(json).map_err(|error| Error::from_reason(format!("stillheap: internal: {error}")))
}

/// `{"result": …}` or `{"error": …}`
pub fn to_json<T: Serialize>(outcome: std::result::Result<T, Failure>) -> String {
    outcome_json(&outcome).to_string()
}
