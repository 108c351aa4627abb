//! Parses blocks of flat number arrays into columns.
//!
//! Time: under two nanoseconds per number. The ends of numbers are found 64 bytes at a time as a bit mask, so
//! that one number's place does not have to wait for the one before; up to eight digits then become a value
//! with three multiplications on one 64-bit word. A row as V8 writes it is taken in one go, with one branch for all
//! that could be odd about it. Signs and other white space take the slow path, which is also the one that writes the
//! error messages.

use wide::i8x16;

use crate::scan::Block;
use stillheap_graph::types::{LARGE, TypeTable, has_string_name};
use stillheap_graph::{EdgeLayout, Error, NodeLayout, NodeRows, Result};

/// One bit per byte that is not a digit.
#[inline(always)]
fn non_digits(bytes: &[u8; 64]) -> u64 {
    non_digits_of::<4>(bytes.as_chunks().0)
}

/// The same of the first `LANES` times sixteen bytes (at most four lanes).
#[inline(always)]
fn non_digits_of<const LANES: usize>(lanes: &[[u8; 16]]) -> u64 {
    // Moved there, the digits are the ten smallest signed values.
    let (shift, last) = (i8x16::splat(i8::MIN.wrapping_sub(b'0' as i8)), i8x16::splat(i8::MIN + 9));
    let mut mask = 0;
    for (i, lane) in lanes[..LANES].iter().enumerate() {
        let bytes = i8x16::new(lane.map(|byte| byte as i8));
        mask |= ((bytes + shift).simd_gt(last).to_bitmask() as u64) << (16 * i);
    }
    mask
}

/// The value of `len` digits (1 to 8) that start `word`; for other lengths some number.
#[inline(always)]
fn value_of(word: u64, len: usize) -> u64 {
    let x = (word ^ 0x3030_3030_3030_3030).wrapping_shl(64u32.wrapping_sub((len as u32).wrapping_mul(8)));
    let x = x.wrapping_mul(10).wrapping_add(x >> 8);
    let low = (x & 0x0000_00ff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064);
    let high = ((x >> 16) & 0x0000_00ff_0000_00ff).wrapping_mul(0x0000_2710_0000_0001);
    low.wrapping_add(high) >> 32
}

/// What of a row may be looked at: where its numbers end, and eight bytes from the start of each.
const ROW: usize = 80;

/// The numbers of a row that stands at the start of `bytes` in V8's own form, its separators behind it included, and
/// how long it is. `LANES` bounds the length, in lanes of sixteen bytes. None if anything is unusual.
#[inline(always)]
fn whole_row<const LANES: usize>(bytes: &[u8; ROW], row: &mut [u64]) -> Option<usize> {
    let mut mask = non_digits_of::<LANES>(bytes.as_chunks().0);
    let word_at = |at: usize| bytes[at..].first_chunk::<8>().map_or(0, |word| u64::from_le_bytes(*word));
    let last = row.len().wrapping_sub(1);
    let (mut start, mut usual) = (0, true);
    for (i, slot) in row.iter_mut().enumerate() {
        // 64 if there is no further end.
        let end = mask.trailing_zeros() as usize;
        mask &= mask.wrapping_sub(1);
        let len = end.wrapping_sub(start);
        *slot = if len <= 8 {
            value_of(word_at(start), len)
        } else {
            // Ids and node indices of large heaps.
            value_of(word_at(start), len - 8) * 100_000_000 + value_of(word_at(end - 8), 8)
        };
        usual &= len.wrapping_sub(1) < 16 && end < 64;
        let line_end = i == last && bytes[end] == b'\n';
        usual &= bytes[end + line_end as usize] == b',';
        start = end + 1 + line_end as usize;
    }
    usual.then_some(start)
}

/// A cursor over the numbers of a block.
struct Numbers<'b> {
    bytes: &'b [u8],
    at: usize,
    /// Bytes of the window that are not digits and not passed yet.
    mask: u64,
    window: usize,
    block: &'b Block,
}

