//! The page of a cause: for a terminal, for `docs/causes`, and for programs.

use std::fmt::Write;

use serde::Serialize;

use super::SCHEMA;
use super::paint::Paint;
use super::sheet::Sheet;
use crate::explain::cause::Cause;
use crate::explain::page::{Advice, Entry, Group};

/// Every cause with its meaning, by what causes have in common.
pub fn list(paint: Paint, width: usize) -> String {
    let mut sheet = Sheet::new(paint, width);
    let widest = Cause::ENTRIES.iter().map(|entry| entry.code.len()).max().unwrap_or(0);
    for group in Group::ALL {
        sheet.heading(group.title());
        sheet.list(
            members(*group)
                .map(|entry| (format!("{:<widest$}", entry.code), entry.meaning.to_owned())),
        );
    }
    sheet.heading("More");
    sheet.command("tcpwatch causes CODE    how one is proven, what looks alike, what to do");
    sheet.into_text()
}

/// One page for a terminal.
pub fn page(entry: &Entry, paint: Paint, width: usize) -> String {
    let Entry { code, meaning, page, .. } = entry;
    let mut sheet = Sheet::new(paint, width);
    sheet.title(code, meaning);
    sheet.heading(MEANS);
    sheet.paragraph(page.about);
    sheet.heading(PROVEN);
    sheet.list(
        page.conditions
            .iter()
            .enumerate()
            .map(|(at, text)| (format!("{}.", at + 1), (*text).to_owned())),
    );
    sheet.paragraph(certainty(entry));
    sheet.heading(ALIKE);
    sheet.list(page.alike.iter().map(|(code, text)| (code, (*text).to_owned())));
    sheet.heading(DO);
    sheet.list(rows(page.advice));
    for (when, advice) in page.otherwise {
        sheet.heading(format!("{DO}, {when}"));
        sheet.list(rows(*advice));
    }
    sheet.heading(REPRODUCE);
    for command in commands(entry) {
        sheet.command(command);
    }
    sheet.heading(WATCH);
    sheet.command(watch(entry));
    sheet.into_text()
}

/// One page as a Markdown file.
pub fn markdown(entry: &Entry) -> String {
    let Entry { code, meaning, page, .. } = entry;
    let mut parts = vec![format!("# {code}\n\n{meaning}"), section(MEANS, page.about)];
    let conditions =
        page.conditions.iter().enumerate().map(|(at, text)| format!("{}. {text}", at + 1));
    parts.push(section(PROVEN, &format!("{}\n\n{}", lines(conditions), certainty(entry))));
    parts.push(section(
        ALIKE,
        &lines(page.alike.iter().map(|(code, text)| format!("* [{code}]({code}.md): {text}"))),
    ));
    parts.push(section(DO, &advice(page.advice)));
    parts.extend(
        page.otherwise
            .iter()
            .map(|(when, other)| section(&format!("{DO}, {when}"), &advice(*other))),
    );
    parts.push(section(REPRODUCE, &format!("```\n{}\n```", lines(commands(entry)))));
    parts.push(section(WATCH, &format!("```\n{}\n```", watch(entry))));
    parts.join("\n\n") + "\n"
}

/// The contents of the folder with the pages, as a Markdown file.
pub fn index() -> String {
    let mut text =
        String::from("# Causes\n\nWhat tcpwatch can name, as `tcpwatch causes CODE` prints it.\n");
    for group in Group::ALL {
        let rows = members(*group)
            .map(|Entry { code, meaning, .. }| format!("* [{code}]({code}.md): {meaning}"));
        _ = write!(text, "\n## {}\n\n{}\n", group.title(), lines(rows));
    }
    text
}

/// One object for programs.
pub fn object(entry: &Entry) -> impl Serialize {
    let Entry { code, meaning, benign, page } = *entry;
    let alike = page.alike.iter().map(|(cause, difference)| Alike { cause, difference }).collect();
    let otherwise =
        page.otherwise.iter().map(|(when, remedy)| Otherwise { when, remedy: *remedy }).collect();
    Object {
        schema: SCHEMA,
        kind: "cause",
        code,
        meaning,
        benign,
        group: page.group,
        about: page.about,
        shown_by: page.shown_by,
        conditions: page.conditions,
        certainty: page.certainty,
        alike,
        remedy: page.advice,
        otherwise,
        demo: page.reproduce.demo,
        scenario: page.reproduce.scenario,
    }
}

