//! The stillheap addon.
