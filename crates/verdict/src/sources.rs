//! Where the text of scripts comes from that the snapshot has in part only.

/// V8 writes no more of a string than this many UTF-16 units.
pub(crate) const STRING_LIMIT: usize = 1024;

/// What a snapshot has of a script's text.
///
/// A snapshot names its scripts by path, and both may be a stranger's. A file that lies at such a path is the script
/// only if it begins as the snapshot says; else it is another version, or none of the snapshot's business. So neither
/// a file nor its source map is used before [`SourceExcerpt::matches`] was asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SourceExcerpt {
    text: String,
    whole: bool,
}

impl SourceExcerpt {
    /// From the text of the script's source in the snapshot, which V8 cuts at 1024 UTF-16 units.
    pub fn new(text: String) -> SourceExcerpt {
        let whole = text.encode_utf16().count() < STRING_LIMIT - 1;
        SourceExcerpt { text, whole }
    }

    /// The script's text, where the snapshot has all of it.
    pub fn whole(&self) -> Option<&str> {
        self.whole.then_some(self.text.as_str())
    }

    /// Whether a file's text, without its byte order mark, is the script's.
    pub fn matches(&self, file: &str) -> bool {
        if self.whole {
            return file == self.text;
        }
        // A character cut in two at the limit does not count against the file.
        let mut excerpt = self.text.chars();
        excerpt.next_back();
        file.starts_with(excerpt.as_str())
    }
}

/// Gives the text of scripts that the snapshot has in part only. A script is named as the snapshot names it: by a
/// path, a `file:` URL, or anything else.
pub trait Sources {
    /// The text of a script, without a byte order mark; only text that `excerpt` matches.
    fn text(&self, script: &str, excerpt: &SourceExcerpt) -> Option<String>;

    /// Told a script's text where the snapshot has all of it, so that nothing was asked for.
    fn note_whole(&self, _script: &str, _text: &str) {}

    /// The original position of one in a compiled script that `excerpt` matches, lines and columns from 1.
    fn original(&self, _script: &str, _told: &SourceExcerpt, _line: u64, _column: u64) -> Option<Original> {
        None
    }

    /// The whole of the file that [`Sources::original`] leads to, where its source map has it.
    fn original_text(
        &self,
        _script: &str,
        _told: &SourceExcerpt,
        _line: u64,
        _column: u64,
    ) -> Option<String> {
        None
    }
}

/// No sources but those in the snapshot.
pub struct NoSources;

impl Sources for NoSources {
    fn text(&self, _script: &str, _told: &SourceExcerpt) -> Option<String> {
        None
    }
}

/// A position in the text that a script was compiled from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    /// The original file.
    pub script: String,
    /// Counted from 1.
    pub line: u64,
    /// Counted from 1.
    pub column: u64,
    /// The original name of what is there, where the map has one.
    pub name: Option<String>,
    /// The line's text, where the map has the source.
    pub text: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_script_if_it_begins_as_the_snapshot_says() {
        let short = SourceExcerpt::new("one".to_owned());
        assert_eq!(
            (short.whole(), short.matches("one"), short.matches("one two")),
            (Some("one"), true, false)
        );
        assert!(!SourceExcerpt::new(String::new()).matches("anything"));
        let text = format!("{}é", "x".repeat(1023));
        let long = SourceExcerpt::new(text.clone());
        assert_eq!((long.whole(), long.matches(&format!("{text} more"))), (None, true));
        assert!(!long.matches(&format!("y{}", &text[1..])));
    }
}
