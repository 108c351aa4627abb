//! Long answers on a terminal go through a pager, as git's do.

use std::io::{self, IsTerminal, Write};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// What shows a long text, decided once: None where nothing is paged.
static PAGER: OnceLock<Option<String>> = OnceLock::new();

/// Decides whether long texts are paged: `STILLHEAP_PAGER`, `PAGER`, else less. An empty name or `cat` turns it off.
pub fn configure(wanted: bool) {
    let named = ["STILLHEAP_PAGER", "PAGER"].into_iter().find_map(std::env::var_os);
    let pager = named.map_or_else(|| "less".to_owned(), |name| name.to_string_lossy().into_owned());
    let terminal = io::stdout().is_terminal() && io::stdin().is_terminal();
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    let usable = wanted && terminal && !dumb && !matches!(pager.trim(), "" | "cat") && cfg!(unix);
    let _ = PAGER.set(usable.then_some(pager));
}

/// Shows a text in the pager if it is longer than the terminal; whether it has been shown.
pub fn show(text: &str) -> bool {
    let Some(Some(pager)) = PAGER.get() else { return false };
    let rows = terminal_size::terminal_size().map_or(usize::MAX, |(_, height)| usize::from(height.0));
    if text.lines().count() < rows {
        return false;
    }
    // Without options of the user's own: quit if it fits, pass colours, don't clear the screen.
    let less = std::env::var_os("LESS").unwrap_or_else(|| "FRX".into());
    let child = Command::new("sh").args(["-c", pager]).env("LESS", less).stdin(Stdio::piped()).spawn();
    let Ok(mut child) = child else { return false };
    // A reader who quits early closes the pipe.
    let written = child.stdin.take().map(|mut input| input.write_all(text.as_bytes()));
    let status = child.wait();
    let quit = matches!(&written, Some(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe);
    // The shell says so if there is no such program, and nothing has been shown then.
    match status {
        Ok(status) => status.code() != Some(127) || quit && status.success(),
        Err(_) => true,
    }
}
