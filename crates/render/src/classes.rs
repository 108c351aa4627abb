//! Lists of classes: summary, instances, query, strings, comparison.

use std::collections::HashMap;
use std::fmt::Write;

use stillheap_analysis::{MatchedBy, NodeInfo};
use stillheap_graph::sums::sum;

use super::{
    Cell, Column, Table, TextStyle, Tone, count, distance, more, node, none_matches, percent, plural, quoted,
    shorten, signed_count, signed_size, size, spark, visible,
};
use stillheap_questions::{Diff, Instances, Opened, QueryAnswer, Strings, Summary, Verification};

/// Snapshots whose numbers all fit into a cell.
const MOST_STEPS: usize = 4;

/// The classes of a snapshot. `filter` is what was asked for.
pub fn summary(opened: &Opened, answer: &Summary, filter: &[String], look: TextStyle) -> String {
    let (totals, parts) = (&answer.totals, &answer.statistics);
    let line = |text: String| look.wrap(&text, 0, 2) + "\n";
    let mut out = line(format!(
        "{}: {}, {}, {} (model {})",
        visible(&opened.file),
        plural(u64::from(totals.nodes), "node"),
        plural(u64::from(totals.edges), "edge"),
        size(totals.total_size),
        opened.model.name()
    ));
    let heap = &parts.v8heap;
    let named = sum([heap.code, heap.strings, heap.js_arrays, heap.system]);
    let other = heap.total.saturating_sub_unsigned(named);
    out += &line(format!(
        "JavaScript heap {}: code {}, strings {}, arrays {}, system {}, other objects {}",
        size(heap.total.unsigned_abs()),
        size(heap.code),
        size(heap.strings),
        size(heap.js_arrays),
        size(heap.system),
        size(other.max(0) as u64)
    ));
    let native = &parts.native;
    out += &line(format!(
        "Outside the heap {}: typed arrays {}, other {}",
        size(native.total),
        size(native.typed_arrays),
        size(native.total.saturating_sub(native.typed_arrays))
    ));
    out.push('\n');
    if answer.page.total == 0 && !filter.is_empty() {
        return out + &none_matches("class", filter, Some(answer.class_total));
    }
    let mut table = Table::new(&[
        Column::name("Class"),
        Column::number("Objects").worth(8),
        Column::number("Retained"),
        Column::number("").worth(6),
        Column::number("Shallow").worth(7),
        Column::number("").worth(3),
        Column::number("Distance").worth(2),
    ]);
    let mut names: HashMap<&str, u32> = HashMap::new();
    for row in &answer.classes {
        *names.entry(row.name.as_str()).or_default() += 1;
    }
    for row in &answer.classes {
        let mut name = visible(&row.name);
        if let (Some(at), true) = (&row.location, names[row.name.as_str()] > 1) {
            let (line, column) = (at.line.saturating_add(1), at.column.saturating_add(1));
            let _ = write!(name, "  (script {}:{line}:{column})", at.script_id);
        }
        table.row(vec![
            name.into(),
            count(row.count).into(),
            size(row.retained_size).into(),
            Cell::new(percent(row.retained_size, totals.total_size), Tone::Dim),
            size(row.shallow_size).into(),
            Cell::new(percent(row.shallow_size, totals.total_size), Tone::Dim),
            Cell::new(distance(row.distance), Tone::Dim),
        ]);
    }
    out += &table.draw(look);
    out += &more(&answer.page, answer.classes.len());
    let note = "Retained sizes overlap: what several classes retain together counts for each of them.";
    out + "\n" + &look.tone(Tone::Dim, &look.wrap(note, 0, 0)) + "\n"
}

/// A table of nodes.
pub fn nodes<'n>(nodes: impl IntoIterator<Item = &'n NodeInfo>, look: TextStyle) -> String {
    let mut table = node_table("Object");
    for info in nodes {
        let mut name = node(info);
        if info.node_type == "object" && info.name != info.class_name {
            let _ = write!(name, "  ({})", visible(&shorten(&info.class_name, 60)));
        }
        if info.detachedness == 2 && !name.starts_with("Detached") {
            name.push_str("  (detached)");
        }
        node_row(&mut table, info, name);
    }
    table.draw(look)
}

/// Columns of every list and tree of nodes.
pub(crate) fn node_table(name: &'static str) -> Table {
    Table::new(&[
        Column::name(name),
        Column::number("Retained"),
        Column::number("Shallow").worth(5),
        Column::number("Distance").worth(2),
    ])
}

