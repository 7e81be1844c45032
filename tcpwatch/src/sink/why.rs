//! What a line of a log says, or many lines, and how to know more: for a terminal and for programs.

use serde::Serialize;

use super::SCHEMA;
use super::paint::Paint;
use super::sheet::Sheet;
use crate::explain::cause::Cause;
use crate::explain::page::Entry;
use crate::explain::verdict::Symptom;
use crate::logs::{Found, Kind, Noticed, Place, Side, patterns};

/// Words that were found, at length.
pub fn full(found: &Found, paint: Paint, width: usize) -> String {
    let mut sheet = Sheet::new(paint, width);
    sheet.title(found.pattern.family, &heading(found));
    says(&mut sheet, found);
    causes(&mut sheet, found);
    to_know(&mut sheet, found);
    sheet.into_text()
}

/// The words of a whole log, briefly.
pub fn brief(found: &[Found], lines: u64, paint: Paint, width: usize) -> String {
    let mut sheet = Sheet::new(paint, width);
    let known: u64 = found.iter().map(|found| found.count).sum();
    sheet.heading(format!("{lines} lines, {known} of them about connections"));
    for one in found {
        sheet.heading(format!("{}: {}", one.pattern.family, heading(one)));
        sheet.list([
            ("says", symptom(one)),
            ("place", places(one)),
            ("causes", codes(one.pattern.kind)),
        ]);
        sheet.command(command(one).unwrap_or_else(|| NO_RESET.to_owned()));
    }
    sheet.heading("More");
    sheet.command("tcpwatch why 'LINE'    one of these lines at length");
    sheet.into_text()
}

/// Every word that is known, by who logs it.
pub fn known(width: usize) -> String {
    let mut sheet = Sheet::new(Paint::PLAIN, width);
    let mut last = "";
    for pattern in patterns() {
        if pattern.family != last {
            sheet.heading(pattern.family);
            last = pattern.family;
        }
        sheet.command(pattern.words);
    }
    sheet.into_text()
}

/// One object for programs.
pub fn object(found: &Found) -> impl Serialize {
    let kind = found.pattern.kind;
    Object {
        schema: SCHEMA,
        r#type: "log",
        family: found.pattern.family,
        words: found.pattern.words,
        count: found.count,
        symptom: kind.symptom().map(Symptom::name),
        errno: kind.errno().map(|errno| ErrorNumber { name: errno.name, number: errno.number }),
        noticed: found.pattern.noticed.name(),
        side: found.pattern.side.name(),
        meaning: kind.meaning(),
        places: found.places().into_iter().map(|(place, count)| At::new(place, count)).collect(),
        candidates: candidates(kind).map(Candidate::from).collect(),
        command: command(found),
    }
}

#[derive(Serialize)]
struct Object {
    schema: u32,
    r#type: &'static str,
    family: &'static str,
    words: &'static str,
    count: u64,
    symptom: Option<&'static str>,
    errno: Option<ErrorNumber>,
    noticed: &'static str,
    side: &'static str,
    meaning: &'static str,
    places: Vec<At>,
    candidates: Vec<Candidate>,
    command: Option<String>,
}

#[derive(Serialize)]
struct ErrorNumber {
    name: &'static str,
    number: i32,
}

#[derive(Serialize)]
struct At {
    host: Option<String>,
    port: Option<u16>,
    count: u64,
}

impl At {
    fn new(place: Place, count: u64) -> Self {
        Self { host: place.host.map(|host| host.to_string()), port: place.port, count }
    }
}

#[derive(Serialize)]
struct Candidate {
    cause: &'static str,
    meaning: &'static str,
    shown_by: &'static str,
}

impl From<&'static Entry> for Candidate {
    fn from(entry: &'static Entry) -> Self {
        Self { cause: entry.code, meaning: entry.meaning, shown_by: entry.page.shown_by }
    }
}

fn candidates(kind: Kind) -> impl Iterator<Item = &'static Entry> {
    kind.candidates().iter().filter_map(|code| Cause::entry(code))
}

fn heading(found: &Found) -> String {
    match found.count {
        1 => found.pattern.words.to_owned(),
        count => format!("{} (×{count})", found.pattern.words),
    }
}

fn says(sheet: &mut Sheet, found: &Found) {
    sheet.heading("What it says");
    sheet.list([
        ("symptom", symptom(found)),
        ("noticed", noticed(found)),
        ("place", places(found)),
    ]);
    sheet.paragraph(found.pattern.kind.meaning());
}

fn causes(sheet: &mut Sheet, found: &Found) {
    if found.pattern.kind.candidates().is_empty() {
        return;
    }
    sheet.heading("Causes it may have, what is met most often first");
    let both = |entry: &'static Entry| {
        [(entry.code, entry.meaning.to_owned()), ("", format!("proof: {}", entry.page.shown_by))]
    };
    sheet.list(candidates(found.pattern.kind).flat_map(both));
}

