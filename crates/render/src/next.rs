//! The command that a person would type now, as the last line of an answer.

use stillheap_analysis::NodeInfo;
use stillheap_questions::{
    Closures, Containment, Diff, Dominators, Instances, LeaksAnswer, QueryAnswer, Retainers, Strings, Summary,
};

use super::{TextStyle, Tone, visible, width_of};

/// Class names that say nothing of the application.
const GENERAL: [&str; 12] = [
    "Object", "Array", "Function", "Map", "Set", "global", "Promise", "Server", "Socket", "Window",
    "process", "Module",
];

fn line(look: TextStyle, words: &[&str]) -> String {
    let mut out = format!("\n{} stillheap", look.tone(Tone::Dim, "Next:"));
    let mut column = "Next: stillheap".len();
    let width = look.width.unwrap_or(usize::MAX);
    for word in words {
        let word = quote(word);
        // A shell joins the lines again, so that the command can be copied.
        if column + width_of(&word) + 3 > width {
            out.push_str(" \\\n     ");
            column = 5;
        }
        out.push(' ');
        out.push_str(&word);
        column += 1 + width_of(&word);
    }
    out + "\n"
}

/// After an answer that knows its next command.
pub fn command(look: TextStyle, words: &[&str]) -> String {
    line(look, words)
}

/// A word as a shell needs it.
fn quote(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_.,@:/+%=".contains(c);
    let shown = visible(word);
    if !word.is_empty() && word.chars().all(plain) {
        shown
    } else {
        format!("'{}'", shown.replace('\'', "'\\''"))
    }
}

fn of_node(command: &str, file: &str, node: &NodeInfo, look: TextStyle) -> String {
    line(look, &[command, file, &format!("@{}", node.id)])
}

/// After `summary`: what retains the class of the application that takes most.
pub fn summary(file: &str, answer: &Summary, look: TextStyle) -> String {
    let own = |name: &str| !name.starts_with(['(', '{']) && !name.contains(" / ") && !GENERAL.contains(&name);
    let own = answer.classes.iter().filter(|row| own(&row.name));
    let Some(class) = own.max_by_key(|row| row.shallow_size) else { return String::new() };
    line(look, &["retainers", file, &class.name])
}

/// After `instances`.
pub fn instances(file: &str, answer: &Instances, look: TextStyle) -> String {
    answer.instances.first().map_or_else(String::new, |node| of_node("retainers", file, node, look))
}

/// After `inspect`.
pub fn inspection(file: &str, node: &NodeInfo, look: TextStyle) -> String {
    of_node("retainers", file, node, look)
}

/// After `retainers`.
pub fn retainers(file: &str, answer: &Retainers, look: TextStyle) -> String {
    let example = match answer {
        Retainers::Node(answer) => answer.retainers.first().map(|holder| &holder.edge.node),
        Retainers::Class(answer) => answer.retainers.first().map(|row| &row.holder.example),
    };
    example.map_or_else(String::new, |node| of_node("inspect", file, node, look))
}

/// After `dominators`.
pub fn dominators(file: &str, answer: &Dominators, look: TextStyle) -> String {
    answer.dominated.first().map_or_else(String::new, |below| of_node("dominators", file, &below.node, look))
}

/// After `containment`.
pub fn containment(file: &str, answer: &Containment, look: TextStyle) -> String {
    answer
        .edges
        .first()
        .map_or_else(String::new, |below| of_node("containment", file, &below.edge.node, look))
}

/// After `query`.
pub fn query(file: &str, answer: &QueryAnswer, look: TextStyle) -> String {
    answer.nodes.first().map_or_else(String::new, |node| of_node("retainers", file, node, look))
}

/// After `strings`.
pub fn strings(file: &str, answer: &Strings, look: TextStyle) -> String {
    let duplicate = answer.duplicates.iter().flatten().next().and_then(|row| row.ids.first().copied());
    let largest = answer.strings.iter().flatten().next().map(|node| node.id);
    let Some(id) = duplicate.or(largest) else { return String::new() };
    line(look, &["retainers", file, &format!("@{id}")])
}

/// After `closures`.
pub fn closures(file: &str, answer: &Closures, look: TextStyle) -> String {
    answer.closures.first().map_or_else(String::new, |row| of_node("inspect", file, &row.example, look))
}

/// After `diff`: what leaks, if anything has grown.
pub fn diff(answer: &Diff, look: TextStyle) -> String {
    if answer.page.total == 0 {
        return String::new();
    }
    let files: Vec<&str> = answer.files.iter().map(String::as_str).collect();
    line(look, &[&["leaks"], files.as_slice()].concat())
}

/// After `leaks`: the page about it, or what would show more. `found` says that the files were found, not given.
pub fn leaks(answer: &LeaksAnswer, found: bool, look: TextStyle) -> String {
    if !answer.others.is_empty() || answer.main.files.iter().any(|file| file == "-") {
        return String::new();
    }
    let files: Vec<&str> = answer.main.files.iter().map(String::as_str).collect();
    let (Some(last), leaking) = (files.last(), !answer.main.leaks.suspects.is_empty()) else {
        return String::new();
    };
    match (leaking, files.len()) {
        (true, _) if found => line(look, &["report", "-o", "leak.html"]),
        (true, _) => line(look, &[&["report"], files.as_slice(), &["-o", "leak.html"]].concat()),
        (false, 1) => line(look, &["summary", last]),
        (false, _) => line(look, &["diff", files[0], last]),
    }
}
