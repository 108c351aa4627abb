//! The program's arguments and environment: the kernel puts them at the end of the first stack, below the auxiliary
//! vector that the core's notes have too.

/// More than Linux allows for.
const MOST: usize = 1 << 16;

/// What a program was started with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartedWith {
    pub arguments: Vec<String>,
    /// `NAME=value`: secrets are in it.
    pub environment: Vec<String>,
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

fn text(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().take(MOST).position(|&b| b == 0)?;
    Some(String::from_utf8_lossy(&bytes[..end]).into_owned())
}

/// `stacks` is all memory that may be the first stack, `bytes_at` the memory from an address on.
pub(crate) fn find<'c>(
    auxiliary: &[u8],
    mut stacks: impl Iterator<Item = &'c [u8]>,
    bytes_at: impl Fn(u64) -> &'c [u8],
) -> Option<StartedWith> {
    let wanted = auxiliary.get(..auxiliary.len().min(256)).filter(|bytes| bytes.len() >= 64)?;
    stacks.find_map(|bytes| {
        // The vector is near the end of the stack.
        let from = bytes.len().saturating_sub(1 << 21) & !7;
        let stack = &bytes[from..];
        let at = (0..stack.len().saturating_sub(wanted.len()))
            .step_by(8)
            .find(|&at| word(stack, at) == word(wanted, 0) && stack[at..].starts_with(wanted))?;
        before(&bytes_at, stack, at)
    })
}

/// Reads the two lists that end before the vector: each ends with 0, and before the first is its length.
fn before<'c>(bytes_at: &impl Fn(u64) -> &'c [u8], stack: &[u8], vector: usize) -> Option<StartedWith> {
    let list = |end: usize| {
        let mut at = end;
        while at >= 8 && end - at < 8 * MOST && word(stack, at - 8)? >= 0x1000 {
            at -= 8;
        }
        Some(at)
    };
    // Both ends are 0.
    let environment_end = vector.checked_sub(8).filter(|&at| word(stack, at) == Some(0))?;
    let environment = list(environment_end)?;
    let arguments_end = environment.checked_sub(8).filter(|&at| word(stack, at) == Some(0))?;
    let arguments = list(arguments_end)?;
    let count = (arguments_end - arguments) / 8;
    if word(stack, arguments.checked_sub(8)?)? != count as u64 || count == 0 {
        return None;
    }
    let texts = |from: usize, to: usize| {
        (from..to).step_by(8).map(|at| text(bytes_at(word(stack, at)?))).collect::<Option<Vec<_>>>()
    };
    Some(StartedWith {
        arguments: texts(arguments, arguments_end)?,
        environment: texts(environment, environment_end)?,
    })
}
