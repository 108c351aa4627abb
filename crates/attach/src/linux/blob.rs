//! The code that the donor runs: a list of system calls, then back.
//!
//! Position-independent, complete in itself and needing nobody: whatever happens to the tool, it ends with the donor's own
//! registers at the donor's own instruction. It writes to two words at its stack pointer and nowhere else.
#![allow(unsafe_code)]

use libc::user_regs_struct;

use crate::linux::ranges::Range;

/// Bytes of a place for one.
pub(crate) const SIZE: usize = 1472;

/// The blob's stack begins so far below the donor's: the red zone (128), and room for what it keeps.
pub(crate) const BELOW: u64 = 512;

/// So many bytes at the beginning of each say that it is one, and whose.
pub(crate) const NAME: &[u8; 16] = b"stillheap\0blob1\0";

/// A system call of a list: its number and four arguments.
pub(crate) type Call = [u64; 5];

core::arch::global_asm!(
    ".pushsection .rodata.stillheap_attach,\"a\",@progbits",
    ".balign 16",
    ".hidden stillheap_blob_start",
    ".hidden stillheap_blob_values",
    ".hidden stillheap_blob_calls",
    ".globl stillheap_blob_start",
    ".globl stillheap_blob_values",
    ".globl stillheap_blob_calls",
    "stillheap_blob_start:",
    // The name is the first 16 bytes; the entry follows.
    ".ascii \"stillheap\\0blob1\\0\"",
    // rt_sigprocmask(SIG_SETMASK, all, old = (rsp), 8)
    "mov eax, 14",
    "mov edi, 2",
    "lea rsi, [rip + 90f]",
    "mov rdx, rsp",
    "mov r10d, 8",
    "syscall",
    // madvise(from, length, MADV_DOFORK) for each range
    "mov r13d, 11",
    "lea r14, [rip + 19f]",
    "jmp 50f",
    "19: lea r12, [rip + stillheap_blob_calls]",
    // The list ends with -1.
    "20:",
    "mov rax, [r12]",
    "cmp rax, -1",
    "je 30f",
    "mov rdi, [r12 + 8]",
    "mov rsi, [r12 + 16]",
    "mov rdx, [r12 + 24]",
    "mov r10, [r12 + 32]",
    "xor r8d, r8d",
    "xor r9d, r9d",
    "syscall",
    "cmp qword ptr [r12], 56",
    "jne 21f",
    // The copy comes here only if no tracer holds it: it ends.
    "test rax, rax",
    "jz 40f",
    "mov [rsp + 8], rax",
    "21:",
    "add r12, 40",
    "jmp 20b",
    // madvise(from, length, MADV_DONTFORK) for each range
    "30: mov r13d, 10",
    "lea r14, [rip + 31f]",
    "jmp 50f",
    // rt_sigprocmask(SIG_SETMASK, (rsp), 0, 8): the last system call.
    "31:",
    "mov eax, 14",
    "mov edi, 2",
    "mov rsi, rsp",
    "xor edx, edx",
    "mov r10d, 8",
    "syscall",
    "push qword ptr [rip + stillheap_blob_values + 8*16]",
    "popfq",
    "mov r15, [rip + stillheap_blob_values + 8*0]",
    "mov r14, [rip + stillheap_blob_values + 8*1]",
    "mov r13, [rip + stillheap_blob_values + 8*2]",
    "mov r12, [rip + stillheap_blob_values + 8*3]",
    "mov rbp, [rip + stillheap_blob_values + 8*4]",
    "mov rbx, [rip + stillheap_blob_values + 8*5]",
    "mov r11, [rip + stillheap_blob_values + 8*6]",
    "mov r10, [rip + stillheap_blob_values + 8*7]",
    "mov r9, [rip + stillheap_blob_values + 8*8]",
    "mov r8, [rip + stillheap_blob_values + 8*9]",
    "mov rax, [rip + stillheap_blob_values + 8*10]",
    "mov rcx, [rip + stillheap_blob_values + 8*11]",
    "mov rdx, [rip + stillheap_blob_values + 8*12]",
    "mov rsi, [rip + stillheap_blob_values + 8*13]",
    "mov rdi, [rip + stillheap_blob_values + 8*14]",
    "mov rsp, [rip + stillheap_blob_values + 8*17]",
    "jmp qword ptr [rip + stillheap_blob_values + 8*15]",
    // exit_group(0)
    "40:",
    "xor edi, edi",
    "mov eax, 231",
    "syscall",
    "ud2",
    // The ranges, which end with 0: what is done to them is in r13, where to go on in r14.
    "50: lea r12, [rip + stillheap_blob_calls]",
    "add r12, [rip + stillheap_blob_values + 8*18]",
    "51: mov rdi, [r12]",
    "test rdi, rdi",
    "jz 52f",
    "mov rsi, [r12 + 8]",
    "mov rdx, r13",
    "mov eax, 28",
    "syscall",
    "add r12, 16",
    "jmp 51b",
    "52: jmp r14",
    ".balign 8",
    "90: .quad -1",
    "stillheap_blob_values: .zero 8*19",
    "stillheap_blob_calls: .quad 0",
    ".popsection",
);

