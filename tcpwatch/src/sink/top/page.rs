//! A frame as lines of text: numbers on the left, where they stand still, names on the right, where they may be long.

use super::ends::Names;
use super::frame::{CauseRow, Frame, Listening, Namespace};
use super::tally::{Counts, Span};
use crate::explain::verdict::UNEXPLAINED;
use crate::sink::Clean;
use crate::sink::clock::{self, Clock};
use crate::sink::losses;
use crate::sink::paint::{Ink, Paint};
use crate::sink::wrap::wrap;

/// How much room there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub columns: usize,
    /// `None`: as many as it takes.
    pub rows: Option<usize>,
}

/// The lines, none wider and no more than there is room for, and nothing in them that commands a terminal but colour.
pub(super) fn lines(
    frame: &Frame,
    host: &str,
    clock: &mut Clock,
    size: Size,
    paint: Paint,
) -> Vec<String> {
    let mut lines = head(frame, host, clock);
    let (tail, sections) = (remarks(frame, size.columns), sections(frame));
    let room = size.rows.map(|rows| rows.saturating_sub(lines.len() + tail.len()));
    lines.extend(fitted(sections, room));
    lines.extend(tail);
    lines.truncate(size.rows.unwrap_or(usize::MAX));
    lines.into_iter().map(|line| line.finish(size.columns, paint)).collect()
}

/// One line before it is cut and coloured.
struct Line {
    text: String,
    /// Its last so many characters are coloured; `None`: all of them.
    ink: Option<(Ink, Option<usize>)>,
}

impl Line {
    fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), ink: None }
    }

    fn heading(text: impl Into<String>) -> Self {
        Self { text: text.into(), ink: Some((Ink::Heading, None)) }
    }

    fn finish(self, columns: usize, paint: Paint) -> String {
        let length = self.text.chars().count();
        let text = cut(self.text, columns);
        let Some((ink, last)) = self.ink else { return text };
        let plain = length - last.unwrap_or(length);
        let at = text.char_indices().nth(plain).map_or(text.len(), |(at, _)| at);
        let (before, coloured) = text.split_at(at);
        if coloured.is_empty() { text } else { format!("{before}{}", paint.with(ink, coloured)) }
    }
}

fn cut(text: String, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text;
    }
    let kept: String = text.chars().take(columns.saturating_sub(1)).collect();
    kept + "…"
}

fn head(frame: &Frame, host: &str, clock: &mut Clock) -> Vec<Line> {
    let watched = clock::Span(frame.time.since(frame.since));
    let now = clock.at(frame.time).full().to_string();
    let title = format!("tcpwatch top on {}, {now}, {watched} watched", Clean(host));
    vec![Line::heading(title), Line::plain(summary(frame))]
}

fn summary(frame: &Frame) -> String {
    let count = |counts: &Counts| counts.since_start.count;
    let lost: u64 = frame.lost.iter().map(|lost| count(&lost.counts)).sum();
    let (explained, unexplained) = (count(&frame.explained), count(&frame.unexplained));
    let both = match count(&frame.other_ends) {
        0 => String::new(),
        ends => format!(" ({ends} seen at both ends)"),
    };
    let resets = count(&frame.resets);
    format!(
        "{resets} resets{both}: {explained} explained, {unexplained} unexplained; {lost} events lost"
    )
}

/// A table with its heading.
struct Section {
    title: &'static str,
    rows: Vec<Row>,
    /// What has no row.
    others: Counts,
    /// Stays, however little room there is.
    last: Option<Row>,
    /// Rows where there is room for all.
    most: usize,
}

struct Row {
    counts: Counts,
    text: String,
    /// Of the last so many characters.
    ink: Option<(Ink, usize)>,
}

fn sections(frame: &Frame) -> Vec<Section> {
    let (benign, causes): (Vec<_>, Vec<_>) = frame.causes.iter().partition(|cause| cause.benign);
    let symptoms = frame.symptoms.iter().map(|row| Row::plain(row.counts, row.symptom));
    let pairs = frame.pairs.iter().map(|pair| {
        let (client, who) = (pair.client.addr, named(&pair.client.owners));
        let text = format!("{client}{who} -> {}", listening(&pair.server));
        Row::with_cause(pair.counts, &text, pair.cause)
    });
    let servers = frame.servers.iter().map(|server| {
        let text = format!("{} in {}", listening(&server.server), namespace(&server.netns));
        Row::with_cause(server.counts, &text, server.cause)
    });
    let causes = causes.into_iter().map(|cause| Row::with_cause(cause.counts, "", cause.cause));
    let mut sections = vec![
        Section::new("symptom", symptoms, Counts::default(), usize::MAX),
        Section::new("cause", causes, Counts::default(), usize::MAX),
        Section::new("client -> server, most frequent cause", pairs, frame.other_pairs, MOST),
        Section::new(
            "server on this host, most frequent cause",
            servers,
            frame.other_servers,
            MOST,
        ),
    ];
    sections[1].last = folded(&benign);
    sections.retain(|section| section.wants() > 0 || section.last.is_some());
    sections
}

