//! Reads `.heapsnapshot` files and answers questions about them.
#![forbid(unsafe_code)]
