//! Writing on the producer's own thread: for a process that has but one.
//!
//! [`Opened`] is the temporary file, which may be opened by one process and written by another that was
//! forked from it; [`Direct`] compresses and writes, and gives the file its name. The compressor is made by
//! the process that writes, since compressors write when they are dropped.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use stillheap_redact::{Options, Redactor};

use crate::encoder::Encoder;
use crate::outcome::{Outcome, Spooled, Written};
use crate::place::{Temporary, spool_file};
use crate::{Compression, Destination, Failure};

pub(crate) enum Place {
    Named(Temporary),
    Spool(PathBuf),
}

impl Place {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Named(temporary) => temporary.target(),
            Self::Spool(directory) => directory,
        }
    }
}

/// An open, empty temporary file; it vanishes when this is dropped.
pub struct Opened {
    place: Place,
    file: File,
    compression: Compression,
    redact: Option<Options>,
}

impl Opened {
    /// Opens the temporary file beside `destination`.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(destination: Destination, compression: Compression) -> Result<Self, Failure> {
        let (temporary, file) = Temporary::create(destination)?;
        Ok(Self { place: Place::Named(temporary), file, compression, redact: None })
    }

    /// Opens an unlinked file in `directory`.
    ///
    /// # Errors
    /// What the system says.
    pub fn spool(directory: &Path, compression: Compression) -> Result<Self, Failure> {
        let file = spool_file(directory)?;
        Ok(Self { place: Place::Spool(directory.to_owned()), file, compression, redact: None })
    }

    /// What is written will be a snapshot, and its secrets are to be taken out on the way.
    #[must_use]
    pub fn redacting(self, redact: Option<Options>) -> Self {
        Self { redact, ..self }
    }

    /// The temporary name; a spool has none.
    pub fn temporary(&self) -> Option<&Path> {
        match &self.place {
            Place::Named(temporary) => Some(temporary.path()),
            Place::Spool(_) => None,
        }
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Throws away what somebody else may have written into it.
    ///
    /// # Errors
    /// What the system says.
    pub fn rewind(&mut self) -> Result<(), Failure> {
        self.file.set_len(0).map_err(|error| Failure::system(&error, "ftruncate", self.place.path()))?;
        self.file
            .seek(SeekFrom::Start(0))
            .map_err(|error| Failure::system(&error, "lseek", self.place.path()))?;
        Ok(())
    }

    /// Begins to write.
    ///
    /// # Errors
    /// A compressor that can't be made.
    pub fn start(self) -> Result<Direct, Failure> {
        let Self { place, file, compression, redact } = self;
        let encoder =
            Encoder::new(file, compression).map_err(|error| Failure::system(&error, "open", place.path()))?;
        let redactor = redact.map(|options| Box::new(Redactor::new(options)));
        Ok(Direct { place, redactor, output: Output { encoder, bytes: 0 } })
    }

    /// Another process has given the file its name: nothing is left to clean up.
    pub fn published_elsewhere(self) {
        if let Place::Named(temporary) = self.place {
            temporary.disown();
        }
    }

    /// The file, written by another process.
    pub fn into_file(self) -> File {
        self.file
    }
}

/// A file that is being written.
pub struct Direct {
    place: Place,
    redactor: Option<Box<Redactor>>,
    output: Output,
}

/// The compressor, and what went into it.
struct Output {
    encoder: Encoder,
    bytes: u64,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.encoder.write_all(bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn not_written(error: stillheap_redact::Error, path: &Path) -> Failure {
    match error {
        stillheap_redact::Error::Io(error) => Failure::system(&error, "write", path),
        malformed => Failure::own(
            "ERR_STILLHEAP_REDACT",
            format!("the snapshot could not be redacted, so nothing was written: {malformed}"),
        )
        .at(path),
    }
}

impl Direct {
    pub(crate) fn path(&self) -> &Path {
        self.place.path()
    }

    /// Bytes written so far, before compression.
    pub fn raw_bytes(&self) -> u64 {
        self.output.bytes
    }

    /// Redacts if that was asked for, compresses and writes.
    ///
    /// # Errors
    /// What the system says; `ERR_STILLHEAP_REDACT` if what is to be redacted is no snapshot.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.place.path();
        match &mut self.redactor {
            Some(redactor) => {
                redactor.feed(bytes, &mut self.output).map_err(|error| not_written(error, path))
            }
            None => self.output.write_all(bytes).map_err(|error| Failure::system(&error, "write", path)),
        }
    }

    /// Writes the rest, syncs, and gives the file its name. A spool's path is its directory.
    ///
    /// # Errors
    /// What the system says; the temporary file is gone then.
    pub fn finish(self) -> Result<Written, Failure> {
        match self.complete(|| Ok(()))? {
            Outcome::Named(written) => Ok(written),
            Outcome::Spooled(Spooled { file: _, bytes, raw_bytes }) => {
                Ok(Written { path: PathBuf::new(), bytes, raw_bytes, redacted: None })
            }
        }
    }

    /// As `finish`; `last_word` is asked before the name is given.
    pub(crate) fn complete(
        self,
        last_word: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<Outcome, Failure> {
        let Self { place, redactor, mut output } = self;
        let path = place.path().to_owned();
        let redacted = match redactor {
            Some(redactor) => Some(redactor.finish(&mut output).map_err(|error| not_written(error, &path))?),
            None => None,
        };
        let Output { encoder, bytes: raw_bytes } = output;
        let failed = |syscall: &'static str| {
            let path = path.clone();
            move |error: std::io::Error| Failure::system(&error, syscall, &path)
        };
        let file = encoder.finish().map_err(failed("write"))?;
        match place {
            Place::Spool(_) => {
                let bytes = file.metadata().map_err(failed("fstat"))?.len();
                Ok(Outcome::Spooled(Spooled { file, bytes, raw_bytes }))
            }
            Place::Named(temporary) => {
                file.sync_all().map_err(failed("fsync"))?;
                let bytes = file.metadata().map_err(failed("fstat"))?.len();
                drop(file);
                last_word()?;
                let path = temporary.publish()?;
                Ok(Outcome::Named(Written { path, bytes, raw_bytes, redacted }))
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_an_earlier_writer_left_is_thrown_away() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        let destination = Destination { path: path.clone(), overwrite: false, generated: false };
        let mut opened = Opened::create(destination, Compression::None).unwrap();
        let temporary = opened.temporary().unwrap().to_owned();
        fs::write(&temporary, "half a snapshot of a process that died").unwrap();
        opened.rewind().unwrap();
        let mut direct = opened.start().unwrap();
        direct.write(b"all").unwrap();
        let written = direct.finish().unwrap();
        assert_eq!(written, Written { path: path.clone(), bytes: 3, raw_bytes: 3, redacted: None });
        assert_eq!(fs::read(&path).unwrap(), b"all");
        assert!(!temporary.exists());
    }

    #[test]
    fn an_opened_file_vanishes_unless_somebody_else_has_published_it() {
        let directory = tempfile::tempdir().unwrap();
        for published in [false, true] {
            let path = directory.path().join("a");
            let destination = Destination { path, overwrite: false, generated: false };
            let opened = Opened::create(destination, Compression::Gzip).unwrap();
            let temporary = opened.temporary().unwrap().to_owned();
            match published {
                true => opened.published_elsewhere(),
                false => drop(opened),
            }
            assert_eq!(temporary.exists(), published);
        }
    }
}
