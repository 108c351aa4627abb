//! The verdict for somebody who has been woken up by it.

use std::fmt::Write;

use stillheap_verdict::{CauseKind, Confidence, Leaks, Owner, PathStep, SourceLocation, StandsOut, Suspect};

use super::{TextStyle, count, shorten, signed_size, size, visible};
use stillheap_questions::LeaksAnswer;

/// Classes named beside a suspect.
const CLASSES: usize = 4;
/// Steps before the growth that are always shown.
const NEAR: usize = 8;
/// Characters of a line, where the terminal's width isn't known.
const WIDTH: usize = 100;

/// What leaks.
pub fn leaks(answer: &LeaksAnswer, look: TextStyle) -> String {
    let mut out = String::new();
    for note in &answer.notes {
        let _ = writeln!(out, "{}", wrap(&visible(note), look, ""));
    }
    if !answer.notes.is_empty() {
        out.push('\n');
    }
    let several = !answer.others.is_empty();
    for (at, process) in answer.processes().enumerate() {
        if several {
            let whose = process.process.as_deref().unwrap_or("one process");
            let files = process.files.join(", ");
            let heading = format!("== {whose}: {files}");
            let space = if at > 0 { "\n" } else { "" };
            let _ = writeln!(out, "{space}{}\n", wrap(&look.bold(&visible(&heading)), look, ""));
        }
        out.push_str(&of_process(&process.leaks, look));
    }
    out
}

fn of_process(leaks: &Leaks, look: TextStyle) -> String {
    let mut out = format!("{}\n", wrap(&look.bold(&visible(&leaks.verdict)), look, ""));
    let heap: Vec<String> = leaks.heap.sizes.iter().map(|&bytes| size(bytes)).collect();
    let _ = writeln!(out, "\nHeap: {}{}", heap.join(" → "), per_step(leaks.heap.growth_per_step, heap.len()));
    let outside = match (&leaks.heap.outside_sizes, &leaks.heap.allocated_sizes) {
        (Some(sizes), _) => Some(("Native memory that no object owns", sizes)),
        (None, Some(sizes)) => Some(("Memory outside it, from malloc", sizes)),
        (None, None) => None,
    };
    if let Some((what, sizes)) = outside {
        let sizes: Vec<String> = sizes.iter().map(|&bytes| size(bytes)).collect();
        let _ = writeln!(out, "{what}: {}", sizes.join(" → "));
    }
    let many = leaks.suspects.len() > 1;
    for (number, suspect) in leaks.suspects.iter().enumerate() {
        out.push('\n');
        out.push_str(&one(suspect, many.then_some(number + 1), look, leaks.heap.sizes.len()));
    }
    out
}

fn per_step(growth: i64, snapshots: usize) -> String {
    if snapshots < 2 { String::new() } else { format!(" ({} per step)", signed_size(growth)) }
}

fn one(suspect: &Suspect, number: Option<usize>, look: TextStyle, snapshots: usize) -> String {
    let number = number.map_or_else(String::new, |number| format!("{number}. "));
    let class = suspect.class_name.as_deref().unwrap_or("Memory outside the JavaScript heap");
    let what = match (suspect.stands_out, suspect.confidence) {
        (Some(stands_out), Some(confidence)) => standing(stands_out, confidence),
        _ => kind(suspect.cause.kind).to_owned(),
    };
    let mut out = look.bold(&format!("{number}{} — {what}", visible(class)));
    out.push('\n');
    let share = suspect.share_of_growth * 100.0;
    let sizes: Vec<String> = suspect.retained_sizes.iter().map(|&bytes| size(bytes)).collect();
    if suspect.class_name.is_some() {
        let counts: Vec<String> = suspect.counts.iter().map(|&n| count(n)).collect();
        let _ = writeln!(out, "   Objects:  {}", counts.join(" → "));
    }
    let of_what = if snapshots < 2 { "of the heap" } else { "of all growth" };
    let _ = writeln!(
        out,
        "   Retained: {}{}, {share:.0} % {of_what}",
        sizes.join(" → "),
        per_step(suspect.growth_per_step, snapshots)
    );
    let others: Vec<String> = suspect
        .classes
        .iter()
        .filter(|other| other.class_name != class)
        .take(CLASSES)
        .map(|other| visible(&shorten(&other.class_name, 40)))
        .collect();
    if !others.is_empty() {
        let _ = writeln!(out, "   With it:  {}", others.join(", "));
    }
    if let Some(location) = &suspect.cause.location {
        let function = suspect.cause.function.as_deref().filter(|name| !name.is_empty());
        let function = function.map_or_else(String::new, |name| format!(", in {}", visible(name)));
        let _ = writeln!(out, "   Look at:  {}{function}", look.bold(&place(location)));
        if let Some(text) = &location.text {
            let _ = writeln!(out, "             {}", visible(text));
        }
    }
    for related in suspect.cause.related.iter().take(4) {
        let _ = writeln!(out, "             {}: {}", visible(&related.what), place(&related.location));
    }
    let _ = writeln!(out, "\n   What happens: {}", wrap(&visible(&suspect.explanation), look, "   "));
    let _ = writeln!(out, "   What to do:   {}", wrap(&visible(&suspect.advice), look, "   "));
    if !suspect.path.is_empty() {
        out.push_str("\n   What keeps it, from the root:\n");
        out.push_str(&path(&suspect.path, look));
    }
    out
}

