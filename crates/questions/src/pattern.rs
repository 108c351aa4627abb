//! Text patterns: `plain`, `gl*b` or `/regular expression/i`.
//!
//! Class names hold braces, brackets and dots (`{a, b}`, `<div>`), so a glob here knows `*` and `?` and nothing
//! else. Regular expressions are the `regex` crate's: matching takes time linear in the text whatever the
//! pattern, which matters because both come from somebody else.

use regex::{Regex, RegexBuilder};

use crate::failure::Failure;

/// A test of a text.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// The text contains this, letter case aside.
    Contains(Regex),
    /// The text is this.
    Exact(String),
    /// A glob or a regular expression.
    Regex(Regex),
}

/// Whether a text is a glob: it holds `*` or `?`.
pub fn is_glob(text: &str) -> bool {
    text.contains(['*', '?'])
}

impl Pattern {
    /// `/…/` is a regular expression, with `*` or `?` it is a glob for the whole text, and anything else must be
    /// contained in it.
    pub fn parse(text: &str) -> Result<Pattern, Failure> {
        if let Some(regex) = Pattern::slashes(text)? {
            return Ok(regex);
        }
        Pattern::contains_or_glob(text)
    }

    /// A glob for the whole text, or what the text must contain, letter case aside.
    pub fn contains_or_glob(text: &str) -> Result<Pattern, Failure> {
        if is_glob(text) {
            return Pattern::glob(text);
        }
        build(&regex::escape(text), true, text).map(Pattern::Contains)
    }

    /// The same, but a plain text must be equal.
    pub fn parse_exact(text: &str) -> Result<Pattern, Failure> {
        if let Some(regex) = Pattern::slashes(text)? {
            return Ok(regex);
        }
        Pattern::exact_or_glob(text)
    }

    /// A glob for the whole text, or what the text must be.
    pub fn exact_or_glob(text: &str) -> Result<Pattern, Failure> {
        if is_glob(text) { Pattern::glob(text) } else { Ok(Pattern::Exact(text.to_owned())) }
    }

    fn slashes(text: &str) -> Result<Option<Pattern>, Failure> {
        let Some(rest) = text.strip_prefix('/') else { return Ok(None) };
        let (body, ignore_case) = match (rest.strip_suffix("/i"), rest.strip_suffix('/')) {
            (Some(body), _) => (body, true),
            (None, Some(body)) => (body, false),
            (None, None) => return Ok(None),
        };
        Pattern::regex(body, ignore_case).map(Some)
    }

    /// A regular expression, to be found anywhere in the text.
    pub fn regex(body: &str, ignore_case: bool) -> Result<Pattern, Failure> {
        build(body, ignore_case, body).map(Pattern::Regex)
    }

    /// A glob for the whole text.
    pub fn glob(text: &str) -> Result<Pattern, Failure> {
        let mut pattern = String::from("(?s)^");
        for c in text.chars() {
            match c {
                '*' => pattern.push_str(".*"),
                '?' => pattern.push('.'),
                c => pattern.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
            }
        }
        pattern.push('$');
        build(&pattern, false, text).map(Pattern::Regex)
    }

    /// Whether a text passes.
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Pattern::Exact(exact) => exact == text,
            Pattern::Contains(regex) | Pattern::Regex(regex) => regex.is_match(text),
        }
    }
}

fn build(pattern: &str, ignore_case: bool, given: &str) -> Result<Regex, Failure> {
    let built = RegexBuilder::new(pattern).case_insensitive(ignore_case).size_limit(1 << 20).build();
    built.map_err(|error| {
        let text = error.to_string();
        // The crate's message ends with the sentence that matters, after a drawing of the pattern.
        let sentence = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
        Failure::argument(format!("the pattern {given:?} is not a regular expression: {sentence}"))
    })
}

/// Filters that all must match.
pub(crate) fn patterns(texts: &[String]) -> Result<Vec<Pattern>, Failure> {
    texts.iter().map(|text| Pattern::parse(text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(text)
    }

    #[test]
    fn plain_text_is_looked_for_anywhere() {
        assert!(matches("template", "EmailTemplate"));
        assert!(matches("{a, b}", "{a, b}"));
        assert!(matches("a.b", "xa.by"));
        assert!(!matches("a.b", "xaby"));
    }

    #[test]
    fn a_glob_is_for_the_whole_text() {
        assert!(matches("Email*", "EmailTemplate"));
        assert!(!matches("Email*", "MyEmail"));
        assert!(!matches("email*", "EmailTemplate"));
        assert!(matches("{?, *}", "{a, b, c}"));
        assert!(matches("a*b", "a\nb"));
    }

    #[test]
    fn slashes_make_a_regular_expression() {
        assert!(matches("/^Email(Template)?$/", "Email"));
        assert!(matches("/^EMAIL/i", "EmailTemplate"));
        assert!(!matches("/^EMAIL/", "EmailTemplate"));
        assert!(matches("/usr", "file:///usr/lib"));
    }

    #[test]
    fn a_broken_one_is_refused_with_a_reason() {
        let failure = Pattern::parse("/a(/").unwrap_err();
        assert_eq!(failure.code, "ERR_INVALID_ARG_VALUE");
        assert!(failure.message.contains("unclosed group"), "{}", failure.message);
    }

    #[test]
    fn exact_means_exact() {
        let exact = Pattern::parse_exact("Email").unwrap();
        assert!(exact.matches("Email") && !exact.matches("EmailTemplate"));
    }
}
