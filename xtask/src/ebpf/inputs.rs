//! What the BPF object is made from, as one hash: sources, manifests, and the locked versions they build with.

use crate::paths;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

const CRATES: [&str; 2] = ["tcpwatch-ebpf", "tcpwatch-common"];
// Dependencies that leave code in the object; others in the lock file change nothing in it.
const LOCKED: [&str; 2] = ["aya-ebpf", "zerocopy"];

/// The hash of all inputs as they are in the working tree.
pub(crate) fn hash() -> Result<String> {
    let root = paths::root();
    let mut hasher = Sha256::new();
    for file in files(&root)? {
        let bytes = fs::read(root.join(&file))
            .with_context(|| format!("cannot read {}", file.display()))?;
        add(&mut hasher, &file.to_string_lossy(), &bytes);
    }
    let lock = fs::read_to_string(root.join("Cargo.lock")).context("cannot read Cargo.lock")?;
    locked(&lock).for_each(|entry| add(&mut hasher, "Cargo.lock", entry.as_bytes()));
    Ok(hex(hasher))
}

/// The hash of some bytes.
pub(crate) fn hash_of(bytes: &[u8]) -> String {
    hex(Sha256::new_with_prefix(bytes))
}

fn hex(hasher: Sha256) -> String {
    format!("{:x}", hasher.finalize())
}

/// Name and length go in as well, so that moving bytes from one file to the next is a change.
fn add(hasher: &mut Sha256, name: &str, bytes: &[u8]) {
    hasher.update(format!("{name}\0{}\0", bytes.len()));
    hasher.update(bytes);
}

/// Sources and manifests, relative to `root`, sorted.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for name in CRATES {
        walk(&root.join(name), &mut files)?;
    }
    files.retain(|file| file.extension().is_some_and(|kind| kind == "rs" || kind == "toml"));
    let mut files: Vec<_> = files
        .iter()
        .filter_map(|file| file.strip_prefix(root).ok())
        .map(Path::to_path_buf)
        .collect();
    files.sort();
    Ok(files)
}

fn walk(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// The entries of `Cargo.lock` for the packages in the object.
fn locked(lock: &str) -> impl Iterator<Item = &str> {
    lock.split("[[package]]").filter(|entry| {
        let name = entry.lines().find_map(|line| line.strip_prefix("name = \""));
        name.is_some_and(|name| LOCKED.iter().any(|wanted| name.starts_with(wanted)))
    })
}

#[cfg(test)]
mod tests {
    use super::{hash_of, locked};

    #[test]
    fn only_packages_in_the_object_count() {
        let lock = "version = 4\n\n[[package]]\nname = \"anyhow\"\n\n[[package]]\nname = \"aya-ebpf-cty\"\nversion = \"1\"\n";
        assert_eq!(
            locked(lock).collect::<Vec<_>>(),
            ["\nname = \"aya-ebpf-cty\"\nversion = \"1\"\n"]
        );
    }

    #[test]
    fn the_hash_is_sha256() {
        assert!(hash_of(b"").starts_with("e3b0c44298fc1c14"));
    }
}
