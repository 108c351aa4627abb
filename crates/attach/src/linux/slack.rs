//! A place for the code: the zeros behind the end of the code of a library, in the last page of its mapping. That they
//! are behind the end, and no table of zeros, is what the library's own headers say (`elf`).
//!
//! There are two places, one for forking and one for reaping. A place that an earlier run has used bears a name: `blob` while
//! a thread might still be in it, `free` after it has been seen to be back.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use stillheap_limits::Mapping;

use crate::error::{Kind, Refusal, Result};
use crate::linux::blob::{NAME, SIZE};
use crate::linux::elf;
use crate::linux::threads::Threads;

/// What an unused place begins with after its first use.
const FREE: &[u8; 16] = b"stillheap\0free1\0";
const PAGE: usize = 4096;
/// The two places together.
const BOTH: usize = 2 * SIZE;
/// So much of a stack is looked through for addresses of a place.
const STACK: usize = 1 << 18;

/// Which of the two places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Forking,
    Reaping,
}

/// A place for a blob.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CodeSlot {
    pub(crate) address: u64,
}

/// Finds the address of both places: where an earlier run had them, else the largest tail of zeros.
pub(crate) fn find(mappings: &[Mapping], memory: &File) -> Result<u64> {
    let mut best: Option<(usize, u64)> = None;
    for (at, mapping) in mappings.iter().enumerate() {
        if !(mapping.executable && mapping.file && !mapping.may_write) || mapping.shared {
            continue;
        }
        let mut page = [0; PAGE];
        let last = mapping.end as u64 - PAGE as u64;
        if mapping.size() < PAGE || memory.read_exact_at(&mut page, last).is_err() {
            continue;
        }
        let address = mapping.end as u64 - BOTH as u64;
        let beginning = &page[PAGE - BOTH..];
        if [0, SIZE].iter().any(|&at| beginning[at..].starts_with(NAME) || beginning[at..].starts_with(FREE))
        {
            return Ok(address);
        }
        let zeros = page.iter().rev().take_while(|&&byte| byte == 0).count();
        // 16 bytes more: what is zero may be the end of the last instruction.
        if zeros >= BOTH + 16
            && best.is_none_or(|(most, _)| zeros > most)
            && elf::end_of_code(mappings, at, memory).is_some_and(|end| end <= address)
        {
            best = Some((zeros, address));
        }
    }
    best.map(|(_, address)| address).ok_or_else(|| {
        Refusal::new(
            Kind::Unfit,
            "no library of the process ends with enough unused bytes for the code that makes a copy",
        )
    })
}

fn word(memory: &File, address: u64) -> io::Result<[u8; 16]> {
    let mut word = [0; 16];
    memory.read_exact_at(&mut word, address)?;
    Ok(word)
}

/// Takes a place if no thread can be in it. `threads` are stopped; if they are all of the process, a place that was not
/// given back can be judged, else it is left alone.
pub(crate) fn claim(of: Use, both: u64, memory: &File, threads: &Threads, all: bool) -> Result<CodeSlot> {
    let address = both + if of == Use::Reaping { SIZE as u64 } else { 0 };
    let begins = word(memory, address).map_err(|e| unreadable(&e))?;
    if &begins == FREE || begins == [0; 16] {
        return Ok(CodeSlot { address });
    }
    if !all || &begins != NAME {
        return Err(Refusal::new(Kind::Busy, "the place for the code may be in use by another run"));
    }
    for thread in threads.stopped() {
        let registers = threads.registers(thread)?;
        let inside = |value: u64| CodeSlot { address }.contains(value);
        let mut stack = vec![0; STACK];
        // As far as the stack goes.
        let length = memory.read_at(&mut stack, registers.rsp & !7).unwrap_or(0);
        let words =
            stack[..length].chunks_exact(8).map(|b| u64::from_le_bytes(b.try_into().unwrap_or_default()));
        if inside(registers.rip) || words.into_iter().any(inside) {
            let message =
                format!("thread {thread} has not yet left the code of an earlier run; try again later");
            return Err(Refusal::new(Kind::Busy, message));
        }
    }
    Ok(CodeSlot { address })
}

fn unreadable(error: &io::Error) -> Refusal {
    Refusal::new(Kind::NotAllowed, format!("the memory of the process can't be read: {error}"))
}

impl CodeSlot {
    pub(crate) fn contains(self, address: u64) -> bool {
        (self.address..self.address + SIZE as u64).contains(&address)
    }

    /// Writes the code. The page becomes private to the process.
    pub(crate) fn write(self, memory: &File, blob: &[u8]) -> Result<()> {
        memory.write_all_at(blob, self.address).map_err(|e| {
            let message = format!(
                "the memory of the process can't be written to ({e}); the kernel may forbid it (proc_mem.force_override, SELinux)"
            );
            Refusal::new(Kind::NotAllowed, message)
        })
    }

    /// The thread that was in it has been seen to be back.
    pub(crate) fn give_back(self, memory: &File) {
        // If it can't be written the place stays in doubt, and the next run looks for itself.
        let _ = memory.write_all_at(FREE, self.address);
    }
}
