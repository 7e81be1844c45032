//! The run at a glance, again and again: rates per symptom and cause, who talks to whom, which server, what was lost.
//!
//! Pages are of whole seconds of event time since the run began, and are made when every verdict of that time is known:
//! a replay makes the same ones. Counting is apart from drawing, and neither asks which cause it is.

mod board;
mod ends;
mod frame;
mod json;
mod page;
mod ranking;
mod schedule;
mod tally;
mod text;

use std::io::{self, Write};
use std::time::Duration;

use super::out::Out;
use super::{Clock, Paint, Sink, Summary};
use crate::event::{CoverageDeclared, EventsLost, HostDescribed, Time};
use crate::explain::verdict::{Amendment, Verdict};

use board::Board;
use frame::Frame;
use json::Lines;
use schedule::Schedule;
use text::{Blocks, Screen};

pub use page::Size;

/// Draws a page per interval.
pub struct Top<D, W> {
    board: Board,
    schedule: Schedule,
    draw: D,
    out: Out<W>,
}

impl<W: Write> Top<Blocks, W> {
    /// One block of text per interval, one below the other. No control characters.
    pub fn blocks(clock: Clock, interval: Duration, to: W) -> Self {
        Self::new(Blocks::new(clock), interval, to)
    }
}

impl<S: Fn() -> Size, W: Write> Top<Screen<S>, W> {
    /// A page that is drawn over and over in the same place, on a terminal of the size that `size` tells.
    pub fn screen(clock: Clock, paint: Paint, interval: Duration, size: S, to: W) -> Self {
        Self::new(Screen::new(clock, paint, size), interval, to)
    }
}

impl<W: Write> Top<Lines, W> {
    /// One JSON object per interval, and the account at the end: `docs/schema/top.schema.json`.
    pub fn json(interval: Duration, to: W) -> Self {
        Self::new(Lines::new(), interval, to)
    }
}

impl<D, W: Write> Top<D, W> {
    fn new(draw: D, interval: Duration, to: W) -> Self {
        let (board, schedule) = (Board::default(), Schedule::every(interval));
        Self { board, schedule, draw, out: Out::new(to) }
    }
}

/// How a page looks.
trait Draw {
    fn started(&mut self, host: &HostDescribed);

    fn frame(&mut self, frame: &Frame, out: &mut Vec<u8>) -> io::Result<()>;

    /// The last page, and the account of the whole run.
    fn last(&mut self, frame: &Frame, summary: &Summary<'_>, out: &mut Vec<u8>) -> io::Result<()>;
}

impl<D: Draw, W: Write> Sink for Top<D, W> {
    fn started(&mut self, host: &HostDescribed) -> io::Result<()> {
        self.board.start(host.time);
        self.schedule.start(host.time);
        self.draw.started(host);
        Ok(())
    }

    /// There is only one: it is watched live.
    fn host(&mut self, _host: &HostDescribed) -> io::Result<()> {
        Ok(())
    }

    fn coverage(&mut self, coverage: &CoverageDeclared) -> io::Result<()> {
        self.board.coverage(coverage);
        Ok(())
    }

    fn verdict(&mut self, verdict: &Verdict) -> io::Result<()> {
        self.board.verdict(verdict);
        Ok(())
    }

    fn amendment(&mut self, amendment: &Amendment) -> io::Result<()> {
        self.board.amendment(amendment);
        Ok(())
    }

    fn lost(&mut self, lost: &EventsLost) -> io::Result<()> {
        self.board.lost(lost);
        Ok(())
    }

    fn until(&mut self, now: Time) -> io::Result<()> {
        while let Some(end) = self.schedule.due(now) {
            self.draw.frame(&self.board.frame(end), &mut self.out.bytes)?;
        }
        self.out.relieve()
    }

