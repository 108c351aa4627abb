//! An index file that is open, and what happens when a piece of it is not as it should be.
//!
//! Pieces are read when they are asked for, at their positions: nothing is mapped, since a mapped file that somebody
//! cuts off ends the whole process. Every block has a checksum and its values must keep the section's [`Rule`]. If a
//! block fails, or cannot be read at all, the snapshot itself is read again (it is kept open, so that it may even
//! have been deleted) and the piece comes from there. If that fails too there is nothing left to answer with, and the
//! question is unwound: [`crate::ask_all`], the only way to a snapshot, gives [`crate::Lost`].
//! Memory: 37 bytes per block of the file.

use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use stillheap_analysis::Snapshot;
use stillheap_graph::column::{BLOCK, Blocks, Cell, Column, per_block};
use stillheap_snapshot::ReadOptions;

use crate::codec::{packed_len, unpack};
use crate::files::{read_at, read_exact_at};
use crate::head::is_intact;
use crate::identity::Identity;
use crate::sections::{ALL, Length, Rule, Section, SectionCounts};

/// Where a block is and how it is packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) position: u64,
    pub(crate) least: u64,
    pub(crate) checksum: u64,
    pub(crate) width: u8,
}

/// A section's blocks.
#[derive(Clone, Debug, Default)]
pub(crate) struct SectionEntry {
    pub(crate) len: u64,
    pub(crate) blocks: Vec<Block>,
}

/// The open files.
pub(crate) struct Source {
    pub(crate) index: File,
    pub(crate) snapshot: File,
    pub(crate) identity: Identity,
    pub(crate) counts: SectionCounts,
    pub(crate) entries: Vec<SectionEntry>,
    pub(crate) again: OnceLock<Option<Box<Snapshot>>>,
    pub(crate) lost: AtomicBool,
}

impl Source {
    pub(crate) fn len(&self, section: Section) -> usize {
        self.entries[section as usize].len as usize
    }

    /// True once a damaged piece has made the snapshot be read again.
    pub(crate) fn damaged(&self) -> bool {
        self.again.get().is_some()
    }

    /// True once neither the index nor the snapshot could be read.
    pub(crate) fn lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    fn values_in<T: Cell>(&self, section: Section, block: usize) -> usize {
        per_block::<T>().min(self.len(section) - block * per_block::<T>())
    }

    pub(crate) fn append_block<T: Cell>(&self, section: Section, block: usize, out: &mut Vec<T>) {
        let (before, count) = (out.len(), self.values_in::<T>(section, block));
        if self.read_block(section, block, count, out).is_some() {
            return;
        }
        out.truncate(before);
        let start = block * per_block::<T>();
        let values = self.again().and_then(|snapshot| {
            T::pick(section.of(snapshot.data(), &snapshot.results()))?.get(start..start + count)
        });
        match values {
            Some(values) => out.extend_from_slice(values),
            None => {
                self.lost.store(true, Ordering::Relaxed);
                // Caught by `ask_all`. Not `panic!`: nobody needs a message, or a backtrace.
                std::panic::resume_unwind(Box::new("neither the index nor the snapshot can be read any more"))
            }
        }
    }

    fn read_block<T: Cell>(
        &self,
        section: Section,
        block: usize,
        count: usize,
        out: &mut Vec<T>,
    ) -> Option<()> {
        let entry = self.entries[section as usize].blocks.get(block)?;
        let mut packed = [0; BLOCK];
        let packed = packed.get_mut(..packed_len(count, entry.width))?;
        read_exact_at(&self.index, packed, entry.position).ok()?;
        if !is_intact(packed, entry.checksum) {
            return None;
        }
        let before = out.len();
        unpack(packed, count, entry.least, entry.width, out);
        let next = self.entries[section as usize].blocks.get(block + 1).map(|next| next.least);
        self.keeps_rule(section, block * per_block::<T>(), next, &out[before..]).then_some(())
    }

    fn keeps_rule<T: Cell>(&self, section: Section, base: usize, next: Option<u64>, values: &[T]) -> bool {
        let codes = || values.iter().map(|value| value.code());
        let most = || codes().max().unwrap_or(0);
        match section.rule(&self.counts) {
            Rule::Any => true,
            Rule::Below(end) => most() < end,
            Rule::Within(end) => most() <= end && codes().min().is_none_or(|least| least >= 1),
            // The next block starts with its smallest value.
            Rule::Rising(end) => {
                (base > 0 || section != Section::FirstEdge || codes().next() == Some(0))
                    && values.windows(2).all(|pair| pair[0].code() <= pair[1].code())
                    && most() <= next.unwrap_or(end).min(end)
            }
            Rule::BelowPosition => {
                codes().zip(base as u64..).all(|(code, at)| code < at || (code == 0 && at == 0))
            }
            Rule::ParentBefore => {
                codes().zip(base as u64..).all(|(code, at)| code < at || code == u32::MAX as u64)
            }
        }
    }

    fn again(&self) -> Option<&Snapshot> {
        let read = || {
            let whole = FromStart { file: self.snapshot.try_clone().ok()?, position: 0 };
            let size = self.snapshot.metadata().ok()?.len();
            let data =
                stillheap_snapshot::read_sized(Box::new(whole), Some(size), ReadOptions::default()).ok()?;
            // Looked at afterwards, so that a change while it was read is noticed as well.
            if Identity::of(&self.snapshot).ok()? != self.identity {
                return None;
            }
            Some(Box::new(Snapshot::new(data)))
        };
        self.again.get_or_init(read).as_deref()
    }

    /// Whether every section has the length it must have and lies inside the file.
    pub(crate) fn fits(&self, file_len: u64) -> bool {
        ALL.iter().zip(&self.entries).all(|(section, entry)| {
            let bytes = section.cell_bytes();
            let per = (BLOCK / bytes) as u64;
            let length_fits = match section.length(&self.counts) {
                Length::Any => entry.len <= u32::MAX as u64,
                Length::Exactly(len) => entry.len == len,
                Length::Optional(len) => entry.len == len || entry.len == 0,
            };
            length_fits
                && entry.blocks.len() as u64 == entry.len.div_ceil(per)
                && entry.blocks.iter().enumerate().all(|(i, block)| {
                    let count = per.min(entry.len - i as u64 * per) as usize;
                    let width = block.width;
                    (width <= 56 || width == 64)
                        && packed_len(count, width) <= BLOCK
                        && block
                            .position
                            .checked_add(packed_len(count, width) as u64)
                            .is_some_and(|e| e <= file_len)
                })
        })
    }
}

/// A section's blocks in an open index.
struct SectionBlocks {
    source: Arc<Source>,
    section: Section,
}

impl<T: Cell> Blocks<T> for SectionBlocks {
    fn append_block(&self, block: usize, out: &mut Vec<T>) {
        self.source.append_block(self.section, block, out);
    }
}

/// A column that stays in the index until it is asked for.
pub(crate) fn column<T: Cell>(source: &Arc<Source>, section: Section) -> Column<T> {
    Column::in_file(Box::new(SectionBlocks { source: Arc::clone(source), section }), source.len(section))
}

/// Reads a file from its start, whatever others do with the same handle.
struct FromStart {
    file: File,
    position: u64,
}

impl Read for FromStart {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = read_at(&self.file, out, self.position)?;
        self.position += n as u64;
        Ok(n)
    }
}
