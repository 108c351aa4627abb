//! The command line as clap has it, its commands listed in groups.

use std::ffi::OsStr;

use clap::{Command, CommandFactory};

use crate::args::Cli;

/// The commands in the order of a user's work. A test checks that every command is in one group.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Capture", &["dump", "watch"]),
    ("Find the leak", &["leaks", "diff", "report", "summary", "retainers", "closures"]),
    (
        "Look around",
        &[
            "instances",
            "inspect",
            "dominators",
            "containment",
            "strings",
            "query",
            "timeline",
            "info",
            "stack",
        ],
    ),
    ("Share and automate", &["verify", "redact", "convert", "mcp", "completions", "help"]),
];

/// What llnode calls the commands.
const LLNODE: [(&str, &str); 5] = [
    ("findjsobjects", "summary"),
    ("findjsinstances", "instances"),
    ("findrefs", "retainers"),
    ("bt", "stack"),
    ("nodeinfo", "info"),
];

/// The name of the command that llnode calls so.
pub fn of_llnode(word: &OsStr) -> Option<&'static str> {
    LLNODE.iter().find(|(theirs, _)| word == *theirs).map(|&(_, ours)| ours)
}

/// The whole command line, its commands in groups.
pub fn command() -> Command {
    let mut command = Cli::command();
    for (theirs, ours) in LLNODE {
        command = command.mut_subcommand(ours, |c| c.alias(theirs));
    }
    command.build();
    let groups = groups(&command);
    command.help_template(format!(
        "{{about}}\n\nUsage: stillheap <COMMAND> [OPTIONS]\n{groups}\nOptions:\n{{options}}{{after-help}}"
    ))
}

fn groups(command: &Command) -> String {
    let mut out = String::new();
    for (title, names) in GROUPS {
        out.push_str(&format!("\n{title}:\n"));
        for name in names {
            let about = command.find_subcommand(name).and_then(Command::get_about);
            let about = match *name {
                "help" => "Show the help of a command".to_owned(),
                _ => about.map(ToString::to_string).unwrap_or_default(),
            };
            out.push_str(&format!("  {name:<12} {about}\n"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_one_group() {
        let grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let mut command = Cli::command();
        command.build();
        for name in &grouped {
            assert!(command.find_subcommand(name).is_some(), "there is no command {name}");
        }
        for subcommand in command.get_subcommands().filter(|c| !c.is_hide_set()) {
            let times = grouped.iter().filter(|name| **name == subcommand.get_name()).count();
            assert_eq!(times, 1, "{} is in {times} groups", subcommand.get_name());
        }
    }

    #[test]
    fn words_of_llnode_are_commands() {
        for (theirs, ours) in LLNODE {
            let found = command().find_subcommand(theirs).map(|c| c.get_name().to_owned());
            assert_eq!(found.as_deref(), Some(ours), "{theirs}");
            assert_eq!(of_llnode(OsStr::new(theirs)), Some(ours));
        }
    }

    /// The man pages in the package are made of the same texts; `UPDATE_GOLDEN=1` writes them.
    #[test]
    fn man_pages_are_up_to_date() {
        let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../man");
        let mut wrong = Vec::new();
        let mut names = Vec::new();
        let mut all = command();
        all.build();
        let subcommands = all.get_subcommands().filter(|c| c.get_name() != "help").cloned();
        let pages = subcommands.map(|c| (format!("stillheap-{}", c.get_name()), c));
        let pages: Vec<_> = pages.chain([("stillheap".to_owned(), Cli::command())]).collect();
        for (name, command) in pages {
            let mut page = Vec::new();
            // The version would change every page with each release.
            let title: &'static str = name.clone().leak();
            let command = command.name(title).version(None::<&'static str>);
            clap_mangen::Man::new(command).render(&mut page).unwrap();
            let path = directory.join(format!("{name}.1"));
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                std::fs::write(&path, &page).unwrap();
            }
            if std::fs::read(&path).unwrap_or_default() != page {
                wrong.push(name.clone());
            }
            names.push(format!("{name}.1"));
        }
        assert!(wrong.is_empty(), "UPDATE_GOLDEN=1 writes the man pages anew: {}", wrong.join(", "));
        for entry in std::fs::read_dir(directory).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(names.contains(&name), "man/{name} belongs to no command");
        }
    }

    /// The reference in the documents is made of the same texts; `UPDATE_GOLDEN=1` writes it.
    #[test]
    fn the_reference_is_up_to_date() {
        let mut all = Cli::command().term_width(100);
        all.build();
        let mut page =
            "# Commands\n\nMade from `stillheap help`; a test of `crates/cli` keeps it up to date.\n"
                .to_owned();
        for (title, names) in GROUPS {
            page.push_str(&format!("\n## {title}\n"));
            for name in names.iter().filter(|name| **name != "help") {
                let mut command = all.find_subcommand(name).unwrap().clone();
                page.push_str(&format!("\n### {name}\n\n```text\n"));
                for line in command.render_long_help().to_string().lines() {
                    page.push_str(line.trim_end());
                    page.push('\n');
                }
                page.push_str("```\n");
            }
        }
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &page).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == page, "UPDATE_GOLDEN=1 writes docs/cli.md anew");
    }

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }
}
