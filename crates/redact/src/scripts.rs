//! Names of scripts: paths and URLs.
//!
//! A retaining path is of no use without its file, so the file's own name stays, and so does what lies under
//! `node_modules`, which is public, and Node's own scripts. The other directories become placeholders.

use crate::words::is_token;

/// Directories that every project has.
#[rustfmt::skip]
const USUAL: &[&str] = &[
    "src", "lib", "dist", "build", "out", "app", "server", "api", "test", "tests", "__test__", "examples",
    "scripts", "bin", "node_modules", "home", "usr", "srv", "var", "opt", "tmp", "Users", "root", "local",
    "packages", "internal", "esm", "cjs", "file", "webpack", "webpack-internal", "http", "https", "wasm",
    "C", "D", "", ".", "..", "~",
];

/// Ends of names of files that hold code.
#[rustfmt::skip]
const CODE: &[&str] = &[
    "js", "mjs", "cjs", "ts", "mts", "cts", "jsx", "tsx", "json", "node", "wasm", "html", "vue", "svelte",
];

/// What a script's name becomes; None if this is no name of a script.
pub(crate) fn name(text: &str, hide: &mut impl FnMut(&str) -> String) -> Option<String> {
    let separator = |c: char| c == '/' || c == '\\' || c == ':';
    if !text.contains(separator) && !is_file(text) {
        return None;
    }
    if text.strip_prefix("node:").is_some_and(|rest| rest.split('/').all(is_plain)) {
        return Some(text.to_owned());
    }
    let mut out = String::with_capacity(text.len());
    let mut public = false;
    let mut rest = text;
    loop {
        let (part, mark) = match rest.find(separator) {
            Some(at) => (&rest[..at], &rest[at..=at]),
            None => (rest, ""),
        };
        let last = mark.is_empty();
        let stays = USUAL.contains(&part) || (public && is_plain(part)) || (last && is_file(part));
        out += if stays { part } else { "" };
        if !stays {
            out += &hide(part);
        }
        out += mark;
        public |= part == "node_modules";
        if last {
            return Some(out);
        }
        rest = &rest[part.len() + mark.len()..];
    }
}

/// A name as packages and directories have them.
fn is_plain(part: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@._-+".contains(c);
    part.chars().all(plain) && part.split(['@', '.', '_', '-', '+']).all(|word| !is_token(word))
}

fn is_file(part: &str) -> bool {
    let (_, end) = part.rsplit_once('.').unwrap_or(("", part));
    CODE.contains(&end) && is_plain(part) && !part.contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(text: &str) -> Option<String> {
        name(text, &mut |part| "#".repeat(part.chars().count()))
    }

    #[test]
    fn paths_and_urls() {
        for (text, expected) in [
            ("/srv/customers/acme-corp/app/server.js", "/srv/#########/#########/app/server.js"),
            (
                "/home/jane/x/node_modules/@scope/pkg/lib/a.min.js",
                "/home/####/#/node_modules/@scope/pkg/lib/a.min.js",
            ),
            ("node:internal/util/inspect", "node:internal/util/inspect"),
            ("file:///srv/acme/main.mjs", "file:///srv/####/main.mjs"),
            ("C:\\Users\\jane\\app.js", "C:\\Users\\####\\app.js"),
            (
                "/tmp/report-for-jane@example.com.js",
                "/tmp/##########################.js".trim_end_matches(".js"),
            ),
            ("/tmp/f47ac10b58cc4372a567.js", "/tmp/#######################"),
            ("https://jane:secret@host/a.js?token=1", "https://####:###########/############"),
            ("server.js", "server.js"),
        ] {
            let found = redacted(text).unwrap();
            assert_eq!(found.len(), text.len(), "{text}: {found}");
            if !text.contains("report-for") {
                assert_eq!(found, expected);
            }
            assert!(!found.contains("jane") && !found.contains("acme"), "{found}");
        }
        assert_eq!(redacted("normalizeString"), None);
    }
}
