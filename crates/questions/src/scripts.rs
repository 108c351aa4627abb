//! The scripts of the program that a snapshot is of, where they lie on this machine, and their source maps.
//!
//! A snapshot names its scripts by path or URL, and that name is untrusted: only regular files of bounded size
//! are read, only as JavaScript and maps (by their ending). A script is used only if it begins as the snapshot says,
//! a map only if it belongs to such a script: else a stranger's snapshot could pull lines of sources on this machine
//! into an answer that is passed on, and an older build's map would name wrong lines. Nothing is fetched.

use std::cell::RefCell;
use std::collections::HashMap;
use std::iter;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use sourcemap::{DecodedMap, SourceMap};
use stillheap_verdict::{Original, SourceExcerpt, Sources};
use url::Url;

/// Longer files are not read.
const MOST_BYTES: u64 = 64 << 20;
/// Endings of scripts.
const SCRIPTS: [&str; 8] = ["js", "cjs", "mjs", "jsx", "ts", "cts", "mts", "tsx"];
/// What the name of a map stands behind.
const MAP_COMMENT: &str = "sourceMappingURL=";
/// Parts of a path that are looked for in the directory.
const MOST_PARTS: usize = 8;
/// Characters given of an original line.
const MOST_TEXT: usize = 200;

/// Maps by their script, none where there is none.
type Maps = HashMap<(String, SourceExcerpt), Option<Rc<SourceMap>>>;

/// Scripts on the disk.
pub struct Scripts {
    directory: Option<PathBuf>,
    maps: RefCell<Maps>,
}

impl Scripts {
    /// Scripts where the process had them, and in a directory.
    pub fn new(directory: Option<&Path>) -> Scripts {
        Scripts { directory: directory.map(Path::to_owned), maps: RefCell::default() }
    }

    /// Where a file may be, best first: where it is said to be, then in the directory by ever shorter ends of its
    /// path: `dist/a/b.js`, `a/b.js`, `b.js`.
    fn places(&self, path: &Path) -> Vec<PathBuf> {
        let mut places = Vec::new();
        if path.is_absolute() {
            places.push(path.to_owned());
        }
        if let Some(directory) = &self.directory {
            let parts: Vec<_> = path.components().filter(|p| matches!(p, Component::Normal(_))).collect();
            let from = parts.len().saturating_sub(MOST_PARTS);
            places
                .extend((from..parts.len()).map(|i| directory.join(parts[i..].iter().collect::<PathBuf>())));
        }
        places
    }

    /// The file that is the script, and its text.
    fn script(&self, script: &str, excerpt: &SourceExcerpt) -> Option<(PathBuf, String)> {
        self.places(&local_path(script)).into_iter().find_map(|place| {
            let text = read(&place, &SCRIPTS)?;
            let text = text.strip_prefix('\u{feff}').map_or(text.clone(), str::to_owned);
            excerpt.matches(&text).then_some((place, text))
        })
    }

    fn map(&self, script: &str, excerpt: &SourceExcerpt) -> Option<Rc<SourceMap>> {
        let key = (script.to_owned(), excerpt.clone());
        if let Some(known) = self.maps.borrow().get(&key) {
            return known.clone();
        }
        let map = self.find_map(script, excerpt).map(Rc::new);
        self.maps.borrow_mut().insert(key, map.clone());
        map
    }

    /// The map that the script names, else the one that is called as the script with `.map` behind it: beside the
    /// script, else in the directory.
    fn find_map(&self, script: &str, excerpt: &SourceExcerpt) -> Option<SourceMap> {
        if let Some(map) = excerpt.whole().and_then(named_map).and_then(within) {
            return Some(map);
        }
        let (place, text) = self.script(script, excerpt)?;
        let named = named_map(&text);
        if let Some(map) = named.and_then(within) {
            return Some(map);
        }
        let named = named.filter(|url| !url.contains("://") && !url.starts_with("data:"));
        let mut beside = place.file_name()?.to_owned();
        beside.push(".map");
        let names = named.map(PathBuf::from).into_iter().chain([PathBuf::from(beside)]);
        let path = local_path(script);
        let mut files = names.flat_map(|name| {
            let elsewhere = self.places(&path.with_file_name(&name));
            iter::once(place.with_file_name(name)).chain(elsewhere)
        });
        files.find_map(|file| flat(sourcemap::decode_slice(read(&file, &["map"])?.as_bytes()).ok()?))
    }
}

