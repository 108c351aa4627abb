//! File names from a template: `heapdump-{date}-{pid}-{thread}` sorts by time and says whose it is.

use std::fmt;

use chrono::{DateTime, Utc};

/// A checked template for file names without their extension.
///
/// Placeholders: `{date}` (UTC, `20261122T171500.123Z`), `{pid}`, `{thread}` (0 for the main thread),
/// `{seq}` (counts the process's captures from 1). Everything else is taken as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameTemplate {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Date,
    Pid,
    Thread,
    Sequence,
}

/// What the placeholders stand for in one capture.
#[derive(Clone, Copy, Debug)]
pub struct NameContext {
    /// When the capture began.
    pub time: DateTime<Utc>,
    /// The process that is captured.
    pub pid: u32,
    /// Node's thread id: 0 for the main thread.
    pub thread: u32,
    /// Sequence number of this capture in the process, starting at 1.
    pub sequence: u64,
}

/// Why a template was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError(String);

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TemplateError {}

impl Default for NameTemplate {
    /// Keeps heapdump's pattern `heapdump-*.heapsnapshot`.
    fn default() -> Self {
        let text = |text: &str| Part::Text(text.to_owned());
        Self { parts: vec![text("heapdump-"), Part::Date, text("-"), Part::Pid, text("-"), Part::Thread] }
    }
}

impl NameTemplate {
    /// Reads a template. A trailing `.heapsnapshot`, `.heapsnapshot.gz` or `.heapsnapshot.zst` is
    /// dropped: the extension follows from the compression.
    ///
    /// # Errors
    /// An empty name, a path separator, a NUL byte, or a placeholder that there isn't.
    pub fn parse(template: &str) -> Result<Self, TemplateError> {
        let stem = [".gz", ".zst", ""]
            .iter()
            .find_map(|end| template.strip_suffix(&format!(".heapsnapshot{end}")))
            .unwrap_or(template);
        if stem.is_empty() {
            return Err(TemplateError("a file name template must not be empty".to_owned()));
        }
        if let Some(bad) = stem.chars().find(|c| matches!(c, '/' | '\\' | '\0')) {
            return Err(TemplateError(format!(
                "a file name template must not contain {bad:?}: directories go into dir or STILLHEAP_DIR"
            )));
        }
        let mut parts = Vec::new();
        let mut rest = stem;
        while let Some(open) = rest.find('{') {
            let Some(length) = rest[open..].find('}') else {
                return Err(TemplateError(format!("the placeholder '{}' has no end", &rest[open..])));
            };
            if open > 0 {
                parts.push(Part::Text(rest[..open].to_owned()));
            }
            parts.push(match &rest[open..=open + length] {
                "{date}" => Part::Date,
                "{pid}" => Part::Pid,
                "{thread}" => Part::Thread,
                "{seq}" => Part::Sequence,
                other => {
                    return Err(TemplateError(format!(
                        "there is no placeholder {other}: use {{date}}, {{pid}}, {{thread}} or {{seq}}"
                    )));
                }
            });
            rest = &rest[open + length + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// The name, without extension.
    pub fn render(&self, context: &NameContext) -> String {
        let mut name = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Date => name.push_str(&context.time.format("%Y%m%dT%H%M%S%.3fZ").to_string()),
                Part::Pid => name.push_str(&context.pid.to_string()),
                Part::Thread => name.push_str(&context.thread.to_string()),
                Part::Sequence => name.push_str(&context.sequence.to_string()),
            }
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> NameContext {
        let time = DateTime::from_timestamp_millis(1_795_367_700_123).unwrap();
        NameContext { time, pid: 42, thread: 3, sequence: 7 }
    }

    #[test]
    fn default_keeps_heapdumps_pattern_and_sorts_by_time() {
        let name = NameTemplate::default().render(&context());
        assert_eq!(name, "heapdump-20261122T171500.123Z-42-3");
    }

    #[test]
    fn placeholders_are_filled() {
        let template = NameTemplate::parse("api-{pid}.{thread}.{seq}.heapsnapshot.gz").unwrap();
        assert_eq!(template.render(&context()), "api-42.3.7");
    }

    #[test]
    fn names_that_would_leave_the_directory_are_refused() {
        for bad in ["../x", "a\\b", "a\0b", "", ".heapsnapshot", "{what}", "{pid"] {
            assert!(NameTemplate::parse(bad).is_err(), "{bad:?}");
        }
    }
}