/// What hurts nobody, on one line.
fn folded(benign: &[&CauseRow]) -> Option<Row> {
    let mut sum = benign.first()?.counts;
    benign[1..].iter().for_each(|cause| sum += cause.counts);
    let each =
        benign.iter().map(|cause| format!("{} {}", cause.cause, cause.counts.since_start.count));
    let text = format!("benign: {}", each.collect::<Vec<_>>().join(", "));
    let length = text.chars().count();
    Some(Row { counts: sum, text, ink: Some((Ink::Faint, length)) })
}

impl Section {
    fn new(
        title: &'static str,
        rows: impl Iterator<Item = Row>,
        others: Counts,
        most: usize,
    ) -> Self {
        Self { title, rows: rows.collect(), others, last: None, most }
    }

    /// Rows it could fill.
    fn wants(&self) -> usize {
        let others = usize::from(self.others.since_start.count > 0);
        (self.rows.len() + others).min(self.most)
    }

    /// Takes so many rows; what finds no place goes to the others.
    fn lines(mut self, limit: usize) -> Vec<Line> {
        let whole = self.rows.len() + usize::from(self.others.since_start.count > 0) <= limit;
        let kept = if whole { self.rows.len() } else { limit.saturating_sub(1) };
        let cut = self.rows.drain(kept.min(self.rows.len())..);
        cut.for_each(|row| self.others += row.counts);
        if self.others.since_start.count > 0 {
            self.rows.push(Row::plain(self.others, "others"));
        }
        self.rows.extend(self.last);
        let heading =
            format!("{:>8}{:>8}{:>8}{:>9}  {}", "/s: 10 s", "1 min", "start", "count", self.title);
        let head = [Line::plain(""), Line::heading(heading)];
        head.into_iter().chain(self.rows.into_iter().map(Row::line)).collect()
    }
}

/// Gives each section what it wants, or its share of what there is.
fn fitted(sections: Vec<Section>, room: Option<usize>) -> Vec<Line> {
    let wants: Vec<_> = sections.iter().map(Section::wants).collect();
    let needed: usize =
        sections.iter().map(|section| HEADING + usize::from(section.last.is_some())).sum();
    let shares = match room {
        Some(room) => share(&wants, room.saturating_sub(needed)),
        None => wants,
    };
    sections.into_iter().zip(shares).flat_map(|(section, rows)| section.lines(rows)).collect()
}

/// One each in turn until nobody wants more, or nothing is left; everybody gets one.
fn share(wants: &[usize], room: usize) -> Vec<usize> {
    let mut shares: Vec<_> = wants.iter().map(|want| *want.min(&1)).collect();
    let mut left = room.saturating_sub(shares.iter().sum());
    while left > 0 && shares.iter().zip(wants).any(|(share, want)| share < want) {
        for (share, want) in shares.iter_mut().zip(wants) {
            if *share < *want && left > 0 {
                *share += 1;
                left -= 1;
            }
        }
    }
    shares
}

impl Row {
    fn plain(counts: Counts, text: &str) -> Self {
        Self { counts, text: text.into(), ink: None }
    }

    fn with_cause(counts: Counts, text: &str, cause: &str) -> Self {
        let ink = if cause == UNEXPLAINED { Ink::Unexplained } else { Ink::Cause };
        let gap = if text.is_empty() { "" } else { ", " };
        Self {
            counts,
            text: format!("{text}{gap}{cause}"),
            ink: Some((ink, cause.chars().count())),
        }
    }

    fn line(self) -> Line {
        let [ten, minute, start] = self.counts.spans().map(rate);
        let count = self.counts.since_start.count;
        let text = format!("{ten:>8}{minute:>8}{start:>8}{count:>9}  {}", self.text);
        Line { text, ink: self.ink.map(|(ink, last)| (ink, Some(last))) }
    }
}

