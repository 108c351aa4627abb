//! Directories that go away with their test.

use std::path::PathBuf;
use std::{env, fs};

/// A directory for what a test writes.
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new one; the name keeps tests apart.
    pub fn new(name: &str) -> Scratch {
        let path = env::temp_dir().join(format!("stillheap-cli-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    /// A path in it.
    pub fn at(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
