//! The lines around the places that a verdict names.
//!
//! Only text that the verdict itself was given is shown: the snapshot's own, that of a script's file if it begins as the
//! snapshot says (see `SourceExcerpt`), and what such a script's source map has. So a stranger's snapshot can pull no
//! other file into a page.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use stillheap_verdict::{Leaks, Original, SourceExcerpt, SourceLocation, Sources};

use crate::collect::{Excerpt, short};

/// Lines before and after the one that is meant.
const AROUND: usize = 5;
/// Places that get their lines.
const MOST: usize = 40;

/// Hands texts on, and keeps them.
pub struct Recorder<'s> {
    sources: &'s dyn Sources,
    texts: RefCell<HashMap<String, String>>,
}

impl<'s> Recorder<'s> {
    pub fn new(sources: &'s dyn Sources) -> Recorder<'s> {
        Recorder { sources, texts: RefCell::default() }
    }

    /// The lines around the places of a verdict.
    pub fn excerpts(&self, leaks: &Leaks) -> BTreeMap<String, Excerpt> {
        let texts = self.texts.borrow();
        let places = leaks.suspects.iter().flat_map(|suspect| {
            let related = suspect.cause.related.iter().map(|related| &related.location);
            suspect.cause.location.iter().chain(related)
        });
        places
            .filter_map(|place| {
                let script = place.script.as_deref()?;
                Some((format!("{script}:{}", place.line), around(texts.get(script)?, place)?))
            })
            .take(MOST)
            .collect()
    }
}

impl Sources for Recorder<'_> {
    fn text(&self, script: &str, excerpt: &SourceExcerpt) -> Option<String> {
        let text = self.sources.text(script, excerpt)?;
        self.texts.borrow_mut().insert(script.to_owned(), text.clone());
        Some(text)
    }

    fn note_whole(&self, script: &str, text: &str) {
        self.texts.borrow_mut().entry(script.to_owned()).or_insert_with(|| text.to_owned());
    }

    fn original(&self, script: &str, excerpt: &SourceExcerpt, line: u64, column: u64) -> Option<Original> {
        let found = self.sources.original(script, excerpt, line, column)?;
        let known = self.texts.borrow().contains_key(&found.script);
        if !known && let Some(text) = self.sources.original_text(script, excerpt, line, column) {
            self.texts.borrow_mut().insert(found.script.clone(), text);
        }
        Some(found)
    }
}

/// None if the text has no such line, or another one there: then it is of another version.
fn around(text: &str, place: &SourceLocation) -> Option<Excerpt> {
    let lines: Vec<&str> = text.lines().collect();
    let at = usize::try_from(place.line).ok()?.checked_sub(1)?;
    let meant = lines.get(at)?.trim();
    if place.text.as_deref().is_some_and(|known| !meant.starts_with(known.trim().trim_end_matches('…'))) {
        return None;
    }
    let from = at.saturating_sub(AROUND);
    let shown = &lines[from..lines.len().min(at + AROUND + 1)];
    // Lines all begin with the indent that they have in common.
    let indent = |line: &&str| line.len() - line.trim_start().len();
    let common = shown.iter().filter(|line| !line.trim().is_empty()).map(indent).min().unwrap_or(0);
    let lines = shown.iter().map(|line| short(line.get(common..).unwrap_or_default())).collect();
    Some(Excerpt { from: from as u64 + 1, lines })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: u64, text: &str) -> SourceLocation {
        SourceLocation { script: Some("/a.js".to_owned()), line, column: 1, text: Some(text.to_owned()) }
    }

    /// A source map that knows one file.
    struct Mapped;

    impl Sources for Mapped {
        fn text(&self, _script: &str, _excerpt: &SourceExcerpt) -> Option<String> {
            None
        }

        fn original(&self, _script: &str, _told: &SourceExcerpt, line: u64, column: u64) -> Option<Original> {
            Some(Original { script: "/a.ts".to_owned(), line, column, name: None, text: None })
        }

        fn original_text(
            &self,
            _script: &str,
            _told: &SourceExcerpt,
            _line: u64,
            _column: u64,
        ) -> Option<String> {
            Some("let leak\n".to_owned())
        }
    }

    #[test]
    fn texts_come_from_the_snapshot_and_from_source_maps_too() {
        let recorder = Recorder::new(&Mapped);
        recorder.note_whole("/b.js", "const b = 1;");
        let told = SourceExcerpt::new("x".repeat(1024));
        assert_eq!(recorder.original("/a.js", &told, 1, 1).unwrap().script, "/a.ts");
        let texts = recorder.texts.borrow();
        assert_eq!(texts["/b.js"], "const b = 1;");
        assert_eq!(texts["/a.ts"], "let leak\n");
    }

    #[test]
    fn lines_around_a_place_lose_their_common_indent() {
        let text: String = (1..=20).map(|n| format!("    line {n}\n")).collect();
        let excerpt = around(&text, &place(10, "line 10")).unwrap();
        assert_eq!((excerpt.from, excerpt.lines.len()), (5, 11));
        assert_eq!(excerpt.lines[5], "line 10");
        assert_eq!(around(&text, &place(1, "line 1")).unwrap().from, 1);
        assert!(around(&text, &place(10, "another")).is_none());
        assert!(around(&text, &place(99, "line 99")).is_none());
    }
}
