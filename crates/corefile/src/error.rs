//! Refusals as the graph's error, which everything above knows.

use std::path::Path;

use stillheap_graph::{Error, ErrorKind};
use stillheap_heap::Refusal;

pub(crate) fn refused(path: &Path, refusal: &Refusal) -> Error {
    Error::new(ErrorKind::Refused, None, format!("{}: {refusal}", path.display()))
}

pub(crate) fn of_process(error: stillheap_process::Error) -> Error {
    Error::new(ErrorKind::Refused, None, error.to_string())
}
