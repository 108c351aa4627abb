//! JavaScript source text: functions, declarations, and the places where something is filled.
#![forbid(unsafe_code)]

mod scan;

use scan::{Token, TokenKind, tokens};

/// Longer texts are not looked at.
pub const MOST_BYTES: usize = 32 << 20;

/// Tokens of an arrow function's expression that are looked at.
const MOST_EXPRESSION: usize = 50_000;
/// Mentions of a variable that are looked at: `e` is everywhere in compiled code.
const MOST_MENTIONS: usize = 1_000;

/// A function, a method, or (with `class`) a class.
#[derive(Clone, Debug)]
pub struct Function {
    pub name: String,
    /// First token of the parameters, which is where V8 says that the function is.
    start: u32,
    /// First and last token of the body.
    body: (u32, u32),
    pub class: bool,
}

/// A script's text, understood as far as needed.
pub struct ScriptText {
    text: String,
    tokens: Vec<Token>,
    /// For each bracket its partner, else itself.
    mates: Vec<u32>,
    lines: Vec<u32>,
    pub functions: Vec<Function>,
}

/// Words before a bracket that do not make it a method.
const NOT_METHODS: [&str; 9] =
    ["if", "for", "while", "switch", "catch", "with", "function", "return", "await"];
/// Methods that put something into what they are called on.
const FILLERS: [&str; 11] = [
    "push",
    "unshift",
    "add",
    "set",
    "append",
    "enqueue",
    "use",
    "register",
    "subscribe",
    "prepend",
    "splice",
];
/// Methods that add listeners, or reactions to a promise, and fill nothing else.
const LISTENS: [&str; 10] = [
    "on",
    "once",
    "addListener",
    "addEventListener",
    "prependListener",
    "then",
    "catch",
    "finally",
    "setMaxListeners",
    "prependOnceListener",
];

impl ScriptText {
    pub fn new(text: String) -> ScriptText {
        let tokens = if text.len() <= MOST_BYTES { tokens(&text) } else { Vec::new() };
        let mut lines = vec![0];
        lines.extend(text.bytes().enumerate().filter(|&(_, b)| b == b'\n').map(|(at, _)| at as u32 + 1));
        let mut this = ScriptText { text, tokens, mates: Vec::new(), lines, functions: Vec::new() };
        this.mates = this.find_mates();
        this.functions = this.find_functions();
        this
    }

    fn word(&self, token: usize) -> &str {
        self.tokens.get(token).map_or("", |t| &self.text[t.start as usize..t.end as usize])
    }

    fn is_name(&self, token: usize) -> bool {
        self.tokens.get(token).is_some_and(|t| t.kind == TokenKind::Word)
    }

    fn find_mates(&self) -> Vec<u32> {
        let mut mates: Vec<u32> = (0..self.tokens.len() as u32).collect();
        let mut open: Vec<usize> = Vec::new();
        for token in 0..self.tokens.len() {
            if self.tokens[token].kind != TokenKind::Punctuation {
                continue;
            }
            match self.word(token) {
                "(" | "[" | "{" => open.push(token),
                ")" | "]" | "}" => {
                    if let Some(start) = open.pop() {
                        mates[start] = token as u32;
                        mates[token] = start as u32;
                    }
                }
                _ => {}
            }
        }
        // What is never closed (a text that was cut off) goes to the end.
        for start in open {
            mates[start] = self.tokens.len().saturating_sub(1) as u32;
        }
        mates
    }

    fn mate(&self, token: usize) -> usize {
        self.mates.get(token).map_or(token, |&mate| mate as usize)
    }

    fn find_functions(&self) -> Vec<Function> {
        let mut found = Vec::new();
        for token in 0..self.tokens.len() {
            match self.word(token) {
                "(" if self.tokens[token].kind == TokenKind::Punctuation => {
                    let close = self.mate(token);
                    if close > token && self.word(close + 1) == "{" && token > 0 {
                        let before = self.word(token - 1);
                        let star = before == "*";
                        let keyword = if star && token > 1 { self.word(token - 2) } else { before };
                        let name = if keyword == "function" {
                            self.assigned_name(if star { token - 2 } else { token - 1 })
                        } else if self.is_name(token - 1) && !NOT_METHODS.contains(&before) {
                            before.to_owned()
                        } else if before == "]" || self.tokens[token - 1].kind == TokenKind::Literal {
                            before.trim_matches(['\'', '"']).to_owned()
                        } else {
                            continue;
                        };
                        found.push(self.function(name, token, close + 1));
                    }
                }
                "=>" => {
                    if token == 0 {
                        continue;
                    }
                    let start = if self.word(token - 1) == ")" { self.mate(token - 1) } else { token - 1 };
                    let before = if start > 0 && self.word(start - 1) == "async" { start - 1 } else { start };
                    found.push(self.function(self.assigned_name(before), start, token + 1));
                }
                "class" if self.tokens[token].kind == TokenKind::Word => {
                    let named = self.is_name(token + 1) && self.word(token + 1) != "extends";
                    let name =
                        if named { self.word(token + 1).to_owned() } else { self.assigned_name(token) };
                    let open =
                        (token + 1..(token + 40).min(self.tokens.len())).find(|&t| self.word(t) == "{");
                    if let Some(open) = open {
                        let mut class = self.function(name, token, open);
                        class.class = true;
                        found.push(class);
                    }
                }
                _ => {}
            }
        }
        found
    }

