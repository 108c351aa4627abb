//! Lists of classes: summary, instances, query, strings, comparison.

use std::collections::HashMap;
use std::fmt::Write;

use stillheap_analysis::{MatchedBy, NodeInfo};
use stillheap_graph::sums::sum;

use super::{
    Align, Table, TextStyle, count, distance, more, node, percent, plural, shorten, signed_count,
    signed_size, size, visible,
};
use stillheap_questions::{Diff, Instances, Opened, QueryAnswer, Strings, Summary, Verification};

/// The summary.
pub fn summary(opened: &Opened, answer: &Summary, look: TextStyle) -> String {
    let (totals, parts) = (&answer.totals, &answer.statistics);
    let mut out = format!(
        "{}: {}, {}, {} (model {})\n",
        visible(&opened.file),
        plural(u64::from(totals.nodes), "node"),
        plural(u64::from(totals.edges), "edge"),
        size(totals.total_size),
        opened.model.name()
    );
    let heap = &parts.v8heap;
    let named = sum([heap.code, heap.strings, heap.js_arrays, heap.system]);
    let other = heap.total.saturating_sub_unsigned(named);
    let _ = writeln!(
        out,
        "JavaScript heap {}: code {}, strings {}, arrays {}, system {}, other objects {}",
        size(heap.total.unsigned_abs()),
        size(heap.code),
        size(heap.strings),
        size(heap.js_arrays),
        size(heap.system),
        size(other.max(0) as u64)
    );
    let native = &parts.native;
    let _ = writeln!(
        out,
        "Outside it {}: typed arrays {}, other {}\n",
        size(native.total),
        size(native.typed_arrays),
        size(native.total.saturating_sub(native.typed_arrays))
    );
    let mut table = Table::new(&[
        ("Count", Align::Right),
        ("Distance", Align::Right),
        ("Shallow", Align::Right),
        ("", Align::Right),
        ("Retained", Align::Right),
        ("", Align::Right),
        ("Class", Align::Left),
    ]);
    let mut names: HashMap<&str, u32> = HashMap::new();
    for row in &answer.classes {
        *names.entry(row.name.as_str()).or_default() += 1;
    }
    for row in &answer.classes {
        let mut name = visible(&row.name);
        if let (Some(at), true) = (&row.location, names[row.name.as_str()] > 1) {
            let _ = write!(
                name,
                "  (script {}:{}:{})",
                at.script_id,
                at.line.saturating_add(1),
                at.column.saturating_add(1)
            );
        }
        table.row(vec![
            count(row.count),
            distance(row.distance),
            size(row.shallow_size),
            percent(row.shallow_size, totals.total_size),
            size(row.retained_size),
            percent(row.retained_size, totals.total_size),
            name,
        ]);
    }
    out + &table.draw(look) + &more(&answer.page, answer.classes.len())
}

/// A table of nodes.
pub fn nodes<'n>(nodes: impl IntoIterator<Item = &'n NodeInfo>, look: TextStyle) -> String {
    let mut table = Table::new(&[
        ("Distance", Align::Right),
        ("Self", Align::Right),
        ("Retained", Align::Right),
        ("Object", Align::Left),
    ]);
    for info in nodes {
        let mut name = node(info);
        if info.node_type == "object" && info.name != info.class_name {
            let _ = write!(name, "  ({})", visible(&shorten(&info.class_name, 60)));
        }
        if info.detachedness == 2 && !name.starts_with("Detached") {
            name.push_str("  (detached)");
        }
        table.row(vec![distance(info.distance), size(info.self_size), size(info.retained_size), name]);
    }
    table.draw(look)
}

/// The objects of a class.
pub fn instances(answer: &Instances, look: TextStyle) -> String {
    let class = &answer.class;
    let mut out = format!(
        "{}: {}, {} shallow, {} retained together\n",
        visible(&class.name),
        plural(class.count, "object"),
        size(class.shallow_size),
        size(class.retained_size)
    );
    if class.keys.len() > 1 {
        let keys: Vec<String> = class.keys.iter().map(|key| visible(key)).collect();
        let _ = writeln!(out, "Several classes have this name; ask for one by its key: {}", keys.join("  "));
    }
    out.push('\n');
    out + &nodes(&answer.instances, look) + &more(&answer.page, answer.instances.len())
}

/// What a query found.
pub fn query(answer: &QueryAnswer, look: TextStyle) -> String {
    let mut out = format!(
        "{}, {} of their own, {} retained together\n",
        plural(answer.count, "node"),
        size(answer.self_size),
        size(answer.retained_size)
    );
    if answer.nodes.is_empty() {
        return out;
    }
    out.push('\n');
    out + &nodes(&answer.nodes, look) + &more(&answer.page, answer.nodes.len())
}

