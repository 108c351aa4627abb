//! Keeps answers small.

use serde_json::Value;

/// Bytes of an answer: what a model can read without losing sight of the rest.
const MOST_BYTES: usize = 48 * 1024;
/// Characters of a text in an answer that is too long.
const LONGEST_TEXT: usize = 400;
/// Elements of each list in an answer that is too long; the first that make it fit.
const MOST_ELEMENTS: [usize; 7] = [200, 100, 50, 25, 10, 5, 2];

/// The answer as JSON. If it is too long, texts are cut first, then lists, and `shortened` says so.
pub fn bounded(answer: Value) -> String {
    let text = answer.to_string();
    if text.len() <= MOST_BYTES {
        return text;
    }
    let mut answer = answer;
    cut_texts(&mut answer);
    let mut text = with_note(&answer, &format!("texts were cut after {LONGEST_TEXT} characters"));
    for most in MOST_ELEMENTS {
        if text.len() <= MOST_BYTES {
            break;
        }
        cut_lists(&mut answer, most);
        let note =
            format!("texts were cut after {LONGEST_TEXT} characters and every list after {most} elements");
        text = with_note(&answer, &note);
    }
    text
}

fn with_note(answer: &Value, what: &str) -> String {
    let mut noted = answer.clone();
    if let Value::Object(map) = &mut noted {
        let note = format!("too long: {what}; ask for less, with limit, offset or filter");
        map.insert("shortened".to_owned(), Value::String(note));
    }
    noted.to_string()
}

fn cut_texts(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some((end, _)) = text.char_indices().nth(LONGEST_TEXT) {
                text.truncate(end);
                text.push('…');
            }
        }
        Value::Array(list) => list.iter_mut().for_each(cut_texts),
        Value::Object(map) => map.values_mut().for_each(cut_texts),
        _ => {}
    }
}

fn cut_lists(value: &mut Value, most: usize) {
    match value {
        Value::Array(list) => {
            list.truncate(most);
            list.iter_mut().for_each(|element| cut_lists(element, most));
        }
        Value::Object(map) => map.values_mut().for_each(|element| cut_lists(element, most)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn short_answers_stay_as_they_are() {
        assert_eq!(bounded(json!({ "a": [1, 2, 3] })), r#"{"a":[1,2,3]}"#);
    }

    #[test]
    fn long_texts_and_lists_are_cut_and_said_to_be() {
        let one = json!({ "text": "é".repeat(100_000) });
        let answer: Value = serde_json::from_str(&bounded(one)).unwrap();
        assert_eq!(answer["text"].as_str().unwrap().chars().count(), LONGEST_TEXT + 1);
        assert!(answer["shortened"].as_str().unwrap().contains("limit"));

        let rows: Vec<Value> = (0..10_000).map(|n| json!({ "n": n, "below": vec![n; 50] })).collect();
        let text = bounded(json!({ "rows": rows }));
        assert!(text.len() <= MOST_BYTES + 300, "{}", text.len());
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert!(answer["rows"].as_array().unwrap().len() >= 50);
    }
}