/// The steps, those of libraries and the runtime folded.
fn path(steps: &[PathStep], look: TextStyle) -> String {
    let mut out = String::new();
    let foreign = |step: &PathStep| matches!(step.owner, Owner::Runtime | Owner::Library | Owner::Root);
    let grows = steps.iter().position(|step| step.grows).unwrap_or(steps.len());
    let mut at = 0;
    while at < steps.len() {
        let step = &steps[at];
        // Only on the way to the application: what grows is shown in full.
        let run = steps[at..grows.max(at)].iter().take_while(|s| foreign(s) && !s.decisive).count();
        let far = grows.saturating_sub(at + NEAR);
        let before = steps[at..].iter().take(far).take_while(|s| !s.decisive).count();
        if at > 0 && run.max(before) > 1 {
            let run = run.max(before);
            let through = if before < run { " through Node and libraries" } else { "" };
            let _ = writeln!(out, "     … {run} steps{through}");
            at += run;
            continue;
        }
        let mark = if step.grows { '+' } else { ' ' };
        let text = visible(&step.text);
        let line = if step.decisive { look.bold(&text) } else { text.clone() };
        let shown = step.location.as_ref().map_or_else(String::new, |l| format!("   {}", place(l)));
        let _ = writeln!(out, "   {mark} {line}{shown}");
        if step.decisive {
            let width = unicode_width::UnicodeWidthStr::width(text.as_str());
            let _ = writeln!(out, "     {}", "^".repeat(width.min(WIDTH)));
        }
        if step.repeats > 0 {
            let _ = writeln!(out, "     (from here on the pattern repeats, {} times at least)", step.repeats);
        }
        at += 1;
    }
    out
}

/// `/srv/app/server.js:35:9`.
fn place(location: &SourceLocation) -> String {
    let script = location.script.as_deref().unwrap_or("(unnamed script)");
    format!("{}:{}:{}", visible(script), location.line, location.column)
}

/// Of one snapshot, which can't show growth.
fn standing(stands_out: StandsOut, confidence: Confidence) -> String {
    let what = match stands_out {
        StandsOut::Large => "large",
        StandsOut::UnboundedLooking => "so many that nothing seems to bound them",
        StandsOut::Dead => "looks dead",
    };
    let confidence = match confidence {
        Confidence::Low => "low",
        Confidence::Medium => "medium",
        Confidence::High => "high",
    };
    format!("{what} (confidence: {confidence})")
}

fn kind(kind: CauseKind) -> &'static str {
    match kind {
        CauseKind::SharedContext => "kept by a closure that never reads it",
        CauseKind::Chain => "a chain in which each keeps the one before",
        CauseKind::Collection => "a collection that is never emptied",
        CauseKind::ModuleCache => "a module that is loaded again and again",
        CauseKind::WeakMap => "values of a WeakMap whose keys live on",
        CauseKind::Listeners => "listeners that are never removed",
        CauseKind::Timer => "timers that are never cleared",
        CauseKind::Promise => "promises that never settle",
        CauseKind::AsyncContext => "an asynchronous context that outlives its work",
        CauseKind::Global => "a global variable",
        CauseKind::DetachedTree => "trees that have been taken out and are still held",
        CauseKind::Inspector => "held by the inspector",
        CauseKind::NativeHandle => "handles that are never closed",
        CauseKind::ExternalMemory => "memory of Buffers",
        CauseKind::SlicedString => "slices that keep long strings",
        CauseKind::ConcatenatedString => "a string that becomes longer and longer",
        CauseKind::DuplicateStrings => "the same texts many times",
        CauseKind::OutsideHeap => "native memory",
        CauseKind::Growth => "it grows",
    }
}

/// Breaks a text into lines, those after the first indented.
fn wrap(text: &str, look: TextStyle, indent: &str) -> String {
    let most = look.width.unwrap_or(WIDTH).clamp(40, WIDTH) - indent.len();
    let mut out = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        let width = unicode_width::UnicodeWidthStr::width(word);
        if length > 0 && length + 1 + width > most {
            let _ = write!(out, "\n{indent}");
            length = 0;
        } else if length > 0 {
            out.push(' ');
            length += 1;
        }
        out.push_str(word);
        length += width;
    }
    out
}