/// Strings.
pub fn strings(answer: &Strings, look: TextStyle) -> String {
    if let Some(strings) = &answer.strings {
        return nodes(strings, look) + &more(&answer.page, strings.len());
    }
    let rows = answer.duplicates.as_deref().unwrap_or_default();
    let mut out = format!(
        "{} that several strings have; one copy of each would save {}\n\n",
        plural(answer.page.total as u64, "text"),
        size(answer.wasted_size.unwrap_or(0))
    );
    let mut table = Table::new(&[
        ("Copies", Align::Right),
        ("Retained", Align::Right),
        ("Wasted", Align::Right),
        ("First", Align::Left),
        ("Text", Align::Left),
    ]);
    for row in rows {
        let text = &row.text;
        table.row(vec![
            count(text.count),
            size(text.total_retained_size),
            size(text.wasted_size),
            row.ids.first().map_or_else(String::new, |id| format!("@{id}")),
            format!("\"{}\"{}", visible(&shorten(&text.value, 100)), if text.truncated { "…" } else { "" }),
        ]);
    }
    out.push_str(&table.draw(look));
    out + &more(&answer.page, rows.len())
}

/// What changed.
pub fn diff(answer: &Diff, look: TextStyle) -> String {
    let files: Vec<String> = answer.files.iter().map(|f| visible(f)).collect();
    let totals = &answer.totals;
    let by = match answer.matched_by {
        MatchedBy::Id => "id",
        MatchedBy::Class => "class",
    };
    let mut out: String = answer.notes.iter().map(|note| format!("{}\n", visible(note))).collect();
    out += &format!(
        "{}\nMatched by {by}: {}\n{} changed; {} added ({}), {} removed ({}) (model {})\n\n",
        files.join(" → "),
        answer.reason,
        plural(totals.classes, "class"),
        count(totals.added_count),
        size(totals.added_size),
        count(totals.removed_count),
        size(totals.removed_size),
        answer.model_name()
    );
    let mut table = Table::new(&[
        ("Added", Align::Right),
        ("Removed", Align::Right),
        ("Change", Align::Right),
        ("Added size", Align::Right),
        ("Removed size", Align::Right),
        ("Size change", Align::Right),
        ("Class", Align::Left),
    ]);
    for row in &answer.classes {
        table.row(vec![
            count(row.added_count),
            count(row.removed_count),
            signed_count(row.count_delta),
            size(row.added_size),
            size(row.removed_size),
            signed_size(row.size_delta),
            visible(&row.name),
        ]);
    }
    out.push_str(&table.draw(look));
    out.push_str(&more(&answer.page, answer.classes.len()));
    out.push_str(&series(answer, look));
    out.push_str(&grown(answer, look));
    for condition in &answer.conditions {
        let hits: Vec<String> =
            condition.classes.iter().map(|hit| format!("{} ({})", visible(&hit.name), hit.value)).collect();
        let verdict =
            if condition.failed { format!("holds for {}", hits.join(", ")) } else { "does not hold".into() };
        let _ = write!(out, "\nCondition {} {verdict}", visible(&condition.condition));
    }
    if !answer.conditions.is_empty() {
        out.push('\n');
    }
    out
}

fn series(answer: &Diff, look: TextStyle) -> String {
    let Some(series) = &answer.series else { return String::new() };
    let mut table = Table::new(&[
        ("Grows in every step", Align::Left),
        ("Objects", Align::Left),
        ("Change", Align::Right),
        ("Size change", Align::Right),
        ("Class", Align::Left),
    ]);
    for class in series {
        let counts: Vec<String> = class.counts.iter().map(|&n| count(n)).collect();
        let grows = match (class.count_grows_always, class.size_grows_always) {
            (true, _) => "yes",
            (false, true) => "in bytes",
            (false, false) => "",
        };
        table.row(vec![
            grows.to_owned(),
            counts.join(" → "),
            signed_count(class.count_delta),
            signed_size(class.size_delta),
            visible(&class.name),
        ]);
    }
    format!("\nOver all {} snapshots:\n{}", answer.files.len(), table.draw(look))
}

fn grown(answer: &Diff, look: TextStyle) -> String {
    let Some(grown) = answer.grown.as_deref().filter(|grown| !grown.is_empty()) else { return String::new() };
    let mut table = Table::new(&[
        ("Self change", Align::Right),
        ("Retained change", Align::Right),
        ("Elements", Align::Right),
        ("Object", Align::Left),
    ]);
    for row in grown {
        let elements = match (row.old_elements, row.elements) {
            (Some(old), Some(new)) => format!("{} → {}", count(old), count(new)),
            _ => String::new(),
        };
        table.row(vec![
            signed_size(row.self_size_delta),
            signed_size(row.retained_size_delta),
            elements,
            node(&row.node),
        ]);
    }
    format!("\nObjects that are in both and grew:\n{}", table.draw(look))
}

/// Whether a file is whole.
pub fn verification(answer: &Verification) -> String {
    let file = visible(&answer.file);
    if answer.whole {
        let packing = answer.packing.filter(|p| *p != "plain").map_or_else(String::new, |p| format!(", {p}"));
        let bytes = answer.completeness.as_ref().map_or(0, |c| c.bytes);
        return format!(
            "{file} is whole: {}, {}, {}{packing}\n",
            plural(u64::from(answer.nodes.unwrap_or(0)), "node"),
            plural(u64::from(answer.edges.unwrap_or(0)), "edge"),
            size(bytes)
        );
    }
    let problems: Vec<String> = answer.problems.iter().map(|p| visible(p)).collect();
    format!("{file} is not whole: {}\n", problems.join("; "))
}
