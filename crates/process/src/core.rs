//! A core file: the process's mappings, in place.

use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use object::Endianness;
use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader, ProgramHeader};

use crate::arguments::{self, StartedWith};
use crate::error::{Error, Result};
use crate::notes::{Death, MappedFile, Notes, Thread};
use crate::program::{Program, Symbol, hex};
use crate::source;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    pub start: u64,
    pub end: u64,
    pub writable: bool,
    pub executable: bool,
    pub file: Option<String>,
    place: Backing,
}

impl Mapping {
    /// One whose bytes are kept elsewhere.
    pub(crate) fn new(range: Range<u64>, writable: bool, executable: bool, file: Option<String>) -> Mapping {
        Mapping { start: range.start, end: range.end, writable, executable, file, place: Backing::Missing }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Backing {
    /// In the core, from this offset for so many bytes.
    Core(usize, usize),
    /// In the program, which the core left out.
    Program(usize, usize),
    /// The dump left it out, and no file has it.
    Missing,
}

/// A core file that has been opened.
pub struct Core {
    path: PathBuf,
    bytes: Mmap,
    mappings: Vec<Mapping>,
    notes: Notes,
    program: Option<Program>,
    why_no_program: Option<String>,
    build_id: Option<String>,
    /// What is added to the program's own numbering of addresses: 0 of a program that has a fixed place.
    base: u64,
    missing: u64,
}

/// Whether the bytes are those of an ELF core of this kind of machine; none if they are no core at all.
fn kind(bytes: &[u8]) -> Option<Result<bool>> {
    if bytes.get(..4) != Some(b"\x7fELF") {
        return None;
    }
    let short = |at: usize| bytes.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]]));
    if short(16) != Some(elf::ET_CORE) {
        return Some(Err(Error::new("this ELF file is a program or a library, not a core")));
    }
    if bytes.get(4) != Some(&elf::ELFCLASS64) || bytes.get(5) != Some(&elf::ELFDATA2LSB) {
        return Some(Err(Error::new(
            "this is the core of a 32-bit or big-endian process; only 64-bit little-endian ones are read",
        )));
    }
    match short(18) {
        Some(elf::EM_X86_64) => Some(Ok(false)),
        Some(elf::EM_AARCH64) => Some(Ok(true)),
        machine => Some(Err(Error::new(format!(
            "this is the core of another machine (ELF machine {}); x86-64 and arm64 are read",
            machine.unwrap_or(0)
        )))),
    }
}

impl Core {
    /// Whether the beginning of a file (128 KiB are enough) is that of a core, packed or not.
    pub fn looks_like_one(beginning: &[u8]) -> bool {
        source::first_bytes(beginning).is_some_and(|bytes| &bytes == b"\x7fELF")
    }

    /// Opens a core. `program` is the binary of the process, if it isn't where it was.
    pub fn open(path: &Path, program: Option<&Path>) -> Result<Core> {
        let bytes = source::open(path)?;
        let arm = match kind(&bytes) {
            Some(arm) => arm.map_err(|e| Error::new(format!("{}: {e}", path.display())))?,
            None => {
                return Err(Error::new(format!(
                    "{} is not a core file; give one, or the id of a running process",
                    path.display()
                )));
            }
        };
        let mut core = Core {
            path: path.to_owned(),
            bytes,
            mappings: Vec::new(),
            notes: Notes::default(),
            program: None,
            why_no_program: None,
            build_id: None,
            base: 0,
            missing: 0,
        };
        core.read(arm).map_err(|e| Error::new(format!("{}: {e}", path.display())))?;
        core.find_program(program)?;
        Ok(core)
    }

