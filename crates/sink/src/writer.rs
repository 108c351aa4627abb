//! The writer thread, and the end of the queue that the producer holds.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use crate::direct::{Direct, OpenedFile};
use crate::outcome::{FinishedFile, Spooled, Written};
use crate::{Compression, Destination, Failure};

/// How many chunks may wait for the writer before the producer has to.
pub const QUEUED_CHUNKS: usize = 16;

enum Message {
    Chunk(Vec<u8>),
    Finish,
}

/// The producer's end. Dropping it before `finish`, in a panic too, waits until what was written is removed.
pub struct Sink {
    // Chunks go this way, and come back empty for reuse the other way.
    sender: SyncSender<Message>,
    recycled: Receiver<Vec<u8>>,
    /// None once it has been joined.
    thread: Option<JoinHandle<Result<FinishedFile, Failure>>>,
    cancelled: Arc<AtomicBool>,
}

impl Sink {
    /// Opens the temporary file beside `destination` and starts the writer.
    ///
    /// # Errors
    /// What the system says to opening the file or starting the thread.
    pub fn create(destination: Destination, compression: Compression) -> Result<Self, Failure> {
        Self::start(OpenedFile::create(destination, compression)?)
    }

    /// Opens an unlinked file in `directory` and starts the writer.
    ///
    /// # Errors
    /// As [`Sink::create`].
    pub fn spool(directory: &Path, compression: Compression) -> Result<Self, Failure> {
        Self::start(OpenedFile::spool(directory, compression)?)
    }

    /// Starts the writer of a file that is open already.
    ///
    /// # Errors
    /// As [`Sink::create`].
    pub fn start(opened: OpenedFile) -> Result<Self, Failure> {
        let direct = opened.start()?;
        let path = direct.path().to_owned();
        let (sender, receiver) = sync_channel(QUEUED_CHUNKS);
        let (recycler, recycled) = mpsc::channel();
        let cancelled = Arc::new(AtomicBool::new(false));
        let writer = Writer { direct, receiver, recycler, cancelled: Arc::clone(&cancelled) };
        let thread = thread::Builder::new()
            .name("stillheap-write".to_owned())
            .stack_size(512 * 1024)
            .spawn(move || writer.run())
            .map_err(|error| Failure::system(&error, "clone", &path))?;
        Ok(Self { sender, recycled, thread: Some(thread), cancelled })
    }

    /// Hands a chunk over; waits while [`QUEUED_CHUNKS`] are waiting already. `false` means that the
    /// writer has failed or was cancelled: stop producing, `finish` knows why.
    #[must_use]
    pub fn write(&self, bytes: &[u8]) -> bool {
        let mut chunk = self.recycled.try_recv().unwrap_or_default();
        chunk.clear();
        chunk.extend_from_slice(bytes);
        self.sender.send(Message::Chunk(chunk)).is_ok()
    }

    /// A handle that stops the writer from any thread; `finish` then fails with `ERR_STILLHEAP_ABORTED`.
    pub fn canceller(&self) -> Canceller {
        Canceller(Arc::clone(&self.cancelled))
    }

    /// Waits until the file is whole, synced, and has its name.
    ///
    /// # Errors
    /// The first failure of the writer; the temporary file is gone then.
    ///
    /// # Panics
    /// If the sink was made with [`Sink::spool`].
    pub fn finish(self) -> Result<Written, Failure> {
        match self.join()? {
            FinishedFile::Named(written) => Ok(written),
            FinishedFile::Spooled(_) => unreachable!("a spool is finished with finish_spool"),
        }
    }

    /// Waits until the spool is whole.
    ///
    /// # Errors
    /// The first failure of the writer.
    ///
    /// # Panics
    /// If the sink was made with [`Sink::create`].
    pub fn finish_spool(self) -> Result<Spooled, Failure> {
        match self.join()? {
            FinishedFile::Spooled(spooled) => Ok(spooled),
            FinishedFile::Named(_) => unreachable!("a named file is finished with finish"),
        }
    }

