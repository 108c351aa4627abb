//! The program that a process ran: its build id, its symbols, its bytes.

use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSegment, ObjectSymbol, SymbolKind};

use crate::error::{Error, Result};
use crate::source;

/// A function of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    pub address: u64,
    pub size: u64,
    pub name: String,
}

/// An executable or shared library.
pub struct Program {
    path: PathBuf,
    bytes: Mmap,
    build_id: Option<String>,
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

impl Program {
    pub fn open(path: &Path) -> Result<Program> {
        let file = File::open(path).map_err(|e| Error::io("could not open", path, e))?;
        let bytes = source::map(&file).map_err(|e| Error::io("could not map", path, e))?;
        let build_id = match ElfFile64::<Endianness>::parse(&*bytes) {
            Ok(elf) => elf.build_id().ok().flatten().map(hex),
            Err(_) => return Err(Error::new(format!("{} is no 64-bit ELF program", path.display()))),
        };
        Ok(Program { path: path.to_owned(), bytes, build_id })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn build_id(&self) -> Option<&str> {
        self.build_id.as_deref()
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The integers behind its symbols `v8dbg_…`, by the rest of the name. Empty if it has none.
    pub fn v8_constants(&self) -> Vec<(String, i64)> {
        let Ok(elf) = ElfFile64::<Endianness>::parse(&*self.bytes) else { return Vec::new() };
        let mut constants = Vec::new();
        for symbol in elf.dynamic_symbols() {
            let Some(name) = symbol.name().ok().and_then(|n| n.strip_prefix("v8dbg_")) else { continue };
            let value = value_at(&elf, symbol.address(), symbol.size());
            constants.extend(value.map(|value| (name.to_owned(), value)));
        }
        constants
    }

    /// Its functions in order of their addresses, mangled.
    pub fn functions(&self) -> Vec<Symbol> {
        let Ok(elf) = ElfFile64::<Endianness>::parse(&*self.bytes) else { return Vec::new() };
        let mut functions: Vec<Symbol> = elf
            .symbols()
            .chain(elf.dynamic_symbols())
            .filter(|s| s.kind() == SymbolKind::Text && s.address() != 0)
            .filter_map(|s| {
                Some(Symbol { address: s.address(), size: s.size(), name: s.name().ok()?.to_owned() })
            })
            .collect();
        functions.sort_by_key(|a| (a.address, std::cmp::Reverse(a.size)));
        functions.dedup_by_key(|s| s.address);
        functions
    }

    /// Its functions and data whose mangled names are wanted.
    pub fn symbols(&self, wanted: impl Fn(&str) -> bool) -> Vec<Symbol> {
        let Ok(elf) = ElfFile64::<Endianness>::parse(&*self.bytes) else { return Vec::new() };
        let mut found: Vec<Symbol> = elf
            .symbols()
            .chain(elf.dynamic_symbols())
            .filter(|s| s.address() != 0 && s.size() != 0)
            .filter_map(|s| {
                let name = s.name().ok().filter(|name| wanted(name))?;
                Some(Symbol { address: s.address(), size: s.size(), name: name.to_owned() })
            })
            .collect();
        found.sort_by_key(|s| s.address);
        found.dedup_by_key(|s| s.address);
        found
    }

    /// Where the functions are whose mangled names are wanted: first address and the one behind the last, in the file's own
    /// numbering.
    pub fn ranges_of(&self, wanted: impl Fn(&str) -> bool) -> Vec<(u64, u64)> {
        let Ok(elf) = ElfFile64::<Endianness>::parse(&*self.bytes) else { return Vec::new() };
        elf.symbols()
            .chain(elf.dynamic_symbols())
            .filter(|s| s.kind() == SymbolKind::Text && s.address() != 0 && s.name().is_ok_and(&wanted))
            .map(|s| (s.address(), s.address() + s.size()))
            .collect()
    }

    /// The address in the file's own numbering of an offset in the file.
    pub fn address_of_offset(&self, offset: u64) -> Option<u64> {
        let elf = ElfFile64::<Endianness>::parse(&*self.bytes).ok()?;
        elf.segments().find_map(|segment| {
            let (start, size) = segment.file_range();
            (start <= offset && offset < start + size).then(|| segment.address() + (offset - start))
        })
    }
}

fn value_at(elf: &ElfFile64<'_, Endianness>, address: u64, size: u64) -> Option<i64> {
    let segment = elf.segments().find(|s| s.address() <= address && address < s.address() + s.size())?;
    let at = usize::try_from(address - segment.address()).ok()?;
    // What the segment has in memory but not in the file is zero.
    let mut bytes = [0; 8];
    let size = usize::try_from(size).ok().filter(|size| matches!(size, 1 | 4 | 8))?;
    let data = segment.data().ok()?;
    if let Some(value) = data.get(at..at + size) {
        bytes[..size].copy_from_slice(value);
    }
    let raw = i64::from_le_bytes(bytes);
    Some(match size {
        1 => i64::from(raw as i8),
        4 => i64::from(raw as i32),
        _ => raw,
    })
}
