//! What the terminal understands, and this process's streams for a child.

use std::io;
use std::process::Stdio;

use crate::args::Color;

/// Whether colours are used, as the user wants it. A dumb terminal gets none unless they are forced, also where `CI` is
/// set, which anstream takes for a sign that colours are understood.
pub fn choose_colours(color: Color) {
    match color {
        Color::Auto if dumb() => anstream::ColorChoice::Never,
        Color::Auto => anstream::ColorChoice::Auto,
        Color::Always => anstream::ColorChoice::Always,
        Color::Never => anstream::ColorChoice::Never,
    }
    .write_global();
}

/// Whether the terminal understands no escape sequences. Progress bars ask the same themselves.
pub fn dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term == "dumb")
}

/// A stream of this process for a child. It is not just inherited: Node marks its own streams as not to be inherited, and a
/// duplicate loses the mark.
#[cfg(unix)]
pub fn for_child(stream: &impl std::os::fd::AsFd) -> io::Result<Stdio> {
    stream.as_fd().try_clone_to_owned().map(Stdio::from)
}

/// A stream of this process for a child.
#[cfg(not(unix))]
pub fn for_child<T>(_stream: &T) -> io::Result<Stdio> {
    Ok(Stdio::inherit())
}