unsafe extern "C" {
    static stillheap_blob_start: u8;
    static stillheap_blob_values: u8;
    static stillheap_blob_calls: u8;
}

/// The code up to its list of calls, and where its values are.
fn code() -> (&'static [u8], usize) {
    let (start, values, calls) =
        (&raw const stillheap_blob_start, &raw const stillheap_blob_values, &raw const stillheap_blob_calls);
    let (values, length) = (values as usize - start as usize, calls as usize - start as usize);
    // SAFETY: the assembly above defines the symbols in this order in one read-only section, so the bytes between the
    // first and the last are initialised, never written, and there as long as the program.
    (unsafe { std::slice::from_raw_parts(start, length) }, values)
}

/// Every system call that a blob may make, with the arguments that a filter may look at.
pub(crate) fn all_calls<'a>(ranges: &'a [Range], calls: &'a [Call]) -> impl Iterator<Item = Call> + use<'a> {
    let mask = [libc::SYS_rt_sigprocmask as u64, libc::SIG_SETMASK as u64, 0, 0, 8];
    let advised = move |advice: i32| {
        ranges.iter().map(move |&(from, to)| [libc::SYS_madvise as u64, from, to - from, advice as u64, 0])
    };
    let end = [libc::SYS_exit_group as u64, 0, 0, 0, 0];
    std::iter::once(mask)
        .chain(advised(libc::MADV_DOFORK))
        .chain(calls.iter().copied())
        .chain(advised(libc::MADV_DONTFORK))
        .chain([end])
}

/// The registers that the donor is to have after its call has been begun again, as the kernel would do it.
///
/// None if the donor wasn't interrupted in a call that begins again: then its registers say something else than
/// what this can restore.
pub(crate) fn begun_again(registers: &user_regs_struct) -> Option<user_regs_struct> {
    // ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND
    let restarts = matches!(registers.rax as i64, -514..=-512);
    let in_futex = registers.orig_rax as i64 == libc::SYS_futex;
    (restarts && in_futex).then(|| {
        let mut again = *registers;
        again.rip -= 2;
        again.rax = registers.orig_rax;
        // No single step.
        again.eflags &= !0x100;
        again
    })
}

/// The bytes of a blob that marks the ranges for forking, makes the calls, marks the ranges again and goes on with
/// `then`; none if they don't fit.
pub(crate) fn assemble(then: &user_regs_struct, ranges: &[Range], calls: &[Call]) -> Option<Vec<u8>> {
    let (code, values) = code();
    let mut blob = code.to_vec();
    let values_of = [
        then.r15,
        then.r14,
        then.r13,
        then.r12,
        then.rbp,
        then.rbx,
        then.r11,
        then.r10,
        then.r9,
        then.r8,
        then.rax,
        then.rcx,
        then.rdx,
        then.rsi,
        then.rdi,
        then.rip,
        then.eflags,
        then.rsp,
        // Where the ranges are, from where the calls are.
        (size_of_val(calls) + 8) as u64,
    ];
    for (place, value) in blob[values..].chunks_exact_mut(8).zip(values_of) {
        place.copy_from_slice(&value.to_le_bytes());
    }
    let ranges = ranges.iter().flat_map(|&(from, to)| [from, to - from]);
    let calls = calls.iter().flatten().copied();
    for word in calls.chain([u64::MAX]).chain(ranges).chain([0]) {
        blob.extend_from_slice(&word.to_le_bytes());
    }
    (blob.len() <= SIZE).then_some(blob)
}

