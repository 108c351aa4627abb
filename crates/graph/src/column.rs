//! A column of numbers: in memory, or somewhere else ([`Blocks`]) and read piece by piece.
//!
//! The passes see slices and notice nothing. What is asked for one value (`column[i]`) or a short range reads the
//! block around it only, 64 KB decoded; what is asked for the whole reads it all, once. In memory an access costs
//! what it costs with a vector: the bounds check that fails is the way to the file. Memory: the values read so far
//! (twice, if single blocks were read before the whole) and 16 bytes per block.

use std::fmt;
use std::ops::{Deref, Index, Range};
use std::sync::OnceLock;

/// What a column can hold. `code` keeps the order, so that blocks can be packed relative to their smallest value.
pub trait Cell: Copy + Default + Send + Sync + 'static {
    const BYTES: usize;
    fn code(self) -> u64;
    fn from_code(code: u64) -> Self;
    /// The values of a slice, if it is of this type.
    fn pick(slice: Slice<'_>) -> Option<&[Self]>;
}

/// A slice of any of the types that columns have.
#[derive(Clone, Copy)]
pub enum Slice<'s> {
    U8(&'s [u8]),
    U32(&'s [u32]),
    U64(&'s [u64]),
    I32(&'s [i32]),
    I64(&'s [i64]),
}

macro_rules! cell {
    ($type:ty, $variant:ident, $code:expr, $from:expr) => {
        impl Cell for $type {
            const BYTES: usize = size_of::<$type>();

            #[inline(always)]
            fn code(self) -> u64 {
                $code(self)
            }

            #[inline(always)]
            fn from_code(code: u64) -> Self {
                $from(code)
            }

            fn pick(slice: Slice<'_>) -> Option<&[Self]> {
                if let Slice::$variant(values) = slice { Some(values) } else { None }
            }
        }

        impl<'s> From<&'s [$type]> for Slice<'s> {
            fn from(values: &'s [$type]) -> Self {
                Slice::$variant(values)
            }
        }
    };
}

cell!(u8, U8, u64::from, |code| code as u8);
cell!(u32, U32, u64::from, |code| code as u32);
cell!(u64, U64, |value| value, |code| code);
cell!(i32, I32, |value: i32| (value as u32 ^ 1 << 31) as u64, |code: u64| (code as u32 ^ 1 << 31) as i32);
cell!(i64, I64, |value: i64| value as u64 ^ 1 << 63, |code: u64| (code ^ 1 << 63) as i64);

/// Where a column's values come from if they are not in memory: blocks of [`per_block`] values, the last one shorter.
pub trait Blocks<T>: Send + Sync {
    /// Appends exactly the values of a block.
    fn append_block(&self, block: usize, out: &mut Vec<T>);
}

/// Bytes of a decoded block.
pub const BLOCK: usize = 1 << 16;

/// Values per block.
pub const fn per_block<T: Cell>() -> usize {
    BLOCK / T::BYTES
}

#[derive(Default)]
pub struct Column<T: Cell> {
    /// Empty if the column is in a file, so that every access ends up in `far`.
    values: Vec<T>,
    file: Option<Box<InFile<T>>>,
}

/// Read one by one.
type Pieces<T> = Box<[OnceLock<Box<[T]>>]>;

struct InFile<T> {
    source: Box<dyn Blocks<T>>,
    len: usize,
    whole: OnceLock<Vec<T>>,
    blocks: Pieces<T>,
    /// Block `i` and the next one in a row, for ranges that lie across.
    seams: OnceLock<Pieces<T>>,
}

impl<T: Cell> Column<T> {
    /// A column that stays in its file until it is asked for.
    pub fn in_file(source: Box<dyn Blocks<T>>, len: usize) -> Column<T> {
        let file = InFile {
            source,
            len,
            whole: OnceLock::new(),
            blocks: (0..len.div_ceil(per_block::<T>())).map(|_| OnceLock::new()).collect(),
            seams: OnceLock::new(),
        };
        Column { values: Vec::new(), file: (len > 0).then(|| Box::new(file)) }
    }

    pub fn len(&self) -> usize {
        self.file.as_ref().map_or(self.values.len(), |file| file.len)
    }

    /// Bytes of memory that the column takes, values of a file aside.
    pub fn memory(&self) -> usize {
        self.values.capacity() * T::BYTES
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline(always)]
    pub fn get(&self, i: usize) -> Option<&T> {
        match self.values.get(i) {
            None if i < self.len() => Some(self.far(i)),
            value => value,
        }
    }

    /// The vector, while a column is being made.
    pub fn edit(&mut self) -> &mut Vec<T> {
        &mut self.values
    }

    #[cold]
    #[inline(never)]
    fn far(&self, i: usize) -> &T {
        match &self.file {
            Some(file) if i < file.len => file.value(i),
            // The same panic as a vector's.
            _ => &self.values[i],
        }
    }

    #[cold]
    #[inline(never)]
    fn far_range(&self, range: Range<usize>) -> &[T] {
        match &self.file {
            Some(file) => file.range(range),
            None => &self.values[range],
        }
    }
}

impl<T: Cell> InFile<T> {
    fn block(&self, block: usize) -> &[T] {
        self.blocks[block].get_or_init(|| {
            let start = block * per_block::<T>();
            let mut values = Vec::with_capacity(per_block::<T>().min(self.len - start));
            self.source.append_block(block, &mut values);
            values.into()
        })
    }

    #[inline]
    fn value(&self, i: usize) -> &T {
        match self.whole.get() {
            Some(whole) => &whole[i],
            None => &self.block(i / per_block::<T>())[i % per_block::<T>()],
        }
    }

    fn whole(&self) -> &[T] {
        self.whole.get_or_init(|| {
            let mut all = Vec::with_capacity(self.len);
            for (i, known) in self.blocks.iter().enumerate() {
                match known.get() {
                    Some(block) => all.extend_from_slice(block),
                    None => self.source.append_block(i, &mut all),
                }
            }
            all
        })
    }

    /// Where the columns do not fit together (which only happens when neither the index nor the snapshot can be
    /// read any more) the range is empty instead of a panic.
    fn range(&self, range: Range<usize>) -> &[T] {
        if range.start >= range.end || range.end > self.len {
            return &[];
        }
        let per = per_block::<T>();
        let (first, last) = (range.start / per, (range.end - 1) / per);
        if self.whole.get().is_some() || last > first + 1 {
            return &self.whole()[range];
        }
        let base = first * per;
        let inside = range.start - base..range.end - base;
        if first == last {
            return &self.block(first)[inside];
        }
        let seams = self.seams.get_or_init(|| self.blocks.iter().map(|_| OnceLock::new()).collect());
        &seams[first].get_or_init(|| [self.block(first), self.block(last)].concat().into())[inside]
    }
}

impl<T: Cell> Index<usize> for Column<T> {
    type Output = T;

    #[inline(always)]
    fn index(&self, i: usize) -> &T {
        match self.values.get(i) {
            Some(value) => value,
            None => self.far(i),
        }
    }
}

impl<T: Cell> Index<Range<usize>> for Column<T> {
    type Output = [T];

    #[inline(always)]
    fn index(&self, range: Range<usize>) -> &[T] {
        match self.values.get(range.clone()) {
            Some(values) => values,
            None => self.far_range(range),
        }
    }
}

impl<T: Cell> Deref for Column<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match &self.file {
            None => &self.values,
            Some(file) => file.whole(),
        }
    }
}

impl<'c, T: Cell> IntoIterator for &'c Column<T> {
    type Item = &'c T;
    type IntoIter = std::slice::Iter<'c, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: Cell> From<Vec<T>> for Column<T> {
    fn from(values: Vec<T>) -> Self {
        Column { values, file: None }
    }
}

impl<T: Cell> Clone for Column<T> {
    fn clone(&self) -> Self {
        Column::from(self.to_vec())
    }
}

impl<T: Cell> fmt::Debug for Column<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Column({})", self.len())
    }
}
