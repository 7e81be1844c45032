//! Which paths a source file names: enough of Rust's syntax for `use` trees and paths in code, and no more.

/// A path as it is named, and the line it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) path: String,
    pub(crate) line: usize,
}

/// All paths in `source` that begin with one of `heads` (`crate`, `super`, the name of a crate).
/// Groups are flattened: `crate::{a::B, c}` names `crate::a::B` and `crate::c`.
pub(crate) fn paths(source: &str, heads: &[&str]) -> Vec<Named> {
    let code = blanked(source);
    let mut found = Vec::new();
    for (at, word) in words(&code) {
        if heads.contains(&word) && !code[..at].ends_with("::") {
            let line = code[..at].matches('\n').count() + 1;
            let mut path = Vec::new();
            let tree = Tree { prefix: word.to_owned(), rest: &code[at + word.len()..] };
            tree.flatten(&mut path);
            found.extend(path.into_iter().map(|path| Named { path, line }));
        }
    }
    found
}

/// Names of `mod x;` lines in order.
pub(crate) fn modules(source: &str) -> Vec<String> {
    let code = blanked(source);
    let lines = code.lines().map(str::trim).filter_map(|line| {
        let line = line
            .strip_prefix("pub")
            .map_or(line, |line| line.trim_start_matches("(crate)"))
            .trim_start();
        line.strip_prefix("mod ")?.strip_suffix(';')
    });
    lines.map(|name| name.trim().to_owned()).collect()
}

struct Tree<'a> {
    prefix: String,
    rest: &'a str,
}

impl<'a> Tree<'a> {
    /// Appends every path of this tree; returns what follows it.
    fn flatten(mut self, paths: &mut Vec<String>) -> &'a str {
        while let Some(rest) = self.rest.trim_start().strip_prefix("::") {
            self.rest = rest.trim_start();
            if let Some(group) = self.rest.strip_prefix('{') {
                return self.group(group, paths);
            }
            let word = word_at(self.rest);
            if word.is_empty() {
                break;
            }
            self.prefix = format!("{}::{word}", self.prefix);
            self.rest = &self.rest[word.len()..];
        }
        paths.push(self.prefix);
        self.rest
    }

    fn group(&self, mut rest: &'a str, paths: &mut Vec<String>) -> &'a str {
        loop {
            rest = rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
            let word = word_at(rest);
            if word.is_empty() {
                // A glob, the end of the group, or no Rust at all.
                return rest.split_once('}').map_or("", |(_, rest)| rest);
            }
            let prefix = format!("{}::{word}", self.prefix);
            rest = Tree { prefix, rest: &rest[word.len()..] }.flatten(paths);
            rest = rest.find([',', '}']).map_or("", |at| &rest[at..]);
        }
    }
}

/// Words of the code with their places.
fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        at += code[at..].find(is_word)?;
        let word = word_at(&code[at..]);
        let place = at;
        at += word.len();
        Some((place, word))
    })
}

fn word_at(code: &str) -> &str {
    code.split(|c| !is_word(c)).next().unwrap_or_default()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The source with line comments emptied, so that prose names nothing. Lines stay where they are.
fn blanked(source: &str) -> String {
    let code = source.lines().map(|line| line.find("//").map_or(line, |at| &line[..at]));
    code.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::{modules, paths};

    fn named(source: &str) -> Vec<String> {
        paths(source, &["crate", "super", "tcpwatch_common"])
            .into_iter()
            .map(|named| named.path)
            .collect()
    }

    #[test]
    fn a_use_tree_is_flattened() {
        let source =
            "use crate::{event::{self, Event}, memory::*, explain::Case as C};\nuse std::fmt;";
        let expected =
            ["crate::event::self", "crate::event::Event", "crate::memory", "crate::explain::Case"];
        assert_eq!(named(source), expected);
    }

    #[test]
    fn paths_in_code_are_seen_and_prose_is_not() {
        let source = "/// See [crate::sink].\nfn f(x: crate::event::Event) -> u8 { super::g() } // crate::memory\n";
        assert_eq!(named(source), ["crate::event::Event", "super::g"]);
        assert_eq!(paths(source, &["crate"])[0].line, 2);
    }

    #[test]
    fn other_crates_are_named_by_their_own_name() {
        assert_eq!(
            named("use tcpwatch_common::wire::Rst; use my_crate::x;"),
            ["tcpwatch_common::wire::Rst"]
        );
    }

    #[test]
    fn mod_lines_are_listed_in_order() {
        assert_eq!(
            modules(
                "//! mod no;\npub mod cli;\n#[cfg(feature = \"live\")]\nmod source;\nmod tests {\n"
            ),
            ["cli", "source"]
        );
    }
}
