//! The JavaScript stacks of a core.

use std::path::Path;

use serde::Serialize;
use stillheap_graph::Result;
use stillheap_heap::{FrameKind, Stack};

use crate::open::{CoreOptions, with_heap};

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FrameInfo {
    /// `interpreted`, `baseline`, `optimised` or `builtin`.
    pub kind: &'static str,
    /// Empty for a function without a name.
    pub function: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// Counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// Whether line and column are where the function stands, not where it begins.
    pub exact: bool,
    /// The class of `this`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receiver: Option<String>,
}

/// A thread's frames, the innermost first.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StackInfo {
    pub thread: u32,
    /// Whether it is the main thread.
    pub main: bool,
    pub isolate: usize,
    pub frames: Vec<FrameInfo>,
}

/// The stacks of all threads that were in JavaScript, or of one isolate's if the options name one.
///
/// # Errors
/// As of [`crate::read`].
pub fn stacks(path: &Path, options: &CoreOptions) -> Result<Vec<StackInfo>> {
    let (first, isolates) = of_isolate(path, options)?;
    let mut all = first;
    if options.isolate.is_none() {
        for isolate in 1..isolates {
            let options = CoreOptions { isolate: Some(isolate), ..options.clone() };
            all.extend(of_isolate(path, &options)?.0);
        }
    }
    Ok(all)
}

fn of_isolate(path: &Path, options: &CoreOptions) -> Result<(Vec<StackInfo>, usize)> {
    with_heap(path, options, |found| {
        let stacks = found.heap.stacks(&found.live);
        let stacks = stacks.into_iter().map(|stack| shown(stack, found.isolate)).collect();
        Ok((stacks, found.isolates.len()))
    })
}

/// A stack of an isolate, for people and programs.
pub fn shown(stack: Stack, isolate: usize) -> StackInfo {
    let frames = stack.frames.into_iter().map(|frame| FrameInfo {
        kind: match frame.kind {
            FrameKind::Interpreted => "interpreted",
            FrameKind::Baseline => "baseline",
            FrameKind::Optimised => "optimised",
            FrameKind::Builtin => "builtin",
        },
        function: frame.function,
        script: frame.script,
        line: frame.place.map(|(line, _)| line),
        column: frame.place.map(|(_, column)| column),
        exact: frame.exact,
        receiver: frame.receiver,
    });
    StackInfo { thread: stack.thread, main: stack.main, isolate, frames: frames.collect() }
}
