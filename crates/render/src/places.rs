//! Places in the source: closures and the allocation timeline.

use std::fmt::Write;

use stillheap_analysis::{StackFrame, TimelineSample};
use stillheap_graph::sums::sum;

use super::{Align, Table, TextStyle, count, more, node, plural, position, size, visible};
use stillheap_questions::{Closures, Timeline};

/// How many variables and neighbours of a function are shown.
const SHOWN: usize = 5;

fn function(name: &str, at: Option<&stillheap_analysis::SourcePosition>) -> String {
    let name = if name.is_empty() { "(anonymous)".to_owned() } else { format!("{}()", visible(name)) };
    at.map_or_else(|| name.clone(), |at| format!("{name} {}", position(at)))
}

/// Closures by function.
pub fn closures(answer: &Closures, look: TextStyle) -> String {
    if answer.closures.is_empty() {
        return "No closures.\n".to_owned();
    }
    let mut out = String::new();
    for row in &answer.closures {
        let _ = writeln!(
            out,
            "{}: {} with {}, {} retained, such as {}",
            look.bold(&function(&row.name, row.position.as_ref())),
            plural(row.count, "closure"),
            plural(row.contexts, "context"),
            size(row.retained_size),
            node(&row.example)
        );
        for variable in row.variables.iter().take(SHOWN) {
            let _ = writeln!(
                out,
                "    {}: {} retained by {}, such as {}",
                visible(&variable.name),
                size(variable.retained_size),
                plural(variable.objects, "object"),
                node(&variable.example)
            );
        }
        if row.variables.len() > SHOWN {
            let _ =
                writeln!(out, "    … and {}", plural((row.variables.len() - SHOWN) as u64, "more variable"));
        }
        for other in row.shared_with.iter().take(SHOWN) {
            let _ = writeln!(
                out,
                "    shares {} with {}",
                plural(other.contexts, "context"),
                function(&other.name, other.position.as_ref())
            );
        }
        if row.shared_with.len() > SHOWN {
            let left = (row.shared_with.len() - SHOWN) as u64;
            let _ = writeln!(out, "    … and with {}", plural(left, "other function"));
        }
    }
    out + &more(&answer.page, answer.closures.len())
}

/// When and where live objects were allocated.
pub fn timeline(answer: &Timeline, look: TextStyle) -> String {
    let mut out = String::new();
    if answer.samples.is_empty() && answer.sites.is_empty() {
        return "This file has no allocation timeline. Record one in DevTools (\"Allocations on timeline\"), or with \
                the inspector's HeapProfiler.startTrackingHeapObjects.\n"
            .to_owned();
    }
    if !answer.samples.is_empty() {
        out.push_str(&histogram(&answer.samples, look));
    }
    if answer.sites.is_empty() {
        out.push_str("\nAllocation stacks were not recorded.\n");
        return out;
    }
    out.push_str("\nWhere objects were allocated:\n");
    let mut table = Table::new(&[
        ("Live", Align::Right),
        ("Live size", Align::Right),
        ("Allocated", Align::Right),
        ("Size", Align::Right),
        ("Stack", Align::Left),
    ]);
    for site in &answer.sites {
        table.row(vec![
            count(site.live_count),
            size(site.live_size),
            count(site.count),
            size(site.size),
            stack(&site.stack),
        ]);
    }
    out + &table.draw(look) + &more(&answer.page, answer.sites.len())
}

fn stack(frames: &[StackFrame]) -> String {
    let shown: Vec<String> = frames.iter().take(3).map(|f| function(&f.name, f.position.as_ref())).collect();
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
        ("Until", Align::Right),
        ("Live", Align::Right),
        ("Live size", Align::Right),
        ("", Align::Left),
    ]);
    for (end, objects, bytes) in rows {
        let bar = "█".repeat((bytes * 30).div_ceil(most) as usize);
        table.row(vec![format!("{:.1} s", end as f64 / 1e6), count(objects), size(bytes), bar]);
    }
    format!("Objects allocated since the sample before and alive at the end:\n{}", table.draw(look))
}
