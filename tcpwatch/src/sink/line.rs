//! One line per reset.

use std::fmt;
use std::io::{self, Write};

use super::fold::Key;
use super::hosts::{Hosts, Known};
use super::losses;
use super::out::Out;
use super::paint::{Ink, Paint};
use super::totals::write_totals;
use super::{Clean, Clock, Sink, Summary};
use crate::event::{CoverageDeclared, EventsLost, HostDescribed, Time};
use crate::explain::verdict::{Amendment, Direction, Finding, Verdict};

/// Text for a person who watches, and for grep.
pub struct Line<W> {
    hosts: Hosts,
    paint: Paint,
    out: Out<W>,
}

impl<W: Write> Line<W> {
    pub fn new(clock: Clock, paint: Paint, to: W) -> Self {
        Self { hosts: Hosts::new(clock), paint, out: Out::new(to) }
    }
}

impl<W: Write> Sink for Line<W> {
    fn started(&mut self, host: &HostDescribed) -> io::Result<()> {
        self.hosts.started(host);
        Ok(())
    }

    fn host(&mut self, host: &HostDescribed) -> io::Result<()> {
        self.hosts.one_of_several(host);
        Ok(())
    }

    fn coverage(&mut self, _coverage: &CoverageDeclared) -> io::Result<()> {
        Ok(())
    }

    fn verdict(&mut self, verdict: &Verdict) -> io::Result<()> {
        let host = self.hosts.speaker();
        if host.folds.counts(&Key::of(verdict), verdict.id, verdict.time).is_some() {
            return Ok(());
        }
        let time = host.clock.at(verdict.time);
        let (direction, flow, arrow) = (verdict.direction, verdict.flow, arrow(verdict.direction));
        let out = &mut self.out.bytes;
        write!(out, "{} {}#{} ", time.clock_time(), host.label, verdict.id)?;
        write!(out, "{direction} {} {arrow} {} {} ", flow.local, flow.remote, effect(verdict))?;
        write_finding(out, verdict, self.paint)?;
        write_context(out, verdict)?;
        self.out.relieve()
    }

    fn amendment(&mut self, amendment: &Amendment) -> io::Result<()> {
        let keys = Key::of_amendment(amendment);
        let host = self.hosts.speaker();
        if host.folds.counts(&keys, amendment.of, amendment.time).is_some() {
            return Ok(());
        }
        writeln!(self.out.bytes, "  {}", amends(amendment, self.paint))?;
        self.out.relieve()
    }

    fn lost(&mut self, lost: &EventsLost) -> io::Result<()> {
        self.hosts.speaker().losses.add(lost);
        Ok(())
    }

    fn totals(&mut self, summary: &Summary<'_>) -> io::Result<()> {
        let out = &mut self.out.bytes;
        self.hosts.each().try_for_each(|host| write_counted(out, host, None))?;
        write_totals(out, summary, self.paint)
    }

    fn until(&mut self, now: Time) -> io::Result<()> {
        write_counted(&mut self.out.bytes, self.hosts.speaker(), Some(now))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.drain()
    }
}

/// Which way the RST went between local and remote address.
pub(super) fn arrow(direction: Direction) -> &'static str {
    match direction {
        Direction::Sent => "->",
        Direction::Received => "<-",
    }
}

/// The amendment's line, without indent.
fn amends(amendment: &Amendment, paint: Paint) -> impl fmt::Display {
    let cause = &amendment.explanation.cause;
    fmt::from_fn(move |f| {
        let code = paint.with(Ink::Cause, cause.code());
        write!(f, "amends #{}: {code}: {}", amendment.of, Clean(cause))?;
        match &amendment.owner {
            Some(owner) => write!(f, " [{}]", Clean(owner.in_place())),
            None => Ok(()),
        }
    })
}

