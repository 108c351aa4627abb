//! Long answers on a terminal go through a pager, as git's do.

use std::io::{self, IsTerminal, Write};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::terminal;

/// What shows a long text, decided once: None where nothing is paged.
static PAGER: OnceLock<Option<String>> = OnceLock::new();

/// Decides whether long texts are paged: `STILLHEAP_PAGER`, `PAGER`, else less. An empty name or `cat` turns it off.
pub fn configure(wanted: bool) {
    let named = ["STILLHEAP_PAGER", "PAGER"].into_iter().find_map(std::env::var_os);
    let pager = named.map_or_else(|| "less".to_owned(), |name| name.to_string_lossy().into_owned());
    let terminal = io::stdout().is_terminal() && io::stdin().is_terminal();
    let usable = wanted && terminal && !terminal::dumb() && !matches!(pager.trim(), "" | "cat") && cfg!(unix);
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
    // Ctrl-C is the pager's: if this process ended, both the pager and the shell would read the keys.
    #[cfg(unix)]
    let _interrupts = crate::interrupts::Interrupts::new();
    let mut command = Command::new("sh");
    command.args(["-c", pager]).env("LESS", less).stdin(Stdio::piped());
    let (Ok(stdout), Ok(stderr)) = (terminal::for_child(&io::stdout()), terminal::for_child(&io::stderr()))
    else {
        return false;
    };
    let Ok(mut child) = command.stdout(stdout).stderr(stderr).spawn() else { return false };
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
