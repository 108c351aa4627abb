//! The scanner: walks the JSON text, hands out blocks of numbers or strings that can be parsed on their own.
//!
//! Only one window of the file (1 MB, more if a single row or string is longer) is in memory. To cut a window
//! it counts commas and looks for the closing bracket, which SIMD does at memory speed; the real parsing
//! happens elsewhere, on any thread. Nothing is allocated that the input does not back.

use std::io::{ErrorKind as IoErrorKind, Read};
use std::sync::atomic::{AtomicBool, Ordering};

use stillheap_graph::{Error, ErrorKind, Result};

use crate::limits::ReadLimits;

const WINDOW: usize = 1 << 20;

/// A part of an array that holds whole rows (or whole strings) and nothing else.
#[derive(Default)]
pub(crate) struct Block {
    pub(crate) data: Vec<u8>,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Position in the file of `data[0]`.
    pub(crate) base: u64,
    /// The array ends with this block.
    pub(crate) last: bool,
    /// The file ends inside the array.
    pub(crate) truncated: bool,
}

impl Block {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.data[self.start..self.end]
    }

    pub(crate) fn position(&self, offset: usize) -> u64 {
        self.base + (self.start + offset) as u64
    }
}

pub(crate) struct Scanner<'p> {
    input: Box<dyn Read + Send>,
    data: Vec<u8>,
    pos: usize,
    len: usize,
    base: u64,
    eof: bool,
    spare: Vec<Vec<u8>>,
    progress: Option<&'p mut dyn FnMut(u64)>,
    cancel: Option<&'p AtomicBool>,
    limits: ReadLimits,
}