/// What a script's last lines name its map by.
fn named_map(text: &str) -> Option<&str> {
    let at = text.rfind(MAP_COMMENT)? + MAP_COMMENT.len();
    Some(text[at..].lines().next().unwrap_or_default().trim())
}

/// A map in the script itself.
fn within(url: &str) -> Option<SourceMap> {
    if !url.starts_with("data:") {
        return None;
    }
    flat(sourcemap::decode_data_url(url).ok()?)
}

fn flat(map: DecodedMap) -> Option<SourceMap> {
    match map {
        DecodedMap::Regular(map) => Some(map),
        DecodedMap::Index(map) => map.flatten().ok(),
        DecodedMap::Hermes(_) => None,
    }
}

impl Sources for Scripts {
    fn text(&self, script: &str, excerpt: &SourceExcerpt) -> Option<String> {
        self.script(script, excerpt).map(|(_, text)| text)
    }

    fn original(&self, script: &str, excerpt: &SourceExcerpt, line: u64, column: u64) -> Option<Original> {
        let map = self.map(script, excerpt)?;
        let token = token(&map, line, column)?;
        let text = map.get_source_contents(token.get_src_id()).and_then(|text| {
            let line = text.lines().nth(token.get_src_line() as usize)?;
            Some(line.trim().chars().take(MOST_TEXT).collect())
        });
        Some(Original {
            script: beside(&local_path(script), token.get_source()?),
            line: u64::from(token.get_src_line()) + 1,
            column: u64::from(token.get_src_col()) + 1,
            name: token.get_name().map(str::to_owned),
            text,
        })
    }

    fn original_text(&self, script: &str, excerpt: &SourceExcerpt, line: u64, column: u64) -> Option<String> {
        let map = self.map(script, excerpt)?;
        let source = token(&map, line, column)?.get_src_id();
        map.get_source_contents(source).map(str::to_owned)
    }
}

/// The entry for a position, counted from 1.
fn token(map: &SourceMap, line: u64, column: u64) -> Option<sourcemap::Token<'_>> {
    let zero_based = |n: u64| u32::try_from(n.checked_sub(1)?).ok();
    map.lookup_token(zero_based(line)?, zero_based(column)?)
}

/// A source's path as a map has it, seen from the script.
fn beside(script: &Path, source: &str) -> String {
    let absolute = Path::new(source).is_absolute() || source.contains("://") || !script.is_absolute();
    if absolute {
        return source.to_owned();
    }
    let mut path = PathBuf::new();
    for part in script.with_file_name(source).components() {
        match part {
            Component::ParentDir => {
                path.pop();
            }
            Component::CurDir => {}
            part => path.push(part),
        }
    }
    path.to_string_lossy().into_owned()
}

/// The path that a script's name stands for: a `file:` URL's, else the name itself.
fn local_path(script: &str) -> PathBuf {
    let url = script.starts_with("file://").then(|| Url::parse(script).ok()).flatten();
    url.and_then(|url| url.to_file_path().ok()).unwrap_or_else(|| PathBuf::from(script))
}

