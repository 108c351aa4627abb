//! The memory of a process that stands still but has not died: a frozen copy, or one whose threads are stopped.
//!
//! Linux lets nobody map a stranger's memory, so it is copied, mapping by mapping, when it is first asked for. Only pages
//! that are there are read; the rest are zeros, which cost nothing.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use stillheap_limits::maps;

use crate::core::{Mapping, build_id_of};
use crate::error::{Error, Result};
use crate::notes::Thread;
use crate::program::Program;

const PAGE: usize = 4096;
/// Pages whose state is asked for at a time.
const PAGES: usize = 1 << 14;
/// Bit 63 of an entry of pagemap: the page is in memory. Bit 62: it is in swap.
const THERE: u64 = 3 << 62;

/// A process's memory as it stands.
pub struct Live {
    process: u32,
    memory: File,
    pages: File,
    mappings: Vec<Mapping>,
    contents: Vec<OnceLock<Box<[u8]>>>,
    threads: Vec<Thread>,
    program: Option<Program>,
    why_no_program: Option<String>,
    copied: AtomicU64,
    base: u64,
}

fn path_of(line: &str) -> Option<&str> {
    // Five fields before it, however many spaces between.
    let mut rest = line;
    for _ in 0..5 {
        rest = rest.trim_start().split_once(' ')?.1;
    }
    Some(rest.trim_start()).filter(|path| !path.is_empty())
}

impl Live {
    /// Opens the memory of `frozen`, which stands still, and finds the program of `process`, which it is a copy of (or
    /// itself).
    ///
    /// # Errors
    /// The system doesn't allow it, or it has ended.
    pub fn open(process: u32, frozen: u32, threads: Vec<Thread>) -> Result<Live> {
        let file = |name: &str| PathBuf::from(format!("/proc/{frozen}/{name}"));
        let open = |path: PathBuf| File::open(&path).map_err(|e| Error::io("could not open", &path, e));
        let text = fs::read(file("maps")).map_err(|e| Error::io("could not read", &file("maps"), e))?;
        let text = String::from_utf8_lossy(&text);
        let mappings = mappings(&text);
        let mut live = Live {
            process,
            memory: open(file("mem"))?,
            pages: open(file("pagemap"))?,
            contents: mappings.iter().map(|_| OnceLock::new()).collect(),
            mappings,
            threads,
            program: None,
            why_no_program: None,
            copied: AtomicU64::new(0),
            base: 0,
        };
        live.find_program(&text);
        Ok(live)
    }

    /// Node may be a library of its own, as Debian's.
    fn find_program(&mut self, maps: &str) {
        let library =
            self.mappings.iter().find(|m| m.file.as_ref().is_some_and(|f| f.contains("libnode.so")));
        let program = match library {
            None => Program::open(Path::new(&format!("/proc/{}/exe", self.process))),
            Some(library) => {
                let path = library.file.as_deref().unwrap_or_default();
                let path = PathBuf::from(format!("/proc/{}/root{path}", self.process));
                // Its file may have been replaced since.
                let mut head = vec![0; PAGE];
                let there = self.memory.read_exact_at(&mut head, library.start).is_ok();
                Program::open(&path).and_then(|program| {
                    match program.build_id() == build_id_of(&head).as_deref() && there {
                        true => Ok(program),
                        false => Err(Error::new(format!("{} has been replaced since", path.display()))),
                    }
                })
            }
        };
        match program {
            Ok(program) => {
                let path = match library.and_then(|l| l.file.clone()) {
                    Some(path) => path,
                    None => fs::read_link(format!("/proc/{}/exe", self.process))
                        .map_or_else(|_| String::new(), |path| path.to_string_lossy().into_owned()),
                };
                let first = maps.lines().find(|line| path_of(line) == Some(&path));
                let start = first.and_then(|line| u64::from_str_radix(line.split('-').next()?, 16).ok());
                let own = program.address_of_offset(0).unwrap_or(0);
                self.base = start.map_or(0, |start| start.wrapping_sub(own));
                self.program = Some(program);
            }
            Err(error) => self.why_no_program = Some(error.to_string()),
        }
    }

    /// What is added to the program's own numbering of addresses: 0 of a program that has a fixed place.
    pub fn program_base(&self) -> u64 {
        self.base
    }

    pub fn process(&self) -> u32 {
        self.process
    }

    /// In order of their addresses.
    pub fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    /// All threads, the main thread first.
    pub fn threads(&self) -> &[Thread] {
        &self.threads
    }

    /// The program, if it can be read.
    pub fn program(&self) -> Option<&Program> {
        self.program.as_ref()
    }

    pub fn why_no_program(&self) -> Option<&str> {
        self.why_no_program.as_deref()
    }

    /// Bytes that were copied so far.
    pub fn copied(&self) -> u64 {
        self.copied.load(Ordering::Relaxed)
    }

