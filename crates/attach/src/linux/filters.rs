//! Filters of system calls (seccomp): what would they answer to the calls that are going to be injected? A filter that
//! kills would kill the process for a call that it never makes itself, so nothing is sent before this is known.
//!
//! The kernel shows the filters of a stopped thread to who has CAP_SYS_ADMIN. They are programs of classic BPF, which look
//! at the number and the arguments of a call; running them here, with the very arguments, gives the very answer.

use libc::sock_filter;
use nix::errno::Errno;

use crate::linux::blob::Call;
use crate::linux::sys;

/// AUDIT_ARCH_X86_64
const ARCH: u32 = 0xc000_003e;
/// BPF_MEMWORDS
const WORDS: usize = 16;
/// Filters of one thread that are looked at.
const MOST: usize = 1024;

/// What filters do with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is made.
    Allowed,
    /// It isn't, and returns this error.
    Error(u32),
    /// The thread or process is killed, gets a signal, or is handed to another program.
    Harm,
}

impl Answer {
    fn of(action: u32) -> Answer {
        match action & libc::SECCOMP_RET_ACTION_FULL {
            libc::SECCOMP_RET_ALLOW | libc::SECCOMP_RET_LOG => Answer::Allowed,
            libc::SECCOMP_RET_ERRNO => Answer::Error(action & libc::SECCOMP_RET_DATA),
            _ => Answer::Harm,
        }
    }
}

/// What a stopped thread's filters answer to a call at an instruction; the strictest counts. None if one can't be
/// understood.
///
/// # Errors
/// The kernel doesn't show them.
pub(crate) fn answer(thread: i32, call: &Call, instruction: u64) -> Result<Option<Answer>, Errno> {
    let mut strictest = libc::SECCOMP_RET_ALLOW;
    for index in 0..MOST {
        let Some(filter) = sys::filter(thread, index)? else { return Ok(Some(Answer::of(strictest))) };
        let Some(action) = run(&filter, &data(call, instruction)) else { return Ok(None) };
        // The kernel's order: as signed numbers, the lowest first.
        let rank = |action: u32| (action & libc::SECCOMP_RET_ACTION_FULL) as i32;
        if rank(action) < rank(strictest) {
            strictest = action;
        }
    }
    Ok(None)
}

/// The words of `struct seccomp_data`.
fn data(call: &Call, instruction: u64) -> [u32; 16] {
    let mut words = [0; 16];
    let halves = |value: u64| [value as u32, (value >> 32) as u32];
    words[0] = call[0] as u32;
    words[1] = ARCH;
    words[2..4].copy_from_slice(&halves(instruction));
    for (place, &argument) in words[4..12].chunks_exact_mut(2).zip(&call[1..]) {
        place.copy_from_slice(&halves(argument));
    }
    words
}

