//! Putting our object into the header of V8's JSON.

use stillheap_protocol::Failure;

/// What every snapshot of V8's begins with.
const START: &[u8] = b"{\"snapshot\":{";

/// Puts `"stillheap":{…}` in front of what else stands in the snapshot's header. `chunk` is V8's first.
///
/// # Errors
/// `ERR_STILLHEAP_V8` if it does not begin as a snapshot: without our object, a comparison would have to guess
/// whether ids may be matched, so the change of V8's is told instead of passed over.
pub fn insert_header(chunk: &[u8], header: &str) -> Result<Vec<u8>, Failure> {
    let Some(rest) = chunk.strip_prefix(START) else {
        return Err(Failure::own("ERR_STILLHEAP_V8", "V8's snapshot does not begin with its header"));
    };
    let mut with_header = Vec::with_capacity(chunk.len() + header.len() + 16);
    with_header.extend_from_slice(START);
    with_header.extend_from_slice(b"\"stillheap\":");
    with_header.extend_from_slice(header.as_bytes());
    with_header.push(b',');
    with_header.extend_from_slice(rest);
    Ok(with_header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_the_first_thing_in_the_snapshots() {
        let chunk = insert_header(b"{\"snapshot\":{\"meta\":{", "{\"pid\":7}").unwrap();
        assert_eq!(chunk, b"{\"snapshot\":{\"stillheap\":{\"pid\":7},\"meta\":{");
    }

    #[test]
    fn what_begins_otherwise_is_told() {
        for chunk in [&b""[..], b"{\"snapshot\":", b"{ \"snapshot\": {\"meta\":{", b"[]"] {
            assert_eq!(insert_header(chunk, "{}").unwrap_err().code, "ERR_STILLHEAP_V8");
        }
    }
}
