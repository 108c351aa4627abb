//! What a core's notes say: threads, files, why the process died.

const NT_PRSTATUS: u32 = 1;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_SIGINFO: u32 = 0x5349_4749;
const NT_FILE: u32 = 0x4649_4c45;

/// Files that are believed in; a process has some hundreds.
const MOST_FILES: u64 = 1 << 16;

/// AT_ENTRY: where the program begins.
const AT_ENTRY: u64 = 9;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedFile {
    pub start: u64,
    pub end: u64,
    pub offset: u64,
    pub path: String,
}

/// A thread's registers, as far as a stack needs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thread {
    pub id: u32,
    pub instruction: u64,
    pub stack: u64,
    pub frame: u64,
}

/// The signal that ended the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Death {
    pub signal: i32,
    pub code: i32,
    /// Where the fault was, for signals that have such a place.
    pub address: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) threads: Vec<Thread>,
    pub(crate) files: Vec<MappedFile>,
    pub(crate) process: Option<u32>,
    pub(crate) command: Option<String>,
    pub(crate) death: Option<Death>,
    pub(crate) entry: Option<u64>,
    pub(crate) auxiliary: Vec<u8>,
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

impl Notes {
    pub(crate) fn add(&mut self, kind: u32, desc: &[u8], arm: bool) {
        match kind {
            NT_PRSTATUS => self.threads.extend(thread(desc, arm)),
            NT_PRPSINFO => {
                self.process = u32_at(desc, 24);
                let arguments = desc.get(56..).unwrap_or_default();
                let end = arguments.iter().position(|&b| b == 0).unwrap_or(arguments.len());
                self.command = Some(String::from_utf8_lossy(&arguments[..end]).trim_end().to_owned());
            }
            NT_SIGINFO => {
                self.death = u32_at(desc, 0).map(|signal| Death {
                    signal: signal as i32,
                    code: u32_at(desc, 8).unwrap_or(0) as i32,
                    address: u64_at(desc, 16).unwrap_or(0),
                });
            }
            NT_AUXV => {
                let pair = desc.chunks_exact(16).find(|pair| u64_at(pair, 0) == Some(AT_ENTRY));
                self.entry = pair.and_then(|pair| u64_at(pair, 8));
                self.auxiliary = desc.to_vec();
            }
            NT_FILE => self.files = files(desc).unwrap_or_default(),
            _ => {}
        }
    }
}

fn thread(desc: &[u8], arm: bool) -> Option<Thread> {
    // elf_prstatus: the general registers are at 112, in the order of user_regs_struct.
    let register = |n: usize| u64_at(desc, 112 + 8 * n);
    let (instruction, stack, frame) = if arm { (32, 31, 29) } else { (16, 19, 4) };
    Some(Thread {
        id: u32_at(desc, 32)?,
        instruction: register(instruction)?,
        stack: register(stack)?,
        frame: register(frame)?,
    })
}

fn files(desc: &[u8]) -> Option<Vec<MappedFile>> {
    let count = u64_at(desc, 0)?.min(MOST_FILES);
    let page = u64_at(desc, 8)?;
    let mut names = desc.get(16 + 24 * usize::try_from(count).ok()?..)?;
    let mut files = Vec::new();
    for n in 0..count as usize {
        let at = 16 + 24 * n;
        let end = names.iter().position(|&b| b == 0)?;
        files.push(MappedFile {
            start: u64_at(desc, at)?,
            end: u64_at(desc, at + 8)?,
            offset: u64_at(desc, at + 16)?.saturating_mul(page),
            path: String::from_utf8_lossy(&names[..end]).into_owned(),
        });
        names = names.get(end + 1..)?;
    }
    Some(files)
}
