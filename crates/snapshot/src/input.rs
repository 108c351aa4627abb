//! Where bytes come from: plain, gzip or zstd, told apart by their first bytes.
//!
//! Decompression runs on a thread of its own and stays at most four chunks ahead (8 MB).

use std::io::{self, Read};
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use stillheap_graph::Packing;

const CHUNK: usize = 2 << 20;

/// An input whose packing has been recognised.
pub(crate) struct Input {
    pub(crate) packing: Packing,
    pub(crate) reader: Box<dyn Read + Send>,
}

/// Looks at the first bytes and puts the right decoder in front.
pub(crate) fn recognise(mut raw: Box<dyn Read + Send>) -> io::Result<Input> {
    let mut head = Vec::with_capacity(4);
    raw.by_ref().take(4).read_to_end(&mut head)?;
    let packing = match head.as_slice() {
        [0x1f, 0x8b, ..] => Packing::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd] => Packing::Zstd,
        _ => Packing::Plain,
    };
    let whole = io::Cursor::new(head).chain(raw);
    let reader: Box<dyn Read + Send> = match packing {
        Packing::Plain => Box::new(whole),
        Packing::Gzip => Box::new(ReadAhead::new(flate2::read::MultiGzDecoder::new(
            io::BufReader::with_capacity(1 << 18, whole),
        ))),
        Packing::Zstd => Box::new(ReadAhead::new(zstd::stream::read::Decoder::new(whole)?)),
    };
    Ok(Input { packing, reader })
}

/// A reader that is drained by a thread of its own.
struct ReadAhead {
    chunks: Receiver<io::Result<Vec<u8>>>,
    spent: SyncSender<Vec<u8>>,
    current: Vec<u8>,
    at: usize,
    /// None once it has ended.
    thread: Option<JoinHandle<()>>,
}

impl ReadAhead {
    fn new(mut inner: impl Read + Send + 'static) -> ReadAhead {
        let (send, chunks) = sync_channel::<io::Result<Vec<u8>>>(3);
        let (spent, empty) = sync_channel::<Vec<u8>>(4);
        // The thread ends when the input does, or when the reader is dropped and `send` fails.
        let thread = std::thread::spawn(move || {
            loop {
                let mut chunk = empty.try_recv().unwrap_or_default();
                chunk.clear();
                chunk.reserve(CHUNK);
                let outcome = inner.by_ref().take(CHUNK as u64).read_to_end(&mut chunk);
                let last = outcome.is_err() || chunk.is_empty();
                // What came out before the error still counts: truncated files are salvaged.
                if !chunk.is_empty() && send.send(Ok(chunk)).is_err() {
                    return;
                }
                if let Err(error) = outcome {
                    let _ = send.send(Err(error));
                    return;
                }
                if last {
                    return;
                }
            }
        });
        ReadAhead { chunks, spent, current: Vec::new(), at: 0, thread: Some(thread) }
    }
}

impl Read for ReadAhead {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.current.len() {
            if self.thread.is_none() {
                return Ok(0);
            }
            match self.chunks.recv() {
                Ok(Ok(next)) => {
                    let old = std::mem::replace(&mut self.current, next);
                    let _ = self.spent.try_send(old);
                    self.at = 0;
                }
                Ok(Err(error)) => {
                    self.thread = None;
                    return Err(error);
                }
                // A decoder that panicked must not look like an input that ends here.
                Err(_) => {
                    if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
                        resume_unwind(panic);
                    }
                }
            }
        }
        let n = out.len().min(self.current.len() - self.at);
        out[..n].copy_from_slice(&self.current[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoder_that_panics_does_not_look_like_the_end() {
        struct Decoder(u32);
        impl Read for Decoder {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                self.0 += 1;
                assert!(self.0 < 3, "a decoder's mistake");
                out.fill(b' ');
                Ok(out.len())
            }
        }
        let read = || ReadAhead::new(Decoder(0)).read_to_end(&mut Vec::new());
        let panic = std::panic::catch_unwind(read).expect_err("the panic goes on");
        assert_eq!(panic.downcast_ref(), Some(&"a decoder's mistake"));
    }
}
