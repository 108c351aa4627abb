//! Answers that draw themselves, and the drawing that several share.

use std::fmt::Write as _;

use stillheap_corefile::StackInfo;
use stillheap_render::{TextStyle, Tone, visible};

/// An answer that draws itself for people.
pub trait TextAnswer {
    fn text(&self, look: TextStyle) -> String;
}

/// Columns of the names of facts.
const NAMES: usize = 12;

/// Names and values; on a terminal, a long value goes on below its start.
pub fn facts<'n>(facts: impl IntoIterator<Item = (&'n str, String)>, look: TextStyle) -> String {
    let line = |(name, value): (&str, String)| {
        let name = look.tone(Tone::Dim, &format!("{name:<width$}", width = NAMES - 1));
        format!("{name} {}\n", fitted(look, &visible(&value), NAMES, NAMES))
    };
    facts.into_iter().map(line).collect()
}

/// Wrapped on a terminal; one line in a pipe.
pub fn fitted(look: TextStyle, text: &str, used: usize, indent: usize) -> String {
    if look.width.is_some() { look.wrap(text, used, indent) } else { text.to_owned() }
}

/// The stacks of threads, for people.
pub fn stack_text(stacks: &[StackInfo], look: TextStyle) -> String {
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
                (Some(script), Some(line), Some(column)) => look.place(script, line, column),
                (Some(script), ..) => look.path(script),
                _ => String::new(),
            };
            let begins = if frame.exact || place.is_empty() { "" } else { ", where the function begins" };
            let name = look.bold(&visible(&format!("{receiver}{function}")));
            let place = if place.is_empty() { place } else { format!(" {place}") };
            let line = format!("{name}{place} ({}{begins})", frame.kind);
            let _ = writeln!(out, "  {}", fitted(look, &line, 2, 6));
        }
    }
    out
}