/// Per second, with as many digits as can be read at a glance.
fn rate(span: Span) -> String {
    match span.per_second() {
        _ if span.count == 0 => "-".into(),
        rate if rate < 0.01 => "<0.01".into(),
        rate if rate < 10.0 => format!("{rate:.2}"),
        rate if rate < 1_000.0 => format!("{rate:.1}"),
        rate => format!("{rate:.0}"),
    }
}

fn listening(server: &Listening) -> String {
    format!("{}{}", server.at, named(&server.owners))
}

fn named(names: &Names) -> String {
    match names.text() {
        names if names.is_empty() => names,
        names => format!(" ({})", Clean(names)),
    }
}

fn namespace(netns: &Namespace) -> String {
    match &netns.name {
        Some(name) => Clean(name).to_string(),
        None => netns.inode.to_string(),
    }
}

/// What else is to be known.
fn remarks(frame: &Frame, columns: usize) -> Vec<Line> {
    let lost = frame.lost.iter().map(|lost| {
        let count = lost.counts.since_start.count;
        losses::sentence_of(count, lost.fact, lost.stage).to_string()
    });
    let amended =
        frame.amended.iter().map(|amended| format!("{} {}", amended.cause, amended.count));
    let amended = listed("later known better: ", amended);
    let blind = listed("not seen, or not all: ", frame.blind.iter().map(ToString::to_string));
    let remarks = lost.chain(amended).chain(blind);
    let remarks: Vec<_> = remarks.flat_map(|text| wrap(text, columns)).map(Line::plain).collect();
    let gap = (!remarks.is_empty()).then(|| Line::plain(""));
    gap.into_iter().chain(remarks).collect()
}

fn listed(what: &str, items: impl Iterator<Item = String>) -> Option<String> {
    let items: Vec<_> = items.collect();
    (!items.is_empty()).then(|| format!("{what}{}", items.join(", ")))
}

/// Rows of pairs and of servers where there is room for all; the JSON has more.
const MOST: usize = 10;