impl<'p> Scanner<'p> {
    pub(crate) fn new(
        input: Box<dyn Read + Send>,
        progress: Option<&'p mut dyn FnMut(u64)>,
        cancel: Option<&'p AtomicBool>,
        limits: ReadLimits,
    ) -> Scanner<'p> {
        Scanner {
            input,
            data: vec![0; WINDOW],
            pos: 0,
            len: 0,
            base: 0,
            eof: false,
            spare: Vec::new(),
            progress,
            cancel,
            limits,
        }
    }

    /// Position in the file of the next byte.
    pub(crate) fn position(&self) -> u64 {
        self.base + self.pos as u64
    }

    /// Position in the file behind the last byte read so far.
    pub(crate) fn end_position(&self) -> u64 {
        self.base + self.len as u64
    }

    /// Makes room and reads until the window is full or the input ends.
    fn fill(&mut self) -> Result<()> {
        if self.cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed)) {
            return Err(Error::new(ErrorKind::Cancelled, None, "reading was cancelled"));
        }
        if self.pos > 0 {
            self.data.copy_within(self.pos..self.len, 0);
            self.base += self.pos as u64;
            self.len -= self.pos;
            self.pos = 0;
        } else if self.len == self.data.len() {
            // One row, string or value longer than the window: grow, but never beyond what was really read.
            let bigger = self.data.len() * 2;
            self.data.resize(bigger, 0);
        }
        while !self.eof && self.len < self.data.len() {
            match self.input.read(&mut self.data[self.len..]) {
                Ok(0) => self.eof = true,
                Ok(n) => self.len += n,
                Err(e) if e.kind() == IoErrorKind::Interrupted => {}
                // A packed file that stops short: what has been unpacked so far is good.
                Err(e) if e.kind() == IoErrorKind::UnexpectedEof => self.eof = true,
                Err(e) => return Err(Error::io(e, "reading the snapshot")),
            }
        }
        self.limits.check_text(self.end_position())?;
        if let Some(progress) = self.progress.as_mut() {
            progress(self.base + self.len as u64);
        }
        Ok(())
    }

    /// The next byte that is not white space, without taking it.
    pub(crate) fn peek(&mut self) -> Result<Option<u8>> {
        loop {
            while self.pos < self.len {
                let b = self.data[self.pos];
                if !b.is_ascii_whitespace() {
                    return Ok(Some(b));
                }
                self.pos += 1;
            }
            if self.eof {
                return Ok(None);
            }
            self.fill()?;
        }
    }

    /// The printable characters that follow, at most 20, without taking them.
    pub(crate) fn word(&self) -> String {
        let rest = &self.data[self.pos..self.len];
        rest.iter()
            .take(20)
            .take_while(|byte| byte.is_ascii_graphic())
            .map(|&byte| char::from(byte))
            .collect()
    }

    /// Takes the byte that [`Scanner::peek`] showed.
    pub(crate) fn bump(&mut self) {
        self.pos += 1;
    }

    /// Takes a byte order mark, if there is one at the very start.
    pub(crate) fn skip_bom(&mut self) -> Result<()> {
        self.fill()?;
        if self.data[..self.len].starts_with(b"\xef\xbb\xbf") {
            self.pos = 3;
        }
        Ok(())
    }

    /// Text of one JSON value, brackets and quotes respected. None if the input ends inside.
    pub(crate) fn value(&mut self, limit: usize) -> Result<Option<&[u8]>> {
        if self.peek()?.is_none() {
            return Ok(None);
        }
        let mut at = self.pos;
        let (mut depth, mut in_string, mut escaped) = (0u64, false, false);
        loop {
            while at < self.len {
                let b = self.data[at];
                if in_string {
                    match b {
                        _ if escaped => escaped = false,
                        b'\\' => escaped = true,
                        b'"' => in_string = false,
                        _ => {}
                    }
                    if !in_string && depth == 0 {
                        at += 1;
                        return Ok(Some(self.take(at)));
                    }
                } else {
                    match b {
                        b'"' => in_string = true,
                        b'{' | b'[' => depth += 1,
                        b'}' | b']' | b',' if depth == 0 => return Ok(Some(self.take(at))),
                        b'}' | b']' => {
                            depth -= 1;
                            if depth == 0 {
                                at += 1;
                                return Ok(Some(self.take(at)));
                            }
                        }
                        _ => {}
                    }
                }
                at += 1;
            }
            if self.eof {
                return Ok(None);
            }
            if at - self.pos > limit {
                return Err(Error::malformed(self.position(), "a header value of more than 64 MB"));
            }
            at -= self.pos;
            self.fill()?;
            at += self.pos;
        }
    }

    fn take(&mut self, end: usize) -> &[u8] {
        let start = self.pos;
        self.pos = end;
        &self.data[start..end]
    }

    /// Skips one JSON value of any length without keeping it. False if the input ends inside.
    pub(crate) fn skip_value(&mut self) -> Result<bool> {
        let (mut depth, mut in_string, mut escaped, mut started) = (0u64, false, false, false);
        if self.peek()?.is_none() {
            return Ok(false);
        }
        loop {
            while self.pos < self.len {
                let b = self.data[self.pos];
                if in_string {
                    match b {
                        _ if escaped => escaped = false,
                        b'\\' => escaped = true,
                        b'"' => in_string = false,
                        _ => {}
                    }
                } else {
                    match b {
                        b'"' => in_string = true,
                        b'{' | b'[' => depth += 1,
                        b'}' | b']' | b',' if depth == 0 => return Ok(started),
                        b'}' | b']' => depth -= 1,
                        _ => {}
                    }
                }
                started = true;
                self.pos += 1;
                if !in_string && depth == 0 && matches!(b, b'"' | b'}' | b']') {
                    return Ok(true);
                }
            }
            if self.eof {
                return Ok(false);
            }
            self.fill()?;
        }
    }

    /// Gives a spent buffer back for reuse.
    pub(crate) fn recycle(&mut self, data: Vec<u8>) {
        if self.spare.len() < 8 && data.len() == WINDOW {
            self.spare.push(data);
        }
    }

    /// Hands out `data[pos..end]` and goes on at `next`.
    fn hand_out(&mut self, end: usize, next: usize, last: bool, truncated: bool) -> Block {
        let mut fresh = self.spare.pop().unwrap_or_else(|| vec![0; WINDOW]);
        let rest = self.len - next;
        if fresh.len() < rest {
            fresh.resize(rest, 0);
        }
        fresh[..rest].copy_from_slice(&self.data[next..self.len]);
        let data = std::mem::replace(&mut self.data, fresh);
        let block = Block { data, start: self.pos, end, base: self.base, last, truncated };
        self.base += next as u64;
        self.pos = 0;
        self.len = rest;
        block
    }

    /// The next block of a flat array of numbers with `width` numbers per row. The opening bracket is taken
    /// already; the closing one is taken with the last block.
    pub(crate) fn numbers(&mut self, width: usize) -> Result<Block> {
        if self.pos == self.len && !self.eof {
            self.fill()?;
        }
        loop {
            let region = &self.data[self.pos..self.len];
            if let Some(end) = memchr::memchr(b']', region) {
                let end = self.pos + end;
                return Ok(self.hand_out(end, end + 1, true, false));
            }
            let commas = memchr::memchr_iter(b',', region).count();
            let whole = commas - commas % width.max(1);
            let full = self.eof || self.len == self.data.len();
            if !full || (whole == 0 && !self.eof) {
                self.fill()?;
                continue;
            }
            // Cut right after the comma that ends the last whole row. At the end of a truncated file the number
            // that the file ends in may be cut short itself, so it goes with the rest of its row.
            let mut cut = self.len;
            for _ in 0..=(commas - whole) {
                cut = match memchr::memrchr(b',', &self.data[self.pos..cut]) {
                    Some(at) => self.pos + at,
                    None => self.pos,
                };
            }
            if self.eof {
                let end = if whole == 0 { self.pos } else { cut };
                return Ok(self.hand_out(end, self.len, true, true));
            }
            return Ok(self.hand_out(cut, cut + 1, false, false));
        }
    }

    /// The next block of an array of strings, cut between two strings.
    ///
    /// A raw line end cannot occur inside a JSON string, so `,\n"` is a safe place to cut; V8 writes one
    /// after every string. Where a producer does not, the whole window is walked.
    pub(crate) fn strings(&mut self) -> Result<Block> {
        if self.pos == self.len && !self.eof {
            self.fill()?;
        }
        let mut walked = Walk { at: self.pos, in_string: false, comma: None };
        loop {
            if !self.eof && self.len < self.data.len() {
                let offset = walked.at - self.pos;
                let comma = walked.comma.map(|c| c - self.pos);
                self.fill()?;
                walked.at = self.pos + offset;
                walked.comma = comma.map(|c| c + self.pos);
                continue;
            }
            // Quick way: no need to look at the strings at all.
            if !self.eof
                && walked.at == self.pos
                && let Some(cut) = self.line_cut()
            {
                return Ok(self.hand_out(cut, cut + 1, false, false));
            }
            if let Some(end) = self.walk_strings(&mut walked) {
                return Ok(self.hand_out(end, end + 1, true, false));
            }
            if self.eof {
                let end = walked.comma.unwrap_or(self.pos);
                return Ok(self.hand_out(end, self.len, true, true));
            }
            if let Some(cut) = walked.comma {
                return Ok(self.hand_out(cut, cut + 1, false, false));
            }
            let (offset, in_string) = (walked.at - self.pos, walked.in_string);
            self.fill()?;
            walked = Walk { at: self.pos + offset, in_string, comma: None };
        }
    }

    /// The last `,\n"` of the window, if the array surely goes on behind it.
    fn line_cut(&self) -> Option<usize> {
        let region = &self.data[self.pos..self.len];
        let mut end = region.len();
        while let Some(at) = memchr::memrchr(b'\n', &region[..end]) {
            if at > 0 && region[at - 1] == b',' && region.get(at + 1) == Some(&b'"') {
                return Some(self.pos + at - 1);
            }
            end = at;
            if region.len() - end > 1 << 16 {
                return None;
            }
        }
        None
    }

    /// Walks whole strings; the position of `]` if the array ends in the window.
    fn walk_strings(&self, walk: &mut Walk) -> Option<usize> {
        let data = &self.data[..self.len];
        while walk.at < data.len() {
            if walk.in_string {
                match memchr::memchr2(b'"', b'\\', &data[walk.at..]) {
                    Some(n) if data[walk.at + n] == b'"' => {
                        walk.at += n + 1;
                        walk.in_string = false;
                    }
                    // A backslash at the very end of the window: stay before it until its partner is here.
                    Some(n) if walk.at + n + 1 >= data.len() => {
                        walk.at += n;
                        return None;
                    }
                    Some(n) => walk.at += n + 2,
                    None => walk.at = data.len(),
                }
                continue;
            }
            match data[walk.at] {
                b'"' => walk.in_string = true,
                b',' => walk.comma = Some(walk.at),
                b']' => return Some(walk.at),
                _ => {}
            }
            walk.at += 1;
        }
        None
    }
}

struct Walk {
    at: usize,
    in_string: bool,
    comma: Option<usize>,
}

impl Scanner<'_> {
    /// Takes the next byte if it is a digit; white space ends a number.
    pub(crate) fn digit(&mut self) -> Result<Option<u8>> {
        if self.pos == self.len {
            if self.eof {
                return Ok(None);
            }
            self.fill()?;
        }
        match self.data[..self.len].get(self.pos) {
            Some(b) if b.is_ascii_digit() => {
                self.pos += 1;
                Ok(Some(*b))
            }
            _ => Ok(None),
        }
    }
}