    /// Bytes of memory that the process itself has written: what [`Live::mapping_bytes`] may have to copy.
    pub fn resident(&self) -> u64 {
        let mut bytes = 0;
        for mapping in &self.mappings {
            let _ = self.resident_runs(mapping, |from, to| {
                bytes += to - from;
                Ok(())
            });
        }
        bytes
    }

    /// The bytes of a mapping. What can't be read is zeros.
    pub fn mapping_bytes(&self, index: usize) -> &[u8] {
        let Some((mapping, contents)) = self.mappings.get(index).zip(self.contents.get(index)) else {
            return &[];
        };
        contents.get_or_init(|| self.copy(mapping).unwrap_or_default())
    }

    fn copy(&self, mapping: &Mapping) -> io::Result<Box<[u8]>> {
        let length = usize::try_from(mapping.end - mapping.start).map_err(io::Error::other)?;
        // Fresh zeros of the system: pages that aren't written to take no memory.
        let mut bytes = vec![0; length].into_boxed_slice();
        self.resident_runs(mapping, |from, to| {
            let place = &mut bytes[(from - mapping.start) as usize..(to - mapping.start) as usize];
            self.copied.fetch_add(to - from, Ordering::Relaxed);
            self.memory.read_exact_at(place, from)
        })?;
        Ok(bytes)
    }

    /// Calls with each run of pages that are there.
    fn resident_runs(
        &self,
        mapping: &Mapping,
        mut run: impl FnMut(u64, u64) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut entries = vec![0; PAGES * 8];
        let mut at = mapping.start;
        let mut begun = None;
        while at < mapping.end {
            let pages = (((mapping.end - at) / PAGE as u64) as usize).clamp(1, PAGES);
            let entries = &mut entries[..pages * 8];
            self.pages.read_exact_at(entries, at / PAGE as u64 * 8)?;
            for entry in entries.chunks_exact(8) {
                let entry = u64::from_le_bytes(entry.try_into().unwrap_or_default());
                match (entry & THERE != 0, begun) {
                    (true, None) => begun = Some(at),
                    (false, Some(from)) => {
                        run(from, at)?;
                        begun = None;
                    }
                    _ => {}
                }
                at += PAGE as u64;
            }
        }
        match begun {
            Some(from) => run(from, mapping.end),
            None => Ok(()),
        }
    }
}

/// What the process itself may have written to: a file's bytes that nobody wrote to are in the file, and what is shared with
/// others or a device's is none of its heap.
fn mappings(text: &str) -> Vec<Mapping> {
    let mut all = Vec::new();
    for line in text.lines() {
        let Some(mapping) = maps(line.as_bytes()).first().copied() else { continue };
        let path = path_of(line);
        // [vvar] and its like are the kernel's.
        let kernel = path.is_some_and(|path| path.starts_with("[v"));
        let written = !mapping.file || mapping.may_write;
        let program = mapping.file && path.is_some_and(|path| path.contains("libnode.so"));
        if !mapping.accessible || mapping.shared || mapping.device || kernel || !(written || program) {
            continue;
        }
        let file = path.filter(|_| mapping.file).map(str::to_owned);
        all.push(Mapping::new(
            mapping.start as u64..mapping.end as u64,
            mapping.may_write,
            mapping.executable,
            file,
        ));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_the_process_has_written() {
        let text = "\
00400000-00401000 r-xp 00000000 fe:00 12   /usr/bin/node
00402000-00403000 rw-p 00002000 fe:00 12   /usr/bin/node
01000000-01021000 rw-p 00000000 00:00 0                                  [heap]
2cf8800000-2cf8840000 r--p 00000000 00:00 0 
2cf8840000-2cf8880000 ---p 00000000 00:00 0 
7f0000000000-7f0000001000 rw-s 00000000 00:01 5   /dev/shm/x
7f0000100000-7f0000101000 rw-p 00000000 00:00 0   [anon:a name]
7fff00000000-7fff00001000 r--p 00000000 00:00 0   [vvar]
7fff00002000-7fff00004000 rw-p 00000000 00:00 0   [stack]
";
        let starts: Vec<u64> = mappings(text).iter().map(|m| m.start).collect();
        assert_eq!(starts, [0x40_2000, 0x100_0000, 0x2c_f880_0000, 0x7f00_0010_0000, 0x7fff_0000_2000]);
        assert_eq!(mappings(text)[0].file.as_deref(), Some("/usr/bin/node"));
        assert!(!mappings(text)[2].writable && mappings(text)[1].file.is_none());
    }

    #[test]
    fn reads_its_own_memory() {
        let mark = vec![0xa7_u8; 3 * PAGE];
        let pid = std::process::id();
        let live = Live::open(pid, pid, Vec::new()).unwrap();
        let address = mark.as_ptr() as u64;
        let at = live.mappings().iter().position(|m| m.start <= address && address < m.end).unwrap();
        let offset = (address - live.mappings()[at].start) as usize;
        assert_eq!(&live.mapping_bytes(at)[offset..offset + mark.len()], &mark[..]);
        assert!(live.copied() > 0 && live.resident() >= live.copied() / 2);
    }
}
