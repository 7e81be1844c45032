//! `cargo xtask tidy`: the house keeps its order. A room of `tcpwatch` imports only rooms below it, and no fence
//! is climbed (see `rules`).

mod rules;
mod scan;

use crate::paths;
use crate::step::Steps;
use anyhow::{Context, Result, bail};
use rules::{FENCES, LONERS, ROOMS};
use scan::Named;
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
        bail!(
            "rooms are out of order (the rules: xtask/src/tidy/rules.rs):\n{}",
            wrong.join("\n")
        );
    }
    Ok(())
}

fn walk(root: &Path, dir: &Path, wrong: &mut Vec<String>) -> Result<()> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    let mut files = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
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
    let modules = scan::modules(lib);
    let place = |name: &str| ROOMS.iter().position(|room| *room == name);
    let unknown = modules.iter().filter(|name| place(name).is_none());
    let unknown = unknown.map(|name| format!("lib.rs: `{name}` is no known room"));
    let swapped = modules.windows(2).filter(|pair| {
        place(&pair[0])
            .zip(place(&pair[1]))
            .is_some_and(|(a, b)| a > b)
    });
    let swapped = swapped.map(|pair| format!("lib.rs: `{}` belongs below `{}`", pair[0], pair[1]));
    unknown.chain(swapped).collect()
}

/// What is wrong in one file; `file` is its path below `tcpwatch/src`, without `.rs`.
fn violations(file: &str, source: &str) -> Vec<String> {
    let named = scan::paths(source, &["crate", "super", "tcpwatch_common"]);
    let wrong = named.iter().filter_map(|named| {
        let why = climbs(file, &named.path)
            .or_else(|| fenced(file, named))
            .or_else(|| not_alone(file, named))?;
        Some(format!("{file}.rs:{}: `{}`: {why}", named.line, named.path))
    });
    wrong.collect()
}

/// A room above this one is named. Files outside of all rooms (main, lib) may name every room.
fn climbs(file: &str, path: &str) -> Option<String> {
    let here = room(file)?;
    let there = room(path.strip_prefix("crate::")?)?;
    let (above, below) = (ROOMS[there], ROOMS[here]);
    (there < here).then(|| format!("`{above}` is above `{below}`"))
}

fn fenced(file: &str, named: &Named) -> Option<String> {
    let fence = FENCES
        .iter()
        .find(|(from, to, _)| within(file, from, '/') && within(&named.path, to, ':'))?;
    Some(fence.2.to_owned())
}

/// `super::x` in a cause, where x is a module beside it and not a word its parent offers (those are types).
fn not_alone(file: &str, named: &Named) -> Option<String> {
    let cause = file.strip_prefix(LONERS)?.strip_prefix('/')?;
    let other = named.path.strip_prefix("super::")?.split("::").next()?;
    let is_module = other.starts_with(char::is_lowercase) && named.path.matches("::").count() > 1;
    (is_module && !cause.contains('/') && other != "super")
        .then(|| "a cause knows no other cause".to_owned())
}

fn room(path: &str) -> Option<usize> {
    let first = path.split(['/', ':']).next()?;
    ROOMS.iter().position(|room| *room == first)
}

fn within(path: &str, prefix: &str, separator: char) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(separator))
}

#[cfg(test)]
mod tests {
    use super::{check, lib_order, violations};

    #[test]
    fn the_house_is_in_order() {
        check().unwrap();
    }

    #[test]
    fn importing_a_room_below_is_fine() {
        assert!(
            violations(
                "engine",
                "use crate::{event::Event, explain::Case};\nuse std::fmt;"
            )
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
            ["memory/flows.rs:2: `crate::explain::Case`: `explain` is above `memory`"]
        );
    }

    #[test]
    fn fences_hold_even_downhill() {
        assert_eq!(
            violations(
                "sink/text",
                "use crate::explain::{Verdict, cause::ClosedPort};"
            )
            .len(),
            1
        );
        assert_eq!(
            violations("decode/rst", "fn f() { crate::memory::x() }").len(),
            1
        );
        assert_eq!(
            violations("recording/reader", "use tcpwatch_common::wire::Rst;").len(),
            1
        );
        assert_eq!(
            violations("source/kernel/rings", "use crate::explain::Case;").len(),
            1
        );
    }

    #[test]
    fn a_cause_knows_no_other_cause() {
        assert_eq!(violations("explain/cause/a", "use super::b::B;").len(), 1);
        assert_eq!(
            violations("explain/cause/a", "use crate::explain::cause::b::B;").len(),
            1
        );
        assert!(
            violations(
                "explain/cause/a",
                "use super::{Cause, Case};\nmod tests { use super::*; }"
            )
            .is_empty()
        );
        assert!(violations("explain/cause", "use crate::explain::cause::b::B;").len() == 1);
    }

    #[test]
    fn lib_lists_the_rooms_in_flow_order() {
        assert!(lib_order("pub mod command;\nmod sink;\nmod event;").is_empty());
        assert_eq!(
            lib_order("mod event;\nmod sink;"),
            ["lib.rs: `event` belongs below `sink`"]
        );
        assert_eq!(lib_order("mod misc;"), ["lib.rs: `misc` is no known room"]);
    }
}