    fn function(&self, name: String, start: usize, body: usize) -> Function {
        let end = if self.word(body) == "{" { self.mate(body) } else { self.expression_end(body) };
        Function { name, start: start as u32, body: (body as u32, end.max(body) as u32), class: false }
    }

    /// The last token of an arrow function's expression.
    fn expression_end(&self, from: usize) -> usize {
        let mut at = from;
        while at < self.tokens.len().min(from + MOST_EXPRESSION) {
            match self.word(at) {
                "(" | "[" | "{" if self.mate(at) > at => at = self.mate(at),
                ")" | "]" | "}" | "," | ";" => return at.saturating_sub(1).max(from),
                _ => {}
            }
            at += 1;
        }
        at.min(self.tokens.len()).saturating_sub(1).max(from)
    }

    /// What an anonymous function or class at `token` is called by what it is assigned to: `a`, `a.b`, `key`.
    fn assigned_name(&self, token: usize) -> String {
        if token < 2 || !matches!(self.word(token - 1), "=" | ":") || !self.is_name(token - 2) {
            return String::new();
        }
        let mut start = token - 2;
        while start >= 2 && self.word(start - 1) == "." && self.is_name(start - 2) {
            start -= 2;
        }
        (start..=token - 2).map(|t| self.word(t)).collect()
    }

    /// Byte offset of a position; the column counts UTF-16 units, both from 0.
    fn offset(&self, line: u64, column: u64) -> Option<usize> {
        let start = *self.lines.get(usize::try_from(line).ok()?)? as usize;
        let mut units = 0;
        for (at, c) in self.text[start..].char_indices() {
            if units >= column {
                return Some(start + at);
            }
            if c == '\n' {
                break;
            }
            units += c.len_utf16() as u64;
        }
        None
    }

    fn token_at(&self, offset: usize) -> usize {
        self.tokens.partition_point(|t| (t.end as usize) <= offset)
    }

    /// The function that V8 says is at a position, from 0.
    pub fn function_at(&self, line: u64, column: u64) -> Option<&Function> {
        let token = self.token_at(self.offset(line, column)?) as u32;
        let exact = self.functions.iter().find(|f| f.start == token && !f.class);
        exact.or_else(|| {
            // V8 gives a class, or `async`, or a method's name for some.
            self.functions.iter().find(|f| f.start >= token && f.start <= token + 2)
        })
    }

    /// Functions around a token, innermost first.
    pub fn around(&self, token: usize) -> Vec<&Function> {
        let token = token as u32;
        let mut found: Vec<&Function> =
            self.functions.iter().filter(|f| f.start <= token && token <= f.body.1).collect();
        found.sort_by_key(|f| f.body.1 - f.start);
        found
    }

    /// Functions around another one, innermost first, itself left out.
    pub fn around_function(&self, function: &Function) -> Vec<&Function> {
        let mut all = self.around(function.start as usize);
        all.retain(|f| f.start != function.start || f.body != function.body);
        all
    }

    /// Whether a function mentions a variable of a scope around it.
    pub fn uses(&self, function: &Function, variable: &str) -> bool {
        let range = function.start as usize..=function.body.1 as usize;
        let mut mentioned = false;
        for token in range.filter(|&t| self.word(t) == variable && self.is_variable(t)) {
            if self.declares(token) {
                return false;
            }
            mentioned = true;
        }
        mentioned
    }

    /// Where a property of the global object is filled: `global.tasks.push(`, or `tasks.push(` in a script that declares no
    /// such variable. In text order.
    pub fn global_fillings(&self, name: &str) -> Vec<usize> {
        let of_global = |t: &usize| *t >= 2 && matches!(self.word(t - 2), "global" | "globalThis");
        let found: Vec<usize> = self.fillings(name, true).into_iter().filter(of_global).collect();
        let declared = || (0..self.tokens.len()).any(|t| self.word(t) == name && self.declares(t));
        if found.is_empty() && !declared() { self.fillings(name, false) } else { found }
    }

