//! A block of at most twelve lines per reset: who, what, why, the proof, and what to do.

use std::collections::VecDeque;
use std::io::{self, Write};

use super::block::{Block, Weight};
use super::clock::Span;
use super::escape::cleaned;
use super::evidence::age;
use super::fold::Key;
use super::hosts::Hosts;
use super::line::write_counted;
use super::out::Out;
use super::paint::{Ink, Paint};
use super::totals::write_totals;
use super::{Clean, Clock, Sink, Summary};
use crate::event::{CoverageDeclared, EventsLost, HostDescribed, Time};
use crate::explain::mechanism::Mechanism;
use crate::explain::verdict::{
    Amendment, Direction, Evidence, Explanation, Finding, Remedy, Verdict,
};

/// Text for a person who wants to understand one reset.
pub struct Explain<W> {
    hosts: Hosts,
    paint: Paint,
    width: usize,
    /// Told lately, by ascending id: the other end of one of these needs no second explanation.
    told: VecDeque<Told>,
    out: Out<W>,
}

/// A reset the reader knows of.
#[derive(Clone, Copy)]
struct Told {
    id: u64,
    time: Time,
    /// The block to read: its own, or that of the one it was counted with.
    block: u64,
}

impl<W: Write> Explain<W> {
    pub fn new(clock: Clock, paint: Paint, width: usize, to: W) -> Self {
        Self { hosts: Hosts::new(clock), paint, width, told: VecDeque::new(), out: Out::new(to) }
    }

    fn remember(&mut self, verdict: &Verdict, block: u64) {
        if self.told.len() >= REMEMBERED {
            self.told.pop_front();
        }
        self.told.push_back(Told { id: verdict.id, time: verdict.time, block });
    }

    fn told(&self, id: u64) -> Option<Told> {
        self.told.binary_search_by_key(&id, |told| told.id).ok().map(|index| self.told[index])
    }

    fn write_head(&mut self, verdict: &Verdict, block: &mut Block) -> io::Result<()> {
        let number = format!("RST #{}", verdict.id);
        let place = format!("{}{}", place(verdict), self.hosts.on_host());
        let time = self.hosts.speaker().clock.at(verdict.time);
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

    fn write_amendment_head(&mut self, amendment: &Amendment) -> io::Result<()> {
        let of = amendment.of;
        let number = self.paint.with(Ink::Heading, format!("RST #{of}"));
        let later = self.told(of).map(|told| Span(amendment.time.since(told.time)));
        let later = later.map_or_else(String::new, |span| format!(" {span} later"));
        let Explanation { certainty, cause } = &amendment.explanation;
        let code = self.paint.with(Ink::Cause, cause.code());
        writeln!(self.out.bytes, "{number}  amended{later}: {code} ({certainty})")
    }
}

impl<W: Write> Sink for Explain<W> {
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
        let folds = &mut self.hosts.speaker().folds;
        let like = folds.counts(&Key::of(verdict), verdict.id, verdict.time);
        self.remember(verdict, like.unwrap_or(verdict.id));
        if like.is_some() {
            return Ok(());
        }
        let mut block = Block::new(self.width);
        self.write_head(verdict, &mut block)?;
        block.add("flow", Weight::Must, flow(verdict));
        block.brief(flow_briefly(verdict));
        let knows_more = verdict.peer.is_some() && verdict.explained_by().is_none();
        let other = verdict.joined.filter(|_| !knows_more).and_then(|id| self.told(id));
        match (&verdict.finding, other) {
            (_, Some(other)) => add_reference(&mut block, verdict, other),
            (Finding::Explained(best), None) => add_explanation(&mut block, verdict, best),
            (Finding::Unexplained { missing }, None) => add_missing(&mut block, verdict, missing),
        }
        block.fit(LINES - 1);
        block.write(&mut self.out.bytes, self.paint)?;
        self.out.relieve()
    }

