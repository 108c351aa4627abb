//! The seccomp filter.

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};

use super::Paths;
use super::calls::{ALLOWED, ALLOWED_HERE};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;
type Result<T> = std::result::Result<T, seccompiler::BackendError>;

#[cfg(target_arch = "x86_64")]
const ARCH: seccompiler::TargetArch = seccompiler::TargetArch::x86_64;
#[cfg(target_arch = "aarch64")]
const ARCH: seccompiler::TargetArch = seccompiler::TargetArch::aarch64;

/// Beyond so many ranges of shared memory, the others may be made writable again.
const MOST_RANGES: usize = 64;

/// Installs a filter that forbids nothing, on this thread.
pub(super) fn probe() -> std::result::Result<(), String> {
    let filter = SeccompFilter::new(BTreeMap::new(), SeccompAction::Allow, SeccompAction::Trap, ARCH);
    let program: BpfProgram = filter.and_then(TryInto::try_into).map_err(|error| error.to_string())?;
    apply_filter(&program).map_err(|error| error.to_string())
}

/// Installs the child's.
pub(super) fn install(paths: Paths, shared: &[(usize, usize)]) -> io::Result<()> {
    // It takes effect on this process's own id.
    let program = build(paths, shared, std::process::id()).map_err(io::Error::other)?;
    apply_filter(&program).map_err(io::Error::other)
}

fn condition(argument: u8, len: SeccompCmpArgLen, op: SeccompCmpOp, value: u64) -> Result<SeccompCondition> {
    SeccompCondition::new(argument, len, op, value)
}

fn number(argument: u8, value: u64) -> Result<SeccompCondition> {
    condition(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

fn address(argument: u8, op: SeccompCmpOp, value: usize) -> Result<SeccompCondition> {
    condition(argument, SeccompCmpArgLen::Qword, op, value as u64)
}

fn none_of(argument: u8, bits: u64) -> Result<SeccompCondition> {
    condition(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(bits), 0)
}

fn build(paths: Paths, shared: &[(usize, usize)], pid: u32) -> Result<BpfProgram> {
    let mut rules: Rules = ALLOWED.iter().chain(ALLOWED_HERE).map(|&number| (number, Vec::new())).collect();
    let mut allow = |number: i64, conditions: Vec<SeccompCondition>| -> Result<()> {
        rules.entry(number).or_default().push(SeccompRule::new(conditions)?);
        Ok(())
    };
    let pid = u64::from(pid);

    // Opening for reading only.
    let writes =
        (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | (libc::O_TMPFILE & !libc::O_DIRECTORY)) as u64;
    allow(libc::SYS_openat, vec![none_of(2, writes)?])?;
    #[cfg(target_arch = "x86_64")]
    allow(libc::SYS_open, vec![none_of(1, writes)?])?;

    // Descriptors' flags, no locks.
    for command in [
        libc::F_DUPFD,
        libc::F_DUPFD_CLOEXEC,
        libc::F_GETFD,
        libc::F_SETFD,
        libc::F_GETFL,
        libc::F_SETFL,
        libc::F_GETLK,
        libc::F_OFD_GETLK,
    ] {
        allow(libc::SYS_fcntl, vec![number(1, command as u64)?])?;
    }
    // Terminals are asked whether they are one; the others concern the descriptor alone.
    for request in [libc::TCGETS, libc::FIOCLEX, libc::FIONCLEX, libc::FIONREAD, libc::FIONBIO] {
        allow(libc::SYS_ioctl, vec![number(1, request)?])?;
    }
    // Signals to itself: this is how a process aborts. The trap's handler stays.
    allow(libc::SYS_tgkill, vec![number(0, pid)?])?;
    allow(libc::SYS_kill, vec![number(0, pid)?])?;
    let stays = condition(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, libc::SIGSYS as u64)?;
    allow(libc::SYS_rt_sigaction, vec![stays])?;
    // Reading limits; names of memory and threads.
    allow(libc::SYS_prlimit64, vec![address(2, SeccompCmpOp::Eq, 0)?])?;
    for option in [libc::PR_SET_VMA, libc::PR_GET_NAME, libc::PR_SET_NAME, libc::PR_GET_DUMPABLE] {
        allow(libc::SYS_prctl, vec![number(0, option as u64)?])?;
    }
    // Memory that is shared with others stays read-only.
    for call in [libc::SYS_mprotect, libc::SYS_pkey_mprotect] {
        allow(call, vec![none_of(2, libc::PROT_WRITE as u64)?])?;
        let mut start = 0;
        for &(from, to) in shared.iter().take(MOST_RANGES) {
            if start < from {
                allow(call, vec![address(0, SeccompCmpOp::Ge, start)?, address(0, SeccompCmpOp::Lt, from)?])?;
            }
            start = to;
        }
        allow(call, vec![address(0, SeccompCmpOp::Ge, start)?])?;
    }

    // Its own file, by the addresses of its names, which nobody else passes.
    if paths.temporary != 0 {
        let temporary = |argument| address(argument, SeccompCmpOp::Eq, paths.temporary);
        allow(libc::SYS_unlinkat, vec![temporary(1)?])?;
        #[cfg(target_arch = "x86_64")]
        allow(libc::SYS_unlink, vec![temporary(0)?])?;
        if let Some(target) = paths.target {
            let target = |argument| address(argument, SeccompCmpOp::Eq, target);
            for call in [libc::SYS_renameat, libc::SYS_renameat2, libc::SYS_linkat] {
                allow(call, vec![temporary(1)?, target(3)?])?;
            }
            #[cfg(target_arch = "x86_64")]
            for call in [libc::SYS_rename, libc::SYS_link] {
                allow(call, vec![temporary(0)?, target(1)?])?;
            }
        }
    }
    SeccompFilter::new(rules, SeccompAction::Trap, SeccompAction::Allow, ARCH)?.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_fits_also_with_much_shared_memory() {
        let ranges: Vec<_> = (1..200).map(|at| (at << 20, (at << 20) + 4096)).collect();
        let paths = Paths { temporary: 0x7f00_0000_1000, target: Some(0x7f00_0000_2000) };
        let program = build(paths, &ranges, 4711).unwrap();
        assert!(program.len() < 4096, "{} instructions", program.len());
    }
}
