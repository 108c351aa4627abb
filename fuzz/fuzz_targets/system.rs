//! Texts of `/proc` and pages of status that another process may have written: an answer, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stillheap_limits::{Cgroups, maps, smaps, stat, status_kilobytes};

fuzz_target!(|bytes: &[u8]| {
    for mapping in maps(bytes).into_iter().chain(smaps(bytes)) {
        let _ = mapping.size();
    }
    let text = String::from_utf8_lossy(bytes);
    let _ = stat(&text);
    let _ = status_kilobytes(&text, "VmRSS");
    let (first, second) =
        text.split_at(text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at));
    let _ = Cgroups::find(first, second);
    if let Some(status) = stillheap_control::decode(&page(bytes)) {
        let again = stillheap_control::decode(&stillheap_control::encode(&status));
        // Everything but what there is no room for.
        assert!(again.is_some_and(|again| again.pid == status.pid && again.signals == status.signals));
    }
});

/// A page with this text, whose length and checksum (FNV-1a) are right.
fn page(text: &[u8]) -> Vec<u8> {
    let empty = stillheap_control::encode(&stillheap_control::Status::default());
    let header = empty.iter().position(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let checksum = text.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut page = format!("{:08} {checksum:016x}", text.len()).into_bytes();
    page.resize(header - 1, b' ');
    page.push(b'\n');
    page.extend_from_slice(text);
    page
}
