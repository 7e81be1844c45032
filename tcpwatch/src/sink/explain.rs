//! A block of at most twelve lines per reset: who, what, why, the proof, and what to do.

use std::collections::VecDeque;
use std::io::{self, Write};

use super::block::{Block, Weight};
use super::clock::Span;
use super::escape::cleaned;
use super::fold::{Folds, Key};
use super::line::{amends, write_counted};
use super::losses::Losses;
use super::out::Out;
use super::paint::{Ink, Paint};
use super::totals::write_totals;
use super::{Clean, Clock, Sink, Summary};
use crate::event::{CoverageDeclared, EventsLost, HostDescribed, Time};
use crate::explain::verdict::{
    Amendment, Direction, Evidence, Explanation, Finding, Remedy, Verdict,
};

/// Text for a person who wants to understand one reset.
pub struct Explain<W> {
    clock: Clock,
    paint: Paint,
    width: usize,
    folds: Folds,
    losses: Losses,
    /// Ids shown lately, ascending: the other end of one of these needs no second explanation.
    shown: VecDeque<u64>,
    out: Out<W>,
}

impl<W: Write> Explain<W> {
    pub fn new(clock: Clock, paint: Paint, width: usize, to: W) -> Self {
        let (folds, losses) = (Folds::default(), Losses::default());
        Self { clock, paint, width, folds, losses, shown: VecDeque::new(), out: Out::new(to) }
    }

    fn remember(&mut self, id: u64) {
        if self.shown.len() >= REMEMBERED {
            self.shown.pop_front();
        }
        self.shown.push_back(id);
    }

    fn explained_already(&self, verdict: &Verdict) -> Option<u64> {
        verdict.joined.filter(|id| self.shown.binary_search(id).is_ok())
    }

    fn write_head(&mut self, verdict: &Verdict, block: &mut Block) -> io::Result<()> {
        let time = self.clock.at(verdict.time);
        let number = format!("RST #{}", verdict.id);
        let place = place(verdict);
        let effect = effect(verdict);
        let head = format!("  {}  {place}", time.full());
        let fits = number.len() + head.chars().count() + effect.len() + 4 <= self.width;
        write!(self.out.bytes, "{}{head}", self.paint.with(Ink::Heading, number))?;
        if fits {
            return writeln!(self.out.bytes, " -> {effect}");
        }
        block.add("effect", Weight::Must, effect);
        writeln!(self.out.bytes)
    }
}

impl<W: Write> Sink for Explain<W> {
    fn started(&mut self, host: &HostDescribed) -> io::Result<()> {
        self.clock.set(host);
        Ok(())
    }

    fn coverage(&mut self, _coverage: &CoverageDeclared) -> io::Result<()> {
        Ok(())
    }

    fn verdict(&mut self, verdict: &Verdict) -> io::Result<()> {
        if !self.folds.shows(Key::of(verdict), verdict.id, verdict.time) {
            return Ok(());
        }
        let mut block = Block::new(self.width);
        self.write_head(verdict, &mut block)?;
        block.add("flow", Weight::Must, flow(verdict));
        block.brief(flow_briefly(verdict));
        match (&verdict.finding, self.explained_already(verdict)) {
            (Finding::Explained(best), Some(id)) => add_reference(&mut block, best, id),
            (Finding::Explained(best), None) => add_explanation(&mut block, verdict, best),
            (Finding::Unexplained { missing }, _) => add_missing(&mut block, verdict, missing),
        }
        block.fit(LINES - 1);
        block.write(&mut self.out.bytes, self.paint)?;
        self.remember(verdict.id);
        self.out.relieve()
    }

    fn amendment(&mut self, amendment: &Amendment) -> io::Result<()> {
        if !self.folds.shows(Key::of_amendment(amendment), amendment.of, amendment.time) {
            return Ok(());
        }
        writeln!(self.out.bytes, "  {}", amends(amendment, self.paint))?;
        let mut block = Block::new(self.width);
        add_remedy(&mut block, amendment.explanation.cause.remedy());
        block.fit(LINES - 1);
        block.write(&mut self.out.bytes, self.paint)?;
        self.out.relieve()
    }

    fn lost(&mut self, lost: &EventsLost) -> io::Result<()> {
        self.losses.add(lost);
        Ok(())
    }

    fn totals(&mut self, summary: &Summary<'_>) -> io::Result<()> {
        let (repeats, losses) = (self.folds.rest(), self.losses.rest());
        let out = &mut self.out.bytes;
        write_counted(out, &mut self.clock, None, &repeats, &losses)?;
        write_totals(out, summary, self.paint)
    }