    fn totals(&mut self, summary: &Summary<'_>) -> io::Result<()> {
        let frame = self.board.frame(self.schedule.end());
        self.draw.last(&frame, summary, &mut self.out.bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.drain()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::sink::schema::Schema;
    use crate::sink::{Clock, Paint, samples};

    fn after(ms: u64) -> Time {
        samples::START.plus(Duration::from_millis(ms))
    }

    /// Twelve seconds: both ends of a reset in the third, an unexplained one in the ninth.
    fn run(top: &mut impl Sink) {
        top.started(&samples::host()).unwrap();
        top.coverage(&samples::coverage()).unwrap();
        top.until(after(2_100)).unwrap();
        top.verdict(&Verdict { time: after(2_000), ..samples::explained() }).unwrap();
        top.verdict(&Verdict { time: after(2_000), ..samples::received() }).unwrap();
        top.until(after(8_900)).unwrap();
        top.verdict(&Verdict { time: after(8_700), ..samples::unexplained() }).unwrap();
        top.lost(&samples::lost()).unwrap();
        top.until(after(11_900)).unwrap();
        let totals = samples::totals();
        top.totals(&samples::summary(&totals)).unwrap();
        top.flush().unwrap();
    }

    fn blocks() -> String {
        let mut bytes = Vec::new();
        run(&mut Top::blocks(Clock::utc(), Duration::from_secs(5), &mut bytes));
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_block_per_interval_then_the_whole_and_the_account() {
        let text = blocks();
        let titles: Vec<_> = text.lines().filter(|line| line.starts_with("tcpwatch top")).collect();
        let expected = ["12:04:05.000", "12:04:10.000", "12:04:11.900"];
        assert_eq!(titles.len(), expected.len(), "{text}");
        for (title, time) in titles.iter().zip(expected) {
            assert!(title.contains(time), "{title}");
        }
        assert_eq!(text.matches("\n1 resets (1 seen at both ends): ").count(), 1, "{text}");
        assert_eq!(text.matches("\n2 resets (1 seen at both ends): ").count(), 2, "{text}");
        assert!(text.contains("\ntotals    412 explained"), "{text}");
        let ends = "\n  ends    1 of the resets seen at both: two verdicts each\n";
        assert!(text.ends_with(ends), "{text}");
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }

    #[test]
    fn the_screen_is_drawn_over_and_left_as_it_was() {
        let mut bytes = Vec::new();
        let size = || Size { columns: 80, rows: Some(24) };
        run(&mut Top::screen(Clock::utc(), Paint::PLAIN, Duration::from_secs(5), size, &mut bytes));
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with(&"\n".repeat(24)), "what was there scrolls away: {text:?}");
        assert_eq!(text.matches("\u{1b}[H").count(), 3, "{text:?}");
        let (_, account) = text.rsplit_once("\u{1b}[J").unwrap();
        assert!(account.starts_with("\ntotals    412 explained"), "{account:?}");
        let known = ["\u{1b}[H", "\u{1b}[K", "\u{1b}[J"];
        let rest = known.iter().fold(text.clone(), |text, code| text.replace(code, ""));
        assert!(!rest.contains('\u{1b}'), "nothing that would have to be taken back: {text:?}");
    }

    #[test]
    fn objects_fit_the_published_schema_and_add_up() {
        let mut bytes = Vec::new();
        run(&mut Top::json(Duration::from_secs(5), &mut bytes));
        let text = String::from_utf8(bytes).unwrap();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let schema = Schema::published("top");
        for line in &lines {
            assert_eq!(schema.complaints(line), [""; 0], "{line}");
        }
        let kinds: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["top", "top", "top", "totals"]);
        let last: Vec<_> = lines.iter().map(|line| line["last"].as_bool()).collect();
        assert_eq!(last, [Some(false), Some(false), Some(true), None]);
        assert_eq!(lines[0]["time"], "2026-11-21T12:04:05.000000000Z");
        assert_eq!(lines[0]["resets"]["last_10s"], serde_json::json!({ "count": 1, "per_s": 0.2 }));
        assert_eq!(
            lines[2]["pairs"][1]["client"],
            serde_json::json!({ "addr": "fd00::9", "owners": [] })
        );
        assert_eq!((&lines[0]["watched_s"], &lines[2]["watched_s"]), (&5.into(), &11.9.into()));
        let of_last = |span: &str| lines[2]["resets"][span].clone();
        assert_eq!(of_last("last_10s"), serde_json::json!({ "count": 2, "per_s": 0.202 }));
        assert_eq!(of_last("since_start"), serde_json::json!({ "count": 2, "per_s": 0.168 }));
        assert_eq!(lines[2]["lost"][0]["stage"], "ring");
        let all = |name: &str| lines[2][name]["since_start"]["count"].as_u64().unwrap();
        assert_eq!(all("resets") + all("other_ends"), 3, "every verdict");
        assert_eq!(lines[3]["explained"], 412);
    }

    #[test]
    fn the_schema_would_notice() {
        let mut bytes = Vec::new();
        run(&mut Top::json(Duration::from_mins(1), &mut bytes));
        let line = String::from_utf8(bytes).unwrap().lines().next().unwrap().to_owned();
        let mut top: Value = serde_json::from_str(&line).unwrap();
        top["causes"][0]["benign"] = "perhaps".into();
        top["extra"] = true.into();
        top.as_object_mut().unwrap().remove("lost");
        let complaints = Schema::published("top").complaints(&top).join("\n");
        for place in ["$.causes[0].benign", "$.extra", "$.lost"] {
            assert!(complaints.contains(place), "{place} is not in\n{complaints}");
        }
    }

    #[test]
    fn what_both_schemas_define_is_the_same() {
        let [top, verdict]: [Value; 2] = [
            include_str!("../../../../docs/schema/top.schema.json"),
            include_str!("../../../../docs/schema/verdict.schema.json"),
        ]
        .map(|text| serde_json::from_str(text).unwrap());
        for (here, there) in [
            ("/$defs/totals", "/$defs/totals"),
            ("/$defs/namespace", "/$defs/namespace"),
            ("/$defs/fact", "/$defs/lost/properties/fact"),
            ("/$defs/stage", "/$defs/lost/properties/stage"),
        ] {
            assert_eq!(top.pointer(here).unwrap(), verdict.pointer(there).unwrap(), "{here}");
        }
    }
}
