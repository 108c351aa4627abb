//! A fixed-size set of bits, one per node or edge. Small enough to stay in the second-level cache where a
//! 4-byte column would not: most walks below live on that.

#[derive(Clone, Default)]
pub(crate) struct Bits {
    words: Vec<u64>,
}

impl Bits {
    pub(crate) fn new(len: usize) -> Bits {
        Bits { words: vec![0; len.div_ceil(64)] }
    }

    #[inline(always)]
    pub(crate) fn get(&self, i: u32) -> bool {
        self.words[(i >> 6) as usize] >> (i & 63) & 1 != 0
    }

    #[inline(always)]
    pub(crate) fn set(&mut self, i: u32) {
        self.words[(i >> 6) as usize] |= 1 << (i & 63);
    }

    /// Sets the bit; true if it was not set before.
    #[inline(always)]
    pub(crate) fn insert(&mut self, i: u32) -> bool {
        let word = &mut self.words[(i >> 6) as usize];
        let bit = 1 << (i & 63);
        let fresh = *word & bit == 0;
        *word |= bit;
        fresh
    }

    /// Builds the set word by word; `f` is asked in order.
    pub(crate) fn from_fn(len: usize, mut f: impl FnMut(u32) -> bool) -> Bits {
        let mut words = Vec::with_capacity(len.div_ceil(64));
        let mut i = 0;
        while i < len {
            let mut word = 0;
            for bit in 0..64.min(len - i) {
                word |= (f((i + bit) as u32) as u64) << bit;
            }
            words.push(word);
            i += 64;
        }
        Bits { words }
    }
}
