//! What is around a node: inspect, retainers, dominators, containment.

use std::fmt::Write;

use stillheap_analysis::{EdgeInfo, NodeInfo, RootPath};

use super::{
    Cell, Column, Table, TextStyle, Tone, count, distance, edge, more, node, node_row, node_table, nodes,
    none_matches, plural, shorten, size, visible,
};
use stillheap_questions::{
    ClassRetainers, Contained, Containment, Dominated, Dominators, Holder, Inspection, MergedPath,
    MergedTree, NodeRetainers, PathEnd, Retainers,
};

fn headline(info: &NodeInfo, look: TextStyle) -> String {
    let text = format!(
        "{} {}, {} shallow, {} retained, distance {}",
        visible(&info.node_type),
        visible(&shorten(&info.class_name, 60)),
        size(info.self_size),
        size(info.retained_size),
        distance(info.distance)
    );
    let name = node(info);
    format!("{}: {}\n", look.bold(&name), look.wrap(&text, super::width_of(&name) + 2, 2))
}

fn tree_row(table: &mut Table, info: &NodeInfo, level: usize, text: &str) {
    node_row(table, info, format!("{}{text}", indent(level)));
}

fn more_row(table: &mut Table, more: Option<usize>, level: usize) {
    if let Some(more) = more {
        table.remark(format!("{}… and {} more (use --branch 0)", indent(level), count(more as u64)));
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

/// Everything about a node. `filter` is what was asked for.
pub fn inspection(answer: &Inspection, filter: &[String], look: TextStyle) -> String {
    let detail = &answer.node;
    let mut out = headline(&detail.info, look);
    let mut line = |text: String| {
        let _ = writeln!(out, "  {}", look.wrap(&text, 2, 4));
    };
    // A key that is more than the name tells classes of one name apart.
    let key = detail.class_key.strip_prefix(',').is_none();
    line(format!(
        "{}dominated by @{}, {}, {}",
        if key { format!("class key {}, ", visible(&detail.class_key)) } else { String::new() },
        detail.dominator,
        plural(u64::from(detail.edge_count), "edge"),
        plural(u64::from(detail.retainer_count), "retainer")
    ));
    if let Some(location) = &detail.location {
        line(format!("source {}", look.position(location)));
    }
    if let Some(value) = &detail.value {
        line(format!("value {}", visible(value)));
    }
    if let Some(elements) = detail.elements {
        line(plural(elements, "element"));
    }
    if detail.info.detachedness == 2 {
        line("detached from the document".to_owned());
    }
    if let Some(string) = &detail.string {
        let length = string.length.map_or_else(String::new, |n| format!(" of {}", plural(n, "character")));
        let cut = if string.truncated { ", truncated" } else { "" };
        line(format!("text{length}{cut}: \"{}\"", visible(&string.text)));
    }
    if let Some(function) = &detail.function {
        let context = function.context.as_ref().map_or_else(|| "none".to_owned(), node);
        line(format!("context {context}"));
    }
    if let Some(variables) = &answer.variables {
        for variable in variables {
            line(format!(
                "  {}: {}, {} retained",
                visible(variable.variable.as_ref().unwrap_or(&variable.name)),
                node(&variable.node),
                size(variable.node.retained_size)
            ));
        }
    }
    if let Some(stack) = &answer.allocation_stack {
        line("allocated by".to_owned());
        for frame in stack {
            let name = if frame.name.is_empty() { "(anonymous)" } else { &frame.name };
            let at = frame.position.as_ref().map_or_else(String::new, |p| format!("  {}", look.position(p)));
            line(format!("  {}{at}", visible(name)));
        }
    }
    out.push('\n');
    if answer.fields.is_empty() {
        out += &if filter.is_empty() {
            "It references nothing.\n".to_owned()
        } else {
            none_matches("field", filter, Some(u64::from(detail.edge_count)))
        };
        return out;
    }
    let mut table = node_table("Field");
    for edge_info in &answer.fields {
        tree_row(&mut table, &edge_info.node, 0, &field(edge_info));
    }
    out + &table.draw(look) + &more(&answer.page, answer.fields.len())
}

/// The retainers of a node or a class. `filter` is what was asked for.
pub fn retainers(answer: &Retainers, filter: &[String], look: TextStyle) -> String {
    match answer {
        Retainers::Node(answer) => node_retainers(answer, filter, look),
        Retainers::Class(answer) => class_retainers(answer, filter, look),
    }
}

fn node_retainers(answer: &NodeRetainers, filter: &[String], look: TextStyle) -> String {
    let mut out = headline(&answer.node, look);
    out.push('\n');
    if answer.paths.iter().any(|path| path.steps.is_empty()) {
        out.push_str("It is a root.\n");
    } else if answer.retainers.is_empty() && filter.is_empty() {
        out.push_str("Only roots retain it.\n");
    } else if answer.retainers.is_empty() {
        out.push_str(&none_matches("retainer", filter, None));
    }
    if !answer.retainers.is_empty() {
        let mut table = node_table("Retainer");
        for holder in &answer.retainers {
            holder_rows(&mut table, holder, 0);
        }
        out.push_str(&table.draw(look));
        out.push_str(&more(&answer.page, answer.retainers.len()));
    }
    for (i, path) in answer.paths.iter().filter(|path| !path.steps.is_empty()).enumerate() {
        out.push_str(&root_path(i + 1, path, look));
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

fn root_path(number: usize, path: &RootPath, look: TextStyle) -> String {
    let end = if path.user_root { "a root" } else { "a root of V8" };
    let steps = plural(path.steps.len() as u64, "step");
    let mut out = format!("\nPath {number}, {steps} to {end}:\n  {}\n", node(&path.node));
    for step in &path.steps {
        let _ = writeln!(out, "  ← {}", look.wrap(&held(step), 4, 6));
    }
    out
}

fn class_retainers(answer: &ClassRetainers, filter: &[String], look: TextStyle) -> String {
    let class = &answer.class;
    let mut out = format!(
        "{}: {}, {} shallow, {} retained\n\n",
        look.bold(&visible(&class.name)),
        plural(class.count, "object"),
        size(class.shallow_size),
        size(class.retained_size)
    );
    let mut table = Table::new(&[
        Column::name("Retainer"),
        Column::number("Objects"),
        Column::number("Retainers").worth(4),
        Column::number("Distance").worth(2),
        Column::text("Example").worth(5),
    ]);
    for row in &answer.retainers {
        merged_rows(&mut table, row, 0);
    }
    if table.is_empty() && filter.is_empty() {
        out.push_str("Only roots retain them.\n");
    } else if table.is_empty() {
        out.push_str(&none_matches("retainer", filter, None));
    } else {
        out.push_str(&table.draw(look));
        out.push_str(&more(&answer.page, answer.retainers.len()));
    }
    if !answer.paths.is_empty() {
        let (shown, total) = (answer.paths.len(), answer.paths_total);
        let mut text = match shown == total {
            true => "Shortest paths to a root".to_owned(),
            false => format!("Shortest paths to a root: {shown} of {}", count(total as u64)),
        };
        if (answer.examined as u64) < class.count {
            let _ = write!(text, ", from a sample of {} objects", count(answer.examined as u64));
        }
        let _ = writeln!(out, "\n{}", look.wrap(&text, 0, 2));
        for path in &answer.paths {
            out.push_str(&merged_path(path, &class.name, look));
        }
    }
    out
}

fn merged_rows(table: &mut Table, row: &MergedTree, level: usize) {
    let holder = &row.holder;
    let kind = kind(&holder.edge_type, &holder.edge);
    let name = format!(
        "{}{}{kind} in {}",
        indent(level),
        visible(&shorten(&holder.edge, 100)),
        visible(&shorten(&holder.class_name, 60))
    );
    table.row(vec![
        name.into(),
        count(holder.objects).into(),
        count(holder.holders).into(),
        Cell::new(distance(holder.distance), Tone::Dim),
        Cell::new(format!("@{}", holder.example.id), Tone::Dim),
    ]);
    for above in row.retainers.iter().flatten() {
        merged_rows(table, above, level + 1);
    }
    more_row(table, row.more, level + 1);
}

fn merged_path(path: &MergedPath, class: &str, look: TextStyle) -> String {
    let end = match path.ends_at {
        PathEnd::UserRoot => "a root".to_owned(),
        PathEnd::SystemRoot => "a root of V8".to_owned(),
        PathEnd::SameClass => format!("another {}", visible(class)),
        PathEnd::Cut => "a root (too long to show)".to_owned(),
        PathEnd::Unreachable => "no root".to_owned(),
    };
    let objects = plural(path.count as u64, "object");
    let title = format!("{objects}, for example {}, to {end}:", node(&path.example));
    let mut out = format!("\n  {}\n", look.wrap(&title, 2, 4));
    for step in &path.steps {
        let kind = kind(&step.edge_type, &step.edge);
        let repeats = if step.repeats { "  (repeated)" } else { "" };
        let holder = match step.function_name.as_deref() {
            Some("") => "(anonymous function)".to_owned(),
            Some(name) => format!("{}()", visible(&shorten(name, 60))),
            None => visible(&shorten(&step.class_name, 60)),
        };
        let text = format!("{}{kind} in {holder}{repeats}", visible(&shorten(&step.edge, 100)));
        let _ = writeln!(out, "    ← {}", look.wrap(&text, 6, 8));
    }
    out
}

/// The dominator tree around a node. `filter` is what was asked for.
pub fn dominators(answer: &Dominators, filter: &[String], look: TextStyle) -> String {
    let mut out = headline(&answer.node, look);
    if !answer.chain.is_empty() {
        out.push_str("\nDominators, nearest first (freed if any of them is):\n");
        out.push_str(&nodes(&answer.chain, look));
        if answer.chain_length > answer.chain.len() {
            let left = answer.chain_length - answer.chain.len();
            let _ = writeln!(out, "… and {} more", count(left as u64));
        }
    }
    if answer.dominated.is_empty() {
        out.push('\n');
        out += &if filter.is_empty() {
            "It dominates nothing.\n".to_owned()
        } else {
            none_matches("dominated object", filter, None)
        };
        return out;
    }
    out.push_str("\nDominated objects, largest first (freed with it):\n");
    let mut table = node_table("Object");
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

/// What a node references. `filter` is what was asked for.
pub fn containment(answer: &Containment, filter: &[String], look: TextStyle) -> String {
    let mut out = headline(&answer.node, look);
    out.push('\n');
    if answer.edges.is_empty() {
        out += &if filter.is_empty() {
            "It references nothing.\n".to_owned()
        } else {
            none_matches("field", filter, None)
        };
        return out;
    }
    let mut table = node_table("Field");
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