    /// Where objects of a class are made: `new Agent(`, `new http.Agent(`. In text order.
    pub fn constructions(&self, class: &str) -> Vec<usize> {
        let is_new = |t: &usize| {
            let mut at = *t;
            // Back over `http.` and the like.
            while at >= 2 && self.word(at - 1) == "." {
                at -= 2;
            }
            at >= 1 && self.word(at - 1) == "new"
        };
        self.sequences(&[class, "("]).into_iter().filter(is_new).collect()
    }

    /// Whether a function may read a variable of a scope around it: it mentions the name anywhere, even where that is a
    /// variable of its own, or runs text that is not here.
    pub fn may_read(&self, function: &Function, variable: &str) -> bool {
        let mut range = function.start as usize..=function.body.1 as usize;
        range.any(|t| match self.word(t) {
            "eval" | "with" => self.is_name(t) && self.word(t + 1) == "(",
            word => word == variable && (variable == "this" || self.is_variable(t)),
        })
    }

    /// A word that stands for a variable: no property, no key.
    fn is_variable(&self, token: usize) -> bool {
        if !self.is_name(token) {
            return false;
        }
        let before = if token == 0 { "" } else { self.word(token - 1) };
        let key = self.word(token + 1) == ":" && matches!(before, "{" | ",");
        before != "." && !key
    }

    fn declares(&self, token: usize) -> bool {
        token > 0 && matches!(self.word(token - 1), "const" | "let" | "var" | "function" | "class")
    }

    /// Where a variable is declared: in `scope` itself if there, else anywhere in it, else as a parameter.
    pub fn declaration(&self, scope: Option<&Function>, variable: &str) -> Option<usize> {
        let range = match scope {
            Some(f) => f.start as usize..f.body.1 as usize + 1,
            None => 0..self.tokens.len(),
        };
        let found: Vec<usize> =
            range.filter(|&t| self.word(t) == variable && self.is_variable(t)).take(MOST_MENTIONS).collect();
        let depth = |token: usize| self.around(token).len();
        let declared = found.iter().copied().filter(|&t| self.declares(t)).min_by_key(|&t| (depth(t), t));
        declared.or_else(|| found.first().copied())
    }

