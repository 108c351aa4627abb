//! Standard output and standard error.
//!
//! A reader that goes away (`| head`) ends the output quietly. Descriptors may be set not to block, by Node for
//! one: then the writer waits until there is room.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::Serialize;

use stillheap_questions::{Failure, SCHEMA_VERSION};
use stillheap_render::{TextStyle, is_dangerous, visible};

/// Where answers go.
pub struct Console {
    out: BufWriter<RetryWriter<Box<dyn Write>>>,
    closed: bool,
    look: TextStyle,
    failure: Option<io::Error>,
}

impl Console {
    /// This process's.
    pub fn new() -> Console {
        let stdout = io::stdout();
        let choice = anstream::AutoStream::choice(&stdout);
        let colour = choice != anstream::ColorChoice::Never;
        let look = TextStyle {
            colour,
            links: colour && stdout.is_terminal() && supports_hyperlinks::supports_hyperlinks(),
            width: width(),
            directory: directory(),
        };
        Console {
            out: BufWriter::with_capacity(1 << 16, RetryWriter(plain_stdout())),
            closed: false,
            look,
            failure: None,
        }
    }

    /// How to draw on it.
    pub fn look(&self) -> TextStyle {
        self.look
    }

    /// Writes a text, through the pager if it is longer than the terminal.
    pub fn text(&mut self, text: &str) {
        if crate::pager::show(text) {
            return;
        }
        let result = self.out.write_all(text.as_bytes());
        self.note(result);
    }

    /// Writes JSON and a line's end.
    pub fn json(&mut self, value: &impl Serialize) {
        let escaping = Escaping(serde_json::ser::PrettyFormatter::with_indent(b" "));
        let mut serializer = serde_json::Serializer::with_formatter(&mut self.out, escaping);
        let result = value.serialize(&mut serializer).map_err(io::Error::from);
        let result = result.and_then(|()| self.out.write_all(b"\n"));
        self.note(result);
    }

    fn note(&mut self, result: io::Result<()>) {
        match result {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.closed = true,
            Err(error) => {
                self.failure.get_or_insert(error);
            }
        }
    }

    /// Everything is out; an error only if somebody still wanted to read it.
    pub fn finish(mut self) -> Result<(), Failure> {
        if !self.closed && self.failure.is_none() {
            let result = self.out.flush();
            self.note(result);
        }
        // What could not be written is dropped, not tried again.
        let (_, _) = self.out.into_parts();
        match self.failure {
            Some(error) => Err(Failure::new("EIO", format!("the output cannot be written: {error}"))),
            None => Ok(()),
        }
    }
}

/// Columns of the output: the terminal's, or `STILLHEAP_COLUMNS`, which holds for pipes, too.
pub fn width() -> Option<usize> {
    let asked = std::env::var("STILLHEAP_COLUMNS").ok().and_then(|text| text.trim().parse().ok());
    let terminal = || io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
    asked.or_else(|| terminal().map(|(width, _)| usize::from(width.0))).filter(|&width| width >= 20)
}

/// The working directory, for paths relative to it.
fn directory() -> Option<&'static Path> {
    static DIRECTORY: OnceLock<Option<PathBuf>> = OnceLock::new();
    DIRECTORY.get_or_init(|| std::env::current_dir().ok()).as_deref()
}

/// Says one thing on standard error.
pub fn say(text: &str) {
    let text: String = text.lines().map(|line| visible(line) + "\n").collect();
    // Where standard error is gone there is nobody to tell.
    let _ = RetryWriter(io::stderr()).write_all(format!("stillheap: {text}").as_bytes());
}

/// A failure to write a file, as people read it: without the code in front, and with what to type. `instead` is
/// that for a file that exists.
pub fn of_output(mut failure: Failure, output: &Path, instead: &str) -> Failure {
    let Some(said) = failure.message.strip_prefix(&format!("{}: ", failure.code)) else { return failure };
    let name = output.display();
    failure.message = if said.ends_with("already exists: choose another name, or set overwrite") {
        format!("{name} already exists. {instead}")
    } else if let Some(end) =
        said.find(", ").filter(|_| failure.syscall.is_some() || said.contains(", open '"))
    {
        format!("{name} cannot be written: {}", &said[..end])
    } else {
        said.to_owned()
    };
    failure
}

/// A failure, for people, and where JSON was asked for also for programs.
pub fn fail(failure: &Failure, json: bool) {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct JsonFailure<'f> {
        schema_version: u32,
        error: &'f Failure,
    }
    say(&failure.message);
    if json {
        let mut console = Console::new();
        console.json(&JsonFailure { schema_version: SCHEMA_VERSION, error: failure });
        let _ = console.finish();
    }
}

/// Standard output without the line buffer of std, which an error in the middle of a write would confuse.
#[cfg(unix)]
fn plain_stdout() -> Box<dyn Write> {
    use std::os::fd::AsFd;
    match io::stdout().as_fd().try_clone_to_owned() {
        Ok(descriptor) => Box::new(std::fs::File::from(descriptor)),
        Err(_) => Box::new(io::stdout()),
    }
}

#[cfg(not(unix))]
fn plain_stdout() -> Box<dyn Write> {
    Box::new(io::stdout())
}

/// Waits where a descriptor would not.
pub struct RetryWriter<T>(pub T);

impl<T: Write> Write for RetryWriter<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => rest(),
                result => return result,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<T: io::Read> io::Read for RetryWriter<T> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => rest(),
                result => return result,
            }
        }
    }
}

/// The other side needs a moment; a pipe's 64 kB are filled and emptied in less than this.
fn rest() {
    std::thread::sleep(std::time::Duration::from_millis(2));
}

/// Pretty JSON whose texts hold no character that a terminal would act upon.
struct Escaping<'i>(serde_json::ser::PrettyFormatter<'i>);

macro_rules! as_inner {
    ($($name:ident($($argument:ident: $kind:ty),*)),* $(,)?) => {
        $(fn $name<W: ?Sized + Write>(&mut self, writer: &mut W $(, $argument: $kind)*) -> io::Result<()> {
            self.0.$name(writer $(, $argument)*)
        })*
    };
}

impl serde_json::ser::Formatter for Escaping<'_> {
    as_inner!(
        begin_array(),
        end_array(),
        begin_array_value(first: bool),
        end_array_value(),
        begin_object(),
        end_object(),
        begin_object_key(first: bool),
        begin_object_value(),
        end_object_value(),
    );

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        let mut rest = text;
        while let Some((at, c)) = rest.char_indices().find(|&(_, c)| is_dangerous(c)) {
            writer.write_all(&rest.as_bytes()[..at])?;
            write!(writer, "\\u{:04x}", c as u32)?;
            rest = &rest[at + c.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_holds_nothing_that_a_terminal_acts_upon() {
        let mut out = Vec::new();
        let escaping = Escaping(serde_json::ser::PrettyFormatter::with_indent(b" "));
        let mut serializer = serde_json::Serializer::with_formatter(&mut out, escaping);
        let text = "a\u{1b}[2J\u{9b}31m\u{202e}é🙂\"\\";
        [text].serialize(&mut serializer).unwrap();
        let json = String::from_utf8(out).unwrap();
        assert!(!json.chars().any(|c| is_dangerous(c) && c != '\n'), "{json:?}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&json).unwrap(), [text]);
    }

    #[test]
    fn a_descriptor_that_does_not_block_is_waited_for() {
        struct Full(u32);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 += 1;
                if self.0 < 3 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(bytes.len()) }
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        assert!(RetryWriter(Full(0)).write_all(b"text").is_ok());
    }
}
