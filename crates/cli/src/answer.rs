//! Answers that draw themselves, and the drawing that several share.

use std::fmt::Write as _;

use stillheap_corefile::{HandleInfo, StackInfo, TimerInfo};
use stillheap_render::{TextStyle, Tone, count, visible};

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

/// Collections and kinds of timers that the text shows.
const SHOWN_COLLECTIONS: usize = 3;
const SHOWN_TIMERS: usize = 10;

fn timer_text(timer: &TimerInfo) -> String {
    let name = if timer.function.is_empty() { "(anonymous)" } else { &timer.function };
    let place = match (&timer.script, timer.line, timer.column) {
        (Some(script), Some(line), Some(column)) => format!(" {script}:{line}:{column}"),
        _ => String::new(),
    };
    let kind = if timer.repeats { "every" } else { "in" };
    format!("{} {name}{place} {kind} {} ms", count(timer.count), timer.milliseconds)
}

/// What V8 and Node tell of themselves: names and values for [`facts`].
pub fn told(
    collections: &[String],
    handles: &[HandleInfo],
    timers: &[TimerInfo],
) -> Vec<(&'static str, String)> {
    let last = collections.len().saturating_sub(SHOWN_COLLECTIONS);
    let mut lines: Vec<_> = collections[last..].iter().map(|one| ("collection", one.clone())).collect();
    if !handles.is_empty() {
        let all: Vec<String> = handles.iter().map(|h| format!("{} {}", count(h.count), h.class)).collect();
        lines.push(("handles", all.join(", ")));
    }
    lines.extend(timers.iter().take(SHOWN_TIMERS).map(|timer| ("timer", timer_text(timer))));
    if timers.len() > SHOWN_TIMERS {
        let more = timers.len() - SHOWN_TIMERS;
        lines.push(("", format!("and {more} more kinds of timers: --json has all")));
    }
    lines
}