pub(crate) fn node_row(table: &mut Table, info: &NodeInfo, text: String) {
    table.row(vec![
        text.into(),
        size(info.retained_size).into(),
        size(info.self_size).into(),
        Cell::new(distance(info.distance), Tone::Dim),
    ]);
}

/// The objects of a class. `filter` is what was asked for.
pub fn instances(answer: &Instances, filter: &[String], look: TextStyle) -> String {
    let class = &answer.class;
    let mut out = format!(
        "{}: {}, {} shallow, {} retained\n",
        look.bold(&visible(&class.name)),
        plural(class.count, "object"),
        size(class.shallow_size),
        size(class.retained_size)
    );
    if class.keys.len() > 1 {
        let keys: Vec<String> = class.keys.iter().map(|key| visible(key)).collect();
        let text = format!(
            "Several classes have this name. To see only one, give its key instead of the name: {}",
            keys.join("  ")
        );
        out = out + &look.wrap(&text, 0, 2) + "\n";
    }
    out.push('\n');
    if answer.page.total == 0 && !filter.is_empty() {
        return out + &none_matches("object", filter, Some(class.count));
    }
    out + &nodes(&answer.instances, look) + &more(&answer.page, answer.instances.len())
}

/// What a query found.
pub fn query(answer: &QueryAnswer, look: TextStyle) -> String {
    if answer.count == 0 {
        return "No object matches.\n".to_owned();
    }
    let out = format!(
        "{}, {} shallow, {} retained\n\n",
        plural(answer.count, "node"),
        size(answer.self_size),
        size(answer.retained_size)
    );
    out + &nodes(&answer.nodes, look) + &more(&answer.page, answer.nodes.len())
}

/// Strings. `filter` is what was asked for.
pub fn strings(answer: &Strings, filter: &[String], look: TextStyle) -> String {
    if answer.page.total == 0 && !filter.is_empty() {
        return none_matches("string", filter, None);
    }
    if let Some(strings) = &answer.strings {
        return nodes(strings, look) + &more(&answer.page, strings.len());
    }
    let rows = answer.duplicates.as_deref().unwrap_or_default();
    if rows.is_empty() {
        return "No duplicated strings.\n".to_owned();
    }
    let text = format!(
        "{}; one copy of each would save {}",
        plural(answer.page.total as u64, "duplicated string"),
        size(answer.wasted_size.unwrap_or(0))
    );
    let mut out = look.wrap(&text, 0, 0) + "\n\n";
    let mut table = Table::new(&[
        Column::name("Text"),
        Column::number("Copies"),
        Column::number("Wasted"),
        Column::number("Retained").worth(4),
        Column::text("First").worth(2),
    ]);
    for row in rows {
        let text = &row.text;
        let id = row.ids.first().map_or_else(String::new, |id| format!("@{id}"));
        table.row(vec![
            quoted(&text.value, 100, text.truncated).into(),
            count(text.count).into(),
            size(text.wasted_size).into(),
            size(text.total_retained_size).into(),
            Cell::new(id, Tone::Dim),
        ]);
    }
    out.push_str(&table.draw(look));
    out + &more(&answer.page, rows.len())
}

fn change(number: i64, text: &str) -> Cell {
    let arrow = match number {
        0 => "",
        n if n > 0 => "▲ ",
        _ => "▼ ",
    };
    Cell::new(format!("{arrow}{text}"), Tone::of_change(number))
}

/// What changed. `filter` is what was asked for.
pub fn diff(answer: &Diff, filter: &[String], look: TextStyle) -> String {
    let files: Vec<String> = answer.files.iter().map(|f| visible(f)).collect();
    let totals = &answer.totals;
    let by = match answer.matched_by {
        MatchedBy::Id => "id",
        MatchedBy::Class => "class",
    };
    let lines = [
        files.join(" → "),
        format!("Objects matched by {by}: {}", answer.reason),
        format!(
            "{} changed; {} added ({}), {} removed ({}) (model {})",
            plural(totals.classes, "class"),
            plural(totals.added_count, "object"),
            size(totals.added_size),
            count(totals.removed_count),
            size(totals.removed_size),
            answer.model_name()
        ),
    ];
    let notes = answer.notes.iter().map(|note| visible(note));
    let mut out: String = notes.chain(lines).map(|line| look.wrap(&line, 0, 2) + "\n").collect();
    out.push('\n');
    if answer.page.total == 0 {
        out += &if filter.is_empty() {
            "No class has changed.\n".to_owned()
        } else {
            none_matches("changed class", filter, Some(totals.classes))
        };
    } else {
        out += &changes(answer, look);
    }
    out.push_str(&series(answer, look));
    out.push_str(&grown(answer, look));
    for condition in &answer.conditions {
        let hits: Vec<String> =
            condition.classes.iter().map(|hit| format!("{} ({})", visible(&hit.name), hit.value)).collect();
        let (tone, verdict) = if condition.failed {
            (Tone::Bad, format!("failed for {}", hits.join(", ")))
        } else {
            (Tone::Good, "passed".to_owned())
        };
        let text = look.wrap(&format!("--fail-on {} {verdict}", visible(&condition.condition)), 0, 2);
        let _ = write!(out, "\n{}", look.tone(tone, &text));
    }
    if !answer.conditions.is_empty() {
        out.push('\n');
    }
    out
}

