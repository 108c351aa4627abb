//! Where bytes come from: plain, gzip or zstd, told apart by their first bytes.
//!
//! Decompression runs on a thread of its own and stays at most four chunks ahead (8 MB).

use std::io::{self, BufRead, BufReader, Read};
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use flate2::bufread::GzDecoder;
use stillheap_graph::Packing;
use zstd::stream::read::Decoder;

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
        Packing::Gzip => {
            Box::new(ReadAhead::new(Members::new(buffered(whole), |rest| Ok(GzDecoder::new(rest)))))
        }
        Packing::Zstd => Box::new(ReadAhead::new(Members::new(buffered(whole), |rest| {
            Ok(Decoder::with_buffer(rest)?.single_frame())
        }))),
    };
    Ok(Input { packing, reader })
}

fn buffered<R: Read>(raw: R) -> BufReader<R> {
    BufReader::with_capacity(1 << 18, raw)
}

/// A decoder of one member (a frame) of a packed file, which may be followed by more of them.
trait Member<R>: Read {
    /// What a member begins with.
    fn begins(rest: &[u8]) -> bool;
    fn into_rest(self) -> R;
}

impl<R: BufRead> Member<R> for GzDecoder<R> {
    fn begins(rest: &[u8]) -> bool {
        rest.iter().zip([0x1f, 0x8b]).all(|(&a, b)| a == b)
    }

    fn into_rest(self) -> R {
        self.into_inner()
    }
}

impl<R: BufRead> Member<R> for Decoder<'static, R> {
    fn begins(rest: &[u8]) -> bool {
        let skippable = |rest: &[u8]| {
            rest[0] & 0xf0 == 0x50 && rest[1..].iter().zip([0x2a, 0x4d, 0x18]).all(|(&a, b)| a == b)
        };
        rest.iter().zip([0x28, 0xb5, 0x2f, 0xfd]).all(|(&a, b)| a == b) || skippable(rest)
    }

    fn into_rest(self) -> R {
        self.finish()
    }
}

/// All members of a packed file. What follows the last one, padding of a tape or a line that an upload has added, is no
/// part of it: gzip and zstd leave it alone as well.
struct Members<R, M> {
    current: Option<M>,
    rest: Option<R>,
    open: fn(R) -> io::Result<M>,
    /// A file begins with a member, whatever it looks like.
    first: bool,
}

impl<R: BufRead, M: Member<R>> Members<R, M> {
    fn new(rest: R, open: fn(R) -> io::Result<M>) -> Members<R, M> {
        Members { current: None, rest: Some(rest), open, first: true }
    }
}

impl<R: BufRead, M: Member<R>> Read for Members<R, M> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(member) = &mut self.current {
                let read = member.read(out)?;
                if read > 0 {
                    return Ok(read);
                }
                self.rest = self.current.take().map(M::into_rest);
            }
            let Some(mut rest) = self.rest.take() else { return Ok(0) };
            let ahead = rest.fill_buf()?;
            if !self.first && (ahead.is_empty() || !M::begins(ahead)) {
                return Ok(0);
            }
            self.first = false;
            self.current = Some((self.open)(rest)?);
        }
    }
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
    fn what_follows_the_last_member_is_left_alone() {
        use std::io::Write;
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"one heap").unwrap();
        let packed = [gzip.finish().unwrap(), zstd::encode_all(&b"one heap"[..], 1).unwrap()];
        for member in packed {
            let read = |file: Vec<u8>| {
                let mut text = String::new();
                let input = recognise(Box::new(io::Cursor::new(file)));
                input.and_then(|mut input| input.reader.read_to_string(&mut text)).map(|_| text)
            };
            assert_eq!(read(member.clone()).unwrap(), "one heap");
            assert_eq!(read([member.clone(), member.clone()].concat()).unwrap(), "one heapone heap");
            assert_eq!(read([member.clone(), vec![0; 8192]].concat()).unwrap(), "one heap");
            assert_eq!(read([&member[..], b"upload finished\n"].concat()).unwrap(), "one heap");
            assert!(read(member[..member.len() - 3].to_vec()).is_err(), "truncated");
        }
    }

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
