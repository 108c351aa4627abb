//! `stillheap redact`: a copy of a snapshot without its secrets.
//!
//! Streams; memory is the redactor's (some percent of the file) plus one piece.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use serde::Serialize;
use stillheap_redact::{Key, Options};
use stillheap_sink::{Destination, OpenedFile, Written};

use crate::answer::fitted;
use crate::args::{RedactArgs, SourceText, compression_of};
use crate::console::{RetryWriter, of_output};
use crate::load::{ReadingBar, is_stdin};
use stillheap_protocol::LossyPath;
use stillheap_questions::{Failure, SCHEMA_VERSION};
use stillheap_render::{TextStyle, count, plural, size, visible};

/// What is read at a time.
const PIECE: usize = 256 * 1024;
/// A key that is shorter can be guessed.
const LEAST_KEY: usize = 16;

/// What was done.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Redaction {
    schema_version: u32,
    file: String,
    output: LossyPath,
    redacted: bool,
    source: bool,
    /// By which files with the same key are known.
    key: String,
    bytes: u64,
    raw_bytes: u64,
    names_kept: u64,
    names_replaced: u64,
    values_replaced: u64,
}

impl Redaction {
    pub fn text(&self, look: TextStyle) -> String {
        let line = format!(
            "Wrote {} ({}): {} replaced, {} of {} kept{}",
            visible(&self.output.to_string_lossy()),
            size(self.bytes),
            plural(self.values_replaced, "different value"),
            count(self.names_kept),
            plural(self.names_kept + self.names_replaced, "name"),
            if self.source { "" } else { "; source text kept" }
        );
        fitted(look, &line, 0, 2) + "\n"
    }
}

/// Reads, redacts, writes.
pub fn redact(args: &RedactArgs) -> Result<Redaction, Failure> {
    let stdin = is_stdin(&args.file);
    let shown = if stdin { "standard input".to_owned() } else { args.file.to_string_lossy().into_owned() };
    let of_input = |error: &stillheap_analysis::Error| Failure::of_file(error, &shown);
    let (mut input, length) = match stdin {
        true => (
            stillheap_snapshot::unpack(Box::new(RetryWriter(std::io::stdin()))).map_err(|e| of_input(&e))?,
            None,
        ),
        false => stillheap_snapshot::open_unpacked(&args.file).map_err(|e| of_input(&e))?,
    };
    let key = match &args.key {
        Some(path) => key_from(path)?,
        None => {
            Key::random().map_err(|error| Failure::of_io(&error, "getrandom", Path::new("/dev/urandom")))?
        }
    };
    let source = args.source == SourceText::Redact;
    let path =
        std::path::absolute(&args.output).map_err(|error| Failure::of_io(&error, "getcwd", &args.output))?;
    let destination = Destination { path, overwrite: false, generated: false };
    let refused = |failure| of_output(Failure::of_sink(failure), &args.output, "Choose another name.");
    let opened =
        OpenedFile::create(destination, compression_of(args.compress, &args.output)).map_err(refused)?;
    let options = Options { source, key: key.clone() };
    let mut output = opened.redacting(Some(options)).start().map_err(Failure::of_sink)?;
    let mut progress = ReadingBar::new(length);
    let (mut buffer, mut bytes) = (vec![0; PIECE], 0);
    loop {
        match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                output.write(&buffer[..count]).map_err(|failure| Failure::of_sink(failure).about(&shown))?;
                bytes += count as u64;
                progress.reading(bytes);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Failure::of_io(&error, "read", &args.file)),
        }
    }
    drop(progress);
    let written = output.finish().map_err(|failure| Failure::of_sink(failure).about(&shown))?;
    let Written { path: output, bytes, raw_bytes, redacted } = written;
    let summary = redacted.unwrap_or_default();
    Ok(Redaction {
        schema_version: SCHEMA_VERSION,
        file: args.file.to_string_lossy().into_owned(),
        output: if args.output.is_absolute() { output } else { args.output.clone() }.into(),
        redacted: true,
        source,
        key: key.id(),
        bytes,
        raw_bytes,
        names_kept: summary.names_kept,
        names_replaced: summary.names_replaced,
        values_replaced: summary.values_replaced,
    })
}

/// The key in a file, which is made if it isn't there.
fn key_from(path: &Path) -> Result<Key, Failure> {
    let failed = |syscall: &'static str| move |error: std::io::Error| Failure::of_io(&error, syscall, path);
    match fs::read(path) {
        Ok(secret) if secret.trim_ascii().len() < LEAST_KEY => Err(Failure::argument(format!(
            "the key in {} is too short: it needs at least {LEAST_KEY} characters",
            path.display()
        ))),
        Ok(secret) => Ok(Key::from_secret(secret.trim_ascii())),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let secret = Key::random().map_err(failed("getrandom"))?.to_text();
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(path).map_err(failed("open"))?;
            file.write_all(format!("{secret}\n").as_bytes()).map_err(failed("write"))?;
            Ok(Key::from_secret(secret.as_bytes()))
        }
        Err(error) => Err(Failure::of_io(&error, "open", path)),
    }
}