fn to_know(sheet: &mut Sheet, found: &Found) {
    sheet.heading("How to know");
    let Some(command) = command(found) else { return sheet.paragraph(NO_RESET) };
    sheet.command(command);
    sheet.command("tcpwatch causes CODE");
    sheet.paragraph(
        "Watch on the host of the other end too, if it is another: who sends a reset is where its cause is seen.",
    );
}

fn symptom(found: &Found) -> String {
    let kind = found.pattern.kind;
    match (kind.symptom(), kind.errno()) {
        (Some(symptom), Some(errno)) => format!("{}, {errno}", symptom.name()),
        (Some(symptom), None) => symptom.name().to_owned(),
        (None, _) => "none that these words tell".to_owned(),
    }
}

fn noticed(found: &Found) -> String {
    let doing = match found.pattern.noticed {
        Noticed::Connecting => "when connecting",
        Noticed::Reading => "by a read",
        Noticed::Writing => "by a write",
        Noticed::Unsaid => "",
    };
    let side = match found.pattern.side {
        Side::Upstream => "on the side of the server behind the proxy (upstream)",
        Side::Downstream => "on the side of the client (downstream)",
        Side::Unsaid => "",
    };
    [doing, side].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ")
}

fn places(found: &Found) -> String {
    let place = |(place, count): (Place, u64)| match count {
        1 => place.to_string(),
        count => format!("{place} (×{count})"),
    };
    found.places().into_iter().take(SHOWN).map(place).collect::<Vec<_>>().join(", ")
}

fn codes(kind: Kind) -> String {
    kind.candidates().iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ")
}

fn command(found: &Found) -> Option<String> {
    let words = ["sudo", "tcpwatch", "rst", "--explain"].map(str::to_owned);
    found.filter().map(|filter| words.into_iter().chain(filter).collect::<Vec<_>>().join(" "))
}

/// Places, and causes, of words of which there are many.
const SHOWN: usize = 5;

const NO_RESET: &str =
    "tcpwatch explains resets, and this takes none: it has nothing to show of it";

#[cfg(test)]
mod tests {
    use super::super::json_line;
    use super::super::schema::Schema;
    use super::*;
    use crate::logs::{Tally, read};

    fn found(line: &str) -> Found {
        Found::once(read(line).expect("a line that is known"))
    }

    #[test]
    fn a_reset_has_causes_and_a_command() {
        let line = r#"recv() failed (104: Connection reset by peer) while reading response header from upstream, client: 10.0.0.9, upstream: "http://10.0.0.5:8080/""#;
        let text = full(&found(line), Paint::PLAIN, 100);
        let expected = "\
nginx: recv() failed (104: Connection reset by peer) while reading response header from upstream

What it says
  symptom  reset, ECONNRESET (104)
  noticed  by a read, on the side of the server behind the proxy (upstream)
  place    10.0.0.5:8080
";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.contains("\n  keep-alive-race "), "{text}");
        assert!(
            text.contains("\n  sudo tcpwatch rst --explain --host 10.0.0.5 --port 8080\n"),
            "{text}"
        );
    }

    #[test]
    fn without_a_reset_it_says_so() {
        let text = full(&found("dial tcp 10.0.0.5:80: i/o timeout"), Paint::PLAIN, 100);
        assert!(
            text.contains("no RST is involved") && text.ends_with(&format!("{NO_RESET}\n")),
            "{text}"
        );
        assert!(!text.contains("sudo"), "{text}");
    }

    #[test]
    fn what_the_words_do_not_tell_is_not_told() {
        let text = full(&found("code: 'ECONNABORTED'"), Paint::PLAIN, 100);
        assert!(text.contains("\n  symptom  none that these words tell\n"), "{text}");
        assert!(text.contains("by the program itself (axios"), "{text}");
    }

    #[test]
    fn a_log_is_told_by_its_words() {
        let mut tally = Tally::default();
        for line in ["ECONNRESET", "x", "ECONNRESET", "no live upstreams"] {
            tally.add(line);
        }
        let (lines, found) = (tally.lines, tally.found());
        let text = brief(&found, lines, Paint::PLAIN, 100);
        assert!(
            text.starts_with("4 lines, 3 of them about connections\n\nerrno: ECONNRESET"),
            "{text}"
        );
        assert!(text.contains("errno 104 (×2)\n  says    reset, ECONNRESET (104)\n"), "{text}");
        assert!(text.contains("\n  sudo tcpwatch rst --explain\n"), "{text}");
    }

    #[test]
    fn what_is_known_is_listed() {
        let text = known(100);
        assert!(text.contains("nginx\n") && text.contains("\n  socket hang up\n"), "{text}");
    }

    #[test]
    fn each_object_fits_the_schema() {
        let schema = Schema::published("verdict");
        for line in [
            "dial tcp 10.0.0.5:80: connect: connection refused",
            "no live upstreams",
            "ECONNABORTED",
        ] {
            let value = serde_json::from_str(&json_line(&object(&found(line)))).unwrap();
            assert_eq!(schema.complaints(&value), Vec::<String>::new(), "{line}");
        }
    }
}
