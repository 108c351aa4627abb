//! From characters to tokens.

use super::mistake;
use crate::failure::Failure;

/// A token and the character it starts at.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) kind: TokenKind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    /// A field, a number, a keyword or a bare text.
    Word(String),
    /// A text in quotes.
    Quoted(String),
    /// The body of a `/…/`, and whether an `i` follows.
    Regex(String, bool),
    /// A comparison.
    Operator(&'static str),
    Open,
    Close,
    End,
}

/// Longer ones first.
const OPERATORS: [&str; 9] = ["!=", "!~", "<=", ">=", "==", "=", "~", "<", ">"];

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Failure> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens: Vec<Token> = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        if c.is_whitespace() {
            at += 1;
            continue;
        }
        let start = at;
        let after_operator = matches!(tokens.last(), Some(Token { kind: TokenKind::Operator(_), .. }));
        let kind = if let Some(sign) = OPERATORS.iter().find(|sign| starts_with(&chars[at..], sign)) {
            at += sign.len();
            TokenKind::Operator(if *sign == "==" { "=" } else { sign })
        } else if c == '(' || c == ')' {
            at += 1;
            if c == '(' { TokenKind::Open } else { TokenKind::Close }
        } else if c == '"' || c == '\'' {
            TokenKind::Quoted(quoted(text, &chars, &mut at)?)
        } else if c == '/' && after_operator {
            let (body, ignore_case) = regex(text, &chars, &mut at)?;
            TokenKind::Regex(body, ignore_case)
        } else if starts_with(&chars[at..], "&&") || starts_with(&chars[at..], "||") {
            at += 2;
            TokenKind::Word(if c == '&' { "and" } else { "or" }.to_owned())
        } else if c == '!' {
            at += 1;
            TokenKind::Word("not".to_owned())
        } else {
            while at < chars.len() && is_bare(chars[at]) {
                at += 1;
            }
            if at == start {
                return Err(mistake(
                    text,
                    start,
                    &format!("{c:?} has no meaning here; texts with it need quotes"),
                ));
            }
            TokenKind::Word(chars[start..at].iter().collect())
        };
        tokens.push(Token { at: start, kind });
    }
    tokens.push(Token { at: chars.len(), kind: TokenKind::End });
    Ok(tokens)
}

fn starts_with(chars: &[char], text: &str) -> bool {
    text.chars().enumerate().all(|(i, c)| chars.get(i) == Some(&c))
}

fn is_bare(c: char) -> bool {
    !c.is_whitespace() && !"()=!~<>\"'&|".contains(c)
}

fn quoted(text: &str, chars: &[char], at: &mut usize) -> Result<String, Failure> {
    let (start, quote) = (*at, chars[*at]);
    let mut out = String::new();
    *at += 1;
    while let Some(&c) = chars.get(*at) {
        *at += 1;
        match c {
            c if c == quote => return Ok(out),
            '\\' => match chars.get(*at) {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(&c) => out.push(c),
                None => break,
            },
            c => {
                out.push(c);
                continue;
            }
        }
        *at += 1;
    }
    Err(mistake(text, start, "this text has no closing quote"))
}

fn regex(text: &str, chars: &[char], at: &mut usize) -> Result<(String, bool), Failure> {
    let start = *at;
    let mut body = String::new();
    *at += 1;
    while let Some(&c) = chars.get(*at) {
        *at += 1;
        match c {
            '/' => {
                let ignore_case = chars.get(*at) == Some(&'i');
                *at += usize::from(ignore_case);
                if chars.get(*at).copied().is_some_and(is_bare) {
                    let what =
                        "only 'i' may follow a regular expression; a text that starts with / needs quotes";
                    return Err(mistake(text, *at, what));
                }
                return Ok((body, ignore_case));
            }
            '\\' if chars.get(*at) == Some(&'/') => {
                body.push('/');
                *at += 1;
            }
            '\\' => {
                body.push('\\');
                body.extend(chars.get(*at));
                *at += 1;
            }
            c => body.push(c),
        }
    }
    Err(mistake(text, start, "this regular expression has no closing /"))
}