fn changes(answer: &Diff, look: TextStyle) -> String {
    let mut table = Table::new(&[
        Column::name("Class"),
        Column::number("Change"),
        Column::number("Size change"),
        Column::number("Added").worth(5),
        Column::number("Removed").worth(4),
        Column::number("Added size").worth(3),
        Column::number("Removed size").worth(2),
    ]);
    for row in &answer.classes {
        table.row(vec![
            visible(&row.name).into(),
            change(row.count_delta, &signed_count(row.count_delta)),
            Cell::new(signed_size(row.size_delta), Tone::of_change(row.size_delta)),
            count(row.added_count).into(),
            count(row.removed_count).into(),
            size(row.added_size).into(),
            size(row.removed_size).into(),
        ]);
    }
    table.draw(look) + &more(&answer.page, answer.classes.len())
}

fn series(answer: &Diff, look: TextStyle) -> String {
    let Some(series) = &answer.series else { return String::new() };
    let changed: Vec<_> = series
        .iter()
        .filter(|class| class.counts.windows(2).any(|w| w[0] != w[1]) || class.size_delta != 0)
        .collect();
    if changed.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&[
        Column::name("Class"),
        Column::number("Change"),
        Column::number("Size change").worth(8),
        Column::text("Course").worth(5),
        Column::text("Objects").worth(4),
        Column::text("Grows").worth(6),
    ]);
    for class in changed {
        let steps: Vec<u64> = if class.counts.len() > MOST_STEPS {
            class.counts.iter().copied().step_by(class.counts.len() - 1).collect()
        } else {
            class.counts.clone()
        };
        let between = if class.counts.len() > MOST_STEPS { " … " } else { " → " };
        let counts: Vec<String> = steps.into_iter().map(count).collect();
        let grows = match (class.count_grows_always, class.size_grows_always) {
            (true, _) => "always",
            (false, true) => "in bytes",
            (false, false) => "",
        };
        table.row(vec![
            visible(&class.name).into(),
            change(class.count_delta, &signed_count(class.count_delta)),
            Cell::new(signed_size(class.size_delta), Tone::of_change(class.size_delta)),
            spark(&class.counts).into(),
            counts.join(between).into(),
            grows.into(),
        ]);
    }
    format!("\nOver all {} snapshots:\n{}", answer.files.len(), table.draw(look))
}

fn grown(answer: &Diff, look: TextStyle) -> String {
    let Some(grown) = answer.grown.as_deref().filter(|grown| !grown.is_empty()) else { return String::new() };
    let mut table = Table::new(&[
        Column::name("Object"),
        Column::number("Shallow change").worth(4),
        Column::number("Retained change"),
        Column::number("Elements").worth(3),
    ]);
    for row in grown {
        let elements = match (row.old_elements, row.elements) {
            (Some(old), Some(new)) => format!("{} → {}", count(old), count(new)),
            _ => String::new(),
        };
        table.row(vec![
            node(&row.node).into(),
            Cell::new(signed_size(row.self_size_delta), Tone::of_change(row.self_size_delta)),
            Cell::new(signed_size(row.retained_size_delta), Tone::of_change(row.retained_size_delta)),
            elements.into(),
        ]);
    }
    format!("\nObjects in both snapshots that grew:\n{}", table.draw(look))
}

/// Whether a file is complete.
pub fn verification(answer: &Verification) -> String {
    let file = visible(&answer.file);
    if answer.whole {
        let packing = answer.packing.filter(|p| *p != "plain").map_or_else(String::new, |p| format!(", {p}"));
        let bytes = answer.completeness.as_ref().map_or(0, |c| c.bytes);
        return format!(
            "{file} is complete: {}, {}, {}{packing}\n",
            plural(u64::from(answer.nodes.unwrap_or(0)), "node"),
            plural(u64::from(answer.edges.unwrap_or(0)), "edge"),
            size(bytes)
        );
    }
    let problems: Vec<String> = answer.problems.iter().map(|p| visible(p)).collect();
    format!("{file} is not complete: {}\n", problems.join("; "))
}
