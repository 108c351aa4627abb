//! Where captures can't be forked.

use std::sync::Arc;

use stillheap_control::Phase;
use stillheap_protocol::{CaptureRequest, CaptureResult, Failure, PauseParts};

use crate::isolates::Target;

/// There are none.
pub enum CaptureHandle {}

impl CaptureHandle {
    pub fn cancel(&self) {
        match *self {}
    }

    pub fn progress(&self) -> (Phase, u64, u64) {
        match *self {}
    }

    pub fn pause(&self) -> Option<(f64, PauseParts)> {
        match *self {}
    }

    pub fn take_outcome(&self) -> Option<Result<CaptureResult, Failure>> {
        match *self {}
    }

    pub fn is_forked(&self) -> bool {
        match *self {}
    }

    pub fn has_outcome(&self) -> bool {
        match *self {}
    }

    pub fn put(&self, _outcome: Result<CaptureResult, Failure>) {
        match *self {}
    }
}

pub fn begin(
    _target: Arc<Target>,
    _request: CaptureRequest,
    _wake: fn(u64),
    _end: impl FnOnce(&Arc<Target>, &CaptureHandle, Result<CaptureResult, Failure>) + Send + 'static,
) -> Result<Arc<CaptureHandle>, Failure> {
    Err(Failure::own("ERR_STILLHEAP_UNSUPPORTED", reason()))
}

/// A capture that has ended, and what was to be called then.
pub type Ended<F> = (F, Result<CaptureResult, Failure>);

pub fn take_now<F>(_target: &Arc<Target>, _request: CaptureRequest, _hold: bool, ended: F) -> Option<Ended<F>>
where
    F: FnOnce(&Arc<Target>, Result<CaptureResult, Failure>) + Send + 'static,
{
    Some((ended, Err(Failure::own("ERR_STILLHEAP_UNSUPPORTED", reason()))))
}

pub fn is_child() -> bool {
    false
}

pub fn unsupported() -> Option<String> {
    Some(reason())
}

/// The children of a process that ends.
#[derive(Default)]
pub struct ChildrenAtExit {
    pub ended: usize,
    pub outliving: usize,
}

pub fn end_all() -> ChildrenAtExit {
    ChildrenAtExit::default()
}

pub fn waiting() -> usize {
    0
}

pub fn running() -> usize {
    0
}

fn reason() -> String {
    format!(
        "forked captures work on Linux with glibc on x64 and arm64, and this is {} {}{}",
        std::env::consts::OS,
        std::env::consts::ARCH,
        if cfg!(target_env = "musl") { " with musl" } else { "" }
    )
}
