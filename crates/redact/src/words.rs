//! Tells words that a programmer wrote from tokens, numbers and other data.

/// Longest name that counts as written by a person.
const LONGEST: usize = 72;

/// Beginnings of well-known tokens.
#[rustfmt::skip]
const TOKENS: &[&str] = &[
    "sk_", "pk_", "rk_", "AKIA", "ASIA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat",
    "xox", "eyJ", "AIza", "ya29", "npm_", "whsec_", "dop_v1_", "SG.", "hvs.",
];

/// Whether a word looks like a token, a hash, a number: something that nobody wrote by hand.
pub(crate) fn is_token(word: &str) -> bool {
    if word.chars().count() > LONGEST {
        return true;
    }
    if word.len() >= 16 && TOKENS.iter().any(|start| word.starts_with(start)) {
        return true;
    }
    let (mut digits, mut run, mut longest_run, mut turns, mut parts, mut consonants) = (0, 0, 0, 0, 1, 0);
    let mut before: Option<char> = None;
    for c in word.chars() {
        if c.is_ascii_digit() {
            digits += 1;
            run += 1;
            longest_run = longest_run.max(run);
        } else {
            run = 0;
        }
        let vowel = "aeiouyAEIOUY".contains(c);
        consonants = if vowel || !c.is_ascii_alphabetic() { 0 } else { consonants + 1 };
        if consonants > 9 {
            return true;
        }
        if let Some(before) = before {
            turns += usize::from(before.is_ascii_digit() != c.is_ascii_digit());
            parts += usize::from(before.is_ascii_lowercase() && c.is_ascii_uppercase());
        }
        before = Some(c);
    }
    longest_run > 4
        || digits > 7
        || turns > 5
        || (word.len() >= 14 && word.chars().all(|c| c.is_ascii_hexdigit()))
        || (word.len() >= 12 && digits * 3 > word.len())
        || (word.len() >= 12 && parts * 2 >= word.len() - digits)
}

/// Whether this is an identifier that a person may have written, a private one (`#x`) included.
pub(crate) fn is_identifier(name: &str) -> bool {
    let body = name.strip_prefix('#').unwrap_or(name);
    let mut chars = body.chars();
    let starts = chars.next().is_some_and(|c| c == '_' || c == '$' || c.is_alphabetic());
    starts && chars.all(|c| c == '_' || c == '$' || c.is_alphanumeric()) && !is_token(body)
}

/// Identifiers with dots between them.
pub(crate) fn is_dotted(name: &str) -> bool {
    !name.is_empty() && name.split('.').all(is_identifier)
}

/// Whether this is made of words and of the punctuation that V8 and embedders use in names of their own.
pub(crate) fn is_vocabulary(name: &str) -> bool {
    const PUNCTUATION: &str = " /()*.:<>#-[]|_$~+,";
    let allowed = |c: char| c.is_ascii_alphanumeric() || PUNCTUATION.contains(c);
    name.len() <= 2 * LONGEST
        && name.chars().all(allowed)
        && !name.contains("://")
        && name
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '$'))
            .all(|word| !is_token(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_by_a_person() {
        for name in [
            "EmailTemplateNode",
            "_events",
            "kIsNodeError",
            "utf8",
            "base64url",
            "sha256",
            "x509Certificate",
            "Uint32Array",
            "BigInt64Array",
            "HTTP_STATUS_NOT_FOUND",
            "node_shared_sqlite",
            "isIPv4",
            "$1",
            "_",
            "a",
            "#weak",
            "ISO8601",
            "__webpack_require__",
            "RegExpPrototypeSymbolReplace",
            "größe",
            "getAllowUnauthorized",
        ] {
            assert!(is_identifier(name), "{name}");
        }
    }

    #[test]
    fn made_by_a_machine() {
        for name in [
            "a1b2c3d4e5f6a7b8",
            "deadbeefcafebabe",
            "x4111111111111111",
            "sk_live_abcdefghijkl",
            "AKIAIOSFODNN7EXAMPLE",
            "eyJhbGciOiJIUzI1NiJ9xx",
            "AbCdEfGhIjKlMnOp",
            "user_20261122",
            "jane.doe",
            "a b",
            "",
            "4u",
            "bcdfghjklmnp",
            "f47ac10b58cc4372",
        ] {
            assert!(!is_identifier(name), "{name}");
        }
    }

    #[test]
    fn vocabulary() {
        for name in [
            "system / Map (InternalizedOneByteString)",
            "(code for normalizeString)",
            "Node / std::basic_string",
            "12",
            "C++ CrossThreadPersistent roots",
            "global (global*)",
            "private symbol",
            "get [Symbol.species]",
        ] {
            assert!(is_vocabulary(name), "{name}");
        }
        for name in ["https://user:secret@host/", "jane@example.com", "4111111111111111", "a=b"] {
            assert!(!is_vocabulary(name), "{name}");
        }
    }
}
