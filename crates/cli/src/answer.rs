//! Answers that draw themselves, and the drawing that several share.

use std::fmt::Write as _;

use stillheap_corefile::StackInfo;
use stillheap_render::visible;

/// An answer that draws itself for people.
pub trait TextAnswer {
    fn text(&self) -> String;
}

/// The stacks of threads, for people.
pub fn stack_text(stacks: &[StackInfo]) -> String {
    if stacks.is_empty() {
        return "No thread was running JavaScript.\n".to_owned();
    }
    let mut out = String::new();
    for (number, stack) in stacks.iter().enumerate() {
        let gap = if number == 0 { "" } else { "\n" };
        let which =
            if stack.main { "the main thread".to_owned() } else { format!("isolate {}", stack.isolate) };
        let _ = writeln!(out, "{gap}thread {} ({which})", stack.thread);
        for frame in &stack.frames {
            let function = if frame.function.is_empty() { "(anonymous)" } else { &frame.function };
            let receiver = frame.receiver.as_ref().map_or_else(String::new, |class| format!("{class}."));
            let place = match (&frame.script, frame.line, frame.column) {
                (Some(script), Some(line), Some(column)) => format!(" {script}:{line}:{column}"),
                (Some(script), ..) => format!(" {script}"),
                _ => String::new(),
            };
            let begins = if frame.exact || place.is_empty() { "" } else { ", where the function begins" };
            let _ = writeln!(
                out,
                "  {}{}",
                visible(&format!("{receiver}{function}{place}")),
                format_args!(" ({}{begins})", frame.kind)
            );
        }
    }
    out
}