    /// The innermost of `functions` that declares a variable, None for the script itself.
    pub fn declaring<'f>(&self, functions: &[&'f Function], variable: &str) -> Option<&'f Function> {
        functions.iter().copied().find(|f| {
            let range = f.start as usize..=f.body.1 as usize;
            range.filter(|&t| self.word(t) == variable).take(MOST_MENTIONS).any(|t| {
                let own = || self.around(t).first().is_some_and(|g| g.start == f.start);
                let parameter = t < f.body.0 as usize && self.is_variable(t);
                parameter || (self.declares(t) && own())
            })
        })
    }

    /// Where a variable or property is filled: `v.push(…)`, `v[…] = …`, `v += …`, `push.call(v, …)`; of a property also
    /// through a variable that it was read into. In text order.
    pub fn fillings(&self, variable: &str, property: bool) -> Vec<usize> {
        let mut found: Vec<usize> =
            self.mentions(variable, property).filter(|&t| self.is_filling(t, true)).collect();
        if property {
            found.extend(self.aliases(variable).into_iter().flat_map(|(alias, name, scope)| {
                let inside = move |t: &usize| *t > alias && scope.is_none_or(|scope| self.inside(*t, scope));
                self.mentions(name, false).filter(inside).filter(|&t| self.is_filling(t, true))
            }));
            found.sort_unstable();
            found.dedup();
        }
        found
    }

    /// Where listeners, or reactions to a promise, are added to what a variable or property holds.
    pub fn listenings(&self, variable: &str, property: bool) -> Vec<usize> {
        self.mentions(variable, property).filter(|&t| self.is_filling(t, false)).collect()
    }

    fn mentions(&self, variable: &str, property: bool) -> impl Iterator<Item = usize> {
        let plain = variable.trim_start_matches('#');
        (0..self.tokens.len()).filter(move |&t| {
            let word = self.word(t);
            let dotted = t > 0 && self.word(t - 1) == ".";
            let named = word == variable || (property && word.trim_start_matches('#') == plain);
            named && self.is_name(t) && dotted == property
        })
    }

    /// Variables that a property is read into, `const list = this.items` or `const { items } = this`: the token, the
    /// variable, and the function in which it is one.
    fn aliases(&self, property: &str) -> Vec<(usize, &str, Option<&Function>)> {
        let mut found = Vec::new();
        for token in (1..self.tokens.len()).filter(|&t| self.word(t) == property && self.is_name(t)) {
            let name = if self.word(token - 1) == "." {
                let mut start = token - 1;
                while start >= 2 && self.word(start) == "." && self.is_name(start - 1) {
                    start -= 2;
                }
                let read = !matches!(self.word(token + 1), "." | "(" | "[" | "=" | "?");
                let assigned = self.word(start) == "=" && start > 1 && self.is_name(start - 1);
                let listed = start > 1 && self.word(start - 2) == ",";
                if !(read && assigned && (listed || self.declares(start - 1))) {
                    continue;
                }
                start - 1
            } else {
                let renamed = self.word(token + 1) == ":" && self.is_name(token + 2);
                let name = if renamed { token + 2 } else { token };
                let Some(close) =
                    (name + 1..(name + 60).min(self.tokens.len())).find(|&t| self.word(t) == "}")
                else {
                    continue;
                };
                let open = self.mate(close);
                let pattern = open < token && self.word(close + 1) == "=" && self.word(close + 2) != "=";
                if !(pattern && open > 0 && matches!(self.word(open - 1), "const" | "let" | "var")) {
                    continue;
                }
                name
            };
            found.push((token, self.word(name), self.around(token).first().copied()));
        }
        found
    }

    /// Whether what a token stands for is filled there, else whether something listens to it.
    fn is_filling(&self, token: usize, filling: bool) -> bool {
        let methods: &[&str] = if filling { &FILLERS } else { &LISTENS };
        // `push.call(v, …)`, as in `Array.prototype.push.apply(v, …)`.
        let borrowed = filling
            && self.word(token + 1) == ","
            && token >= 4
            && self.word(token - 1) == "("
            && matches!(self.word(token - 2), "call" | "apply")
            && self.word(token - 3) == "."
            && methods.contains(&self.word(token - 4));
        let mut next = token + 1;
        // `v?.push`, `v!.push`, and one more name or index between: `v.items.push`, `v[k].push`.
        if self.word(next) == "[" {
            next = self.mate(next) + 1;
            if filling && self.word(next) == "=" && !matches!(self.word(next + 1), "=" | "undefined" | "null")
            {
                return true;
            }
        }
        borrowed
            || match self.word(next) {
                "+" | "|" if filling => self.word(next + 1) == "=",
                "?" if filling && self.word(next + 1) == "?" => self.word(next + 2) == "=",
                "?" if self.word(next + 1) == "." => methods.contains(&self.word(next + 2)),
                "." => methods.contains(&self.word(next + 1)) && self.word(next + 2) == "(",
                _ => false,
            }
    }

    /// Where a property is given a value: `this.v = …`, `#v = …`, `o.v = …`; first those that are not just empty.
    pub fn assignments(&self, variable: &str, property: bool) -> Vec<usize> {
        let plain = variable.trim_start_matches('#');
        let mut found: Vec<usize> = (0..self.tokens.len())
            .filter(|&t| {
                let dotted = t > 0 && self.word(t - 1) == ".";
                let field =
                    self.word(t).starts_with('#') || t == 0 || matches!(self.word(t - 1), "{" | ";" | "}");
                self.word(t).trim_start_matches('#') == plain
                    && (dotted == property || (property && field))
                    && self.word(t + 1) == "="
                    && self.word(t + 2) != "="
            })
            .collect();
        found.sort_by_key(|&t| matches!(self.word(t + 2), "null" | "undefined" | "void"));
        found
    }

    /// What an anonymous function was given to, as one would say it: `the callback of setInterval`, `the handler of
    /// app.get('/')`; None for one that is no argument of a call.
    pub fn given_to(&self, function: &Function) -> Option<String> {
        let mut start = function.start as usize;
        while start > 0 && matches!(self.word(start - 1), "function" | "async" | "*") {
            start -= 1;
        }
        let mut at = start.checked_sub(1)?;
        // Back over the arguments before it.
        let mut first = start;
        while self.word(at) != "(" {
            match self.word(at) {
                ")" | "]" | "}" if self.mate(at) < at => at = self.mate(at),
                ";" | "{" | "[" | "=" | ":" | "=>" => return None,
                _ => {}
            }
            first = at;
            at = at.checked_sub(1)?;
        }
        let mut name = at.checked_sub(1)?;
        if !self.is_name(name) || NOT_METHODS.contains(&self.word(name)) {
            return None;
        }
        let method = self.word(name).to_owned();
        let mut called = method.clone();
        while name >= 2 && self.word(name - 1) == "." && self.is_name(name - 2) && called.len() < 40 {
            name -= 2;
            called = format!("{}.{called}", self.word(name));
        }
        let literal = first < start
            && self.tokens[first].kind == TokenKind::Literal
            && self.word(first).len() <= 40
            && self.word(first).starts_with(['\'', '"']);
        let what = if LISTENS.contains(&method.as_str()) && method != "then" {
            "listener"
        } else if literal {
            "handler"
        } else {
            "callback"
        };
        let argument =
            if literal { format!("({})", self.word(first).replace('"', "'")) } else { String::new() };
        Some(format!("the {what} of {called}{argument}"))
    }

    /// Where words follow each other, as in `setInterval (`; first tokens.
    pub fn sequences(&self, words: &[&str]) -> Vec<usize> {
        let matches = |t: usize| words.iter().enumerate().all(|(i, word)| self.word(t + i) == *word);
        (0..self.tokens.len()).filter(|&t| matches(t)).collect()
    }

    /// Where a function is called with anything but a string that stands there.
    pub fn dynamic_call(&self, word: &str) -> Option<usize> {
        let calls = self.sequences(&[word, "("]).into_iter();
        let mut own = calls.filter(|&t| t == 0 || !matches!(self.word(t - 1), "." | "function"));
        own.find(|&t| {
            let literal = self.tokens.get(t + 2).is_some_and(|t| t.kind == TokenKind::Literal);
            !(literal && matches!(self.word(t + 3), ")" | ","))
        })
    }

    /// A call of what a variable (or a property) holds, or of one of its methods, with the words of it: of the function
    /// or method `wanted` if there is one, else the first that is in a function of the script.
    pub fn call_of(&self, variable: &str, property: bool, wanted: Option<&str>) -> Option<(usize, String)> {
        let mut best: Option<([bool; 3], usize, String)> = None;
        for token in 0..self.tokens.len() {
            let dotted = token > 0 && self.word(token - 1) == ".";
            if self.word(token) != variable || dotted != property || !self.is_name(token) {
                continue;
            }
            let (method, called) = match self.word(token + 1) {
                "(" => (variable, variable.to_owned()),
                "." if self.word(token + 3) == "(" => {
                    (self.word(token + 2), format!("{variable}.{}", self.word(token + 2)))
                }
                _ => continue,
            };
            if LISTENS.contains(&method) || self.word(token.saturating_sub(1)) == "function" {
                continue;
            }
            let at_start = self.around(token).is_empty();
            let key = [Some(method) != wanted, !FILLERS.contains(&method), at_start];
            if best.as_ref().is_none_or(|(other, ..)| key < *other) {
                best = Some((key, token, called));
            }
        }
        best.map(|(_, token, called)| (token, called))
    }

    /// Name of the function around a token; classes count for their constructors' bodies.
    pub fn function_name(&self, token: usize) -> Option<String> {
        let around = self.around(token);
        let inner = around.first()?;
        if inner.name == "constructor" {
            return around.iter().find(|f| f.class).map(|class| class.name.clone());
        }
        Some(inner.name.clone())
    }

    /// The word that names the function around a token.
    pub fn name_token(&self, token: usize) -> Option<usize> {
        let inner = *self.around(token).first()?;
        let before = (inner.start as usize).checked_sub(1)?;
        self.is_name(before).then_some(before)
    }

    pub fn inside(&self, token: usize, function: &Function) -> bool {
        (function.start..=function.body.1).contains(&(token as u32))
    }

    pub fn class(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|f| f.class && f.name == name)
    }

    /// The first token of a function's parameters, of `class` for a class.
    pub fn start(&self, function: &Function) -> usize {
        function.start as usize
    }

    /// Line and column of a token, in UTF-16 units, from 1.
    pub fn position(&self, token: usize) -> (u64, u64) {
        let offset = self.tokens.get(token).map_or(0, |t| t.start as usize);
        let line = self.lines.partition_point(|&start| start as usize <= offset);
        let start = self.lines[line.saturating_sub(1)] as usize;
        let column = self.text[start..offset].encode_utf16().count();
        (line as u64, column as u64 + 1)
    }

    /// The text of a line, from 1, without the space around it; at most 200 characters.
    pub fn line(&self, line: u64) -> Option<String> {
        let at = usize::try_from(line.checked_sub(1)?).ok()?;
        let start = *self.lines.get(at)? as usize;
        let text = self.text[start..].lines().next().unwrap_or_default().trim();
        Some(text.chars().take(200).collect())
    }
}

#[cfg(test)]
mod tests;