    fn read(&mut self, arm: bool) -> Result<()> {
        let data = &*self.bytes;
        let malformed = |e: object::Error| Error::new(format!("the core is damaged: {e}"));
        let header = FileHeader64::<Endianness>::parse(data).map_err(malformed)?;
        let endian = header.endian().map_err(malformed)?;
        let mut loads = Vec::new();
        for segment in header.program_headers(endian, data).map_err(malformed)? {
            if let Ok(Some(mut notes)) = segment.notes(endian, data) {
                while let Ok(Some(note)) = notes.next() {
                    self.notes.add(note.n_type(endian), note.desc(), arm);
                }
            }
            if segment.p_type(endian) == elf::PT_LOAD {
                loads.push(segment);
            }
        }
        if loads.is_empty() {
            return Err(Error::new("the core has no memory in it: it may have ended before its first page"));
        }
        for segment in loads {
            let (start, size) = (segment.p_vaddr(endian), segment.p_memsz(endian));
            let Some(end) = start.checked_add(size) else { continue };
            let (offset, in_file) = (segment.p_offset(endian), segment.p_filesz(endian).min(size));
            let there = (data.len() as u64).saturating_sub(offset).min(in_file);
            self.missing += in_file - there;
            let place = match (usize::try_from(offset), usize::try_from(there)) {
                (Ok(offset), Ok(there)) if there > 0 => Backing::Core(offset, there),
                _ => Backing::Missing,
            };
            let flags = segment.p_flags(endian);
            let file = self.notes.files.iter().find(|f| f.start <= start && start < f.end);
            self.mappings.push(Mapping {
                start,
                end,
                writable: flags & elf::PF_W != 0,
                executable: flags & elf::PF_X != 0,
                file: file.map(|f| f.path.clone()),
                place,
            });
        }
        self.mappings.sort_by_key(|m| m.start);
        Ok(())
    }

    /// Where the process began: the mapping of its program's first bytes.
    fn main_program(&self) -> Option<&MappedFile> {
        let entry = self.notes.entry?;
        let path = &self.notes.files.iter().find(|f| f.start <= entry && entry < f.end)?.path;
        self.notes.files.iter().find(|f| f.path == *path && f.offset == 0)
    }

    fn find_program(&mut self, asked: Option<&Path>) -> Result<()> {
        // Node may be a library of its own, as Debian's.
        let library =
            self.notes.files.iter().find(|f| f.offset == 0 && f.path.contains("libnode.so")).cloned();
        let Some(main) = library.or_else(|| self.main_program().cloned()) else {
            self.why_no_program = Some("the core doesn't say which program it is of".to_owned());
            if let Some(path) = asked {
                self.program = Some(Program::open(path)?);
            }
            return Ok(());
        };
        self.build_id = self.build_id_at(main.start);
        let path = asked.map_or_else(|| PathBuf::from(&main.path), Path::to_owned);
        let program = match Program::open(&path) {
            Ok(program) => program,
            Err(e) if asked.is_some() => return Err(e),
            Err(e) => {
                self.why_no_program = Some(e.to_string());
                return Ok(());
            }
        };
        match (&self.build_id, program.build_id()) {
            (Some(wanted), Some(found)) if wanted != found => {
                let why = format!(
                    "{} is not the program of this core: its build id is {found}, that of the core {wanted}",
                    path.display()
                );
                if asked.is_some() {
                    return Err(Error::new(why));
                }
                self.why_no_program = Some(why);
                return Ok(());
            }
            // Without a build id on one side only the user's word counts.
            _ => {}
        }
        self.add_program_bytes(&main.path, &program);
        self.base = main.start.wrapping_sub(program.address_of_offset(0).unwrap_or(0));
        self.program = Some(program);
        Ok(())
    }

    /// The core leaves out what can be read from the program's file.
    fn add_program_bytes(&mut self, path: &str, program: &Program) {
        let length = program.bytes().len() as u64;
        for file in self.notes.files.iter().filter(|f| f.path == path) {
            let there = length.saturating_sub(file.offset).min(file.end.saturating_sub(file.start));
            let (Ok(offset), Ok(there)) = (usize::try_from(file.offset), usize::try_from(there)) else {
                continue;
            };
            match self.mappings.iter_mut().find(|m| m.start == file.start) {
                // A part that is there may be just the first page.
                Some(mapping) => {
                    let whole = mapping.end - mapping.start;
                    let partly = matches!(mapping.place, Backing::Core(_, n) if (n as u64) < whole);
                    if !mapping.writable && (partly || mapping.place == Backing::Missing) {
                        mapping.place = Backing::Program(offset, there);
                    }
                }
                None => self.mappings.push(Mapping {
                    start: file.start,
                    end: file.end,
                    writable: false,
                    executable: true,
                    file: Some(file.path.clone()),
                    place: Backing::Program(offset, there),
                }),
            }
        }
        self.mappings.sort_by_key(|m| m.start);
    }