    fn until(&mut self, now: Time) -> io::Result<()> {
        let (repeats, losses) = (self.folds.due(now), self.losses.due(now));
        write_counted(&mut self.out.bytes, &mut self.clock, Some(now), &repeats, &losses)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.drain()
    }
}

fn place(verdict: &Verdict) -> String {
    let verb = match verdict.direction {
        Direction::Sent => "sent from",
        Direction::Received => "received in",
    };
    match &verdict.namespace {
        Some(name) => format!("{verb} netns {}", Clean(name)),
        None => format!("{verb} {}", verdict.netns),
    }
}

/// What the application at the end that hears the reset gets to know.
fn effect(verdict: &Verdict) -> String {
    let end = match verdict.direction {
        Direction::Sent => "remote",
        Direction::Received => "local",
    };
    match verdict.errno {
        Some(errno) => format!("the {end} application gets {errno}"),
        None => format!("the {end} application is not told"),
    }
}

/// Both views: the addresses of the segments, and the one the client dialled.
fn flow(verdict: &Verdict) -> String {
    let (local, remote) = (verdict.flow.local, verdict.flow.remote);
    let arrow = super::line::arrow(verdict.direction);
    let owner = verdict.owner.as_ref().map_or_else(String::new, |owner| format!(", {owner}"));
    let service = match verdict.service {
        Some(service) if service == remote => ", the service".into(),
        Some(service) => format!(", service {service}"),
        None => String::new(),
    };
    format!("{local} (local{}) {arrow} {remote} (remote){service}", Clean(owner))
}

/// The same in few words, for want of room.
fn flow_briefly(verdict: &Verdict) -> String {
    let arrow = super::line::arrow(verdict.direction);
    format!("{} {arrow} {} …", verdict.flow.local, verdict.flow.remote)
}

/// The other end of a reset that was explained just before.
fn add_reference(block: &mut Block, best: &Explanation, id: u64) {
    let code = best.cause.code();
    block.add(
        "cause",
        Weight::Must,
        format!("{code} ({}): see #{id}, the other end of this reset", best.certainty),
    );
    block.accent(Ink::Cause, code.len());
}

fn add_explanation(block: &mut Block, verdict: &Verdict, best: &Explanation) {
    let code = best.cause.code();
    let sentence = format!("{code} ({}): {}", best.certainty, Clean(&best.cause));
    block.add("cause", Weight::Must, sentence);
    block.accent(Ink::Cause, code.len());
    add_evidence(block, verdict.time, best.cause.evidence());
    add_remedy(block, best.cause.remedy());
    let also: Vec<_> = verdict.also.iter().map(told_briefly).collect();
    block.add("also", Weight::Extra, also.join("; "));
    block.add("kernel", Weight::Extra, kernel_words(verdict));
}

fn told_briefly(other: &Explanation) -> String {
    format!("{} ({}): {}", other.cause.code(), other.certainty, Clean(&other.cause))
}

fn add_evidence(block: &mut Block, reset: Time, evidence: Vec<Evidence>) {
    let sources = evidence.iter().map(|line| line.source.len()).max().unwrap_or(0);
    for (index, line) in evidence.into_iter().enumerate() {
        let lead = format!("{} {:<sources$}  ", index + 1, line.source);
        let label = if index == 0 { "evidence" } else { "" };
        let text = match line.at {
            Some(at) => format!("{}: {}", age(reset, at), Clean(&line.text)),
            None => cleaned(line.text),
        };
        block.add_led(label, lead, Weight::OneOfMany, text);
    }
}

/// How long before the reset, or after.
fn age(reset: Time, at: Time) -> String {
    let span = Span(reset.distance(at));
    if at <= reset { format!("{span} before") } else { format!("{span} after") }
}

fn add_remedy(block: &mut Block, remedy: Remedy) {
    block.add("now", Weight::Must, cleaned(remedy.now));
    block.add("fix", Weight::Must, cleaned(remedy.fix));
    block.add("trade-off", Weight::Extra, cleaned(remedy.trade_off));
    block.add("do not", Weight::Must, cleaned(remedy.do_not));
}

fn add_missing(block: &mut Block, verdict: &Verdict, missing: &[String]) {
    let code = "unexplained";
    block.add("cause", Weight::Must, format!("{code}: {}", verdict.mechanism.sentence()));
    block.accent(Ink::Unexplained, code.len());
    for (index, item) in missing.iter().enumerate() {
        let label = if index == 0 { "not seen" } else { "" };
        let lead = format!("{} ", index + 1);
        block.add_led(label, lead, Weight::OneOfMany, cleaned(item.clone()));
    }
    block.add("kernel", Weight::Extra, kernel_words(verdict));
}

