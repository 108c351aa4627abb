//! The strings, as little of them as has to be kept until the last one is known.
//!
//! 12 bytes per string, and the text of those that may be names or that compiled code refers to.

use std::borrow::Cow;

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};

use crate::key::Key;
use crate::names;
use crate::roles::{Roles, used};
use crate::text::DecodedString;

/// What mentions only strings that stand in the source, where V8 gives the place a number and no name.
#[rustfmt::skip]
const SOURCES: &[&str] = &[
    "(constant pool)", "(constant elements)", "system / ScopeInfo", "system / ObjectBoilerplateDescription",
    "system / UncompiledDataWithoutPreparseData", "system / UncompiledDataWithPreparseData",
    "system / UncompiledDataWithoutPreparseDataWithJob", "system / UncompiledDataWithPreparseDataAndJob",
];

/// All strings by index.
#[derive(Default)]
pub(crate) struct Strings {
    key: Option<Key>,
    tags: Vec<u64>,
    units: Vec<u32>,
    known: HashSet<u32>,
    /// As they stand between their quotes.
    raw: Vec<u8>,
    /// Where in `raw` a string is.
    kept: HashMap<u32, (usize, usize)>,
    complete: bool,
    done: usize,
}

/// A set of strings.
pub(crate) struct Set(HashSet<u32>);

impl Set {
    pub(crate) fn contains(&self, index: usize) -> bool {
        self.0.contains(&(index as u32))
    }
}

/// Values that are more than values.
pub(crate) struct MarkedValues {
    kept: HashSet<u32>,
    numbers: HashSet<u32>,
}

impl MarkedValues {
    /// The value stays: it is source text that stays, or the length of a string.
    pub(crate) fn keeps(&self, index: usize) -> bool {
        self.kept.contains(&(index as u32))
    }

    /// The value is a number that readers parse.
    pub(crate) fn is_number(&self, index: usize) -> bool {
        self.numbers.contains(&(index as u32))
    }
}

/// A length of a string, or whether it is cut off; anything else behind these names is not V8's.
fn is_length(text: &str) -> bool {
    let digits = text.len() <= 10 && text.bytes().all(|b| b.is_ascii_digit());
    digits || ["true", "false"].contains(&text)
}

impl Strings {
    pub(crate) fn new(key: Key) -> Strings {
        Strings { key: Some(key), ..Strings::default() }
    }

    /// A table that has been written.
    pub(crate) fn done(len: usize) -> Strings {
        Strings { done: len, ..Strings::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.done.max(self.tags.len())
    }

    pub(crate) fn complete(&mut self) {
        self.complete = true;
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Takes the next string as it stands between its quotes; None if it is broken.
    pub(crate) fn push(&mut self, raw: &[u8], uses: u16) -> Option<()> {
        let text = DecodedString::decode(raw)?;
        let index = self.tags.len() as u32;
        let key = self.key.as_ref()?;
        self.tags.push(key.tag(text.bytes()));
        self.units.push(u32::try_from(text.units).ok()?);
        let known = uses & used::VALUE != 0 && names::is_known_value(&text.text());
        if known {
            self.known.insert(index);
        }
        if known || uses & (used::NAME | used::IN_CODE | used::OF_STRING) != 0 {
            self.kept.insert(index, (self.raw.len(), raw.len()));
            self.raw.extend_from_slice(raw);
        }
        Some(())
    }

    fn raw(&self, index: usize) -> &[u8] {
        self.kept.get(&(index as u32)).map_or(b"", |&(start, len)| &self.raw[start..start + len])
    }

    /// The text, if it was kept.
    pub(crate) fn text(&self, index: usize) -> Cow<'static, str> {
        DecodedString::decode(self.raw(index))
            .map_or(Cow::Borrowed(""), |text| Cow::Owned(text.text().into_owned()))
    }

    /// Appends the string as it was.
    pub(crate) fn quote(&self, index: usize, out: &mut Vec<u8>) {
        out.push(b'"');
        out.extend_from_slice(self.raw(index));
        out.push(b'"');
    }

    pub(crate) fn tag(&self, index: usize) -> u64 {
        self.tags.get(index).copied().unwrap_or(0)
    }

    pub(crate) fn units(&self, index: usize) -> usize {
        self.units.get(index).copied().unwrap_or(0) as usize
    }

    pub(crate) fn is_known_value(&self, index: usize) -> bool {
        self.known.contains(&(index as u32))
    }

    fn indices(&self) -> impl Iterator<Item = u32> + use<> {
        0..self.tags.len() as u32
    }

    /// The strings that stand in the source: compiled code has them, or has what their names are made of.
    pub(crate) fn written(&self, roles: &Roles) -> Set {
        let sources: HashSet<u32> = roles
            .mentioned_by
            .values()
            .flatten()
            .copied()
            .collect::<HashSet<u32>>()
            .into_iter()
            .filter(|&by| SOURCES.contains(&&*self.text(by as usize)))
            .collect();
        let mentioned = |index: u32| {
            roles.mentioned_by.get(&index).is_some_and(|by| by.iter().any(|by| sources.contains(by)))
        };
        let mut written: HashSet<u32> = self
            .indices()
            .filter(|&index| roles.uses(index as usize) & used::IN_SOURCE != 0 || mentioned(index))
            .collect();
        // `<symbol X>` is written if X is, and `get x` if x is.
        let Some(key) = &self.key else { return Set(written) };
        let mut made_of: HashMap<u64, Vec<u32>> = HashMap::new();
        for index in self.indices().filter(|&index| roles.uses(index as usize) & used::PROPERTY != 0) {
            let text = self.text(index as usize);
            let part = names::written_as(&text);
            if part.len() != text.len() {
                made_of.entry(key.tag(part.as_bytes())).or_default().push(index);
            }
        }
        let more: Vec<u32> = self
            .indices()
            .filter(|index| written.contains(index))
            .filter_map(|index| made_of.get(&self.tags[index as usize]))
            .flatten()
            .copied()
            .collect();
        written.extend(more);
        Set(written)
    }

    /// Values that stay, or that stay numbers.
    pub(crate) fn fields(&self, roles: &Roles, hide_source: bool) -> MarkedValues {
        let mut fields = MarkedValues { kept: HashSet::new(), numbers: HashSet::new() };
        let field = |name: u32, texts: &[&str]| texts.contains(&&*self.text(name as usize));
        if !hide_source {
            let sources = roles.code_fields.iter().filter(|(name, _)| field(*name, &["source"]));
            fields.kept.extend(sources.map(|&(_, string)| string));
        }
        let numbers: HashMap<u32, u32> = roles.number_values.iter().copied().collect();
        for &(name, number) in &roles.string_fields {
            let Some(&value) = numbers.get(&number) else { continue };
            let is_v8s = field(name, &["length", "truncated"]) && is_length(&self.text(value as usize));
            match is_v8s {
                true => fields.kept.insert(value),
                false => fields.numbers.insert(value),
            };
        }
        fields.kept.retain(|&index| !fields.numbers.contains(&index));
        fields
    }
}
