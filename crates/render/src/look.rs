//! How text is drawn: width, colours, links, and what a person reads of a name, a size or a path.

use std::fmt::Write;
use std::path::Path;

use anstyle::{AnsiColor, Style};
use stillheap_analysis::SourcePosition;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns of running text at most: longer lines are hard to read.
const PROSE: usize = 100;
/// Columns below which nothing is laid out any more.
const NARROWEST: usize = 40;

/// How to draw.
#[derive(Clone, Copy, Debug, Default)]
pub struct TextStyle {
    /// With colours.
    pub colour: bool,
    /// With links that a terminal can open (OSC 8).
    pub links: bool,
    /// Columns of the terminal; None if nothing has to fit.
    pub width: Option<usize>,
    /// Files below this directory are shown relative to it.
    pub directory: Option<&'static Path>,
}

/// What a text means, and so its colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Ordinary text.
    #[default]
    Plain,
    /// Headings, and the name that matters.
    Strong,
    /// Ids, paths, hints.
    Dim,
    /// Growth, leaks.
    Bad,
    /// Something to look at, without proof.
    Doubt,
    /// Shrinking, no leak.
    Good,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Tone::Plain => Style::new(),
            Tone::Strong => Style::new().bold(),
            Tone::Dim => Style::new().dimmed(),
            Tone::Bad => AnsiColor::Red.on_default(),
            Tone::Doubt => AnsiColor::Yellow.on_default(),
            Tone::Good => AnsiColor::Green.on_default(),
        }
    }

    /// The tone of a change: growth is bad.
    pub fn of_change(change: i64) -> Tone {
        match change {
            0 => Tone::Dim,
            c if c > 0 => Tone::Bad,
            _ => Tone::Good,
        }
    }
}

impl TextStyle {
    /// A heading.
    pub fn bold(self, text: &str) -> String {
        self.tone(Tone::Strong, text)
    }

    /// A text in a tone.
    pub fn tone(self, tone: Tone, text: &str) -> String {
        self.styled(tone.style(), text)
    }

    /// A heading in a tone.
    pub fn heading(self, tone: Tone, text: &str) -> String {
        self.styled(tone.style().bold(), text)
    }

