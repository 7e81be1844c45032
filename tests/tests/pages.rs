//! The pages under `docs/causes` are those of `tcpwatch causes CODE`, and lead to scenarios that are there.
//!
//! `BLESS=1 cargo test -p tcpwatch-tests --test pages` writes them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use tcpwatch::cli::Cli;
use tcpwatch::explain::cause::Cause;
use tcpwatch::sink::page;

#[test]
fn the_pages_are_those_of_the_causes() {
    let now = pages();
    if env::var_os("BLESS").is_some() {
        write(&now);
    }
    let kept = kept();
    let names = |pages: &BTreeMap<String, String>| pages.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&kept), names(&now), "{HOW}");
    for (name, text) in &now {
        assert!(kept[name] == *text, "docs/causes/{name} says something else. {HOW}");
    }
}

#[test]
fn every_cause_can_be_made_to_happen() {
    for entry in Cause::ENTRIES {
        let scenario = entry.page.reproduce.scenario;
        let (family, sentence) = scenario.split_once("::").expect("a family and a sentence");
        let source = fs::read_to_string(root(&format!("tests/scenarios/{family}.rs"))).unwrap();
        let there = source.contains(&format!("fn {sentence}("));
        assert!(there, "{} leads to {scenario}, which is not there", entry.code);
        assert!(source.contains(entry.code), "{scenario} knows nothing of {}", entry.code);
    }
}

#[test]
fn every_demo_that_is_named_is_there() {
    for word in Cause::ENTRIES.iter().filter_map(|entry| entry.page.reproduce.demo) {
        assert!(Cli::try_from_words(["tcpwatch", "demo", word]).is_ok(), "{word}");
    }
}

/// By file name.
fn pages() -> BTreeMap<String, String> {
    let pages = Cause::ENTRIES.iter();
    let pages = pages.map(|entry| (format!("{}.md", entry.code), page::markdown(entry)));
    pages.chain([("README.md".to_owned(), page::index())]).collect()
}

fn kept() -> BTreeMap<String, String> {
    let files =
        fs::read_dir(root(FOLDER)).unwrap_or_else(|error| panic!("{FOLDER}: {error}. {HOW}"));
    let text = |path: PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    files.map(|file| text(file.unwrap().path())).collect()
}

fn write(pages: &BTreeMap<String, String>) {
    let folder = root(FOLDER);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    for (name, text) in pages {
        fs::write(folder.join(name), text).unwrap();
    }
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

const FOLDER: &str = "docs/causes";
const HOW: &str =
    "Write them by BLESS=1 cargo test -p tcpwatch-tests --test pages, and read the change";
