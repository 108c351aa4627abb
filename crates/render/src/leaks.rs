//! The verdict, for a reader who has been woken up by it.

use std::fmt::Write;

use stillheap_verdict::{
    CauseKind, Confidence, Leaks, Owner, PathStep, SourceLocation, StandsOut, Suspect, count, size,
};

use super::{TextStyle, Tone, shorten, signed_size, spark, visible, width_of};
use stillheap_questions::LeaksAnswer;

/// Classes named beside a suspect.
const CLASSES: usize = 4;
/// Steps before the growth that are always shown.
const NEAR: usize = 8;
/// Columns before a label's text.
const LABEL: usize = 17;

pub fn leaks(answer: &LeaksAnswer, look: TextStyle) -> String {
    let mut out = String::new();
    for note in &answer.notes {
        let _ = writeln!(out, "{}", look.wrap(&visible(note), 0, 0));
    }
    if !answer.notes.is_empty() {
        out.push('\n');
    }
    let several = !answer.others.is_empty();
    for (at, process) in answer.processes().enumerate() {
        if several {
            let whose = process.process.as_deref().unwrap_or("one process");
            let heading = look.wrap(&visible(&format!("== {whose}: {}", process.files.join(", "))), 0, 3);
            let space = if at > 0 { "\n" } else { "" };
            let _ = writeln!(out, "{space}{}\n", look.bold(&heading));
        }
        out.push_str(&of_process(&process.leaks, look));
    }
    out
}

fn of_process(leaks: &Leaks, look: TextStyle) -> String {
    let snapshots = leaks.heap.sizes.len();
    let tone = match (leaks.suspects.is_empty(), snapshots) {
        (true, 0 | 1) => Tone::Plain,
        (true, _) => Tone::Good,
        (false, 1) => Tone::Doubt,
        (false, _) => Tone::Bad,
    };
    let sentence = look.wrap(&visible(&leaks.verdict), 0, 0);
    let mut out = format!("{}\n\n", look.heading(tone, &sentence));
    let course = |sizes: &[u64]| {
        let texts: Vec<String> = sizes.iter().map(|&bytes| size(bytes)).collect();
        texts.join(" → ")
    };
    let heap = &leaks.heap;
    let mut text = course(&heap.sizes) + &per_snapshot(heap.growth_per_step, snapshots);
    text += &graph(&heap.sizes);
    out.push_str(&labelled("Heap", &text, 0, look));
    let outside = match (&heap.outside_sizes, &heap.allocated_sizes) {
        (Some(sizes), _) => Some(("Native memory not owned by JavaScript objects:", sizes)),
        (None, Some(sizes)) => Some(("Memory allocated with malloc, outside the JavaScript heap:", sizes)),
        (None, None) => None,
    };
    if let Some((what, sizes)) = outside {
        let text = format!("{what} {}", course(sizes));
        let _ = writeln!(out, "{}", look.wrap(&text, 0, LABEL));
    }
    let many = leaks.suspects.len() > 1;
    for (number, suspect) in leaks.suspects.iter().enumerate() {
        out.push('\n');
        out.push_str(&one(suspect, many.then_some(number + 1), look, snapshots));
    }
    out
}

fn per_snapshot(growth: i64, snapshots: usize) -> String {
    if snapshots < 2 { String::new() } else { format!(", {} per snapshot", signed_size(growth)) }
}

fn graph(numbers: &[u64]) -> String {
    let bars = spark(numbers);
    if bars.is_empty() { bars } else { format!("  {bars}") }
}

/// A line with its label in front; what doesn't fit goes on below the text.
fn labelled(label: &str, text: &str, indent: usize, look: TextStyle) -> String {
    let margin = " ".repeat(indent);
    let width = LABEL - indent;
    let head = look.tone(Tone::Dim, label);
    let pad = " ".repeat(width.saturating_sub(width_of(label)));
    format!("{margin}{head}{pad}{}\n", look.wrap(text, LABEL, LABEL))
}

fn one(suspect: &Suspect, number: Option<usize>, look: TextStyle, snapshots: usize) -> String {
    let number = number.map_or_else(String::new, |number| format!("{number}. "));
    let class = suspect.class_name.as_deref().unwrap_or("Memory outside the JavaScript heap");
    let what = match (suspect.stands_out, suspect.confidence) {
        (Some(stands_out), Some(confidence)) => standing(stands_out, confidence),
        _ => kind(suspect.cause.kind).to_owned(),
    };
    let title = look.wrap(&format!("{number}{}: {what}", visible(class)), 0, 2);
    let mut out = format!("{}\n", look.bold(&title));
    let mut line = |label: &str, text: &str| out.push_str(&labelled(label, text, 2, look));
    if suspect.class_name.is_some() {
        let counts: Vec<String> = suspect.counts.iter().map(|&n| count(n)).collect();
        line(
            "Objects",
            &match suspect.counts.as_slice() {
                [1, rest @ ..] if !rest.is_empty() && rest.iter().all(|&n| n == 1) => {
                    "1 in every snapshot; it becomes larger".to_owned()
                }
                [first, rest @ ..] if !rest.is_empty() && rest.iter().all(|n| n == first) => {
                    format!("{} in every snapshot; they become larger", count(*first))
                }
                _ => counts.join(" → ") + &graph(&suspect.counts),
            },
        );
    }
    let of_what = if snapshots < 2 { "of the heap" } else { "of the growth" };
    let sizes: Vec<String> = suspect.retained_sizes.iter().map(|&bytes| size(bytes)).collect();
    let growth = per_snapshot(suspect.growth_per_step, snapshots);
    line(
        "Retained",
        &format!("{}{growth}, {:.0} % {of_what}", sizes.join(" → "), suspect.share_of_growth * 100.0),
    );
    let others: Vec<String> = suspect
        .classes
        .iter()
        .filter(|other| other.class_name != class)
        .take(CLASSES)
        .map(|other| visible(&shorten(&other.class_name, 40)))
        .collect();
    if !others.is_empty() {
        line("Also retained", &others.join(", "));
    }
    if let Some(location) = &suspect.cause.location {
        let function = suspect.cause.function.as_deref().filter(|name| !name.is_empty());
        let function = function.map_or_else(String::new, |name| format!(", in {}", visible(name)));
        line("Look at", &format!("{}{function}", look.bold(&place(location, look))));
        if let Some(text) = &location.text {
            let mark = look.tone(Tone::Bad, &visible(text.trim()));
            line("", &mark);
        }
    }
    for related in suspect.cause.related.iter().take(4) {
        line("", &format!("{}: {}", visible(&related.what), place(&related.location, look)));
    }
    line("Cause", &visible(&suspect.explanation));
    line("Fix", &visible(&suspect.advice));
    if !suspect.path.is_empty() {
        let _ = writeln!(out, "\n  {}", look.tone(Tone::Dim, "Retaining path (root first)"));
        out.push_str(&path(&suspect.path, look));
    }
    out
}

