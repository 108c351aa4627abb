//! What V8's snapshot generator needs beside the heap that it walks.

/// What a heap holds, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeapSize {
    /// Objects in ordinary pages.
    pub ordinary: u64,
    /// Objects that have pages of their own: long strings and arrays.
    pub large: u64,
}

impl HeapSize {
    /// All of it.
    pub fn total(self) -> u64 {
        self.ordinary + self.large
    }
}

/// What a child needs, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need(pub u64);

/// What even the smallest snapshot takes.
const LEAST: u64 = 48 << 20;
/// Bytes per byte of ordinary objects: nodes, edges, ids and strings' hashes of a heap of the smallest
/// objects there are, and the copy of the pages that the collection before the snapshot writes to.
const PER_ORDINARY: u64 = 18;
/// Bytes per byte of large objects: an array's element is an edge; a string's text costs nothing.
const PER_LARGE: u64 = 6;
/// The collection before the snapshot writes to this part of the heap's pages.
const PART_COPIED: u64 = 8;
/// What our own reader takes of the smallest heap, with the pages that both processes write to meanwhile.
const LEAST_TO_READ: u64 = 24 << 20;
/// It takes this part of ordinary objects, of the smallest there are, and of large ones.
const PART_ORDINARY: u64 = 10;
const PART_LARGE: u64 = 25;
/// Room for growth between two captures, in percent, where an earlier one has shown what it takes.
const MARGIN: u64 = 130;

/// What the cheapest of objects takes of the generator at least, in bytes: its node, its id, the edge to it.
/// Measured: 230 to 440 for strings, numbers, symbols, empty objects and closures.
const LEAST_PER_OBJECT: u64 = 140;

impl Need {
    /// What V8 takes in the process for so many objects, if they are the cheapest that there are.
    pub fn in_process_at_least(objects: u64) -> Self {
        Self(objects.saturating_mul(LEAST_PER_OBJECT))
    }

    /// The need of a heap that nothing is known of but its size: the worst that was measured.
    pub fn of(heap: HeapSize) -> Self {
        Self(LEAST + heap.ordinary * PER_ORDINARY + heap.large * PER_LARGE)
    }

    /// The need of memory where the generator's own goes to disk: what the collection before the snapshot
    /// copies, and what is in use of the disk's cache at a time.
    pub fn with_scratch_on_disk(heap: HeapSize) -> Self {
        Self(LEAST + heap.total() / PART_COPIED)
    }

    /// What our own reader takes beside the heap: a bit and a rank per word for objects and for strings (a 26th
    /// of the heap), two bytes per object, names, and buffers.
    pub fn to_read(heap: HeapSize) -> Self {
        Self(LEAST_TO_READ + heap.ordinary / PART_ORDINARY + heap.large / PART_LARGE)
    }

    /// The need of a heap whose like took `taken` bytes when it held `before` bytes. Never more than
    /// [`Need::of`].
    pub fn after(heap: HeapSize, before: HeapSize, taken: u64) -> Self {
        let worst = Self::of(heap);
        // A heap that has grown much may have grown by objects of another kind.
        if before.total() == 0 || heap.total() > before.total().saturating_mul(2) {
            return worst;
        }
        let scaled = u128::from(taken) * u128::from(heap.total().max(before.total() / 2));
        let scaled = scaled / u128::from(before.total()) * u128::from(MARGIN) / 100;
        let scaled = u64::try_from(scaled).unwrap_or(u64::MAX).saturating_add(LEAST);
        Self(scaled.min(worst.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    #[test]
    fn the_first_estimate_is_the_worst_case() {
        let heap = HeapSize { ordinary: 100 * MB, large: 10 * MB };
        assert_eq!(Need::of(heap).0, 48 * MB + 1800 * MB + 60 * MB);
    }

    #[test]
    fn to_read_takes_a_small_part_of_the_heap() {
        let heap = HeapSize { ordinary: 1000 * MB, large: 250 * MB };
        assert_eq!(Need::to_read(heap).0, 24 * MB + 100 * MB + 10 * MB);
    }

    #[test]
    fn experience_lowers_it_but_not_for_a_heap_that_has_doubled() {
        let before = HeapSize { ordinary: 100 * MB, large: 0 };
        let strings = 80 * MB;
        let same = Need::after(before, before, strings);
        assert_eq!(same.0, 104 * MB + 48 * MB);
        let more = HeapSize { ordinary: 150 * MB, large: 0 };
        assert_eq!(Need::after(more, before, strings).0, 156 * MB + 48 * MB);
        let doubled = HeapSize { ordinary: 201 * MB, large: 0 };
        assert_eq!(Need::after(doubled, before, strings), Need::of(doubled));
        assert_eq!(Need::after(before, before, u64::MAX), Need::of(before));
        assert_eq!(Need::after(before, HeapSize::default(), 5), Need::of(before));
    }
}