    /// The build id of the program whose first bytes are at an address.
    fn build_id_at(&self, start: u64) -> Option<String> {
        let index = self.mappings.iter().position(|m| m.start == start)?;
        build_id_of(self.mapping_bytes(index))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// In order of their addresses.
    pub fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    /// What is there of a mapping, from its start.
    pub fn mapping_bytes(&self, index: usize) -> &[u8] {
        let (bytes, offset, length) = match self.mappings.get(index).map(|m| &m.place) {
            Some(Backing::Core(offset, length)) => (&*self.bytes, *offset, *length),
            Some(Backing::Program(offset, length)) => match &self.program {
                Some(program) => (program.bytes(), *offset, *length),
                None => return &[],
            },
            _ => return &[],
        };
        offset.checked_add(length).and_then(|end| bytes.get(offset..end)).unwrap_or_default()
    }

    pub fn threads(&self) -> &[Thread] {
        &self.notes.threads
    }

    /// The process's id, which is its main thread's.
    pub fn process(&self) -> Option<u32> {
        self.notes.process
    }

    pub fn command(&self) -> Option<&str> {
        self.notes.command.as_deref()
    }

    pub fn death(&self) -> Option<Death> {
        self.notes.death
    }

    pub fn files(&self) -> &[MappedFile] {
        &self.notes.files
    }

    /// The program, if it was found and is the right one.
    pub fn program(&self) -> Option<&Program> {
        self.program.as_ref()
    }

    /// The program's symbols that are wanted by their names, at the addresses where the process had them, in order. Empty if
    /// there is no program.
    pub fn symbols(&self, wanted: impl Fn(&str) -> bool) -> Vec<Symbol> {
        let Some(program) = &self.program else { return Vec::new() };
        let mut symbols = program.symbols(wanted);
        for symbol in &mut symbols {
            symbol.address = symbol.address.wrapping_add(self.base);
        }
        symbols.sort_by_key(|s| s.address);
        symbols
    }

    /// The bytes at an address, as far as the core and the program have them.
    pub fn bytes_at(&self, address: u64) -> &[u8] {
        let after = self.mappings.partition_point(|m| m.start <= address);
        let Some(index) = after.checked_sub(1) else { return &[] };
        let offset = address - self.mappings[index].start;
        let bytes = self.mapping_bytes(index);
        usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default()
    }

    /// The program's arguments and its environment, as the kernel put them on the first stack. None if they aren't found
    /// there.
    pub fn started_with(&self) -> Option<StartedWith> {
        let anonymous = self.mappings.iter().enumerate().filter(|(_, m)| m.writable && m.file.is_none());
        let stacks = anonymous.map(|(index, _)| self.mapping_bytes(index));
        arguments::find(&self.notes.auxiliary, stacks, |address| self.bytes_at(address))
    }

    pub fn why_no_program(&self) -> Option<&str> {
        self.why_no_program.as_deref()
    }

    /// The build id of the program as the core has it.
    pub fn build_id(&self) -> Option<&str> {
        self.build_id.as_deref()
    }

    /// Bytes that the core should have and doesn't, since it was cut.
    pub fn missing_bytes(&self) -> u64 {
        self.missing
    }
}

/// The build id of a program, given its first page.
pub(crate) fn build_id_of(image: &[u8]) -> Option<String> {
    let header = FileHeader64::<Endianness>::parse(image).ok()?;
    let endian = header.endian().ok()?;
    for segment in header.program_headers(endian, image).ok()? {
        let Ok(Some(mut notes)) = segment.notes(endian, image) else { continue };
        while let Ok(Some(note)) = notes.next() {
            if note.name() == elf::ELF_NOTE_GNU && note.n_type(endian) == elf::NT_GNU_BUILD_ID {
                return Some(hex(note.desc()));
            }
        }
    }
    None
}
