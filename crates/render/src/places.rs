//! Places in the source: closures and the allocation timeline.

use std::fmt::Write;

use stillheap_analysis::{StackFrame, TimelineSample};
use stillheap_graph::sums::sum;

use super::{Cell, Column, Table, TextStyle, Tone, count, more, node, none_matches, plural, size, visible};
use stillheap_questions::{Closures, Timeline};
use stillheap_verdict::{DeadVariable, SourceLocation};

/// Dead variables that are shown.
const MOST_DEAD: usize = 10;
/// Variables and neighbours of a function that are shown.
const SHOWN: usize = 5;

fn function(name: &str, at: Option<&stillheap_analysis::SourcePosition>, look: TextStyle) -> String {
    let name = if name.is_empty() { "(anonymous)".to_owned() } else { format!("{}()", visible(name)) };
    at.map_or_else(|| name.clone(), |at| format!("{name} {}", look.position(at)))
}

/// Variables that are retained and that nothing reads, ahead of the functions.
fn dead_variables(dead: &[DeadVariable], look: TextStyle) -> String {
    if dead.is_empty() {
        return String::new();
    }
    let mut out = String::new();
    let _ = writeln!(out, "{}", look.bold("Dead variables: no live function reads them"));
    for variable in dead.iter().take(MOST_DEAD) {
        let mut line = |indent: usize, text: &str| {
            let _ = writeln!(out, "{}{}", " ".repeat(indent), look.wrap(text, indent, indent + 2));
        };
        let at = |place: &Option<SourceLocation>| {
            let file = place.as_ref().and_then(|at| Some((at.script.as_deref()?, at.line)));
            file.map_or_else(String::new, |(script, line)| format!(" ({}:{line})", visible(script)))
        };
        let name = format!("{} of {}", visible(&variable.name), visible(&variable.function));
        line(2, &format!("{name}{}", at(&variable.location)));
        line(
            4,
            &format!(
                "{}, {} would come back, for example {}",
                plural(variable.contexts, "context"),
                size(variable.retained_size),
                node(&variable.example)
            ),
        );
        let keeper = visible(&variable.retained_by);
        line(4, &format!("retained by {keeper}{}", at(&variable.retained_by_location)));
    }
    if dead.len() > MOST_DEAD {
        let _ = writeln!(out, "  … and {}", plural((dead.len() - MOST_DEAD) as u64, "more dead variable"));
    }
    out.push('\n');
    out
}

/// Closures by function. `filter` is what was asked for.
pub fn closures(answer: &Closures, filter: &[String], look: TextStyle) -> String {
    if answer.closures.is_empty() && answer.dead.is_empty() && !filter.is_empty() {
        return none_matches("function", filter, None);
    }
    let mut out = dead_variables(&answer.dead, look);
    for row in &answer.closures {
        let name = function(&row.name, row.position.as_ref(), look);
        let mut line = |indent: usize, text: &str| {
            let margin = " ".repeat(indent);
            let _ = writeln!(out, "{margin}{}", look.wrap(text, indent, indent + 2));
        };
        line(0, &look.bold(&name));
        line(
            2,
            &format!(
                "{}, {}, {} retained, for example {}",
                plural(row.count, "closure"),
                plural(row.contexts, "context"),
                size(row.retained_size),
                node(&row.example)
            ),
        );
        for variable in row.variables.iter().take(SHOWN) {
            let text = format!(
                "variable {}: {}, {} retained, for example {}",
                visible(&variable.name),
                plural(variable.objects, "object"),
                size(variable.retained_size),
                node(&variable.example)
            );
            line(4, &text);
        }
        if row.variables.len() > SHOWN {
            line(4, &format!("… and {}", plural((row.variables.len() - SHOWN) as u64, "more variable")));
        }
        let others: Vec<String> = row
            .shared_with
            .iter()
            .take(SHOWN)
            .map(|other| function(&other.name, other.position.as_ref(), look))
            .collect();
        if !others.is_empty() {
            let left = row.shared_with.len().saturating_sub(SHOWN);
            let more = if left > 0 { format!(", and {} more", count(left as u64)) } else { String::new() };
            let contexts = row.shared_with.iter().map(|other| other.contexts).max().unwrap_or(0);
            let text = format!("shares {} with {}{more}", plural(contexts, "context"), others.join(", "));
            line(4, &look.tone(Tone::Dim, &text));
        }
    }
    if answer.closures.is_empty() {
        out.push_str("No function has closures that retain variables.\n");
    }
    out += &more(&answer.page, answer.closures.len());
    if answer.hidden > 0 {
        let text = format!(
            "{} of Node.js and native code not shown (use --all)",
            plural(answer.hidden as u64, "function")
        );
        let _ = writeln!(out, "{}", look.tone(Tone::Dim, &look.wrap(&text, 0, 0)));
    }
    out
}

/// When and where live objects were allocated. `filter` is what was asked for.
pub fn timeline(answer: &Timeline, filter: &[String], look: TextStyle) -> String {
    let mut out = String::new();
    if !answer.samples.is_empty() {
        out.push_str(&histogram(&answer.samples, look));
    }
    if answer.sites.is_empty() {
        out.push('\n');
        out += &if filter.is_empty() {
            "The file has no allocation stacks.\n".to_owned()
        } else {
            none_matches("allocation site", filter, None)
        };
        return out;
    }
    out.push_str("\nAllocation sites:\n");
    let mut table = Table::new(&[
        Column::name("Stack"),
        Column::number("Live"),
        Column::number("Live size"),
        Column::number("Allocated").worth(3),
        Column::number("Size").worth(2),
    ]);
    let plain = TextStyle { links: false, ..look };
    for site in &answer.sites {
        table.row(vec![
            stack(&site.stack, plain).into(),
            count(site.live_count).into(),
            size(site.live_size).into(),
            count(site.count).into(),
            size(site.size).into(),
        ]);
    }
    out + &table.draw(look) + &more(&answer.page, answer.sites.len())
}

fn stack(frames: &[StackFrame], look: TextStyle) -> String {
    let shown: Vec<String> =
        frames.iter().take(3).map(|f| function(&f.name, f.position.as_ref(), look)).collect();
    let rest = if frames.len() > 3 { " ← …" } else { "" };
    format!("{}{rest}", shown.join(" ← "))
}

/// At most 20 rows of equal length in time.
fn histogram(samples: &[TimelineSample], look: TextStyle) -> String {
    const ROWS: usize = 20;
    let per_row = samples.len().div_ceil(ROWS).max(1);
    let rows: Vec<(i64, u64, u64)> = samples
        .chunks(per_row)
        .map(|chunk| {
            let end = chunk.last().map_or(0, |s| s.timestamp_us);
            (end, sum(chunk.iter().map(|s| s.live_count)), sum(chunk.iter().map(|s| s.live_size)))
        })
        .collect();
    let most = rows.iter().map(|row| row.2).max().unwrap_or(0).max(1);
    let mut table = Table::new(&[
        Column::name("Until"),
        Column::number("Live"),
        Column::number("Live size"),
        Column::text("").worth(1),
    ]);
    for (end, objects, bytes) in rows {
        let bar = "█".repeat((bytes * 30).div_ceil(most) as usize);
        let until = format!("{:.1} s", end as f64 / 1e6);
        table.row(vec![until.into(), count(objects).into(), size(bytes).into(), Cell::new(bar, Tone::Dim)]);
    }
    format!("Live objects by the time of their allocation:\n{}", table.draw(look))
}
