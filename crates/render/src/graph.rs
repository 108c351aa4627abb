//! What is around a node: inspect, retainers, dominators, containment.

use std::fmt::Write;

use stillheap_analysis::{EdgeInfo, NodeInfo, RootPath};

use super::{
    Align, Table, TextStyle, count, distance, edge, more, node, nodes, plural, position, shorten, size,
    visible,
};
use stillheap_questions::{
    ClassRetainers, Contained, Containment, Dominated, Dominators, Holder, Inspection, MergedPath,
    MergedTree, NodeRetainers, PathEnd, Retainers,
};

fn headline(info: &NodeInfo) -> String {
    format!(
        "{}: {} {}, {} of its own, {} retained, distance {}\n",
        node(info),
        visible(&info.node_type),
        visible(&shorten(&info.class_name, 60)),
        size(info.self_size),
        size(info.retained_size),
        distance(info.distance)
    )
}

/// Columns of every tree.
fn tree_table(last: &'static str) -> Table {
    Table::new(&[
        ("Distance", Align::Right),
        ("Self", Align::Right),
        ("Retained", Align::Right),
        (last, Align::Left),
    ])
}

fn tree_row(table: &mut Table, info: &NodeInfo, level: usize, text: &str) {
    let text = format!("{}{text}", indent(level));
    table.row(vec![distance(info.distance), size(info.self_size), size(info.retained_size), text]);
}

fn more_row(table: &mut Table, more: Option<usize>, level: usize) {
    if let Some(more) = more {
        let text = format!("{}… and {} more (use --branch 0)", indent(level), count(more as u64));
        table.row(vec![String::new(), String::new(), String::new(), text]);
    }
}

fn indent(level: usize) -> String {
    if level == 0 { String::new() } else { format!("{}└ ", "  ".repeat(level - 1)) }
}

/// What sort of edge it is, where that isn't plain.
fn kind(edge_type: &str, name: &str) -> String {
    match edge_type {
        "property" | "element" => String::new(),
        // The only hidden edges that have one.
        "hidden" if name != "[]" => " (block variable)".to_owned(),
        other => format!(" ({other})"),
    }
}

/// An edge's name, and what sort of edge it is.
fn link(edge_info: &EdgeInfo) -> String {
    match &edge_info.variable {
        Some(name) => format!("{}{}", visible(&shorten(name, 100)), kind("hidden", name)),
        None => {
            format!("{}{}", edge(&edge_info.name, &edge_info.edge_type), kind(&edge_info.edge_type, "[]"))
        }
    }
}

fn field(edge_info: &EdgeInfo) -> String {
    format!("{}: {}", link(edge_info), node(&edge_info.node))
}

fn held(edge_info: &EdgeInfo) -> String {
    format!("{} in {}", link(edge_info), node(&edge_info.node))
}

/// Everything about a node.
pub fn inspection(answer: &Inspection, look: TextStyle) -> String {
    let detail = &answer.node;
    let mut out = headline(&detail.info);
    let _ = writeln!(
        out,
        "  class key {}, dominated by @{}, {}, {}",
        visible(&detail.class_key),
        detail.dominator,
        plural(u64::from(detail.edge_count), "edge"),
        plural(u64::from(detail.retainer_count), "retainer")
    );
    if let Some(location) = &detail.location {
        let _ = writeln!(out, "  source {}", position(location));
    }
    if let Some(value) = &detail.value {
        let _ = writeln!(out, "  value {}", visible(value));
    }
    if let Some(elements) = detail.elements {
        let _ = writeln!(out, "  {}", plural(elements, "element"));
    }
    if detail.info.detachedness == 2 {
        out.push_str("  detached from the document\n");
    }
    if let Some(string) = &detail.string {
        let length = string.length.map_or_else(String::new, |n| format!(" of {}", plural(n, "character")));
        let cut = if string.truncated { ", cut" } else { "" };
        let _ = writeln!(out, "  text{length}{cut}: \"{}\"", visible(&string.text));
    }
    if let Some(function) = &detail.function {
        let context = function.context.as_ref().map_or_else(|| "none".to_owned(), node);
        let _ = writeln!(out, "  context {context}");
    }
    if let Some(variables) = &answer.variables {
        for variable in variables {
            let _ = writeln!(
                out,
                "    {}: {}, {} retained",
                visible(variable.variable.as_ref().unwrap_or(&variable.name)),
                node(&variable.node),
                size(variable.node.retained_size)
            );
        }
    }
    if let Some(stack) = &answer.allocation_stack {
        out.push_str("  allocated by\n");
        for frame in stack {
            let name = if frame.name.is_empty() { "(anonymous)" } else { &frame.name };
            let at = frame.position.as_ref().map_or_else(String::new, |p| format!("  {}", position(p)));
            let _ = writeln!(out, "    {}{at}", visible(name));
        }
    }
    out.push('\n');
    if answer.fields.is_empty() {
        out.push_str("It holds nothing.\n");
        return out;
    }
    let mut table = tree_table("Field");
    for edge_info in &answer.fields {
        tree_row(&mut table, &edge_info.node, 0, &field(edge_info));
    }
    out + &table.draw(look) + &more(&answer.page, answer.fields.len())
}

