//! The scripts of the program that a snapshot is of, where they lie on this machine, and their source maps.
//!
//! A snapshot names its scripts by path or URL, and that name is untrusted: only regular files of bounded size
//! are read, only as JavaScript and maps (by their ending), and the verdict believes a text only if it begins as
//! the snapshot says. Nothing is fetched.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use sourcemap::{DecodedMap, SourceMap};
use stillheap_verdict::{Original, Sources};

/// Longer files are not read.
const MOST_BYTES: u64 = 64 << 20;
/// Endings of scripts.
const SCRIPTS: [&str; 8] = ["js", "cjs", "mjs", "jsx", "ts", "cts", "mts", "tsx"];
/// What a script's last lines name its map by.
const MAP_COMMENT: &str = "sourceMappingURL=";
/// Parts of a path that are looked for in the directory.
const MOST_PARTS: usize = 8;
/// Characters given of an original line.
const MOST_TEXT: usize = 200;

/// Scripts on the disk.
pub struct Scripts {
    directory: Option<PathBuf>,
    maps: RefCell<HashMap<String, Option<Rc<SourceMap>>>>,
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

    fn script(&self, script: &str) -> Option<String> {
        self.places(Path::new(&local_path(script))).iter().find_map(|place| read(place, &SCRIPTS))
    }

    fn map(&self, script: &str) -> Option<Rc<SourceMap>> {
        if let Some(known) = self.maps.borrow().get(script) {
            return known.clone();
        }
        let map = self.find_map(script).map(Rc::new);
        self.maps.borrow_mut().insert(script.to_owned(), map.clone());
        map
    }

    /// The map that the script names, else the one that is called as the script with `.map` behind it.
    fn find_map(&self, script: &str) -> Option<SourceMap> {
        let path = PathBuf::from(local_path(script));
        path.extension()?;
        let named = self.script(script).and_then(|text| {
            let at = text.rfind(MAP_COMMENT)? + MAP_COMMENT.len();
            Some(text[at..].lines().next().unwrap_or_default().trim().to_owned())
        });
        if let Some(url) = named.as_deref().filter(|url| url.starts_with("data:")) {
            return flat(sourcemap::decode_data_url(url).ok()?);
        }
        let mut beside = path.clone().into_os_string();
        beside.push(".map");
        let named = named.filter(|url| !url.contains("://")).map(|url| path.with_file_name("").join(url));
        let files = named.into_iter().chain([PathBuf::from(beside)]);
        files.flat_map(|file| self.places(&file)).find_map(|place| {
            let text = read(&place, &["map"])?;
            flat(sourcemap::decode_slice(text.as_bytes()).ok()?)
        })
    }
}

fn flat(map: DecodedMap) -> Option<SourceMap> {
    match map {
        DecodedMap::Regular(map) => Some(map),
        DecodedMap::Index(map) => map.flatten().ok(),
        DecodedMap::Hermes(_) => None,
    }
}

impl Sources for Scripts {
    fn text(&self, script: &str) -> Option<String> {
        self.script(script)
    }

    fn original(&self, script: &str, line: u64, column: u64) -> Option<Original> {
        let map = self.map(script)?;
        let zero_based = |n: u64| u32::try_from(n.checked_sub(1)?).ok();
        let token = map.lookup_token(zero_based(line)?, zero_based(column)?)?;
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
}

/// A source's path as a map has it, seen from the script.
fn beside(script: &str, source: &str) -> String {
    let absolute =
        Path::new(source).is_absolute() || source.contains("://") || !Path::new(script).is_absolute();
    if absolute {
        return source.to_owned();
    }
    let mut path = PathBuf::new();
    for part in Path::new(script).with_file_name(source).components() {
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
fn local_path(script: &str) -> String {
    let Some(encoded) = script.strip_prefix("file://") else { return script.to_owned() };
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match hex.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) if byte == b'%' => {
                bytes.push(decoded);
                rest = &after[2..];
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
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

    #[test]
    fn urls_become_paths() {
        assert_eq!(local_path("file:///srv/my%20app/a.mjs"), "/srv/my app/a.mjs");
        assert_eq!(local_path("/srv/app/100%.js"), "/srv/app/100%.js");
        assert_eq!(local_path("file:///srv/%zz"), "/srv/%zz");
        assert_eq!(beside("/srv/dist/a/b.js", "../../src/./b.ts"), "/srv/src/b.ts");
        assert_eq!(beside("/srv/b.js", "webpack://b.ts"), "webpack://b.ts");
    }

    #[test]
    fn only_scripts_are_read() {
        let scripts = Scripts::new(None);
        assert_eq!(scripts.text("/etc/passwd"), None);
        assert_eq!(scripts.text("/dev/zero"), None);
        assert_eq!(scripts.text("node:fs"), None);
    }

    #[test]
    fn a_map_beside_the_script_or_in_the_directory_gives_the_original() {
        let directory = std::env::temp_dir().join(format!("stillheap-maps-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        // Line 1, column 1 of the script is line 3, column 5 of app.ts, where `cache` stands.
        let map = r#"{"version":3,"sources":["app.ts"],"sourcesContent":["\n\n    cache"],"names":["cache"],"mappings":"AAEIA"}"#;
        std::fs::write(directory.join("app.js.map"), map).unwrap();
        let expected = |folder: &str| Original {
            script: format!("{folder}/app.ts"),
            line: 3,
            column: 5,
            name: Some("cache".to_owned()),
            text: Some("cache".to_owned()),
        };
        let beside = directory.join("app.js").to_string_lossy().into_owned();
        let found = [
            Scripts::new(None).original(&beside, 1, 1),
            Scripts::new(Some(&directory)).original("/srv/dist/app.js", 1, 1),
            Scripts::new(None).original("/srv/dist/app.js", 1, 1),
        ];
        std::fs::remove_dir_all(&directory).unwrap();
        let here = directory.to_string_lossy();
        assert_eq!(found, [Some(expected(&here)), Some(expected("/srv/dist")), None]);
    }
}