    fn amendment(&mut self, amendment: &Amendment) -> io::Result<()> {
        let keys = Key::of_amendment(amendment);
        let folds = &mut self.hosts.speaker().folds;
        if folds.counts(&keys, amendment.of, amendment.time).is_some() {
            return Ok(());
        }
        self.write_amendment_head(amendment)?;
        let mut block = Block::new(self.width);
        block.add("cause", Weight::Must, amended_cause(amendment));
        add_remedy(&mut block, amendment.explanation.cause.remedy());
        block.fit(LINES - 1);
        block.write(&mut self.out.bytes, self.paint)?;
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

fn place(verdict: &Verdict) -> String {
    let verb = match verdict.direction {
        Direction::Sent => "sent from",
        Direction::Received => "received in",
    };
    let pod = verdict.untold_pod().map_or_else(String::new, |pod| format!(" of pod {pod}"));
    match &verdict.namespace {
        Some(name) => format!("{verb} netns {}{}", Clean(name), Clean(pod)),
        None => format!("{verb} {}{}", verdict.netns, Clean(pod)),
    }
}

/// What the application at the end that hears the reset gets to know.
fn effect(verdict: &Verdict) -> String {
    let hearer = match verdict.direction {
        _ if is_of_a_rule(verdict) => "sender of the refused packet",
        Direction::Sent => "remote application",
        Direction::Received => "local application",
    };
    match verdict.errno {
        Some(errno) => format!("the {hearer} gets {errno}"),
        None => format!("the {hearer} is not told"),
    }
}

/// Both views: the addresses of the segments, and the one the client dialled.
fn flow(verdict: &Verdict) -> String {
    let (local, remote) = (verdict.flow.local, verdict.flow.remote);
    let arrow = super::line::arrow(verdict.direction);
    if is_of_a_rule(verdict) {
        return format!("{local} (the refused packet's destination) {arrow} {remote} (its source)");
    }
    let owner = verdict.owner_phrase();
    let service = match verdict.service {
        Some(service) if service == remote => ", the service".into(),
        Some(service) => format!(", service {service}"),
        None => String::new(),
    };
    format!("{local} (local{}) {arrow} {remote} (remote){service}", Clean(owner))
}

/// A firewall rule refuses packets that pass through as well as its own host's: neither end need be of this host.
fn is_of_a_rule(verdict: &Verdict) -> bool {
    verdict.mechanism == Mechanism::Rejected
}

/// The same in few words, for want of room: whom the client dialled is what makes sense of the addresses.
fn flow_briefly(verdict: &Verdict) -> String {
    let (local, remote) = (verdict.flow.local, verdict.flow.remote);
    let arrow = super::line::arrow(verdict.direction);
    match verdict.service.filter(|service| *service != remote) {
        Some(service) => format!("{local} {arrow} {remote} …, service {service}"),
        None => format!("{local} {arrow} {remote} …"),
    }
}

fn amended_cause(amendment: &Amendment) -> String {
    let sentence = Clean(&amendment.explanation.cause);
    match &amendment.owner {
        Some(owner) => format!("{sentence} [{}]", Clean(owner.in_place())),
        None => sentence.to_string(),
    }
}

/// The other end of a reset that was told just before.
fn add_reference(block: &mut Block, verdict: &Verdict, other: Told) {
    let on_host = on_peer(verdict);
    let see = if other.block == other.id {
        format!("see #{}{on_host}, the other end of this reset", other.id)
    } else {
        format!(
            "see #{}{on_host}; the other end of this reset is #{}, counted with it",
            other.block, other.id
        )
    };
    match &verdict.finding {
        Finding::Explained(best) => {
            let code = best.cause.code();
            block.add("cause", Weight::Must, format!("{code} ({}): {see}", best.certainty));
            block.accent(Ink::Cause, code.len());
        }
        Finding::Unexplained { .. } => {
            block.add("cause", Weight::Must, format!("{UNEXPLAINED}: {see}"));
            block.accent(Ink::Unexplained, UNEXPLAINED.len());
        }
    }
}

/// ` on NAME`, where the other end is another host.
fn on_peer(verdict: &Verdict) -> String {
    let name = verdict.peer.as_ref().map(|peer| format!(" on {}", Clean(&peer.host.hostname)));
    name.unwrap_or_default()
}

fn add_explanation(block: &mut Block, verdict: &Verdict, best: &Explanation) {
    let code = best.cause.code();
    let sentence = format!("{code} ({}): {}", best.certainty, Clean(&best.cause));
    block.add("cause", Weight::Must, sentence);
    block.accent(Ink::Cause, code.len());
    add_evidence(block, verdict.evidence_time(), best.cause.evidence());
    add_remedy(block, best.cause.remedy());
    let also: Vec<_> = verdict.also.iter().map(told_briefly).collect();
    block.add("also", Weight::Extra, also.join("; "));
    if let (Some(id), Some(_)) = (verdict.joined, &verdict.peer) {
        block.add("other end", Weight::Extra, format!("#{id}{}", on_peer(verdict)));
    }
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

fn add_remedy(block: &mut Block, remedy: Remedy) {
    block.add("now", Weight::Must, cleaned(remedy.now));
    block.add("fix", Weight::Must, cleaned(remedy.fix));
    block.add("trade-off", Weight::Extra, cleaned(remedy.trade_off));
    block.add("do not", Weight::Must, cleaned(remedy.do_not));
}

fn add_missing(block: &mut Block, verdict: &Verdict, missing: &[String]) {
    let other = verdict.joined.map(|id| format!(", the other end of #{id}{}", on_peer(verdict)));
    let other = other.unwrap_or_default();
    let sentence = format!("{UNEXPLAINED}: {}{other}", verdict.mechanism.sentence());
    block.add("cause", Weight::Must, sentence);
    block.accent(Ink::Unexplained, UNEXPLAINED.len());
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

const UNEXPLAINED: &str = "unexplained";

/// A block is never longer.
const LINES: usize = 12;

const REMEMBERED: usize = 4096;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::event::FilterHook;
    use crate::explain::story::{Story, expired};
    use crate::explain::verdict::{OwnerStatus, Peer};
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
  now       the server takes connections from its own host only; see whether that is meant
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
    fn a_rule_on_the_way_owns_neither_end() {
        let story =
            Story::new().after(5).rejects_syn(FilterHook::Forward, "10.0.0.1:80", "10.9.9.9:4000");
        let text = block_of(&story.verdicts()[0]);
        let head = "\
sent from netns ns1
  effect    the sender of the refused packet gets ECONNREFUSED (111)
  flow      10.0.0.1:80 (the refused packet's destination) -> 10.9.9.9:4000 (its source)
";
        assert!(text.contains(head), "{text}");
        assert!(!text.contains("local") && !text.contains("remote"), "{text}");
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
    fn the_other_end_may_be_another_host() {
        let tell = |explain: &mut Explain<&mut Vec<u8>>| {
            explain.host(&samples::host()).unwrap();
            explain.verdict(&samples::explained()).unwrap();
            explain.host(&samples::other_host()).unwrap();
            explain.verdict(&samples::received_elsewhere()).unwrap();
        };
        let text = written(120, tell);
        assert!(
            text.starts_with(
                "RST #17  2026-11-21 12:04:31.882+00:00  sent from netns shop on node1"
            ),
            "{text}"
        );
        let second = &text[text.find("RST #18").unwrap()..];
        assert!(
            second.contains("12:04:31.877+00:00  received in net:[4026532202] on node2"),
            "{text}"
        );
        let see =
            "cause     no-listener (observed): see #17 on node1, the other end of this reset\n";
        assert!(second.contains(see), "{text}");
    }

    /// Evidence is as old as it was on the host that has it, by that host's clock.
    #[test]
    fn evidence_of_another_host_keeps_its_age() {
        let at_home = expired_entry();
        let (host, explains) = (Arc::new(samples::host()), true);
        let peer = Peer { host, time: at_home.time, explains };
        let (time, peer) = (Time(7), Some(Arc::new(peer)));
        let received = Verdict { time, peer, ..at_home.clone() };
        let evidence = |text: &str| {
            let lines = text.lines().skip_while(|line| !line.starts_with("  evidence"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(evidence(&block_of(&received)), evidence(&block_of(&at_home)));
        assert!(block_of(&at_home).contains(" before: "));
    }

    #[test]
    fn an_amendment_comes_with_what_to_do() {
        assert_eq!(
            written(100, |explain| explain.amendment(&samples::amendment()).unwrap()),
            "\
RST #17  amended: not-yet-listening (observed)
  cause     0.0.0.0:80 opened 3.000 s after the connection was refused [nginx[77]]
  now       nothing: the port is open now
  fix       send traffic only when the port is open: a readiness (or startup) probe on the real port
  trade-off a stricter readiness probe makes each rollout step longer
  do not    use initialDelaySeconds as a guess of the start-up time
"
        );
    }

    #[test]
    fn a_block_has_at_most_twelve_lines_at_any_width() {
        for verdict in [samples::explained(), samples::unexplained(), expired_entry()] {
            for width in 60..=250 {
                let text = written(width, |explain| explain.verdict(&verdict).unwrap());
                assert!(text.lines().count() <= 12, "{text}");
                assert!(text.lines().skip(1).all(|line| line.chars().count() <= width), "{text}");
            }
        }
    }

    /// Much evidence, long addresses.
    fn expired_entry() -> Verdict {
        let (client, service) = ("10.244.10.119:40000", "10.96.0.1:80");
        let story = Story::new().finds("0.0.0.0:80");
        let story = story.loses_entry(client, service, "10.244.0.2:80", expired()).after(60_000);
        let story = story.data_meets_listener("10.244.0.1:80", client, 5).after(1);
        story.pickup_dies(client, service, "10.244.0.1:80").verdicts().remove(0)
    }

    #[test]
    fn evidence_stays_longer_than_what_is_around_it() {
        assert_eq!(
            written(80, |explain| explain.verdict(&expired_entry()).unwrap()),
            "\
RST #1  2026-11-21 10:41:41.000+00:00  sent from netns ns1
  effect    the remote application gets ECONNRESET (104)
  flow      10.244.0.1:80 -> 10.244.10.119:40000 …, service 10.96.0.1:80
  cause     conntrack-expired (observed): the conntrack entry of this idle …
  evidence  1 tcp        10.96.0.1:80 led to 10.244.0.1:80; the connection is …
            2 conntrack  60.0 s before: entry removed, 30.000 s after it had …
            3 conntrack  in net:[9]: 10.244.10.119:40000 -> 10.96.0.1:80, reply
                         10.244.0.2:80 -> 10.244.10.119:40000
            +2 more evidence, see -o json
  now       the client must reconnect; nothing is broken on the server
  fix       application: TCP keepalive (SO_KEEPALIVE) with an idle time well …
  do not    lower the timeout to save memory; turn conntrack off for service …
"
        );
    }

    #[test]
    fn the_other_end_of_what_was_counted_refers_to_what_was_shown() {
        let tell = |explain: &mut Explain<&mut Vec<u8>>| {
            for id in (1..=600).step_by(2) {
                let port = 40_000 + u16::try_from(id).unwrap();
                let mut sent = Verdict { id, ..samples::explained() };
                sent.flow.remote.port = port;
                let mut received = Verdict { id: id + 1, joined: Some(id), ..samples::received() };
                received.flow.local.port = port;
                explain.verdict(&sent).unwrap();
                explain.verdict(&received).unwrap();
            }
            // Another namespace, so not counted with the others.
            let netns = crate::event::NetNs(7);
            let late = Verdict { id: 601, netns, joined: Some(599), ..samples::received() };
            explain.verdict(&late).unwrap();
            explain.until(samples::explained().time.plus(Duration::from_secs(2))).unwrap();
        };
        let text = written(100, tell);
        assert_eq!(text.matches("RST #").count(), 7, "{text}");
        assert_eq!(text.matches("  evidence").count(), 3, "only the sent ones: {text}");
        let last = &text[text.find("RST #601").unwrap()..];
        assert_eq!(
            last,
            "\
RST #601  2026-11-21 12:04:31.882+00:00  received in net:[7]
  effect    the local application gets ECONNREFUSED (111)
  flow      10.0.0.9:40000 (local, curl[812]) <- 10.0.0.1:80 (remote), service 10.96.0.1:80
  cause     no-listener (observed): see #1; the other end of this reset is #599, counted with it
12:04:33.882 ×297 more like #1, to #599: sent 10.0.0.1:80 -> 10.0.0.9 no-listener
12:04:33.882 ×297 more like #2, to #600: received 10.0.0.9 <- 10.0.0.1:80 no-listener
"
            .replace("12:04:33.882", "12:04:33.882104")
        );
    }

    #[test]
    fn the_other_end_of_an_unexplained_reset_refers_to_it_too() {
        let sent = samples::unexplained();
        let received = Verdict {
            id: 20,
            direction: Direction::Received,
            flow: sent.flow.reversed(),
            mechanism: Mechanism::FromPeer,
            owner: None,
            owner_status: OwnerStatus::Nobody,
            joined: Some(19),
            ..sent.clone()
        };
        let both = written(120, |explain| {
            explain.verdict(&sent).unwrap();
            explain.verdict(&received).unwrap();
        });
        assert_eq!(
            &both[both.find("RST #20").unwrap()..],
            "\
RST #20  2026-11-21 12:04:31.882+00:00  received in net:[4026532201] -> the local application gets ECONNRESET (104)
  flow      [fd00::9]:40000 (local) <- [fd00::1]:80 (remote)
  cause     unexplained: see #19, the other end of this reset
"
        );
        let alone = block_of(&received);
        let cause = "  cause     unexplained: a RST arrived, the other end of #19\n  not seen  1 no dropped";
        assert!(alone.contains(cause), "{alone}");
    }

    #[test]
    fn an_amendment_stands_on_its_own() {
        let tell = |explain: &mut Explain<&mut Vec<u8>>| {
            explain.verdict(&samples::explained()).unwrap();
            explain.verdict(&samples::unexplained()).unwrap();
            explain.amendment(&samples::amendment()).unwrap();
        };
        let text = written(100, tell);
        assert_eq!(
            &text[text.rfind("RST #17").unwrap()..],
            "\
RST #17  amended 3.0 s later: not-yet-listening (observed)
  cause     0.0.0.0:80 opened 3.000 s after the connection was refused [nginx[77]]
  now       nothing: the port is open now
  fix       send traffic only when the port is open: a readiness (or startup) probe on the real port
  trade-off a stricter readiness probe makes each rollout step longer
  do not    use initialDelaySeconds as a guess of the start-up time
"
        );
    }
}