    /// Drops what was written, and waits until the temporary file is gone.
    pub fn discard(self) {
        drop(self);
    }

    fn join(mut self) -> Result<FinishedFile, Failure> {
        self.end().unwrap_or_else(|| Err(stopped()))
    }

    /// What the writer ends with; None if it was joined before.
    fn end(&mut self) -> Option<Result<FinishedFile, Failure>> {
        let thread = self.thread.take()?;
        // When the writer has failed this send fails, too, and the thread's result says why.
        let _ = self.sender.send(Message::Finish);
        Some(thread.join().unwrap_or_else(|_| Err(stopped())))
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.cancelled.store(true, Ordering::Relaxed);
            let _ = self.end();
        }
    }
}

fn stopped() -> Failure {
    Failure::own("ERR_STILLHEAP_INTERNAL", "the writer stopped unexpectedly; nothing was written")
}

/// Stops a [`Sink`]'s writer.
#[derive(Clone, Debug)]
pub struct Canceller(Arc<AtomicBool>);

impl Canceller {
    /// Stops the writer at its next chunk.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Writer {
    direct: Direct,
    receiver: Receiver<Message>,
    recycler: mpsc::Sender<Vec<u8>>,
    cancelled: Arc<AtomicBool>,
}

impl Writer {
    fn run(mut self) -> Result<FinishedFile, Failure> {
        loop {
            // A closed channel means that the producer went away without finishing.
            let message = self.receiver.recv().map_err(|_| aborted(self.direct.path()))?;
            if self.cancelled.load(Ordering::Relaxed) {
                return Err(aborted(self.direct.path()));
            }
            match message {
                Message::Chunk(chunk) => {
                    self.direct.write(&chunk)?;
                    // The producer may have gone to finish; then nobody wants the buffer.
                    let _ = self.recycler.send(chunk);
                }
                Message::Finish => break,
            }
        }
        let path = self.direct.path().to_owned();
        let cancelled = self.cancelled;
        self.direct.complete(|_, _| match cancelled.load(Ordering::Relaxed) {
            true => Err(aborted(&path)),
            false => Ok(()),
        })
    }
}