/// What was counted instead of shown: what is due by now, or everything. A count that comes in the middle bears the
/// time at which it was made.
pub(super) fn write_counted(
    out: &mut Vec<u8>,
    host: &mut Known,
    now: Option<Time>,
) -> io::Result<()> {
    let Known { clock, folds, losses, label, .. } = host;
    let (repeats, losses) = match now {
        Some(now) => (folds.due(now), losses.due(now)),
        None => (folds.rest(), losses.rest()),
    };
    for repeats in repeats {
        if let Some(now) = now {
            write!(out, "{} ", clock.at(now).clock_time())?;
        }
        writeln!(out, "{label}{repeats}")?;
    }
    losses.iter().try_for_each(|lost| {
        let time = clock.at(lost.until);
        writeln!(out, "{} {label}{}", time.clock_time(), losses::sentence(lost))
    })
}

/// What the application gets, or what it is called where it gets nothing.
fn effect(verdict: &Verdict) -> &'static str {
    verdict.errno.map_or(verdict.symptom.name(), |errno| errno.name)
}

fn write_finding(out: &mut Vec<u8>, verdict: &Verdict, paint: Paint) -> io::Result<()> {
    match &verdict.finding {
        Finding::Explained(explanation) => {
            let code = paint.with(Ink::Cause, explanation.cause.code());
            write!(out, "{code} ({}): {}", explanation.certainty, Clean(&explanation.cause))
        }
        Finding::Unexplained { missing } => {
            let code = paint.with(Ink::Unexplained, "unexplained");
            write!(out, "{code}: {}; not seen: ", verdict.mechanism.sentence())?;
            write_list(out, missing)
        }
    }
}

fn write_list(out: &mut Vec<u8>, items: &[String]) -> io::Result<()> {
    for (index, item) in items.iter().enumerate() {
        write!(out, "{}{}", if index > 0 { "; " } else { "" }, Clean(item))?;
    }
    Ok(())
}