/// The registers with which the donor enters a blob at an address.
pub(crate) fn entering(registers: &user_regs_struct, address: u64) -> user_regs_struct {
    let mut set = *registers;
    set.rip = address + NAME.len() as u64;
    set.rsp = (registers.rsp - BELOW) & !63;
    // Not in a system call: else the kernel would begin it again with our registers.
    set.orig_rax = u64::MAX;
    set
}

/// Whether the donor is where it was: in its call again, or about to begin it.
pub(crate) fn is_back(now: &user_regs_struct, before: &user_regs_struct) -> bool {
    let kept = |r: &user_regs_struct| {
        [r.rsp, r.rbp, r.rbx, r.r12, r.r13, r.r14, r.r15, r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9]
    };
    let interrupted = now.rip == before.rip && now.orig_rax as i64 == libc::SYS_futex;
    let about_to = now.rip + 2 == before.rip && now.rax as i64 == libc::SYS_futex;
    kept(now) == kept(before) && (interrupted || about_to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registers() -> user_regs_struct {
        user_regs_struct {
            r15: 1,
            r14: 2,
            r13: 3,
            r12: 4,
            rbp: 5,
            rbx: 6,
            r11: 7,
            r10: 8,
            r9: 9,
            r8: 10,
            rax: -512_i64 as u64,
            rcx: 12,
            rdx: 13,
            rsi: 14,
            rdi: 15,
            orig_rax: 202,
            rip: 0x1000,
            cs: 0x33,
            eflags: 0x346,
            rsp: 0x7fff_1234,
            ss: 0x2b,
            fs_base: 0,
            gs_base: 0,
            ds: 0,
            es: 0,
            fs: 0,
            gs: 0,
        }
    }

    #[test]
    fn a_call_begins_again_two_bytes_earlier() {
        let again = begun_again(&registers()).unwrap();
        assert_eq!((again.rip, again.rax, again.eflags), (0xffe, 202, 0x246));
        for (rax, orig) in [(0, 202), (-4_i64, 202), (-516, 202), (-512, 0), (-512, -1)] {
            let other = user_regs_struct { rax: rax as u64, orig_rax: orig as u64, ..registers() };
            assert!(begun_again(&other).is_none(), "{rax} {orig}");
        }
    }

    #[test]
    fn the_blob_has_its_name_its_registers_and_its_calls() {
        let then = begun_again(&registers()).unwrap();
        let blob = assemble(&then, &[(0x10, 0x30)], &[[56, 1, 2, 3, 4]]).unwrap();
        assert_eq!(&blob[..16], NAME);
        let words: Vec<u64> = blob[blob.len() - 8 * 28..]
            .chunks(8)
            .map(|b| u64::from_le_bytes(b.try_into().unwrap()))
            .collect();
        assert_eq!(&words[..3], &[1, 2, 3]);
        assert_eq!(&words[15..19], &[0xffe, 0x246, 0x7fff_1234, 48]);
        assert_eq!(&words[19..], &[56, 1, 2, 3, 4, u64::MAX, 0x10, 0x20, 0]);
        assert!(assemble(&then, &[(1, 2); 40], &[[0; 5]; 5]).is_some());
        assert!(assemble(&then, &[(1, 2); 80], &[[0; 5]]).is_none());
    }

    #[test]
    fn all_its_calls_are_known() {
        let calls: Vec<Call> = all_calls(&[(0x10, 0x30)], &[[56, 1, 2, 3, 4]]).collect();
        let numbers: Vec<u64> = calls.iter().map(|call| call[0]).collect();
        assert_eq!(numbers, [14, 28, 56, 28, 231]);
        assert_eq!((calls[1], calls[3]), ([28, 0x10, 0x20, 11, 0], [28, 0x10, 0x20, 10, 0]));
    }

    #[test]
    fn it_enters_below_the_red_zone_and_in_no_call() {
        let entering = entering(&registers(), 0x5000);
        assert_eq!((entering.rip, entering.orig_rax), (0x5010, u64::MAX));
        assert!(entering.rsp.is_multiple_of(64) && entering.rsp + 128 + 16 < registers().rsp);
    }

    #[test]
    fn back_is_the_same_call_with_the_same_registers() {
        let before = registers();
        assert!(is_back(&before, &before));
        assert!(is_back(&begun_again(&before).unwrap(), &before));
        assert!(!is_back(&user_regs_struct { rsp: 0, ..before }, &before));
        assert!(!is_back(&user_regs_struct { rip: 0x900, ..before }, &before));
        assert!(!is_back(&user_regs_struct { orig_rax: 1, ..before }, &before));
    }
}