/// The steps; those of libraries and the runtime are folded.
fn path(steps: &[PathStep], look: TextStyle) -> String {
    let mut out = String::new();
    let foreign = |step: &PathStep| matches!(step.owner, Owner::Runtime | Owner::Library | Owner::Root);
    let grows = steps.iter().position(|step| step.grows).unwrap_or(steps.len());
    let mut at = 0;
    while at < steps.len() {
        // Only on the way to the application: what grows is shown in full.
        let run = steps[at..grows.max(at)].iter().take_while(|s| foreign(s) && !s.decisive).count();
        let far = grows.saturating_sub(at + NEAR);
        let before = steps[at..].iter().take(far).take_while(|s| !s.decisive).count();
        if at > 0 && run.max(before) > 1 {
            let run = run.max(before);
            let through = if before < run { " through Node.js and libraries" } else { "" };
            let _ = writeln!(out, "    {}", look.tone(Tone::Dim, &format!("… {run} steps{through}")));
            at += run;
            continue;
        }
        out.push_str(&step(&steps[at], look));
        at += 1;
    }
    out
}

fn step(step: &PathStep, look: TextStyle) -> String {
    let text = visible(&step.text);
    let mark = if step.grows { look.tone(Tone::Bad, "+") } else { " ".to_owned() };
    let shown = look.wrap(&text, 4, 6);
    let tone = if step.decisive { Tone::Bad } else { Tone::Plain };
    let mut out =
        format!("  {mark} {}", if step.decisive { look.heading(tone, &shown) } else { shown.clone() });
    if let Some(location) = &step.location {
        let place = place(location, look);
        let last = shown.rsplit('\n').next().map_or(0, width_of);
        let first = if shown.contains('\n') { 0 } else { 4 };
        // Beside the text if there is room, else below it.
        if first + last + 3 + width_of(&place) <= look.prose() {
            let _ = write!(out, "   {}", look.tone(Tone::Dim, &place));
        } else {
            let _ = write!(out, "\n      {}", look.tone(Tone::Dim, &look.wrap(&place, 6, 6)));
        }
    }
    out.push('\n');
    if step.decisive {
        let mark =
            if shown.contains('\n') { "^ this reference".to_owned() } else { "^".repeat(width_of(&text)) };
        let _ = writeln!(out, "    {}", look.tone(Tone::Bad, &mark));
    }
    if step.repeats > 0 {
        let text = format!("(from here on the pattern repeats at least {} times)", count(step.repeats));
        let _ = writeln!(out, "    {}", look.tone(Tone::Dim, &look.wrap(&text, 4, 4)));
    }
    out
}

/// `server.js:35:9`.
fn place(location: &SourceLocation, look: TextStyle) -> String {
    let script = location.script.as_deref().unwrap_or("(unnamed script)");
    look.place(script, location.line, location.column)
}

/// Why something of one snapshot, which can't show growth, is listed.
fn standing(stands_out: StandsOut, confidence: Confidence) -> String {
    let what = match stands_out {
        StandsOut::Large => "large",
        StandsOut::UnboundedLooking => "a collection without a visible bound",
        StandsOut::Dead => "probably no longer used",
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
        CauseKind::SharedContext => "retained by a closure that never reads it",
        CauseKind::Chain => "a chain in which each object retains the one before",
        CauseKind::Collection => "a collection that is never emptied",
        CauseKind::ModuleCache => "a module that is loaded repeatedly",
        CauseKind::WeakMap => "values of a WeakMap whose keys stay alive",
        CauseKind::Listeners => "listeners that are never removed",
        CauseKind::Timer => "timers that are never cleared",
        CauseKind::Promise => "promises that never settle",
        CauseKind::AsyncContext => "an asynchronous context that outlives its work",
        CauseKind::Global => "a global variable",
        CauseKind::DetachedTree => "detached trees that are still referenced",
        CauseKind::Inspector => "retained by the inspector",
        CauseKind::NativeHandle => "handles that are never closed",
        CauseKind::ExternalMemory => "memory of Buffers",
        CauseKind::SlicedString => "substrings that retain long strings",
        CauseKind::ConcatenatedString => "a string that grows",
        CauseKind::DuplicateStrings => "duplicated strings",
        CauseKind::OutsideHeap => "native memory",
        CauseKind::Growth => "it grows",
    }
}