    fn styled(self, style: Style, text: &str) -> String {
        if self.colour && style != Style::new() { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// Columns of running text.
    pub fn prose(self) -> usize {
        self.width.unwrap_or(PROSE).clamp(NARROWEST, PROSE)
    }

    /// A file's name as it is shown: relative to the working directory if it lies in it.
    pub fn path(self, path: &str) -> String {
        let below = self.directory.and_then(|directory| Path::new(path).strip_prefix(directory).ok());
        match below.and_then(Path::to_str).filter(|rest| !rest.is_empty()) {
            Some(rest) => visible(rest),
            None => visible(path),
        }
    }

    /// A text that opens a file, where the terminal can do that.
    pub fn link(self, path: &str, text: &str) -> String {
        if !self.links || !path.starts_with('/') {
            return text.to_owned();
        }
        let mut target = String::new();
        for byte in path.bytes() {
            if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
                target.push(byte as char);
            } else {
                let _ = write!(target, "%{byte:02X}");
            }
        }
        format!("\x1b]8;;file://{target}\x1b\\{text}\x1b]8;;\x1b\\")
    }

    /// `app.js:12:5`, or the script's number where the snapshot has no name.
    pub fn position(self, position: &SourcePosition) -> String {
        match &position.script {
            Some(script) => self.place(script, position.line, position.column),
            None => format!("script {}:{}:{}", position.script_id, position.line, position.column),
        }
    }

    /// `app.js:12:5`.
    pub fn place(self, script: &str, line: impl std::fmt::Display, column: impl std::fmt::Display) -> String {
        let path = script.strip_prefix("file://").unwrap_or(script);
        self.link(path, &format!("{}:{line}:{column}", self.path(path)))
    }

    /// Breaks a text into lines; those after the first begin with `indent` spaces. `used` columns of the first
    /// line are taken already. A word that is longer than a line is broken after a slash, or not at all.
    pub fn wrap(self, text: &str, used: usize, indent: usize) -> String {
        let width = self.prose();
        let mut out = String::new();
        let mut column = used;
        let mut fresh = true;
        for word in text.split(' ') {
            let mut left = word;
            loop {
                let space = usize::from(!fresh);
                if column + space + width_of(left) <= width {
                    if !fresh {
                        out.push(' ');
                    }
                    out.push_str(left);
                    column += space + width_of(left);
                    fresh = false;
                    break;
                }
                if !fresh {
                    let _ = write!(out, "\n{}", " ".repeat(indent));
                    (column, fresh) = (indent, true);
                    continue;
                }
                let room = width.saturating_sub(column);
                // A name without a slash is broken anywhere rather than run over the edge of a terminal.
                let anywhere = || at_column(left, room).filter(|_| self.width.is_some());
                let Some(cut) = slash_before(left, room).or_else(anywhere) else {
                    out.push_str(left);
                    column += width_of(left);
                    fresh = false;
                    break;
                };
                out.push_str(&left[..cut]);
                left = &left[cut..];
                let _ = write!(out, "\n{}", " ".repeat(indent));
                column = indent;
            }
        }
        out
    }
}

/// Where a long word can be broken: after the last slash that still fits.
fn slash_before(word: &str, room: usize) -> Option<usize> {
    let mut used = 0;
    let mut cut = None;
    for (at, c) in word.char_indices() {
        used += c.width().unwrap_or(0);
        if used > room {
            break;
        }
        if c == '/' && at > 0 {
            cut = Some(at + 1);
        }
    }
    cut
}

/// Where a text reaches a column; None if that is at its start, or if it has colours or links, which have no width.
fn at_column(text: &str, room: usize) -> Option<usize> {
    if text.contains('\x1b') {
        return None;
    }
    let mut used = 0;
    let past = text.char_indices().find(|&(_, c)| {
        used += c.width().unwrap_or(0);
        used > room
    });
    past.map(|(at, _)| at).filter(|&at| at > 0)
}

/// Columns that a text takes, without its colours and links.
pub fn width_of(text: &str) -> usize {
    if !text.contains('\x1b') {
        return text.width();
    }
    anstream::adapter::strip_str(text).to_string().width()
}

/// At most `width` columns: cut at the end, between words if that is near.
pub fn fit(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 1;
    let mut end = 0;
    let mut between = None;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        if !c.is_alphanumeric() && at > 0 {
            between = Some(at);
        }
        end = at + c.len_utf8();
    }
    // Half a name says more than none: a word is given up only if it is a small part of the line.
    let end = between.filter(|&at| at * 4 >= end * 3).unwrap_or(end);
    format!("{}…", text[..end].trim_end())
}

/// A text in which nothing can move the cursor, change colours or turn the direction of writing around.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_dangerous(c) => {
                let _ = write!(out, "\\u{{{:x}}}", c as u32);
            }
            c => out.push(c),
        }
    }
    out
}

/// Spaces in a row that are counted instead of printed.
const MOST_SPACES: usize = 8;

/// A string's text between quotes, at most `most` characters, long runs of spaces as `·×200`.
pub fn quoted(text: &str, most: usize, truncated: bool) -> String {
    let shown = shorten(&fold_spaces(text), most);
    let cut = if truncated && !shown.ends_with('…') { "…" } else { "" };
    format!("\"{}\"{cut}", visible(&shown))
}

fn fold_spaces(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(' ') {
        let spaces = rest[start..].len() - rest[start..].trim_start_matches(' ').len();
        out.push_str(&rest[..start]);
        if spaces > MOST_SPACES {
            let _ = write!(out, "·×{spaces}");
        } else {
            out.push_str(&rest[start..start + spaces]);
        }
        rest = &rest[start + spaces..];
    }
    out + rest
}

/// At most `most` characters.
pub fn shorten(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}

