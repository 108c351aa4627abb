//! Packing of blocks: every value as its distance from the block's smallest, in as few bits as the largest needs.
//!
//! Ordinals within a block are often close together and sizes small, so a column takes about half of its room in
//! memory. One or two nanoseconds per value in either direction; no memory beside the result.

use stillheap_graph::column::Cell;

/// Widths above this would need more than one 64-bit word per value; such blocks are stored with all 64 bits.
const WIDEST: u32 = 56;

/// Smallest code of a block, and the bits per value.
pub(crate) fn measure<T: Cell>(values: &[T]) -> (u64, u8) {
    let (mut least, mut most) = (u64::MAX, 0);
    for value in values {
        let code = value.code();
        least = least.min(code);
        most = most.max(code);
    }
    if values.is_empty() {
        return (0, 0);
    }
    let width = 64 - (most - least).leading_zeros();
    (least, if width > WIDEST { 64 } else { width as u8 })
}

/// Bytes of a packed block.
pub(crate) fn packed_len(count: usize, width: u8) -> usize {
    (count * width as usize).div_ceil(8)
}

pub(crate) fn pack<T: Cell>(values: &[T], least: u64, width: u8, out: &mut Vec<u8>) {
    let end = out.len() + packed_len(values.len(), width);
    match width {
        0 => {}
        8 => out.extend(values.iter().map(|value| (value.code() - least) as u8)),
        64 => values.iter().for_each(|value| out.extend((value.code() - least).to_le_bytes())),
        _ => {
            let (mut word, mut filled) = (0u64, 0u32);
            for value in values {
                word |= (value.code() - least) << filled;
                filled += width as u32;
                if filled >= 32 {
                    out.extend((word as u32).to_le_bytes());
                    word >>= 32;
                    filled -= 32;
                }
                // At most seven bits may be left over: with 56 more they still fit into the word.
                while filled >= 8 {
                    out.push(word as u8);
                    word >>= 8;
                    filled -= 8;
                }
            }
            if filled > 0 {
                out.push(word as u8);
            }
        }
    }
    debug_assert_eq!(out.len(), end);
}

/// `packed` must have [`packed_len`] bytes.
pub(crate) fn unpack<T: Cell>(packed: &[u8], count: usize, least: u64, width: u8, out: &mut Vec<T>) {
    let value = |code: u64| T::from_code(least.wrapping_add(code));
    match width {
        0 => out.extend(std::iter::repeat_n(value(0), count)),
        8 => out.extend(packed.iter().take(count).map(|&byte| value(byte as u64))),
        64 => out.extend(
            packed.as_chunks::<8>().0.iter().take(count).map(|&word| value(u64::from_le_bytes(word))),
        ),
        _ => {
            let mask = (1u64 << width) - 1;
            // Whole words as long as eight bytes are left, the last few values byte by byte.
            let quick = (packed.len().saturating_sub(8) * 8 / width as usize).min(count);
            out.extend((0..quick).map(|i| {
                let bit = i * width as usize;
                let word = packed[bit / 8..].first_chunk::<8>().map_or(0, |word| u64::from_le_bytes(*word));
                value(word >> (bit % 8) & mask)
            }));
            out.extend((quick..count).map(|i| {
                let bit = i * width as usize;
                let mut word = [0; 8];
                let rest = packed.get(bit / 8..).unwrap_or(&[]);
                let have = rest.len().min(8);
                word[..have].copy_from_slice(&rest[..have]);
                value(u64::from_le_bytes(word) >> (bit % 8) & mask)
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip<T: Cell + PartialEq + std::fmt::Debug>(values: &[T]) -> u8 {
        let (least, width) = measure(values);
        let (mut packed, mut back) = (Vec::new(), Vec::<T>::new());
        pack(values, least, width, &mut packed);
        assert_eq!(packed.len(), packed_len(values.len(), width));
        unpack(&packed, values.len(), least, width, &mut back);
        assert_eq!(back, values);
        width
    }

    #[test]
    fn every_width_comes_back() {
        for width in 0..64u32 {
            for len in [1usize, 2, 7, 8, 9, 63, 200] {
                let mask = (1u64 << width) - 1;
                let values: Vec<u64> = (0..len as u64)
                    .map(|i| 77 + (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 3 & mask))
                    .chain([77, 77 + mask])
                    .collect();
                let expected = if width > WIDEST { 64 } else { width };
                assert_eq!(round_trip(&values) as u32, expected);
            }
        }
        round_trip::<u32>(&[]);
        round_trip(&[u64::MAX, 0, 1]);
        round_trip(&[i32::MIN, -5, i32::MAX]);
        assert_eq!(round_trip(&[-5i32, 1, 2]), 3);
        round_trip(&[i64::MIN, -1, 0, i64::MAX]);
        assert_eq!(round_trip(&[9u8; 100]), 0);
    }
}