/// Who and where, in brackets; ends the line.
fn write_context(out: &mut Vec<u8>, verdict: &Verdict) -> io::Result<()> {
    match &verdict.namespace {
        Some(name) => write!(out, " [netns {}", Clean(name))?,
        None => write!(out, " [{}", verdict.netns)?,
    }
    if let Some(pod) = verdict.untold_pod() {
        write!(out, " of pod {}", Clean(pod))?;
    }
    write!(out, "{}", Clean(verdict.owner_phrase()))?;
    if let Some(service) = verdict.service {
        write!(out, ", service {service}")?;
    }
    if let Some(id) = verdict.joined {
        write!(out, ", other end of #{id}")?;
    }
    if let Some(peer) = &verdict.peer {
        write!(out, " on {}", Clean(&peer.host.hostname))?;
    }
    writeln!(out, "]")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sink::samples;

    fn written(paint: Paint, tell: impl FnOnce(&mut Line<&mut Vec<u8>>)) -> String {
        let mut bytes = Vec::new();
        let mut line = Line::new(Clock::utc(), paint, &mut bytes);
        line.started(&samples::host()).unwrap();
        tell(&mut line);
        line.flush().unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn line_of(verdict: &Verdict) -> String {
        written(Paint::PLAIN, |line| line.verdict(verdict).unwrap())
    }

    #[test]
    fn an_explained_reset_is_one_line() {
        assert_eq!(
            line_of(&samples::explained()),
            "12:04:31.882104 #17 sent 10.0.0.1:80 -> 10.0.0.9:40000 ECONNREFUSED no-listener (observed): \
             nothing listens on 10.0.0.1:80; the port is open on 127.0.0.1:80 only [netns shop]\n"
        );
    }

    #[test]
    fn a_received_reset_names_service_and_other_end() {
        assert_eq!(
            line_of(&samples::received()),
            "12:04:31.882104 #18 received 10.0.0.9:40000 <- 10.0.0.1:80 ECONNREFUSED no-listener (observed): \
             nothing listens on 10.0.0.1:80; the port is open on 127.0.0.1:80 only \
             [net:[4026532202], curl[812], service 10.96.0.1:80, other end of #17]\n"
        );
    }

    #[test]
    fn several_hosts_are_called_by_name_and_keep_their_clocks() {
        let tell = |line: &mut Line<&mut Vec<u8>>| {
            line.host(&samples::host()).unwrap();
            line.verdict(&samples::explained()).unwrap();
            line.host(&samples::other_host()).unwrap();
            line.verdict(&samples::received_elsewhere()).unwrap();
            line.lost(&samples::lost()).unwrap();
            line.host(&samples::host()).unwrap();
            line.totals(&samples::summary(&samples::totals())).unwrap();
        };
        let text = written(Paint::PLAIN, tell);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("12:04:31.882104 node1 #17 sent 10.0.0.1:80 "), "{text}");
        assert!(lines[1].starts_with("12:04:31.877104 node2 #18 received "), "{text}");
        assert!(lines[1].ends_with(" [net:[4026532202], other end of #17 on node1]"), "{text}");
        assert_eq!(
            lines[2],
            "12:04:30.995000 node2 lost 12 (resets sent): the ring buffer was full"
        );
    }

    /// Hosts have the same namespaces and addresses, and are not the same.
    #[test]
    fn repeats_are_counted_for_each_host() {
        let tell = |line: &mut Line<&mut Vec<u8>>| {
            for id in 1..=8 {
                let host = if id % 2 == 0 { samples::other_host() } else { samples::host() };
                line.host(&host).unwrap();
                line.verdict(&Verdict { id, ..samples::explained() }).unwrap();
            }
            line.totals(&samples::summary(&samples::totals())).unwrap();
        };
        let text = written(Paint::PLAIN, tell);
        let rest = "sent 10.0.0.1:80 -> 10.0.0.9 no-listener\n";
        assert!(text.contains(&format!("\nnode1 ×1 more like #1, to #7: {rest}")), "{text}");
        assert!(text.contains(&format!("\nnode2 ×1 more like #2, to #8: {rest}")), "{text}");
    }

    #[test]
    fn an_unexplained_reset_says_what_was_not_seen() {
        assert_eq!(
            line_of(&samples::unexplained()),
            "12:04:31.882104 #19 sent [fd00::1]:80 -> [fd00::9]:40000 ECONNRESET unexplained: \
             a segment without connection reached a LISTEN socket; not seen: \
             no dropped handshake of this connection in the 31 s watched; the beginning of this connection \
             [net:[4026532201], ngi\\u{1b}[31mnx[77]]\n"
        );
    }

    #[test]
    fn a_reset_nobody_hears_of_is_called_by_its_symptom() {
        let silent = Verdict { errno: None, ..samples::unexplained() };
        assert!(line_of(&silent).contains("[fd00::9]:40000 reset unexplained"));
    }

    #[test]
    fn an_amendment_names_its_verdict() {
        let text = written(Paint::PLAIN, |line| line.amendment(&samples::amendment()).unwrap());
        assert_eq!(
            text,
            "  amends #17: not-yet-listening: 0.0.0.0:80 opened 3.000 s after the connection was refused [nginx[77]]\n"
        );
    }

    #[test]
    fn repeats_are_counted_and_no_count_is_lost() {
        let tell = |line: &mut Line<&mut Vec<u8>>| {
            for id in 1..=412 {
                line.verdict(&Verdict { id, ..samples::explained() }).unwrap();
            }
            line.until(samples::explained().time.plus(Duration::from_secs(2))).unwrap();
            line.verdict(&Verdict { id: 413, ..samples::explained() }).unwrap();
            line.totals(&samples::summary(&samples::totals())).unwrap();
        };
        let text = written(Paint::PLAIN, tell);
        let lines: Vec<_> = text.lines().skip(3).take(2).collect();
        let rest = "sent 10.0.0.1:80 -> 10.0.0.9 no-listener";
        assert_eq!(lines[0], format!("12:04:33.882104 ×409 more like #1, to #412: {rest}"));
        assert_eq!(lines[1], format!("×1 more like #1, to #413: {rest}"));
    }

    #[test]
    fn losses_stand_among_the_lines() {
        let tell = |line: &mut Line<&mut Vec<u8>>| {
            line.lost(&samples::lost()).unwrap();
            line.until(samples::START.plus(Duration::from_secs(2))).unwrap();
        };
        let expected = "12:04:01.000000 lost 12 (resets sent): the ring buffer was full\n";
        assert_eq!(written(Paint::PLAIN, tell), expected);
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let text = written(Paint::COLOURED, |line| line.verdict(&samples::explained()).unwrap());
        assert!(text.contains("\u{1b}[1;31mno-listener\u{1b}[0m (observed)"), "{text}");
    }
}