/// An empty line and the names of the columns.
const HEADING: usize = 2;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::board::Board;
    use super::super::tally::End;
    use super::*;
    use crate::event::{Fact, Owner};
    use crate::explain::verdict::Verdict;
    use crate::sink::samples;

    fn told(board: &mut Board, second: u64, id: u64, verdict: Verdict) {
        let time = samples::START.plus(Duration::from_secs(second));
        board.verdict(&Verdict { id, time, ..verdict });
    }

    /// A minute with a bit of everything.
    fn minute() -> Frame {
        let mut board = Board::default();
        board.start(samples::START);
        board.coverage(&samples::coverage());
        (0..30).for_each(|n| told(&mut board, 2 * n, n, samples::explained()));
        told(&mut board, 58, 100, Verdict { joined: Some(29), ..samples::received() });
        told(&mut board, 59, 101, samples::unexplained());
        (1..=300).for_each(|n| told(&mut board, 40, 200 + u64::from(n), samples::scanned(n)));
        board.amendment(&samples::amendment());
        board.lost(&samples::lost());
        board.frame(End::before(60))
    }

    fn page(frame: &Frame, size: Size, paint: Paint) -> String {
        let mut clock = Clock::utc();
        clock.set(&samples::host());
        lines(frame, "node\u{1b}[2J1", &mut clock, size, paint).join("\n")
    }

    fn plain(columns: usize) -> String {
        page(&minute(), Size { columns, rows: None }, Paint::PLAIN)
    }

    #[test]
    fn a_page_of_120_columns() {
        let expected = r"tcpwatch top on node\u{1b}[2J1, 2026-11-21 12:05:00.000+00:00, 60.0 s watched
331 resets (1 seen at both ends): 330 explained, 1 unexplained; 12 events lost

/s: 10 s   1 min   start    count  symptom
    0.50    5.50    5.50      330  refused
    0.10    0.02    0.02        1  reset

/s: 10 s   1 min   start    count  cause
    0.50    0.50    0.50       30  no-listener
    0.10    0.02    0.02        1  unexplained
       -    5.00    5.00      300  benign: scan 300

/s: 10 s   1 min   start    count  client -> server, most frequent cause
    0.50    0.50    0.50       30  10.0.0.9 (curl) -> 10.0.0.1:80, no-listener
    0.10    0.02    0.02        1  fd00::9 -> [fd00::1]:80 (ngi\u{1b}[31mnx), unexplained

/s: 10 s   1 min   start    count  server on this host, most frequent cause
    0.50    0.50    0.50       30  10.0.0.1:80 in shop, no-listener
    0.10    0.02    0.02        1  [fd00::1]:80 (ngi\u{1b}[31mnx) in net:[4026532201], unexplained

lost 12 (resets sent): the ring buffer was full
later known better: not-yet-listening 1
not seen, or not all: conntrack entries destroyed";
        assert_eq!(plain(120), expected);
    }

    #[test]
    fn a_narrow_page_cuts_names_and_no_numbers() {
        let text = plain(80);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(
            text.contains(
                "\n    0.50    0.50    0.50       30  10.0.0.9 (curl) -> 10.0.0.1:80, no-listener\n"
            ),
            "{text}"
        );
        assert!(text.contains(r"  [fd00::1]:80 (ngi\u{1b}[31mnx) in net:[40265…"), "{text}");
    }

    #[test]
    fn remarks_are_told_to_the_end() {
        let mut frame = minute();
        frame.blind = Fact::ALL.to_vec();
        let text = page(&frame, Size { columns: 80, rows: None }, Paint::PLAIN);
        assert!(
            text.ends_with("\ndestroyed, packets rejected, packets invalid to conntrack"),
            "{text}"
        );
    }

    #[test]
    fn a_low_page_has_every_section_and_its_sums() {
        let mut board = Board::default();
        board.start(samples::START);
        for port in 1..=40 {
            let mut verdict = samples::explained();
            verdict.flow.local.port = port;
            told(&mut board, 1, port.into(), verdict);
        }
        let frame = board.frame(End::before(2));
        let text = page(&frame, Size { columns: 80, rows: Some(23) }, Paint::PLAIN);
        assert_eq!(text.lines().count(), 23, "{text}");
        for title in ["  symptom\n", "  cause\n", "  client -> server", "  server on this host"] {
            assert!(text.contains(title), "{title} is not in\n{text}");
        }
        assert_eq!(text.matches("       35  others").count(), 1, "{text}");
        assert_eq!(text.matches("  others").count(), 2, "{text}");
    }

    #[test]
    fn no_window_is_too_small() {
        for rows in 0..12 {
            for columns in 0..12 {
                let text = page(&minute(), Size { columns, rows: Some(rows) }, Paint::PLAIN);
                assert!(text.lines().count() <= rows, "{rows}x{columns}:\n{text}");
                assert!(text.lines().all(|line| line.chars().count() <= columns.max(1)), "{text}");
            }
        }
    }

    #[test]
    fn without_a_terminal_nothing_commands_one() {
        let owner =
            Owner { command: "a\u{9b}2J\u{202e}b\r".into(), ..samples::received().owner.unwrap() };
        let mut board = Board::default();
        board.start(samples::START);
        let namespace = Some("\u{1b}]0;pwned\u{7}".into());
        told(&mut board, 1, 1, Verdict { owner: Some(owner), namespace, ..samples::unexplained() });
        let text =
            page(&board.frame(End::before(2)), Size { columns: 120, rows: None }, Paint::PLAIN);
        assert!(text.contains(r"a\u{9b}2J\u{202e}b\r"), "{text}");
        assert!(text.contains(r"\u{1b}]0;pwned\u{7}"), "{text}");
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let size = Size { columns: 120, rows: None };
        let coloured = page(&minute(), size, Paint::COLOURED);
        assert!(coloured.contains("  \u{1b}[1;31mno-listener\u{1b}[0m\n"), "{coloured}");
        let codes = ["\u{1b}[1;31m", "\u{1b}[1;33m", "\u{1b}[1m", "\u{1b}[2m", "\u{1b}[0m"];
        let stripped = codes.iter().fold(coloured, |text, code| text.replace(code, ""));
        assert_eq!(stripped, plain(120));
    }

    #[test]
    fn rates_can_be_read_at_a_glance() {
        let rate = |count| rate(Span { count, time: Duration::from_mins(10) });
        let rates = [0, 1, 7, 700, 70_000, 7_000_000].map(rate);
        assert_eq!(rates, ["-", "<0.01", "0.01", "1.17", "116.7", "11667"]);
    }

    #[test]
    fn room_is_shared() {
        assert_eq!(share(&[1, 2, 40, 5], 12), [1, 2, 5, 4]);
        assert_eq!(share(&[1, 2, 3], 99), [1, 2, 3]);
        assert_eq!(share(&[9, 9], 0), [1, 1], "each shows its sum");
    }
}