/// Who holds a node or a class.
pub fn retainers(answer: &Retainers, look: TextStyle) -> String {
    match answer {
        Retainers::Node(answer) => node_retainers(answer, look),
        Retainers::Class(answer) => class_retainers(answer, look),
    }
}

fn node_retainers(answer: &NodeRetainers, look: TextStyle) -> String {
    let mut out = headline(&answer.node);
    out.push('\n');
    if answer.paths.iter().any(|path| path.steps.is_empty()) {
        out.push_str("It is a root itself.\n");
    } else if answer.retainers.is_empty() {
        out.push_str("Nothing holds it but roots.\n");
    }
    if !answer.retainers.is_empty() {
        let mut table = tree_table("Held as");
        for holder in &answer.retainers {
            holder_rows(&mut table, holder, 0);
        }
        out.push_str(&table.draw(look));
        out.push_str(&more(&answer.page, answer.retainers.len()));
    }
    for (i, path) in answer.paths.iter().filter(|path| !path.steps.is_empty()).enumerate() {
        out.push_str(&root_path(i + 1, path));
    }
    out
}

fn holder_rows(table: &mut Table, holder: &Holder, level: usize) {
    let cycle = if holder.repeated { "  (a cycle)" } else { "" };
    tree_row(table, &holder.edge.node, level, &format!("{}{cycle}", held(&holder.edge)));
    for above in holder.retainers.iter().flatten() {
        holder_rows(table, above, level + 1);
    }
    more_row(table, holder.more, level + 1);
}

fn root_path(number: usize, path: &RootPath) -> String {
    let end = if path.user_root { "a root" } else { "the system" };
    let steps = plural(path.steps.len() as u64, "step");
    let mut out = format!("\nPath {number}, {steps} to {end}:\n  {}\n", node(&path.node));
    for step in &path.steps {
        let _ = writeln!(out, "  ← {}", held(step));
    }
    out
}

fn class_retainers(answer: &ClassRetainers, look: TextStyle) -> String {
    let class = &answer.class;
    let mut out = format!(
        "{}: {}, {} shallow, {} retained together\n\n",
        visible(&class.name),
        plural(class.count, "object"),
        size(class.shallow_size),
        size(class.retained_size)
    );
    let mut table = Table::new(&[
        ("Objects", Align::Right),
        ("Holders", Align::Right),
        ("Distance", Align::Right),
        ("Example", Align::Left),
        ("Held as", Align::Left),
    ]);
    for row in &answer.retainers {
        merged_rows(&mut table, row, 0);
    }
    if table.is_empty() {
        out.push_str("Nothing holds them but roots.\n");
    } else {
        out.push_str(&table.draw(look));
        out.push_str(&more(&answer.page, answer.retainers.len()));
    }
    if !answer.paths.is_empty() {
        let _ = write!(
            out,
            "\nShortest ways to a root: {} of {} different ones",
            answer.paths.len(),
            count(answer.paths_total as u64)
        );
        if (answer.examined as u64) < class.count {
            let _ = write!(out, ", of {} objects spread evenly", count(answer.examined as u64));
        }
        out.push('\n');
        for path in &answer.paths {
            out.push_str(&merged_path(path, &class.name));
        }
    }
    out
}

