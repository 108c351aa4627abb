//! Where processes can't be attached to.

use std::path::PathBuf;

use serde::Serialize;
use stillheap_index::Indexed;
use stillheap_questions::Failure;
use stillheap_snapshot::ReadLimits;

use crate::answer::TextAnswer;
use crate::args::{CoreArgs, LeaksArgs, StackArgs};

fn unsupported(pid: u32) -> Failure {
    let message = format!(
        "there is no file {pid}, and only on Linux on x86-64 are running processes attached to; load stillheap into the process \
         (-r stillheap), or take a core file (docs/core-dumps.md)"
    );
    Failure::new("ERR_STILLHEAP_UNSUPPORTED", message)
}

/// No answer.
#[derive(Serialize)]
pub enum NoAnswer {}

impl TextAnswer for NoAnswer {
    fn text(&self, _look: stillheap_render::TextStyle) -> String {
        match *self {}
    }
}

pub struct Series {
    pub files: Vec<PathBuf>,
}

pub fn read(pid: u32, _args: &CoreArgs, _limits: ReadLimits) -> Result<Indexed, Failure> {
    Err(unsupported(pid))
}

pub fn series(pid: u32, _args: &LeaksArgs) -> Result<Series, Failure> {
    Err(unsupported(pid))
}

pub fn info(pid: u32, _args: &CoreArgs) -> Result<NoAnswer, Failure> {
    Err(unsupported(pid))
}

pub fn stack(pid: u32, _args: &StackArgs) -> Result<NoAnswer, Failure> {
    Err(unsupported(pid))
}

#[cfg(target_os = "linux")]
pub fn dump(args: &crate::args::DumpArgs) -> Result<(PathBuf, serde_json::Value), Failure> {
    Err(unsupported(args.pid))
}