/// Control characters (a C1 one begins an escape sequence on some terminals) and invisible ones that reorder.
pub fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Heights of a sparkline.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The course of some numbers as one character each; empty for fewer than two.
pub fn spark(numbers: &[u64]) -> String {
    let (Some(&least), Some(&most)) = (numbers.iter().min(), numbers.iter().max()) else {
        return String::new();
    };
    if numbers.len() < 2 {
        return String::new();
    }
    let height = |number: u64| match most - least {
        0 => 0,
        range => ((u128::from(number - least) * 7 + u128::from(range) / 2) / u128::from(range)) as usize,
    };
    numbers.iter().map(|&number| BARS[height(number)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_unseen() {
        assert_eq!(visible("a\x1b[31m\u{9b}2J\n\t\u{7f}"), "a\\u{1b}[31m\\u{9b}2J\\n\\t\\u{7f}");
        assert_eq!(visible("abc\u{202e}def"), "abc\\u{202e}def");
        assert_eq!(visible("größe 名前 🙂"), "größe 名前 🙂");
    }

    #[test]
    fn lines_break_between_words_and_count_what_stands_before_them() {
        let look = TextStyle { width: Some(40), ..TextStyle::default() };
        let text = look.wrap("one two three four five six seven eight nine", 10, 4);
        assert_eq!(text, "one two three four five six\n    seven eight nine");
        for line in format!("{}{text}", " ".repeat(10)).lines() {
            assert!(line.width() <= 40, "{line}");
        }
    }

    #[test]
    fn long_paths_break_after_a_slash() {
        let look = TextStyle { width: Some(40), ..TextStyle::default() };
        let text = look.wrap("in /srv/applications/subscriptions/server/handlers/mail.js:40:14", 0, 2);
        assert_eq!(text, "in\n  /srv/applications/subscriptions/\n  server/handlers/mail.js:40:14");
    }

    #[test]
    fn a_name_without_a_slash_is_broken_on_a_terminal_only() {
        let name = "x".repeat(50);
        let narrow = TextStyle { width: Some(40), ..TextStyle::default() };
        assert_eq!(narrow.wrap(&name, 4, 2), format!("{}\n  {}", "x".repeat(36), "x".repeat(14)));
        let long = "y".repeat(150);
        assert_eq!(TextStyle::default().wrap(&long, 0, 2), long);
    }

    #[test]
    fn names_are_cut_between_words_where_that_is_near() {
        assert_eq!(fit("EmailTemplate", 13), "EmailTemplate");
        assert_eq!(fit("EmailTemplateNode", 10), "EmailTemp…");
        assert_eq!(fit("{cookie, authorization, host, agent}", 30), "{cookie, authorization, host…");
    }

    #[test]
    fn runs_of_spaces_are_counted() {
        assert_eq!(quoted(&" ".repeat(200), 100, false), "\"·×200\"");
        assert_eq!(quoted("a  b", 100, false), "\"a  b\"");
        assert_eq!(quoted(&format!("a{}b", " ".repeat(9)), 100, true), "\"a·×9b\"…");
    }

    #[test]
    fn sparklines_show_the_course() {
        assert_eq!(spark(&[1, 2, 3]), "▁▅█");
        assert_eq!(spark(&[5, 5]), "▁▁");
        assert_eq!(spark(&[0, u64::MAX]), "▁█");
        assert_eq!(spark(&[7]), "");
    }

    #[test]
    fn paths_are_relative_to_the_directory_and_links_are_not() {
        let look = TextStyle { directory: Some(Path::new("/srv")), ..TextStyle::default() };
        assert_eq!(look.place("/srv/app/a b.js", 1, 2), "app/a b.js:1:2");
        assert_eq!(look.place("/var/b.js", 1, 2), "/var/b.js:1:2");
        let linked = TextStyle { links: true, ..look };
        assert_eq!(
            linked.place("/srv/app/a b.js", 1, 2),
            "\x1b]8;;file:///srv/app/a%20b.js\x1b\\app/a b.js:1:2\x1b]8;;\x1b\\"
        );
        assert_eq!(width_of(&linked.place("/srv/app/a b.js", 1, 2)), 14);
        assert_eq!(linked.place("node:net", 1, 2), "node:net:1:2");
    }
}