fn aborted(path: &Path) -> Failure {
    Failure::own("ERR_STILLHEAP_ABORTED", "the capture was aborted; nothing was written").at(path)
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn to(path: &Path) -> Destination {
        Destination { path: path.to_owned(), overwrite: false, generated: false }
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn nothing_stands_under_the_final_name_until_all_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.heapsnapshot");
        let sink = Sink::create(to(&path), Compression::None).unwrap();
        assert!(sink.write(b"hello "));
        assert!(!path.exists());
        assert!(sink.write(b"world"));
        let written = sink.finish().unwrap();
        assert_eq!(written, Written { path: path.clone(), bytes: 11, raw_bytes: 11, redacted: None });
        assert_eq!(fs::read(&path).unwrap(), b"hello world");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(directory.path()), ["a.heapsnapshot"]);
    }

    #[test]
    fn a_dropped_sink_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let sink = Sink::create(to(&directory.path().join("a")), Compression::Gzip).unwrap();
        assert!(sink.write(b"hello"));
        assert_eq!(names(directory.path()).len(), 1);
        sink.discard();
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn a_panic_of_the_producer_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        let produce = || {
            let sink = Sink::create(to(&path), Compression::None).unwrap();
            for _ in 0..2 * QUEUED_CHUNKS {
                assert!(sink.write(&[0; 1 << 20]));
            }
            panic!("on purpose");
        };
        assert!(std::panic::catch_unwind(produce).is_err());
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn cancelling_stops_and_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let sink = Sink::create(to(&directory.path().join("a")), Compression::None).unwrap();
        sink.canceller().cancel();
        while sink.write(&[0; 1000]) {}
        assert_eq!(sink.finish().unwrap_err().code, "ERR_STILLHEAP_ABORTED");
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn an_existing_file_is_kept_unless_overwrite_is_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        fs::write(&path, "old").unwrap();
        let refused = Sink::create(to(&path), Compression::None).err().unwrap();
        assert_eq!((refused.code.as_str(), refused.path.as_deref()), ("EEXIST", Some(path.as_path())));
        let sink = Sink::create(Destination { overwrite: true, ..to(&path) }, Compression::None).unwrap();
        assert!(sink.write(b"new"));
        sink.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_file_that_appears_meanwhile_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        let sink = Sink::create(to(&path), Compression::None).unwrap();
        assert!(sink.write(b"new"));
        fs::write(&path, "old").unwrap();
        assert_eq!(sink.finish().unwrap_err().code, "EEXIST");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(directory.path()), ["a"]);
    }

    #[test]
    fn a_taken_generated_name_gets_a_suffix() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("heapdump-1.heapsnapshot.gz");
        fs::write(&path, "old").unwrap();
        let destination = Destination { generated: true, ..to(&path) };
        let written = Sink::create(destination, Compression::Gzip).unwrap().finish().unwrap();
        assert_eq!(written.path, directory.path().join("heapdump-1-2.heapsnapshot.gz"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }

    #[test]
    fn links_and_devices_are_refused_even_with_overwrite() {
        let directory = tempfile::tempdir().unwrap();
        let (link, victim) = (directory.path().join("link"), directory.path().join("victim"));
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, &link).unwrap();
        for path in [&link, Path::new("/dev/full"), Path::new("/dev/null")] {
            let destination = Destination { overwrite: true, ..to(path) };
            assert_eq!(
                Sink::create(destination, Compression::None).err().unwrap().code,
                "EEXIST",
                "{path:?}"
            );
        }
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
    }

    #[test]
    fn failures_name_the_target_and_the_call() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("missing/a");
        let failure = Sink::create(to(&path), Compression::None).err().unwrap();
        assert_eq!(failure.code, "ENOENT");
        assert_eq!(failure.syscall.as_deref(), Some("open"));
        assert_eq!(failure.path.as_deref(), Some(path.as_path()));
    }

    #[test]
    fn both_compressions_give_the_bytes_back() {
        let directory = tempfile::tempdir().unwrap();
        let line: Vec<u8> = (0..100_000_u32).flat_map(|n| (n % 1009).to_le_bytes()).collect();
        for compression in [Compression::Gzip, Compression::Zstd] {
            let path = directory.path().join(format!("a{}", compression.extension()));
            let sink = Sink::create(to(&path), compression).unwrap();
            for chunk in line.chunks(7777) {
                assert!(sink.write(chunk));
            }
            let written = sink.finish().unwrap();
            assert_eq!(written.raw_bytes, line.len() as u64);
            assert!(written.bytes < written.raw_bytes / 2);
            let file = fs::File::open(&path).unwrap();
            let mut back = Vec::new();
            match compression {
                Compression::Gzip => flate2::read::GzDecoder::new(file).read_to_end(&mut back).unwrap(),
                _ => zstd::stream::read::Decoder::new(file).unwrap().read_to_end(&mut back).unwrap(),
            };
            assert_eq!(back, line);
        }
    }

    #[test]
    fn a_spool_has_no_name_and_can_be_read_back() {
        use std::io::{Seek, SeekFrom};
        let directory = tempfile::tempdir().unwrap();
        let sink = Sink::spool(directory.path(), Compression::None).unwrap();
        assert!(sink.write(b"hello"));
        let mut spooled = sink.finish_spool().unwrap();
        assert!(names(directory.path()).is_empty());
        let mut back = String::new();
        spooled.file.seek(SeekFrom::Start(0)).unwrap();
        spooled.file.read_to_string(&mut back).unwrap();
        assert_eq!(back, "hello");
    }
}