/// Runs a filter. None if it has an instruction that the kernel doesn't let filters have, or runs out of itself.
fn run(filter: &[sock_filter], data: &[u32; 16]) -> Option<u32> {
    let (mut a, mut x, mut memory) = (0_u32, 0_u32, [0_u32; WORDS]);
    let mut at = 0_usize;
    // Jumps lead forward only, so this ends.
    loop {
        let i = filter.get(at)?;
        at += 1;
        let k = i.k;
        let place = usize::try_from(k).ok()?;
        match u32::from(i.code) {
            // BPF_LD and BPF_LDX: W ABS, IMM, MEM, LEN
            0x20 if k.is_multiple_of(4) => a = *data.get(place / 4)?,
            0x00 => a = k,
            0x60 => a = *memory.get(place)?,
            0x80 => a = size_of_val(data) as u32,
            0x01 => x = k,
            0x61 => x = *memory.get(place)?,
            0x81 => x = size_of_val(data) as u32,
            // BPF_ST, BPF_STX
            0x02 => *memory.get_mut(place)? = a,
            0x03 => *memory.get_mut(place)? = x,
            // BPF_ALU with a constant or X
            code if code & 0x07 == 0x04 => {
                let with = if code & 0x08 == 0 { k } else { x };
                a = match code & 0xf0 {
                    0x00 => a.wrapping_add(with),
                    0x10 => a.wrapping_sub(with),
                    0x20 => a.wrapping_mul(with),
                    // The kernel ends a filter that divides by zero with 0, which kills the thread.
                    0x30 if with == 0 => return Some(libc::SECCOMP_RET_KILL_THREAD),
                    0x30 => a / with,
                    0x40 => a | with,
                    0x50 => a & with,
                    0x60 => a.wrapping_shl(with),
                    0x70 => a.wrapping_shr(with),
                    0x80 => a.wrapping_neg(),
                    0xa0 => a ^ with,
                    _ => return None,
                };
            }
            // BPF_JMP
            0x05 => at = at.checked_add(place)?,
            code if code & 0x07 == 0x05 => {
                let with = if code & 0x08 == 0 { k } else { x };
                let holds = match code & 0xf0 {
                    0x10 => a == with,
                    0x20 => a > with,
                    0x30 => a >= with,
                    0x40 => a & with != 0,
                    _ => return None,
                };
                at += usize::from(if holds { i.jt } else { i.jf });
            }
            // BPF_RET
            0x06 => return Some(k),
            0x16 => return Some(a),
            // BPF_MISC: TAX, TXA
            0x07 => x = a,
            0x87 => a = x,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule, TargetArch,
    };

    use super::*;

    fn compiled(rules: Vec<(i64, Vec<SeccompRule>)>, matching: SeccompAction) -> Vec<sock_filter> {
        let rules: BTreeMap<_, _> = rules.into_iter().collect();
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, matching, TargetArch::x86_64).unwrap();
        let program: BpfProgram = filter.try_into().unwrap();
        program.iter().map(|i| sock_filter { code: i.code, jt: i.jt, jf: i.jf, k: i.k }).collect()
    }

    fn answered(filter: &[sock_filter], call: Call) -> Answer {
        Answer::of(run(filter, &data(&call, 0x1234_5678_9abc)).unwrap())
    }

    #[test]
    fn filters_answer_as_the_kernel_would() {
        let kills = compiled(vec![(56, vec![]), (61, vec![])], SeccompAction::KillProcess);
        assert_eq!(answered(&kills, [56, 1, 2, 3, 4]), Answer::Harm);
        assert_eq!(answered(&kills, [28, 1, 2, 3, 4]), Answer::Allowed);
        let refuses = compiled(vec![(56, vec![])], SeccompAction::Errno(1));
        assert_eq!(answered(&refuses, [56, 0, 0, 0, 0]), Answer::Error(1));
        for harm in [SeccompAction::Trap, SeccompAction::KillThread, SeccompAction::Trace(0)] {
            assert_eq!(answered(&compiled(vec![(56, vec![])], harm), [56, 0, 0, 0, 0]), Answer::Harm);
        }
    }

    #[test]
    fn arguments_count_with_all_their_bits() {
        let condition = |op, value| SeccompCondition::new(1, SeccompCmpArgLen::Qword, op, value).unwrap();
        let above = 0x1_0000_0000_u64;
        let rule = SeccompRule::new(vec![condition(SeccompCmpOp::Ge, above)]).unwrap();
        let filter = compiled(vec![(28, vec![rule])], SeccompAction::Errno(13));
        assert_eq!(answered(&filter, [28, 9, above, 0, 0]), Answer::Error(13));
        assert_eq!(answered(&filter, [28, 9, above - 1, 0, 0]), Answer::Allowed);
        let mask = SeccompRule::new(vec![condition(SeccompCmpOp::MaskedEq(0x7e02_0000), 0)]).unwrap();
        let filter = compiled(vec![(56, vec![mask])], SeccompAction::KillProcess);
        assert_eq!(answered(&filter, [56, 0, 0x8004_0600, 0, 0]), Answer::Harm);
        assert_eq!(answered(&filter, [56, 0, 0x1000_0000, 0, 0]), Answer::Allowed);
    }

    #[test]
    fn what_is_no_filter_has_no_answer() {
        let one = |code, k| sock_filter { code, jt: 0, jf: 0, k };
        assert_eq!(run(&[], &[0; 16]), None);
        assert_eq!(run(&[one(0x20, 64), one(0x16, 0)], &[0; 16]), None);
        assert_eq!(run(&[one(0x05, u32::MAX)], &[0; 16]), None);
        assert_eq!(run(&[one(0x30, 0)], &[0; 16]), None);
        assert_eq!(run(&[one(0x34, 0), one(0x06, 0x7fff_0000)], &[0; 16]), Some(0));
    }
}
