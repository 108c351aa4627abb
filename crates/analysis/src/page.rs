//! Parts of lists.

/// Which part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Items to skip.
    pub offset: usize,
    /// Items to give; 0 gives all that are left.
    pub limit: usize,
}

impl Page {
    /// Everything.
    pub const ALL: Page = Page { offset: 0, limit: 0 };

    /// The first `limit` items.
    pub fn first(limit: usize) -> Page {
        Page { offset: 0, limit }
    }

    pub(crate) fn range(self, len: usize) -> std::ops::Range<usize> {
        let start = self.offset.min(len);
        let end = if self.limit == 0 { len } else { start.saturating_add(self.limit).min(len) };
        start..end
    }
}

/// A part of a list and the length of the whole.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Paged<T> {
    /// The items asked for.
    pub items: Vec<T>,
    /// Items in the whole list.
    pub total: usize,
}

impl<T> Paged<T> {
    /// Cuts `all` to the page and turns only those items into answers.
    pub(crate) fn of<S>(all: &[S], page: Page, f: impl FnMut(&S) -> T) -> Paged<T> {
        Paged { items: all[page.range(all.len())].iter().map(f).collect(), total: all.len() }
    }
}
