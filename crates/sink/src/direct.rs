//! Writing on the producer's own thread: for a process that has but one.
//!
//! [`OpenedFile`] is the temporary file, which may be opened by one process and written by another that was
//! forked from it; [`Direct`] compresses and writes, and gives the file its name. The compressor is made by
//! the process that writes, since compressors write when they are dropped.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use stillheap_redact::{Options, Redactor};

use crate::encoder::Encoder;
use crate::outcome::{FinishedFile, Spooled, Written};
use crate::place::{Temporary, spool_file};
use crate::{Compression, Destination, Failure};

pub(crate) enum OpenTarget {
    Named(Temporary),
    Spool(PathBuf),
}

impl OpenTarget {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Named(temporary) => temporary.target(),
            Self::Spool(directory) => directory,
        }
    }
}

/// An open, empty temporary file; it vanishes when this is dropped.
pub struct OpenedFile {
    place: OpenTarget,
    file: File,
    compression: Compression,
    redact: Option<Options>,
}

impl OpenedFile {
    /// Opens the temporary file beside `destination`.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(destination: Destination, compression: Compression) -> Result<Self, Failure> {
        let (temporary, file) = Temporary::create(destination)?;
        Ok(Self { place: OpenTarget::Named(temporary), file, compression, redact: None })
    }

    /// Opens an unlinked file in `directory`.
    ///
    /// # Errors
    /// What the system says.
    pub fn spool(directory: &Path, compression: Compression) -> Result<Self, Failure> {
        let file = spool_file(directory)?;
        Ok(Self { place: OpenTarget::Spool(directory.to_owned()), file, compression, redact: None })
    }

    /// What is written will be a snapshot, and its secrets are to be taken out on the way.
    #[must_use]
    pub fn redacting(self, redact: Option<Options>) -> Self {
        Self { redact, ..self }
    }

    /// The temporary name; a spool has none.
    pub fn temporary(&self) -> Option<&Path> {
        match &self.place {
            OpenTarget::Named(temporary) => Some(temporary.path()),
            OpenTarget::Spool(_) => None,
        }
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    /// Throws away what another process may have written into it. Makes the file anew if that process has removed it.
    ///
    /// # Errors
    /// What the system says.
    pub fn rewind(&mut self) -> Result<(), Failure> {
        if let OpenTarget::Named(temporary) = &self.place
            && let Some(file) = temporary.recreate()?
        {
            self.file = file;
            return Ok(());
        }
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

    /// Another process has written the file to its end ([`Direct::complete_file`]): gives it its name, and says where
    /// it is. A spool has no name.
    ///
    /// # Errors
    /// What the system says; the temporary file is gone then.
    pub fn publish(self) -> Result<Option<PathBuf>, Failure> {
        match self.place {
            OpenTarget::Named(temporary) => temporary.publish().map(Some),
            OpenTarget::Spool(_) => Ok(None),
        }
    }

    /// Where the file stands if another process has given it its name: nothing is left to clean up then.
    pub fn published_elsewhere(&mut self) -> Option<PathBuf> {
        match &mut self.place {
            OpenTarget::Named(temporary) => temporary.published_elsewhere(&self.file),
            OpenTarget::Spool(_) => None,
        }
    }

    /// This process is not the one that cleans up: dropping this, or what [`OpenedFile::start`] makes of it, leaves the
    /// temporary file where it is.
    pub fn leave_to_opener(&mut self) {
        if let OpenTarget::Named(temporary) = &mut self.place {
            temporary.leave_to_opener();
        }
    }

    /// Another process will finish the file even if this one ends: [`crate::remove_temporary_files`] leaves it alone.
    pub fn outlives_this_process(&self) {
        if let OpenTarget::Named(temporary) = &self.place {
            temporary.outlives_this_process();
        }
    }

    /// The addresses of the two paths that publishing and removing the file pass to the system: its temporary name
    /// and its target. For a process that may do nothing else by path.
    #[cfg(unix)]
    pub fn path_addresses(&self) -> Option<(usize, usize)> {
        match &self.place {
            OpenTarget::Named(temporary) => Some(temporary.path_addresses()),
            OpenTarget::Spool(_) => None,
        }
    }

    /// The file, written by another process.
    pub fn into_file(self) -> File {
        self.file
    }
}

/// A file that is being written.
pub struct Direct {
    place: OpenTarget,
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

/// Ends redaction and compression: the file, the bytes before compression, and what was redacted.
fn end(
    redactor: Option<Box<Redactor>>,
    mut output: Output,
    path: &Path,
) -> Result<(File, u64, Option<stillheap_redact::Summary>), Failure> {
    let redacted = match redactor {
        Some(redactor) => Some(redactor.finish(&mut output).map_err(|error| not_written(error, path))?),
        None => None,
    };
    let Output { encoder, bytes } = output;
    let file = encoder.finish().map_err(|error| Failure::system(&error, "write", path))?;
    Ok((file, bytes, redacted))
}

impl Direct {
    /// The file that the caller wanted; a spool's directory.
    pub fn path(&self) -> &Path {
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

    /// Writes the rest and syncs, and leaves the file under its temporary name: its bytes on disk and before
    /// compression. Its opener publishes or removes it.
    ///
    /// # Errors
    /// What the system says.
    pub fn complete_file(self) -> Result<(u64, u64), Failure> {
        let Self { place, redactor, output } = self;
        // Not this process's to remove.
        let place = std::mem::ManuallyDrop::new(place);
        let (file, raw_bytes, _) = end(redactor, output, place.path())?;
        let system = |syscall| move |error| (syscall, error);
        let bytes = match &*place {
            OpenTarget::Named(_) => file.sync_all().map_err(system("fsync")),
            OpenTarget::Spool(_) => Ok(()),
        }
        .and_then(|()| file.metadata().map_err(system("fstat")))
        .map_err(|(syscall, error)| Failure::system(&error, syscall, place.path()))?
        .len();
        Ok((bytes, raw_bytes))
    }

    /// Writes the rest, syncs, and gives the file its name. A spool's path is its directory.
    ///
    /// # Errors
    /// What the system says; the temporary file is gone then.
    pub fn finish(self) -> Result<Written, Failure> {
        self.finish_telling(|_, _| Ok(()))
    }

    /// As `finish`; `complete` is told the file's bytes, and those before compression, before the name is given.
    ///
    /// # Errors
    /// What the system or `complete` says; the temporary file is gone then.
    pub fn finish_telling(
        self,
        complete: impl FnOnce(u64, u64) -> Result<(), Failure>,
    ) -> Result<Written, Failure> {
        match self.complete(complete)? {
            FinishedFile::Named(written) => Ok(written),
            FinishedFile::Spooled(Spooled { file: _, bytes, raw_bytes }) => {
                Ok(Written { path: PathBuf::new(), bytes, raw_bytes, redacted: None })
            }
        }
    }

    /// As `finish_telling`, for files and spools.
    pub(crate) fn complete(
        self,
        complete: impl FnOnce(u64, u64) -> Result<(), Failure>,
    ) -> Result<FinishedFile, Failure> {
        let Self { place, redactor, output } = self;
        let path = place.path().to_owned();
        let (file, raw_bytes, redacted) = end(redactor, output, &path)?;
        let failed = |syscall: &'static str| {
            let path = path.clone();
            move |error: std::io::Error| Failure::system(&error, syscall, &path)
        };
        match place {
            OpenTarget::Spool(_) => {
                let bytes = file.metadata().map_err(failed("fstat"))?.len();
                complete(bytes, raw_bytes)?;
                Ok(FinishedFile::Spooled(Spooled { file, bytes, raw_bytes }))
            }
            OpenTarget::Named(temporary) => {
                file.sync_all().map_err(failed("fsync"))?;
                let bytes = file.metadata().map_err(failed("fstat"))?.len();
                drop(file);
                complete(bytes, raw_bytes)?;
                let path = temporary.publish()?;
                Ok(FinishedFile::Named(Written { path, bytes, raw_bytes, redacted }))
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
        let mut opened = OpenedFile::create(destination, Compression::None).unwrap();
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
            let opened = OpenedFile::create(destination, Compression::Gzip).unwrap();
            let temporary = opened.temporary().unwrap().to_owned();
            let target = directory.path().join("a");
            let mut opened = opened;
            assert_eq!(opened.published_elsewhere(), None);
            if published {
                // As another process does it, under a name with a suffix.
                fs::rename(&temporary, &target).unwrap();
                assert_eq!(opened.published_elsewhere(), Some(target.clone()));
            }
            drop(opened);
            assert_eq!(target.exists(), published);
            assert!(!temporary.exists());
        }
    }
}
