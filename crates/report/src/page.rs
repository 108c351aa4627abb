//! The page: a frame of HTML, styles, scripts, and the data.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use crate::Report;

const STYLE: &str = include_str!("../assets/page.css");

/// In this order: each may use what those before it define.
const SCRIPTS: [&str; 11] = [
    include_str!("../assets/vendor/d3.js"),
    include_str!("../assets/dom.js"),
    include_str!("../assets/source.js"),
    include_str!("../assets/export.js"),
    include_str!("../assets/hero.js"),
    include_str!("../assets/verdict.js"),
    include_str!("../assets/growth.js"),
    include_str!("../assets/composition.js"),
    include_str!("../assets/treemap.js"),
    include_str!("../assets/classes.js"),
    include_str!("../assets/page.js"),
];

/// The whole file. Scripts and styles run by their hashes; everything else is forbidden, and so is every way to
/// turn a string into markup or code.
pub fn page(report: &Report) -> String {
    let data = data_block(report);
    let hashes: Vec<String> = SCRIPTS.iter().map(|script| hash(script)).collect();
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; base-uri 'none'; form-action 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
        hashes.join(" "),
        hash(STYLE)
    );
    let mut html = String::with_capacity(data.len() + 128 * 1024);
    html.push_str("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    html.push_str(&format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n"));
    html.push_str(HEAD);
    html.push_str(&format!("<style>{STYLE}</style>\n</head>\n"));
    html.push_str(BODY);
    html.push_str(&format!("<script type=\"application/json\" id=\"data\">{data}</script>\n"));
    for script in SCRIPTS {
        html.push_str(&format!("<script>{script}</script>\n"));
    }
    html.push_str("</body>\n</html>\n");
    html
}

const HEAD: &str = r#"<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>stillheap report</title>
"#;

const BODY: &str = r##"<body>
<a class="skip" href="#main">Skip to the verdict</a>
<header id="top"></header>
<main id="main" tabindex="-1"></main>
<footer id="bottom"></footer>
<noscript><p>This report draws itself with the script inside it; it loads nothing. Allow scripts for this file to see it.</p></noscript>
"##;

/// How Content-Security-Policy names a script or style: by what stands between its tags.
fn hash(text: &str) -> String {
    format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text.as_bytes())))
}

/// JSON in which nothing means anything to a parser of HTML or JavaScript. The characters that do can only be
/// inside of strings, where an escape stands for the same.
fn data_block(report: &Report) -> String {
    // A report is numbers, texts and lists: writing it as JSON cannot fail.
    let json = serde_json::to_string(report).expect("a report serialises");
    let mut out = String::with_capacity(json.len() + 1024);
    for c in json.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            c => out.push(c),
        }
    }
    out
}
