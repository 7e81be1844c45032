//! `cargo xtask tidy`: the house keeps its order. A room of `tcpwatch` imports only what its line in `rules` allows,
//! which is always below it, and no fence is climbed.

mod rules;
mod scan;

use crate::paths;
use crate::step::Steps;
use anyhow::{Context, Result, bail};
use rules::{FENCES, LONERS, OPEN, ROOMS, TEST_FILES, WIRE};
use std::fs;
use std::path::Path;

/// The verb.
pub(crate) fn run() -> Result<()> {
    let mut steps = Steps::default();
    steps.run("room order", "cargo xtask tidy", check);
    steps.finish()
}

/// Fails with every violation in the tree.
pub(crate) fn check() -> Result<()> {
    let source = paths::root().join("tcpwatch/src");
    let lib =
        fs::read_to_string(source.join("lib.rs")).context("cannot read tcpwatch/src/lib.rs")?;
    let mut wrong = lib_order(&lib);
    walk(&source, &source, &mut wrong)?;
    if !wrong.is_empty() {
        bail!("rooms are out of order (the rules: xtask/src/tidy/rules.rs):\n{}", wrong.join("\n"));
    }
    Ok(())
}

fn walk(root: &Path, dir: &Path, wrong: &mut Vec<String>) -> Result<()> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    let mut files =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    files.sort();
    for path in files {
        if path.is_dir() {
            walk(root, &path, wrong)?;
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let file = path.strip_prefix(root).unwrap_or(&path).with_extension("");
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            wrong.extend(violations(&file.to_string_lossy(), &text));
        }
    }
    Ok(())
}

/// The `mod` lines of lib.rs are the rooms, all known and in flow order.
fn lib_order(lib: &str) -> Vec<String> {
    let modules: Vec<_> = scan::modules(lib)
        .into_iter()
        .filter(|name| !TEST_FILES.contains(&name.as_str()))
        .collect();
    let place = |name: &str| ROOMS.iter().position(|(room, _)| *room == name);
    let unknown = modules.iter().filter(|name| place(name).is_none());
    let unknown = unknown.map(|name| format!("lib.rs: `{name}` is no known room"));
    let swapped = modules
        .windows(2)
        .filter(|pair| place(&pair[0]).zip(place(&pair[1])).is_some_and(|(a, b)| a > b));
    let swapped = swapped.map(|pair| format!("lib.rs: `{}` belongs below `{}`", pair[0], pair[1]));
    unknown.chain(swapped).collect()
}

/// What is wrong in one file; `file` is its path below `tcpwatch/src`, without `.rs`. Tests, which close each file,
/// may use what they need.
fn violations(file: &str, source: &str) -> Vec<String> {
    if TEST_FILES.contains(&file) {
        return Vec::new();
    }
    let named = scan::paths(without_tests(source), &["crate", "super", WIRE]);
    let wrong = named.iter().filter_map(|named| {
        let path = &named.path;
        let why =
            foreign(file, path).or_else(|| fenced(file, path)).or_else(|| not_alone(file, path))?;
        Some(format!("{file}.rs:{}: `{path}`: {why}", named.line))
    });
    wrong.collect()
}

fn without_tests(source: &str) -> &str {
    source.find("#[cfg(test)]\nmod tests {").map_or(source, |at| &source[..at])
}

/// A room is named that this one may not import. Files outside of all rooms (main, lib) may name every room.
fn foreign(file: &str, path: &str) -> Option<String> {
    let (here, allowed) = ROOMS.iter().find(|(room, _)| *room == first(file))?;
    let there = first(path.strip_prefix("crate::").unwrap_or(path));
    let is_room = there == WIRE || ROOMS.iter().any(|(room, _)| *room == there);
    let open = !is_room || there == *here || allowed.contains(&there);
    (!open).then(|| format!("`{here}` may not import `{there}`"))
}

fn fenced(file: &str, path: &str) -> Option<String> {
    if OPEN.contains(&path) {
        return None;
    }
    let fence =
        FENCES.iter().find(|(from, to, _)| within(file, from, '/') && within(path, to, ':'))?;
    Some(fence.2.to_owned())
}

/// `super::x::Y` in a cause: a module beside it. What the parent itself offers is fine.
fn not_alone(file: &str, path: &str) -> Option<String> {
    let cause = file.strip_prefix(LONERS)?.strip_prefix('/').filter(|file| *file != "mod")?;
    let (other, _) = path.strip_prefix("super::")?.split_once("::")?;
    let beside = other != "super" && other.starts_with(char::is_lowercase) && !cause.contains('/');
    beside.then(|| "a cause knows no other cause".to_owned())
}

fn first(path: &str) -> &str {
    path.split(['/', ':']).next().unwrap_or_default()
}

fn within(path: &str, prefix: &str, separator: char) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(separator))
}

#[cfg(test)]
mod tests {
    use super::{ROOMS, WIRE, check, lib_order, violations};

    #[test]
    fn the_house_is_in_order() {
        check().unwrap();
    }

    #[test]
    fn no_room_is_allowed_a_room_above() {
        for (at, (room, allowed)) in ROOMS.iter().enumerate() {
            let below =
                |name: &&str| *name == WIRE || ROOMS[at + 1..].iter().any(|(room, _)| room == name);
            assert!(allowed.iter().all(below), "{room}");
        }
    }

    #[test]
    fn importing_a_room_below_is_fine() {
        assert!(
            violations("engine", "use crate::{event::Event, explain::Case};\nuse std::fmt;")
                .is_empty()
        );
        assert!(violations("main", "use crate::command;").is_empty());
        assert!(
            violations(
                "explain/cause/closed_port",
                "use crate::event::Port;\nuse crate::explain::Case;"
            )
            .is_empty()
        );
    }

    #[test]
    fn importing_a_room_above_is_named_with_its_line() {
        let found = violations("memory/flows", "use std::fmt;\nuse crate::explain::Case;");
        assert_eq!(
            found,
            ["memory/flows.rs:2: `crate::explain::Case`: `memory` may not import `explain`"]
        );
    }

    #[test]
    fn fences_hold_even_downhill() {
        assert_eq!(
            violations("sink/text", "use crate::explain::{Verdict, cause::ClosedPort};").len(),
            1
        );
        assert_eq!(violations("decode/rst", "fn f() { crate::memory::x() }").len(), 1);
        assert_eq!(violations("sink/json", "use tcpwatch_common::wire::Rst;").len(), 1);
        assert_eq!(violations("source/kernel/rings", "use crate::explain::Case;").len(), 1);
    }

    #[test]
    fn a_cause_knows_no_other_cause() {
        assert_eq!(violations("explain/cause/a", "use super::b::B;").len(), 1);
        assert_eq!(violations("explain/cause/a", "use crate::explain::cause::b::B;").len(), 1);
        assert!(
            violations("explain/cause/a", "use super::{Cause, Case};\nmod tests { use super::*; }")
                .is_empty()
        );
        assert!(violations("explain/cause", "use crate::explain::cause::b::B;").len() == 1);
    }

    #[test]
    fn lib_lists_the_rooms_in_flow_order() {
        assert!(lib_order("pub mod command;\nmod sink;\nmod event;").is_empty());
        assert_eq!(lib_order("mod event;\nmod sink;"), ["lib.rs: `event` belongs below `sink`"]);
        assert_eq!(lib_order("mod misc;"), ["lib.rs: `misc` is no known room"]);
    }
}