#[derive(Serialize)]
struct Object {
    schema: u32,
    #[serde(rename = "type")]
    kind: &'static str,
    code: &'static str,
    meaning: &'static str,
    benign: bool,
    group: Group,
    about: &'static str,
    shown_by: &'static str,
    conditions: &'static [&'static str],
    certainty: &'static str,
    alike: Vec<Alike>,
    remedy: Advice,
    otherwise: Vec<Otherwise>,
    demo: Option<&'static str>,
    scenario: &'static str,
}

#[derive(Serialize)]
struct Alike {
    cause: &'static str,
    difference: &'static str,
}

#[derive(Serialize)]
struct Otherwise {
    when: &'static str,
    remedy: Advice,
}

fn members(group: Group) -> impl Iterator<Item = &'static Entry> {
    Cause::ENTRIES.iter().filter(move |entry| entry.page.group == group)
}

fn section(title: &str, body: &str) -> String {
    format!("## {title}\n\n{body}")
}

fn lines(rows: impl IntoIterator<Item = String>) -> String {
    rows.into_iter().collect::<Vec<_>>().join("\n")
}

fn certainty(entry: &Entry) -> String {
    format!("Certainty: {}.", entry.page.certainty)
}

fn advice(advice: Advice) -> String {
    let said = rows(advice).into_iter().filter(|(_, text)| !text.is_empty());
    lines(said.map(|(label, text)| format!("* **{label}**: {text}")))
}

fn rows(Advice { now, fix, trade_off, do_not }: Advice) -> [(&'static str, String); 4] {
    [("now", now), ("fix", fix), ("trade-off", trade_off), ("do not", do_not)]
        .map(|(label, text)| (label, text.into()))
}

fn commands(entry: &Entry) -> Vec<String> {
    let made = entry.page.reproduce;
    let demo = made.demo.map(|word| format!("sudo tcpwatch demo {word}"));
    demo.into_iter().chain([format!("cargo xtask scenarios {}", made.scenario)]).collect()
}

fn watch(entry: &Entry) -> String {
    format!("sudo tcpwatch rst --explain --cause {}", entry.code)
}

const MEANS: &str = "What it means";
const PROVEN: &str = "How it is proven";
const ALIKE: &str = "What looks alike";
const DO: &str = "What to do";
const REPRODUCE: &str = "How to make it happen";
const WATCH: &str = "How to watch for it";

#[cfg(test)]
mod tests {
    use super::super::schema::Schema;
    use super::*;

    fn entry(code: &str) -> &'static Entry {
        Cause::ENTRIES.iter().find(|entry| entry.code == code).expect("a cause")
    }

    #[test]
    fn the_list_has_one_line_for_each_cause_under_one_heading() {
        let text = list(Paint::PLAIN, 200);
        for Entry { code, meaning, .. } in Cause::ENTRIES {
            let lines: Vec<_> =
                text.lines().filter(|line| line.starts_with(&format!("  {code} "))).collect();
            assert!(
                matches!(lines.as_slice(), [line] if line.ends_with(&format!("  {meaning}"))),
                "{code}: {lines:?}"
            );
        }
    }

    #[test]
    fn a_page_says_it_in_this_order() {
        let text = page(entry("no-listener"), Paint::PLAIN, 100);
        let heads: Vec<_> =
            text.lines().filter(|line| !line.starts_with(' ') && !line.is_empty()).collect();
        let expected = [
            "no-listener: nothing listens on that address and port",
            MEANS,
            PROVEN,
            ALIKE,
            DO,
            "What to do, where the port is open on other addresses only",
            REPRODUCE,
            WATCH,
        ];
        assert_eq!(heads, expected);
        assert!(text.contains("\n  1.  A SYN found no socket.\n"), "{text}");
        assert!(text.contains("\n  sudo tcpwatch demo rollout\n"), "{text}");
    }

    #[test]
    fn a_page_fits_the_terminal_but_for_its_commands() {
        for entry in Cause::ENTRIES {
            let text = page(entry, Paint::PLAIN, 80);
            let prose = text.lines().skip(1).filter(|line| !line.contains("cargo xtask"));
            for line in prose {
                assert!(line.chars().count() <= 80, "{line}");
            }
        }
    }

    #[test]
    fn what_is_empty_is_left_out() {
        assert!(!page(entry("peer-reset"), Paint::PLAIN, 100).contains("trade-off"));
        assert!(!markdown(entry("peer-reset")).contains("trade-off"));
    }

    #[test]
    fn each_object_fits_the_schema() {
        let schema = Schema::published("verdict");
        for entry in Cause::ENTRIES {
            let value = serde_json::to_value(object(entry)).unwrap();
            assert_eq!(schema.complaints(&value), Vec::<String>::new(), "{}", entry.code);
        }
    }
}
