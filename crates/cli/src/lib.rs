//! The `stillheap` command line.
#![forbid(unsafe_code)]