fn read(place: &Path, endings: &[&str]) -> Option<String> {
    let ending = place.extension()?.to_str()?;
    let metadata = std::fs::metadata(place).ok()?;
    let fits = endings.contains(&ending) && metadata.is_file() && metadata.len() <= MOST_BYTES;
    if fits { std::fs::read_to_string(place).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = r#"{"version":3,"sources":["app.ts"],"sourcesContent":["\n\n    cache"],"names":["cache"],"mappings":"AAEIA"}"#;

    fn excerpt(text: &str) -> SourceExcerpt {
        SourceExcerpt::new(text.to_owned())
    }

    fn directory(name: &str) -> PathBuf {
        let directory = std::env::temp_dir().join(format!("stillheap-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        directory
    }

    #[test]
    fn urls_become_paths() {
        assert_eq!(local_path("file:///srv/my%20app/a.mjs?v=2"), Path::new("/srv/my app/a.mjs"));
        assert_eq!(local_path("/srv/app/100%.js"), Path::new("/srv/app/100%.js"));
        assert_eq!(local_path("file:///srv/%zz"), Path::new("/srv/%zz"));
        assert_eq!(beside(Path::new("/srv/dist/a/b.js"), "../../src/./b.ts"), "/srv/src/b.ts");
        assert_eq!(beside(Path::new("/srv/b.js"), "webpack://b.ts"), "webpack://b.ts");
    }

    #[test]
    fn only_scripts_are_read() {
        let scripts = Scripts::new(None);
        for name in ["/etc/passwd", "/dev/zero", "node:fs"] {
            assert_eq!(scripts.text(name, &excerpt("")), None);
        }
    }

    #[test]
    fn a_map_beside_the_script_or_in_the_directory_gives_the_original() {
        let directory = directory("maps");
        // Line 1, column 1 of the script is line 3, column 5 of app.ts, where `cache` stands.
        std::fs::write(directory.join("app.js"), "\u{feff}cache").unwrap();
        std::fs::write(directory.join("app.js.map"), MAP).unwrap();
        let expected = |folder: &str| Original {
            script: format!("{folder}/app.ts"),
            line: 3,
            column: 5,
            name: Some("cache".to_owned()),
            text: Some("cache".to_owned()),
        };
        let beside = directory.join("app.js").to_string_lossy().into_owned();
        let original =
            |at: Option<&Path>, script: &str, text| Scripts::new(at).original(script, &excerpt(text), 1, 1);
        let found = [
            original(None, &beside, "cache"),
            original(Some(&directory), "/srv/dist/app.js", "cache"),
            original(None, "/srv/dist/app.js", "cache"),
        ];
        // A script that isn't the one of the snapshot, and a map without its script.
        let other = original(None, &beside, "another");
        std::fs::remove_file(directory.join("app.js")).unwrap();
        let alone =
            [original(None, &beside, "cache"), original(Some(&directory), "/srv/dist/app.js", "cache")];
        std::fs::remove_dir_all(&directory).unwrap();
        let here = directory.to_string_lossy();
        assert_eq!(found, [Some(expected(&here)), Some(expected("/srv/dist")), None]);
        assert_eq!((other, alone), (None, [None, None]));
    }

    #[test]
    fn a_map_within_the_script_is_read_from_the_snapshot_alone() {
        let url = "data:application/json;base64,eyJ2ZXJzaW9uIjozLCJzb3VyY2VzIjpbImEudHMiXSwibmFtZXMiOltdLCJtYXBwaW5ncyI6IkFBRUkifQ==";
        let text = format!("cache\n//# {MAP_COMMENT}{url}\n");
        let found = Scripts::new(None).original("/srv/app.js", &excerpt(&text), 1, 1);
        assert_eq!(found.map(|found| (found.line, found.column)), Some((3, 5)));
    }

    #[test]
    fn of_several_files_of_a_name_the_one_that_is_the_script_is_taken() {
        let directory = directory("twins");
        std::fs::create_dir_all(directory.join("dist")).unwrap();
        std::fs::write(directory.join("dist/app.js"), "old").unwrap();
        std::fs::write(directory.join("app.js"), "new").unwrap();
        let text = Scripts::new(Some(&directory)).text("/srv/dist/app.js", &excerpt("new"));
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!(text.as_deref(), Some("new"));
    }
}