/// What the kernel itself calls it.
fn kernel_words(verdict: &Verdict) -> String {
    let reason = verdict.reason.as_ref().map(|reason| format!("reset reason {}", Clean(reason)));
    let state = verdict.state.map(|state| format!("socket state {state}"));
    reason.into_iter().chain(state).collect::<Vec<_>>().join(", ")
}

/// A block is never longer.
const LINES: usize = 12;

const REMEMBERED: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::samples;

    fn written(width: usize, tell: impl FnOnce(&mut Explain<&mut Vec<u8>>)) -> String {
        let mut bytes = Vec::new();
        let mut explain = Explain::new(Clock::utc(), Paint::PLAIN, width, &mut bytes);
        explain.started(&samples::host()).unwrap();
        tell(&mut explain);
        explain.flush().unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn block_of(verdict: &Verdict) -> String {
        written(100, |explain| explain.verdict(verdict).unwrap())
    }

    #[test]
    fn an_explained_reset() {
        assert_eq!(
            block_of(&samples::explained()),
            "\
RST #17  2026-11-21 12:04:31.882+00:00  sent from netns shop
  effect    the remote application gets ECONNREFUSED (111)
  flow      10.0.0.1:80 (local) -> 10.0.0.9:40000 (remote)
  cause     no-listener (observed): nothing listens on 10.0.0.1:80; the port is open on 127.0.0.1:80
            only
  evidence  1 tcp       SYN to 10.0.0.1:80 found no socket
            2 listener  port 80 is open on 127.0.0.1:80 only
  now       dial 127.0.0.1:80, where it does listen
  fix       bind what is dialled: 0.0.0.0 and [::] (no IPV6_V6ONLY), not loopback or one family
  trade-off a server bound to every address is reachable from every network of its namespace
  do not    only add retries; use initialDelaySeconds in place of readiness
  kernel    reset reason NO_SOCKET
"
        );
    }

    #[test]
    fn an_unexplained_reset() {
        assert_eq!(
            block_of(&samples::unexplained()),
            "\
RST #19  2026-11-21 12:04:31.882+00:00  sent from net:[4026532201]
  effect    the remote application gets ECONNRESET (104)
  flow      [fd00::1]:80 (local, ngi\\u{1b}[31mnx[77]) -> [fd00::9]:40000 (remote)
  cause     unexplained: a segment without connection reached a LISTEN socket
  not seen  1 no dropped handshake of this connection in the 31 s watched
            2 the beginning of this connection
  kernel    socket state LISTEN
"
        );
    }

    #[test]
    fn the_other_end_refers_to_what_was_explained() {
        let tell = |explain: &mut Explain<&mut Vec<u8>>| {
            explain.verdict(&samples::explained()).unwrap();
            explain.verdict(&samples::received()).unwrap();
        };
        let text = written(120, tell);
        let second = &text[text.find("RST #18").unwrap()..];
        assert_eq!(
            second,
            "\
RST #18  2026-11-21 12:04:31.882+00:00  received in net:[4026532202] -> the local application gets ECONNREFUSED (111)
  flow      10.0.0.9:40000 (local, curl[812]) <- 10.0.0.1:80 (remote), service 10.96.0.1:80
  cause     no-listener (observed): see #17, the other end of this reset
"
        );
        assert!(
            block_of(&samples::received()).contains("evidence  1 tcp"),
            "on its own it is told in full"
        );
    }

    #[test]
    fn an_amendment_comes_with_what_to_do() {
        assert_eq!(
            written(100, |explain| explain.amendment(&samples::amendment()).unwrap()),
            "  amends #17: not-yet-listening: 0.0.0.0:80 opened 3.000 s after the connection was refused [nginx[77]]
  now       nothing: the port is open now
  fix       send traffic only when the port is open: a readiness (or startup) probe on the real port
  trade-off a stricter readiness probe makes each rollout step longer
  do not    use initialDelaySeconds as a guess of the start-up time
"
        );
    }

    #[test]
    fn evidence_bears_its_age() {
        let reset = Time(100_000_000_000);
        assert_eq!(age(reset, Time(87_700_000_000)), "12.3 s before");
        assert_eq!(age(reset, Time(100_040_000_000)), "40 ms after");
    }

    #[test]
    fn a_block_has_at_most_twelve_lines_at_any_width() {
        for width in [60, 72, 80, 100, 250] {
            let text = written(width, |explain| explain.verdict(&samples::explained()).unwrap());
            assert!(text.lines().count() <= 12, "{text}");
            assert!(text.lines().skip(1).all(|line| line.chars().count() <= width), "{text}");
        }
    }
}
