//! `/proc/PID/maps` and `/proc/PID/smaps`.

/// One mapping of an address space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// The first address.
    pub start: usize,
    /// The address behind the last one.
    pub end: usize,
    /// Private memory that no file stands behind and that is neither stack nor the kernel's.
    pub anonymous: bool,
    /// Private memory that may be read and that isn't the kernel's: of files, of none, and stacks.
    pub readable: bool,
    /// Whether any access is allowed. A reservation has none.
    pub accessible: bool,
    /// Private memory of no file that the process writes its data to, the C heap included; neither code nor a stack.
    pub writable: bool,
    /// Shared with other processes or a file: what is written to it is the world's.
    pub shared: bool,
    /// Whether the process may write to it.
    pub may_write: bool,
    /// A device's memory.
    pub device: bool,
    /// Whether what is in it may be run.
    pub executable: bool,
    /// A file's.
    pub file: bool,
    /// `dc` among the flags (`MADV_DONTFORK`): a forked child doesn't get it. Only `smaps` says so.
    pub dont_fork: bool,
    /// Resident bytes. Only `smaps` says so.
    pub resident: u64,
}

impl Mapping {
    /// Its size in bytes.
    pub fn size(&self) -> usize {
        self.end - self.start
    }
}

/// Reads `maps`. Lines that can't be read are left out.
pub fn maps(text: &[u8]) -> Vec<Mapping> {
    text.split(|&byte| byte == b'\n').filter_map(head).collect()
}

/// Reads `smaps`, whose entries are a line of `maps` and then `Name: value` lines.
pub fn smaps(text: &[u8]) -> Vec<Mapping> {
    let mut mappings: Vec<Mapping> = Vec::new();
    for line in text.split(|&byte| byte == b'\n') {
        // The names of values begin with a capital, addresses are in lower case.
        if line.first().is_some_and(u8::is_ascii_uppercase) {
            let Some(mapping) = mappings.last_mut() else { continue };
            if let Some(value) = line.strip_prefix(b"Rss:") {
                mapping.resident = kilobytes(value).unwrap_or(0) * 1024;
            } else if let Some(flags) = line.strip_prefix(b"VmFlags:") {
                mapping.dont_fork = flags.split(|&byte| byte == b' ').any(|flag| flag == b"dc");
            }
        } else if let Some(mapping) = head(line) {
            mappings.push(mapping);
        }
    }
    mappings
}

/// `start-end perms offset device inode  path`
fn head(line: &[u8]) -> Option<Mapping> {
    let mut words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let range = words.next()?;
    let dash = range.iter().position(|&byte| byte == b'-')?;
    let (start, end) = (hex(&range[..dash])?, hex(&range[dash + 1..])?);
    let permissions = words.next()?;
    let inode = words.nth(2)?;
    // Memory named by prctl(PR_SET_VMA_ANON_NAME) is as anonymous as unnamed memory.
    let name = words.next();
    let nameless = name.is_none_or(|name| name.starts_with(b"[anon:"));
    (start < end && permissions.len() >= 4).then(|| Mapping {
        start,
        end,
        anonymous: permissions[3] == b'p' && inode == b"0" && nameless,
        readable: permissions[0] == b'r'
            && permissions[3] == b'p'
            && name.is_none_or(|name| !name.starts_with(b"[v")),
        shared: permissions[3] == b's',
        may_write: permissions[1] == b'w',
        device: name.is_some_and(|name| {
            name.starts_with(b"/dev/") && !name.starts_with(b"/dev/shm/") && !name.starts_with(b"/dev/zero")
        }),
        writable: permissions == b"rw-p" && inode == b"0" && (nameless || name == Some(b"[heap]")),
        accessible: permissions[..3] != *b"---",
        executable: permissions[2] == b'x',
        file: inode != b"0",
        ..Mapping::default()
    })
}

fn hex(digits: &[u8]) -> Option<usize> {
    usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn kilobytes(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &[u8] = include_bytes!("../tests/fixtures/smaps-node22.txt");

    #[test]
    fn finds_what_a_child_would_not_get() {
        let mappings = smaps(SMAPS);
        let marked: Vec<_> = mappings.iter().filter(|m| m.dont_fork && m.anonymous).collect();
        assert!(marked.len() > 10, "{} of {}", marked.len(), mappings.len());
        // V8's pages are multiples of 4 kB, and some of them hold something.
        assert!(marked.iter().all(|m| m.size() % 4096 == 0));
        assert!(marked.iter().map(|m| m.resident).sum::<u64>() > 1 << 20);
        // The program's own memory isn't among them.
        assert!(mappings.iter().any(|m| !m.dont_fork && m.anonymous));
    }

    #[test]
    fn maps_and_smaps_agree_on_what_both_say() {
        let heads: Vec<u8> = SMAPS
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.first().is_some_and(u8::is_ascii_uppercase))
            .collect::<Vec<_>>()
            .join(&b'\n');
        let from_smaps: Vec<_> =
            smaps(SMAPS).into_iter().map(|m| Mapping { dont_fork: false, resident: 0, ..m }).collect();
        assert_eq!(maps(&heads), from_smaps);
        assert!(!from_smaps.is_empty());
    }

    #[test]
    fn reads_one_line() {
        let line = b"3a9c3580000-3a9c35c0000 rw-p 00000000 00:00 0                            [anon:v8]";
        let mapping = head(line).unwrap();
        assert_eq!((mapping.start, mapping.size()), (0x3a9_c358_0000, 0x4_0000));
        assert!(mapping.anonymous && mapping.accessible && mapping.writable);
        let heap = head(b"7f0-7f1 rw-p 00000000 00:00 0    [heap]").unwrap();
        assert!(heap.writable && !heap.anonymous);
        assert!(!head(b"7f0-7f1 rwxp 00000000 00:00 0").unwrap().writable, "code");
        for (line, what) in [
            (&b"7f0-7f1 rw-s 00000000 00:00 0"[..], "shared"),
            (b"7f0-7f1 rw-p 00000000 fe:00 77   /lib/libc.so", "a file"),
            (b"7f0-7f1 rw-p 00000000 00:00 0    [stack]", "the stack"),
        ] {
            let mapping = head(line).unwrap();
            assert!(!mapping.anonymous && !mapping.writable, "{what}");
        }
        assert!(!head(b"7f0-7f1 ---p 00000000 00:00 0").unwrap().accessible);
        for (line, readable, file) in [
            (&b"7f0-7f1 rw-p 00000000 00:00 0    [heap]"[..], true, false),
            (b"7f0-7f1 r-xp 00000000 fe:00 77   /lib/libc.so", true, true),
            (b"7f0-7f1 rw-p 00000000 00:00 0    [stack]", true, false),
            (b"7f0-7f1 r--p 00000000 00:00 0    [vvar]", false, false),
            (b"7f0-7f1 rw-s 00000000 00:01 5    /dev/shm/x", false, true),
            (b"7f0-7f1 ---p 00000000 00:00 0", false, false),
        ] {
            let mapping = head(line).unwrap();
            assert_eq!((mapping.readable, mapping.file), (readable, file));
        }
        for broken in [&b""[..], b"x", b"7f1-7f0 rw-p 0 0 0", b"7f0-7f1", b"7f0 rw-p 0 0 0"] {
            assert_eq!(head(broken), None);
        }
    }
}