impl<'b> Numbers<'b> {
    fn new(block: &'b Block) -> Numbers<'b> {
        let mut numbers = Numbers { bytes: block.bytes(), at: 0, mask: 0, window: 0, block };
        numbers.skip_space();
        numbers.resume();
        numbers
    }

    fn skip_space(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    /// Starts the mask anew at the cursor.
    fn resume(&mut self) {
        self.window = self.at;
        self.mask = self.load(self.at);
    }

    /// The mask of a window; the last, incomplete one has none and is left to the slow path.
    #[inline(always)]
    fn load(&self, window: usize) -> u64 {
        match self.bytes.get(window..).and_then(|rest| rest.first_chunk::<64>()) {
            Some(chunk) => non_digits(chunk),
            None => 0,
        }
    }

    fn position(&self) -> u64 {
        self.block.position(self.at)
    }

    fn done(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The next number and its separator. `row_end` only says which separator to look for first.
    #[inline(always)]
    fn next(&mut self, row_end: bool) -> Result<u64> {
        if self.mask == 0 {
            self.slide();
        }
        let end = self.window + self.mask.trailing_zeros() as usize;
        let len = end.wrapping_sub(self.at);
        // Eight bytes from the number's start on exist if the window does, but that is cheap to check.
        let word = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<8>());
        if let (Some(word), 1..=8, Some(&after)) = (word, len, self.bytes.get(end)) {
            // V8 ends each row with a line end and starts the next one with the comma.
            if row_end && after == b'\n' && self.bytes.get(end + 1) == Some(&b',') {
                self.mask &= self.mask.wrapping_sub(1);
                if self.mask == 0 {
                    self.slide();
                }
                self.mask &= self.mask.wrapping_sub(1);
                self.at = end + 2;
                return Ok(value_of(u64::from_le_bytes(*word), len));
            }
            if after == b',' {
                self.mask &= self.mask.wrapping_sub(1);
                self.at = end + 1;
                return Ok(value_of(u64::from_le_bytes(*word), len));
            }
        }
        Ok(self.slow(false)? as u64)
    }

    /// Goes on to the next window. A number longer than a window is left to the slow path.
    #[inline(always)]
    fn slide(&mut self) {
        self.window += 64;
        self.mask = self.load(self.window);
    }

    /// A number that may be negative.
    #[inline(always)]
    fn next_signed(&mut self) -> Result<i64> {
        if self.bytes.get(self.at) == Some(&b'-') {
            Ok(self.slow(true)? as i64)
        } else {
            // Sections of plain numbers have rows as well, of one line each.
            Ok(self.next(true)? as i64)
        }
    }

    #[cold]
    #[inline(never)]
    fn slow(&mut self, signed: bool) -> Result<i128> {
        self.skip_space();
        let start = self.position();
        let negative = signed && self.bytes.get(self.at) == Some(&b'-');
        self.at += negative as usize;
        let mut value = 0i128;
        let first = self.at;
        while let Some(b) = self.bytes.get(self.at).filter(|b| b.is_ascii_digit()) {
            value = value * 10 + (b - b'0') as i128;
            self.at += 1;
            if value > u64::MAX as i128 {
                return Err(Error::malformed(start, "expected a number of at most 64 bits"));
            }
        }
        if self.at == first {
            return Err(Error::malformed(start, format!("expected a whole number, found {}", self.found())));
        }
        self.skip_space();
        match self.bytes.get(self.at) {
            None => {}
            Some(b',') => {
                self.at += 1;
                self.skip_space();
                if self.done() && self.block.last && !self.block.truncated {
                    return Err(Error::malformed(
                        self.position(),
                        "expected a number after the comma, found `]`",
                    ));
                }
            }
            Some(_) => {
                let message = format!("expected `,` or `]` after a number, found {}", self.found());
                return Err(Error::malformed(self.position(), message));
            }
        }
        self.resume();
        Ok(if negative { -value } else { value })
    }

    fn found(&self) -> String {
        match self.bytes.get(self.at) {
            None => "the end of the array".to_owned(),
            Some(&b) if b.is_ascii_graphic() => format!("`{}`", b as char),
            Some(&b) => format!("byte 0x{b:02x}"),
        }
    }
}

/// Largest string index of a block and where it stands, to be checked once the strings are there.
#[derive(Clone, Copy, Default)]
pub(crate) struct MaxName {
    pub(crate) value: u64,
    pub(crate) position: u64,
}

impl MaxName {
    #[inline(always)]
    fn see(&mut self, value: u64, at: impl FnOnce() -> u64) {
        if value > self.value {
            *self = MaxName { value, position: at() };
        }
    }

    pub(crate) fn merge(&mut self, other: MaxName) {
        if other.value > self.value {
            *self = other;
        }
    }
}

/// The nodes of one block.
#[derive(Default)]
pub(crate) struct ParsedNodes {
    pub(crate) rows: NodeRows,
    pub(crate) max_name: MaxName,
    /// Numbers of an incomplete last row.
    pub(crate) leftover: usize,
}

/// Narrows to 32 bits, keeping what does not fit.
#[inline(always)]
fn narrow(value: u64, row: usize, large: &mut Vec<(u32, u64)>) -> u32 {
    if value >= LARGE as u64 {
        large.push((row as u32, value));
        return LARGE;
    }
    value as u32
}

/// Reads one row; false at the end of the block. A row that stops half-way is an error unless salvaging.
/// `LANES` times sixteen bytes are enough for nearly all rows of this width.
#[inline(always)]
fn read_row<const LANES: usize>(
    numbers: &mut Numbers<'_>,
    row: &mut [u64],
    leftover: &mut usize,
) -> Result<bool> {
    let whole = numbers.bytes.get(numbers.at..).and_then(|rest| rest.first_chunk::<ROW>());
    if let Some(length) = whole.and_then(|bytes| whole_row::<LANES>(bytes, row)) {
        numbers.at += length;
        return Ok(true);
    }
    odd_row(numbers, row, leftover)
}

#[cold]
#[inline(never)]
fn odd_row(numbers: &mut Numbers<'_>, row: &mut [u64], leftover: &mut usize) -> Result<bool> {
    numbers.resume();
    let last = row.len().wrapping_sub(1);
    for (i, slot) in row.iter_mut().enumerate() {
        if numbers.done() {
            *leftover = i;
            return Ok(false);
        }
        *slot = numbers.next(i == last)?;
    }
    Ok(true)
}

pub(crate) fn parse_nodes(
    block: &Block,
    layout: &NodeLayout,
    types: &TypeTable,
    out: &mut ParsedNodes,
) -> Result<()> {
    match layout.width {
        5 => nodes_of_width::<5, 5, 3>(block, layout, types, out),
        6 => nodes_of_width::<6, 6, 3>(block, layout, types, out),
        7 => nodes_of_width::<7, 7, 3>(block, layout, types, out),
        _ => nodes_of_width::<0, 64, 4>(block, layout, types, out),
    }
}

fn nodes_of_width<const W: usize, const B: usize, const LANES: usize>(
    block: &Block,
    layout: &NodeLayout,
    types: &TypeTable,
    parsed: &mut ParsedNodes,
) -> Result<()> {
    parsed.max_name = MaxName::default();
    parsed.leftover = 0;
    let out = &mut parsed.rows;
    out.clear();
    let width = if W == 0 { layout.width } else { W };
    let mut numbers = Numbers::new(block);
    let mut buffer = [0u64; B];
    let row = &mut buffer[..width];
    loop {
        let start = numbers.at;
        if !read_row::<LANES>(&mut numbers, row, &mut parsed.leftover)? {
            break;
        }
        let n = out.ty.len();
        out.ty.push(types.code(row[layout.ty]));
        parsed.max_name.see(row[layout.name], || block.position(start));
        out.name.push(row[layout.name].min(LARGE as u64) as u32);
        out.id.push(narrow(row[layout.id], n, &mut out.large_ids));
        out.size.push(narrow(row[layout.size], n, &mut out.large_sizes));
        let edges = row[layout.edges];
        if edges > LARGE as u64 {
            return Err(Error::malformed(block.position(start), format!("a node with {edges} edges")));
        }
        out.edges.push(edges as u32);
        if let Some(at) = layout.trace {
            out.any_trace |= row[at] != 0;
            out.trace.push(row[at].min(LARGE as u64) as u32);
        }
        if let Some(at) = layout.detached {
            let state = (row[at] & 3) as u8;
            out.any_detached |= state != 0;
            out.detached.push(state);
        }
    }
    Ok(())
}

/// The edges of one block.
#[derive(Default)]
pub(crate) struct EdgeRows {
    pub(crate) ty: Vec<u8>,
    pub(crate) name: Vec<u32>,
    pub(crate) to: Vec<u32>,
    pub(crate) max_name: MaxName,
    pub(crate) leftover: usize,
}

/// `nodes` is the number of nodes read so far; a target beyond them is an error with its position.
pub(crate) fn parse_edges(
    block: &Block,
    layout: &EdgeLayout,
    types: &TypeTable,
    node_width: usize,
    nodes: u64,
    out: &mut EdgeRows,
) -> Result<()> {
    match (layout.width, node_width) {
        (3, 5) => edges_of::<3, 3, 5>(block, layout, types, node_width, nodes, out),
        (3, 6) => edges_of::<3, 3, 6>(block, layout, types, node_width, nodes, out),
        (3, 7) => edges_of::<3, 3, 7>(block, layout, types, node_width, nodes, out),
        _ => edges_of::<0, 64, 0>(block, layout, types, node_width, nodes, out),
    }
}

fn edges_of<const W: usize, const B: usize, const N: u64>(
    block: &Block,
    layout: &EdgeLayout,
    types: &TypeTable,
    node_width: usize,
    nodes: u64,
    out: &mut EdgeRows,
) -> Result<()> {
    out.ty.clear();
    out.name.clear();
    out.to.clear();
    out.max_name = MaxName::default();
    out.leftover = 0;
    let width = if W == 0 { layout.width } else { W };
    // A constant divisor becomes a multiplication.
    let divisor = if N == 0 { node_width as u64 } else { N };
    let mut numbers = Numbers::new(block);
    let mut buffer = [0u64; B];
    let row = &mut buffer[..width];
    loop {
        let start = numbers.at;
        if !read_row::<2>(&mut numbers, row, &mut out.leftover)? {
            break;
        }
        let ty = types.code(row[layout.ty]);
        let name = row[layout.name];
        if has_string_name(ty) {
            out.max_name.see(name, || block.position(start));
        }
        let to = row[layout.to] / divisor;
        if to >= nodes || to * divisor != row[layout.to] {
            let message = format!(
                "an edge to node index {}: expected a multiple of {divisor} below {}",
                row[layout.to],
                nodes.saturating_mul(divisor)
            );
            return Err(Error::malformed(block.position(start), message));
        }
        out.ty.push(ty);
        out.name.push(name.min(LARGE as u64) as u32);
        out.to.push(to as u32);
    }
    Ok(())
}

/// All numbers of a block, as they are.
pub(crate) fn parse_plain(block: &Block, out: &mut Vec<i64>) -> Result<()> {
    let mut numbers = Numbers::new(block);
    while !numbers.done() {
        out.push(numbers.next_signed()?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str) -> Block {
        Block {
            data: text.as_bytes().to_vec(),
            start: 0,
            end: text.len(),
            base: 1000,
            last: true,
            truncated: false,
        }
    }

    #[test]
    fn numbers_of_all_lengths() {
        let text = "0,1,12,123,1234,12345,123456,1234567,12345678,123456789,1234567890,18446744073709551615";
        for spaced in [text.to_owned(), text.replace(',', "\n,"), text.replace(',', " ,\r\n ") + " "] {
            let block = block(&spaced);
            let mut numbers = Numbers::new(&block);
            for expected in text.split(',') {
                assert_eq!(numbers.next(true).unwrap().to_string(), expected, "{spaced}");
            }
            assert!(numbers.done());
        }
    }

    #[test]
    fn whole_rows_are_read_as_single_numbers_are() {
        let digits = |len: usize| "12345678901234567890"[..len].to_owned();
        let mut quick = 0;
        for (first, second, third) in (0..21usize.pow(3)).map(|n| (n / 441, n / 21 % 21, n % 21)) {
            for (comma, end) in [(",", "\n,"), (",", ","), (" ,", "\n,"), (",", "\n"), ("x", ","), (",", "5")]
            {
                let row = [digits(first), digits(second), digits(third)].join(comma) + end;
                let text = row.clone() + &"7".repeat(100);
                let mut found = [0; 3];
                let length = whole_row::<4>(text.as_bytes().first_chunk().unwrap(), &mut found);
                assert!(length.is_none() || (comma == "," && end.ends_with(',')), "{row:?}");
                let Some(length) = length else { continue };
                quick += 1;
                assert_eq!(length, row.len(), "{row:?}");
                assert_eq!(found.map(|n| n.to_string()), [first, second, third].map(digits), "{row:?}");
            }
            // Rows that do not fit.
            let short = whole_row::<2>(
                ("1".repeat(first + 60) + ",2,3\n,44444444444444").as_bytes().first_chunk().unwrap(),
                &mut [0; 3],
            );
            assert_eq!(short, None);
        }
        assert_eq!(quick, 2 * 16usize.pow(3));
    }

    #[test]
    fn every_byte_is_a_digit_or_not() {
        for (byte, place) in (0..=u8::MAX).flat_map(|byte| (0..64).map(move |place| (byte, place))) {
            let mut bytes = *b"0123456789012345678901234567890123456789012345678901234567890123";
            bytes[place] = byte;
            assert_eq!(non_digits(&bytes), (!byte.is_ascii_digit() as u64) << place, "{byte} at {place}");
        }
    }

    #[test]
    fn bad_numbers_say_where() {
        for (text, at, expected) in [
            ("1,x", 1002, "found `x`"),
            ("1,,2", 1002, "found `,`"),
            ("1,2,", 1004, "found `]`"),
            ("12 13", 1003, "expected `,` or `]`"),
            ("1.5", 1001, "found `.`"),
            ("-1", 1000, "found `-`"),
            ("99999999999999999999", 1000, "64 bits"),
        ] {
            let block = block(text);
            let mut numbers = Numbers::new(&block);
            let error = loop {
                if let Err(error) = numbers.next(true) {
                    break error;
                }
            };
            assert_eq!(error.position(), Some(at), "{text}");
            assert!(error.to_string().contains(expected), "{text}: {error}");
        }
    }
}
