//! What a growth watch shows on the status page: the latest samples and events, for `stillheap watch`.

use serde::{Deserialize, Serialize};

/// How many samples the page keeps.
pub const SAMPLES: usize = 48;
/// How many events.
pub const NOTES: usize = 6;

/// The heap of one thread, as its watch sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Watch {
    /// Node's id of the thread.
    pub thread_id: u32,
    /// How many samples there were so far; the last one of `samples` has this number.
    pub seen: u64,
    /// The last [`SAMPLES`], the newest last.
    pub samples: Vec<Sample>,
    /// How many events there were so far.
    pub noted: u64,
    /// The last [`NOTES`], the newest last.
    pub notes: Vec<Note>,
}

/// After one full collection. Bytes, but for `at`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// Milliseconds since 1970.
    pub at: u64,
    /// What lives in V8's heap.
    pub used: u64,
    /// V8's limit.
    pub limit: u64,
    /// The process's resident memory; `None` in workers.
    pub rss: Option<u64>,
    /// What the heap's objects keep outside of it.
    pub external: u64,
    /// Growth per hour; `None` while too little is known.
    pub velocity: Option<f64>,
    /// Full collections so far, and milliseconds that all collections stopped the thread for.
    pub collections: u64,
    /// See `collections`.
    pub paused_ms: f64,
}

/// An event of the watch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// Milliseconds since 1970.
    pub at: u64,
    /// `leak`, `settled`, `pressure`, `captured`.
    pub kind: String,
    /// In a sentence.
    pub text: String,
}

impl Watch {
    /// Adds a sample; the oldest goes if there is no room.
    pub fn add(&mut self, sample: Sample) {
        self.seen += 1;
        self.samples.push(sample);
        if self.samples.len() > SAMPLES {
            self.samples.remove(0);
        }
    }

    /// Adds an event, its text cut to what is readable on a line.
    pub fn note(&mut self, mut note: Note) {
        const LONGEST: usize = 240;
        if let Some((end, _)) = note.text.char_indices().nth(LONGEST) {
            note.text.truncate(end);
        }
        self.noted += 1;
        self.notes.push(note);
        if self.notes.len() > NOTES {
            self.notes.remove(0);
        }
    }

    /// Samples with a number above `number`, with their numbers.
    pub fn samples_after(&self, number: u64) -> impl Iterator<Item = (u64, &Sample)> {
        numbered(&self.samples, self.seen).filter(move |&(at, _)| at > number)
    }

    /// Events with a number above `number`, with their numbers.
    pub fn notes_after(&self, number: u64) -> impl Iterator<Item = (u64, &Note)> {
        numbered(&self.notes, self.noted).filter(move |&(at, _)| at > number)
    }
}

fn numbered<T>(kept: &[T], count: u64) -> impl Iterator<Item = (u64, &T)> {
    let first = (count + 1).saturating_sub(kept.len() as u64);
    kept.iter().enumerate().map(move |(index, item)| (first + index as u64, item))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept_and_keep_their_numbers() {
        let mut watch = Watch::default();
        for at in 1..=100 {
            watch.add(Sample { at, ..Sample::default() });
            watch.note(Note { at, text: "é".repeat(999), ..Note::default() });
        }
        assert_eq!(watch.samples.len(), SAMPLES);
        assert!(watch.samples_after(0).all(|(number, sample)| number == sample.at));
        assert_eq!(watch.samples_after(98).map(|(number, _)| number).collect::<Vec<_>>(), [99, 100]);
        assert_eq!(watch.notes_after(0).next().map(|(number, _)| number), Some(95));
        assert_eq!(watch.notes[0].text.chars().count(), 240);
        assert_eq!(Watch::default().samples_after(0).count(), 0);
    }
}
