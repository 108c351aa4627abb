use super::*;

const PROGRAM: &str = r#"
'use strict';
const cache = new Map(); // cache.set(1) in a comment
const pattern = /cache\.set\((["'`])/g, half = 8 / 2 / cache.size;
class Store {
  #seen = new Set();
  constructor(limit) {
    this.entries = [];
    this.limit = limit;
  }
  add(key, value) {
    this.#seen.add(key);
    this.entries.push({ key, cache: value });
  }
}
function refresh(template) {
  const original = template;
  const change = () => `${original.version} -> ${() => { return template; }}`;
  template.send = (recipient) => `to ${recipient}`;
  return change;
}
async function* lookup(key) {
  const text = "cache.set(";
  if (!cache.has(key)) cache.set(key, await make(key));
  counters[key] = 1;
  log += text;
}
const other = { original() { return 1; }, original: 2, f: function (a) { return a.original; } };
"#;

fn text() -> ScriptText {
    ScriptText::new(PROGRAM.to_owned())
}

fn named<'t>(text: &'t ScriptText, name: &str) -> &'t Function {
    text.functions.iter().find(|f| f.name == name).unwrap_or_else(|| panic!("no {name}"))
}

fn lines(text: &ScriptText, tokens: &[usize]) -> Vec<u64> {
    tokens.iter().map(|&token| text.position(token).0).collect()
}

#[test]
fn functions_have_names() {
    let text = text();
    let names: Vec<&str> = text.functions.iter().map(|f| f.name.as_str()).collect();
    for name in ["Store", "constructor", "add", "refresh", "change", "template.send", "lookup", "f"] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    assert!(!names.contains(&"if") && !names.contains(&"has"));
}

#[test]
fn a_function_uses_what_it_mentions_as_a_variable() {
    let text = text();
    assert!(text.uses(named(&text, "change"), "original"));
    assert!(text.uses(named(&text, "change"), "template"));
    assert!(!text.uses(named(&text, "template.send"), "original"));
    assert!(text.uses(named(&text, "template.send"), "recipient"));
    assert!(!text.uses(named(&text, "f"), "original"), "a property");
    assert!(!text.uses(named(&text, "refresh"), "original"), "its own");
}

#[test]
fn fillings_are_found_and_nothing_in_comments_or_strings() {
    let text = text();
    assert_eq!(lines(&text, &text.fillings("cache", false)), [24]);
    assert_eq!(lines(&text, &text.fillings("counters", false)), [25]);
    assert_eq!(lines(&text, &text.fillings("log", false)), [26]);
    assert_eq!(lines(&text, &text.fillings("entries", true)), [13]);
    assert_eq!(lines(&text, &text.fillings("#seen", true)), [12]);
    assert_eq!(lines(&text, &text.assignments("entries", true)), [8]);
    assert_eq!(text.function_name(text.fillings("cache", false)[0]).as_deref(), Some("lookup"));
    assert_eq!(text.function_name(text.assignments("entries", true)[0]).as_deref(), Some("Store"));
}

#[test]
fn declarations_are_found_in_their_scope() {
    let text = text();
    let change = named(&text, "change").clone();
    let around = text.around_function(&change);
    let scope = text.declaring(&around, "original");
    assert_eq!(scope.map(|f| f.name.as_str()), Some("refresh"));
    assert_eq!(lines(&text, &[text.declaration(scope, "original").unwrap()]), [17]);
    assert!(text.declaring(&around, "cache").is_none());
    assert_eq!(lines(&text, &[text.declaration(None, "cache").unwrap()]), [3]);
}

#[test]
fn positions_are_those_that_v8_gives() {
    let text = text();
    // The parameters' bracket, lines and columns from 0, in UTF-16 units.
    assert_eq!(text.function_at(15, 16).map(|f| f.name.as_str()), Some("refresh"));
    assert_eq!(text.function_at(18, 18).map(|f| f.name.as_str()), Some("template.send"));
    assert_eq!(text.function_at(999, 0).map(|f| f.name.as_str()), None);
    let wide = ScriptText::new("const s = '😀'; const f = (a) => a;".to_owned());
    assert_eq!(wide.function_at(0, 26).map(|f| f.name.as_str()), Some("f"));
    assert_eq!(wide.line(1).as_deref(), Some("const s = '😀'; const f = (a) => a;"));
    assert_eq!(wide.line(2), None);
}

#[test]
fn a_text_that_ends_anywhere_is_no_trouble() {
    let program: Vec<char> = PROGRAM.chars().collect();
    for end in 0..program.len() {
        let text = ScriptText::new(program[..end].iter().collect());
        for function in &text.functions {
            text.uses(function, "original");
            text.around_function(function);
        }
        text.fillings("cache", false);
        text.function_at(17, 10);
    }
    for broken in ["`${`${`", "((((", "}}}}", "/[/", "class", "=>", "function", "'\\", "`\\", "/*", "#!"] {
        let text = ScriptText::new(broken.to_owned());
        text.declaration(None, "a");
        text.line(1);
    }
}

#[test]
fn globals_objects_and_readers() {
    let text = ScriptText::new(
        "function start() {\n  global.tasks.set(1, 2);\n  const agent = new http.Agent({});\n  other.Agent(1);\n  jobs.push(1);\n}\n\
         const open = [];\nconst late = () => { open.push(1); };\nconst any = () => eval('x');"
            .to_owned(),
    );
    let lines = |tokens: Vec<usize>| tokens.into_iter().map(|t| text.position(t).0).collect::<Vec<_>>();
    assert_eq!(lines(text.global_fillings("tasks")), [2]);
    assert_eq!(lines(text.global_fillings("jobs")), [5]);
    assert_eq!(lines(text.global_fillings("open")), Vec::<u64>::new(), "a variable of the script");
    assert_eq!(lines(text.constructions("Agent")), [3]);
    let function = |line, column| text.function_at(line, column).unwrap();
    assert!(text.may_read(function(7, 13), "open") && !text.may_read(function(7, 13), "late"));
    assert!(text.may_read(function(8, 12), "open"), "eval reads what it likes");
}
