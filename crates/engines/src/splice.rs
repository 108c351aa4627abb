//! Putting our object into the header of V8's JSON.

/// Puts `"stillheap":{…}` at the end of the snapshot's header, which V8's first chunk contains whole.
pub fn insert_header(chunk: &[u8], header: &str) -> Option<Vec<u8>> {
    const END: &[u8] = b"},\n\"nodes\":[";
    let at = chunk.windows(END.len()).take(64 * 1024).position(|window| window == END)?;
    let mut with_header = Vec::with_capacity(chunk.len() + header.len() + 16);
    with_header.extend_from_slice(&chunk[..at]);
    with_header.extend_from_slice(b",\"stillheap\":");
    with_header.extend_from_slice(header.as_bytes());
    with_header.extend_from_slice(&chunk[at..]);
    Some(with_header)
}
