//! Where the text of scripts comes from that the snapshot has in part only.

/// Gives the text of scripts that the snapshot has in part only.
pub trait Sources {
    /// The text of a script, given as the snapshot names it: a path, a `file:` URL, or anything else.
    fn text(&self, script: &str) -> Option<String>;

    /// The original position of one in a compiled script, lines and columns from 1: script, line, column, name.
    fn original(&self, _script: &str, _line: u64, _column: u64) -> Option<Original> {
        None
    }
}

/// No sources but those in the snapshot.
pub struct NoSources;

impl Sources for NoSources {
    fn text(&self, _script: &str) -> Option<String> {
        None
    }
}

/// A position in the text that a script was compiled from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    /// The original file.
    pub script: String,
    /// Its line, from 1.
    pub line: u64,
    /// Its column, from 1.
    pub column: u64,
    /// The original name of what is there, where the map has one.
    pub name: Option<String>,
    /// The line's text, where the map has the source.
    pub text: Option<String>,
}