fn merged_rows(table: &mut Table, row: &MergedTree, level: usize) {
    let holder = &row.holder;
    let kind = kind(&holder.edge_type, &holder.edge);
    table.row(vec![
        count(holder.objects),
        count(holder.holders),
        distance(holder.distance),
        format!("@{}", holder.example.id),
        format!(
            "{}{}{kind} in {}",
            indent(level),
            visible(&shorten(&holder.edge, 100)),
            visible(&shorten(&holder.class_name, 60))
        ),
    ]);
    for above in row.retainers.iter().flatten() {
        merged_rows(table, above, level + 1);
    }
    if let Some(more) = row.more {
        let text = format!("{}… and {} more (use --branch 0)", indent(level + 1), count(more as u64));
        table.row(vec![String::new(), String::new(), String::new(), String::new(), text]);
    }
}

fn merged_path(path: &MergedPath, class: &str) -> String {
    let end = match path.ends_at {
        PathEnd::UserRoot => "a root".to_owned(),
        PathEnd::SystemRoot => "the system".to_owned(),
        PathEnd::SameClass => format!("another {}", visible(class)),
        PathEnd::Cut => "somewhere far".to_owned(),
        PathEnd::Unreachable => "nowhere".to_owned(),
    };
    let objects = plural(path.count as u64, "object");
    let mut out = format!("\n  {objects}, such as {}, to {end}:\n", node(&path.example));
    for step in &path.steps {
        let kind = kind(&step.edge_type, &step.edge);
        let repeats = if step.repeats { "  (again and again)" } else { "" };
        let holder = match step.function_name.as_deref() {
            Some("") => "(anonymous function)".to_owned(),
            Some(name) => format!("{}()", visible(&shorten(name, 60))),
            None => visible(&shorten(&step.class_name, 60)),
        };
        let _ = writeln!(out, "    ← {}{kind} in {holder}{repeats}", visible(&shorten(&step.edge, 100)));
    }
    out
}

/// The dominator tree around a node.
pub fn dominators(answer: &Dominators, look: TextStyle) -> String {
    let mut out = headline(&answer.node);
    if !answer.chain.is_empty() {
        out.push_str("\nDominated by, nearest first; without any of these it would be freed:\n");
        out.push_str(&nodes(&answer.chain, look));
        if answer.chain_length > answer.chain.len() {
            let left = answer.chain_length - answer.chain.len();
            let _ = writeln!(out, "… and {} more", count(left as u64));
        }
    }
    if answer.dominated.is_empty() {
        out.push_str("\nIt dominates nothing.\n");
        return out;
    }
    out.push_str("\nDominates, largest first; these would be freed with it:\n");
    let mut table = tree_table("Object");
    for below in &answer.dominated {
        dominated_rows(&mut table, below, 0);
    }
    out + &table.draw(look) + &more(&answer.page, answer.dominated.len())
}

fn dominated_rows(table: &mut Table, row: &Dominated, level: usize) {
    tree_row(table, &row.node, level, &node(&row.node));
    for below in row.dominated.iter().flatten() {
        dominated_rows(table, below, level + 1);
    }
    more_row(table, row.more, level + 1);
}

/// What a node holds.
pub fn containment(answer: &Containment, look: TextStyle) -> String {
    let mut out = headline(&answer.node);
    out.push('\n');
    if answer.edges.is_empty() {
        out.push_str("It holds nothing.\n");
        return out;
    }
    let mut table = tree_table("Field");
    for below in &answer.edges {
        contained_rows(&mut table, below, 0);
    }
    out + &table.draw(look) + &more(&answer.page, answer.edges.len())
}

fn contained_rows(table: &mut Table, row: &Contained, level: usize) {
    let cycle = if row.repeated { "  (a cycle)" } else { "" };
    tree_row(table, &row.edge.node, level, &format!("{}{cycle}", field(&row.edge)));
    for below in row.edges.iter().flatten() {
        contained_rows(table, below, level + 1);
    }
    more_row(table, row.more, level + 1);
}
