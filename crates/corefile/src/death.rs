//! Why a process died, as far as its memory tells: which of V8's and Node's functions for that it was in, and what they
//! were told.

use serde::Serialize;
use stillheap_heap::{Heap, Live};
use stillheap_process::{Core, Symbol};

/// Why the process ended itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Why {
    /// `outOfMemory`, `fatal` (a check of V8's failed), `fatalError` (V8 refused a call), `exception` (it was not caught),
    /// `assertion` (of Node's) or `abort` (`process.abort()`).
    pub kind: &'static str,
    /// What V8 or the exception said; none if it isn't known.
    pub message: Option<String>,
}

/// Functions by what their mangled names contain. The innermost on the stack decides.
const CAUSES: [(&str, &str); 9] = [
    ("23FatalProcessOutOfMemory", "outOfMemory"),
    ("_ZN4node15OOMErrorHandler", "outOfMemory"),
    ("_Z8V8_Fatal", "fatal"),
    ("_ZN4node12OnFatalError", "fatalError"),
    ("_ZN2v88internal7Isolate13ThrowInternal", "exception"),
    ("_ZN2v88internal7Isolate5Throw", "exception"),
    ("_ZN4node6AssertERK", "assertion"),
    ("_ZN4node5AbortEv", "abort"),
    ("_ZN4nodeL5AbortERKN2v8", "abort"),
];

/// What V8 says where memory ran out (the first argument of FatalProcessOutOfMemory).
const LOCATIONS: [&str; 11] = [
    "Reached heap limit",
    "Ineffective mark-compacts near heap limit",
    "CALL_AND_RETRY_LAST",
    "MarkCompactCollector: semi-space copy, fallback in old gen",
    "MarkCompactCollector: young object promotion failed",
    "Scavenger: semi-space copy",
    "Scavenger: promoting marked object",
    "Committing semi space failed.",
    "invalid array length",
    "invalid table size",
    "Runtime_GrowArrayElements",
];

/// So much of the stack is looked through; V8 keeps tens of kilobytes on it when it dies.
const STACK: usize = 1 << 18;

/// Above the throwing function is what was thrown.
const ABOVE: u64 = 4096;

/// `FailureMessage` (`base/logging.cc`): made to be found in memory, with its text between two marks.
const MESSAGE_START: u64 = 0xdeca_de10;
const MESSAGE_END: u64 = 0xdeca_de11;
const MESSAGE: usize = 512;

pub(crate) fn why(core: &Core, heap: &Heap<'_>, live: &Live) -> Option<Why> {
    // Of a kernel's core the first thread is the one that got the signal.
    let thread = core.threads().first()?;
    let functions = core.symbols(|name| CAUSES.iter().any(|(part, _)| name.contains(part)));
    let from = thread.stack & !7;
    let bytes = core.bytes_at(from);
    let stack = &bytes[..bytes.len().min(STACK)];
    let words = || stack.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default()));
    if let Some(message) = failure(stack) {
        return Some(Why { kind: "fatal", message: Some(message) });
    }
    let (position, kind) = words().enumerate().find_map(|(n, word)| Some((n, cause(&functions, word)?)))?;
    let at = from + 8 * position as u64;
    let message = match kind {
        "outOfMemory" => words().take(position + ABOVE as usize / 8).find_map(|word| location(core, word)),
        "exception" => {
            let end = (at + ABOVE).min(from + stack.len() as u64);
            heap.error_on_stack(live, from, end).map(|e| format!("{}: {}", e.class, e.message))
        }
        _ => None,
    };
    Some(Why { kind, message })
}

fn cause(functions: &[Symbol], address: u64) -> Option<&'static str> {
    let after = functions.partition_point(|f| f.address < address);
    let function = functions.get(after.checked_sub(1)?)?;
    if address > function.address + function.size {
        return None;
    }
    CAUSES.iter().find(|(part, _)| function.name.contains(part)).map(|&(_, kind)| kind)
}

fn location(core: &Core, address: u64) -> Option<String> {
    let bytes = core.bytes_at(address);
    let longest = LOCATIONS.iter().map(|text| text.len()).max().unwrap_or(0);
    let end = bytes.iter().take(longest + 1).position(|&b| b == 0)?;
    let text = LOCATIONS.iter().find(|text| text.as_bytes() == &bytes[..end])?;
    Some((*text).to_owned())
}

fn failure(stack: &[u8]) -> Option<String> {
    let word = |at: usize| Some(u64::from_le_bytes(stack.get(at..at + 8)?.try_into().ok()?));
    let start = (0..stack.len().saturating_sub(MESSAGE + 16))
        .step_by(8)
        .find(|&at| word(at) == Some(MESSAGE_START) && word(at + 8 + MESSAGE) == Some(MESSAGE_END))?;
    let text = &stack[start + 8..start + 8 + MESSAGE];
    let end = text.iter().position(|&b| b == 0).unwrap_or(text.len());
    Some(String::from_utf8_lossy(&text[..end]).trim().to_owned())
}
