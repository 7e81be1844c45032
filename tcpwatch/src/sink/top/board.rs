//! The counters behind the page. Pure: the same verdicts give the same frames, live or replayed.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::ends::{Both, Pair, Server};
use super::frame::{self, Frame};
use super::ranking::{Ranked, Ranking};
use super::tally::{Counts, End, Tally};
use crate::event::{CoverageDeclared, EventsLost, Fact, LossStage, NetNs, Time};
use crate::explain::verdict::{Amendment, Finding, UNEXPLAINED, Verdict};

/// Everything counted in one run. Bounded: kinds by [`Ranking`], the rest by closed sets.
#[derive(Default)]
pub(super) struct Board {
    since: Time,
    symptoms: BTreeMap<&'static str, Tally>,
    causes: BTreeMap<&'static str, Cause>,
    other_ends: Tally,
    pairs: Ranking<Pair, Both>,
    servers: Ranking<Server, Both>,
    lately: Lately,
    amended: BTreeMap<&'static str, u64>,
    lost: Vec<(Fact, LossStage, Tally)>,
    blind: Vec<Fact>,
}

#[derive(Default)]
struct Cause {
    benign: bool,
    tally: Tally,
}

impl Board {
    /// Nothing before this was watched.
    pub(super) fn start(&mut self, since: Time) {
        self.since = since;
    }

    pub(super) fn coverage(&mut self, coverage: &CoverageDeclared) {
        let blind = coverage.hooks.iter().filter(|hook| !hook.blind.is_empty());
        self.blind = blind.map(|hook| hook.fact).collect();
        self.blind.sort_unstable();
        self.blind.dedup();
    }

    pub(super) fn verdict(&mut self, verdict: &Verdict) {
        let second = self.second(verdict.time);
        let counted = verdict.joined.and_then(|id| self.lately.get(id));
        if let Some(other_end) = counted {
            self.other_ends.add(second, 1);
            self.learn(other_end, verdict);
        } else {
            self.count(verdict, second);
        }
        self.serve(verdict, second);
    }

    fn count(&mut self, verdict: &Verdict, second: u64) {
        let cause = self.causes.entry(verdict.finding.code()).or_default();
        cause.tally.add(second, 1);
        cause.benign = is_benign(&verdict.finding);
        self.symptoms.entry(verdict.symptom.name()).or_default().add(second, 1);
        let pair = (!is_benign(&verdict.finding)).then(|| Pair::of(verdict));
        if let Some(pair) = &pair {
            let both = &mut self.pairs.count(pair, second, verdict.finding.code()).names;
            both.namespace.clone_from(&verdict.namespace);
            both.learn(verdict);
        }
        self.lately.remember(verdict.id, Counted { pair });
    }

    /// The other end knows its own program.
    fn learn(&mut self, counted: Counted, verdict: &Verdict) {
        if let Some(kind) = counted.pair.and_then(|pair| self.pairs.get(&pair)) {
            kind.names.learn(verdict);
        }
    }

    fn serve(&mut self, verdict: &Verdict, second: u64) {
        let server = Server::of(verdict).filter(|_| !is_benign(&verdict.finding));
        if let Some(server) = server {
            let both = &mut self.servers.count(&server, second, verdict.finding.code()).names;
            both.namespace.clone_from(&verdict.namespace);
            both.learn(verdict);
        }
    }

    pub(super) fn amendment(&mut self, amendment: &Amendment) {
        *self.amended.entry(amendment.explanation.cause.code()).or_default() += 1;
    }

    pub(super) fn lost(&mut self, lost: &EventsLost) {
        let second = self.second(lost.until);
        let alike = |(fact, stage, _): &&mut (Fact, LossStage, Tally)| {
            (*fact, *stage) == (lost.fact, lost.stage)
        };
        if let Some((_, _, tally)) = self.lost.iter_mut().find(alike) {
            tally.add(second, lost.count);
        } else {
            let mut tally = Tally::default();
            tally.add(second, lost.count);
            self.lost.push((lost.fact, lost.stage, tally));
        }
    }

    pub(super) fn frame(&self, end: End) -> Frame {
        let (pairs, other_pairs) = self.pairs.first(SHOWN, end);
        let (servers, other_servers) = self.servers.first(SHOWN, end);
        let causes = self.causes(end);
        let sum = |unexplained| {
            let of = |cause: &&frame::CauseRow| (cause.cause == UNEXPLAINED) == unexplained;
            added(causes.iter().filter(of).map(|cause| cause.counts), end)
        };
        Frame {
            time: self.since.plus(end.elapsed()),
            since: self.since,
            watched: end.elapsed(),
            resets: added(causes.iter().map(|cause| cause.counts), end),
            explained: sum(false),
            unexplained: sum(true),
            other_ends: self.other_ends.until(end),
            symptoms: self.symptoms(end),
            causes,
            pairs: pairs.iter().map(pair).collect(),
            other_pairs,
            servers: servers.iter().map(server).collect(),
            other_servers,
            amended: self.amended(),
            lost: self.losses(end),
            blind: self.blind.clone(),
        }
    }

    fn symptoms(&self, end: End) -> Vec<frame::SymptomRow> {
        let of = |(symptom, tally): (&&'static str, &Tally)| frame::SymptomRow {
            symptom,
            counts: tally.until(end),
        };
        let mut symptoms: Vec<_> = self.symptoms.iter().map(of).collect();
        symptoms.retain(|symptom| symptom.counts.since_start.count > 0);
        symptoms.sort_by_cached_key(|symptom| symptom.counts.rank());
        symptoms
    }

    fn causes(&self, end: End) -> Vec<frame::CauseRow> {
        let of = |(code, cause): (&&'static str, &Cause)| frame::CauseRow {
            cause: code,
            benign: cause.benign,
            counts: cause.tally.until(end),
        };
        let mut causes: Vec<_> = self.causes.iter().map(of).collect();
        causes.retain(|cause| cause.counts.since_start.count > 0);
        causes.sort_by_cached_key(|cause| cause.counts.rank());
        causes
    }

    fn amended(&self) -> Vec<frame::AmendedRow> {
        let amended = self.amended.iter();
        amended.map(|(cause, count)| frame::AmendedRow { cause, count: *count }).collect()
    }

    fn losses(&self, end: End) -> Vec<frame::LostRow> {
        let of = |(fact, stage, tally): &(Fact, LossStage, Tally)| frame::LostRow {
            fact: *fact,
            stage: *stage,
            counts: tally.until(end),
        };
        let lost = self.lost.iter().map(of);
        lost.filter(|lost| lost.counts.since_start.count > 0).collect()
    }

    fn second(&self, time: Time) -> u64 {
        time.since(self.since).as_secs()
    }
}

fn is_benign(finding: &Finding) -> bool {
    matches!(finding, Finding::Explained(explanation) if explanation.cause.is_benign())
}

fn added(counts: impl Iterator<Item = Counts>, end: End) -> Counts {
    let mut sum = Tally::default().until(end);
    counts.for_each(|counts| sum += counts);
    sum
}

fn pair(ranked: &Ranked<'_, Pair, Both>) -> frame::PairRow {
    let &Ranked { key, names, counts, cause } = ranked;
    frame::PairRow {
        netns: namespace(key.netns, names),
        client: frame::Client { addr: key.client, owners: names.client.clone() },
        server: frame::Listening { at: key.server, owners: names.server.clone() },
        cause,
        counts,
    }
}

fn server(ranked: &Ranked<'_, Server, Both>) -> frame::ServerRow {
    let &Ranked { key, names, counts, cause } = ranked;
    frame::ServerRow {
        netns: namespace(key.netns, names),
        server: frame::Listening { at: key.at, owners: names.server.clone() },
        cause,
        counts,
    }
}

fn namespace(inode: NetNs, both: &Both) -> frame::Namespace {
    frame::Namespace { inode, name: both.namespace.clone() }
}

/// Verdicts whose other end may still come.
#[derive(Default)]
struct Lately {
    counted: HashMap<u64, Counted>,
    order: VecDeque<u64>,
}

/// Where a verdict is counted.
#[derive(Clone, Copy)]
struct Counted {
    /// `None`: it hurts nobody.
    pair: Option<Pair>,
}

impl Lately {
    fn get(&self, id: u64) -> Option<Counted> {
        self.counted.get(&id).copied()
    }

    fn remember(&mut self, id: u64, counted: Counted) {
        self.counted.insert(id, counted);
        self.order.push_back(id);
        if self.order.len() > OPEN {
            self.order.pop_front().and_then(|oldest| self.counted.remove(&oldest));
        }
    }
}

/// Rows of a table; the rest is told as one sum.
const SHOWN: usize = 20;

/// Verdicts remembered. The other end is told within half a second; one that comes too late counts as a reset of its own.
const OPEN: usize = 16_384;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sink::samples;

    fn board() -> Board {
        let mut board = Board::default();
        board.start(samples::START);
        board
    }

    fn at(seconds: u64, verdict: Verdict) -> Verdict {
        Verdict { time: samples::START.plus(Duration::from_secs(seconds)), ..verdict }
    }

    fn counts(counts: Counts) -> [u64; 3] {
        counts.spans().map(|span| span.count)
    }

    #[test]
    fn both_ends_are_one_reset_and_each_knows_its_program() {
        let mut board = board();
        board.verdict(&at(1, samples::explained()));
        board.verdict(&at(1, samples::received()));
        let frame = board.frame(End::before(2));
        assert_eq!((counts(frame.resets), counts(frame.other_ends)), ([1; 3], [1; 3]));
        let [pair] = frame.pairs.as_slice() else { panic!("{frame:#?}") };
        assert_eq!(
            (pair.client.owners.text(), pair.server.owners.text()),
            ("curl".into(), String::new())
        );
        assert_eq!((pair.cause, pair.netns.name.as_deref()), ("no-listener", Some("shop")));
        let [server] = frame.servers.as_slice() else { panic!("{frame:#?}") };
        assert_eq!(server.server.at.to_string(), "10.0.0.1:80");
    }

    #[test]
    fn an_end_whose_other_is_not_shown_is_a_reset_of_its_own() {
        let mut board = board();
        board.verdict(&at(1, samples::received()));
        let frame = board.frame(End::before(2));
        assert_eq!((counts(frame.resets), counts(frame.other_ends)), ([1; 3], [0; 3]));
    }

    #[test]
    fn sums_agree_whatever_happens() {
        for seconds in [0_u64, 1, 7, 63, 100] {
            let end = End::before(seconds);
            // Some that are not to be in it yet.
            let frame = busy(seconds + 2).frame(end);
            let sum = |each: Vec<Counts>| counts(added(each.into_iter(), end));
            let resets = counts(frame.resets);
            assert_eq!(resets, [3 * seconds.min(10), 3 * seconds.min(60), 3 * seconds]);
            assert_eq!(sum(frame.symptoms.iter().map(|row| row.counts).collect()), resets);
            assert_eq!(sum(vec![frame.explained, frame.unexplained]), resets);
            let pairs = frame.pairs.iter().map(|pair| pair.counts).chain([frame.other_pairs]);
            let benign = frame.causes.iter().filter(|cause| cause.benign).map(|cause| cause.counts);
            assert_eq!(sum(pairs.chain(benign).collect()), resets, "pairs and what is folded");
        }
    }

    /// Three resets a second, of three kinds.
    fn busy(seconds: u64) -> Board {
        let mut board = board();
        for second in 0..seconds {
            board.verdict(&at(second, Verdict { id: second, ..samples::explained() }));
            board.verdict(&at(second, Verdict { id: 1_000 + second, ..samples::unexplained() }));
            let mut scan = samples::scanned(u16::try_from(second).unwrap());
            scan.id += 2_000;
            board.verdict(&at(second, scan));
        }
        board
    }

    #[test]
    fn what_hurts_nobody_is_no_pair_and_no_server() {
        let mut board = board();
        (1..=300).for_each(|port| board.verdict(&at(1, samples::scanned(port))));
        let frame = board.frame(End::before(2));
        assert_eq!((frame.pairs.len(), frame.servers.len()), (0, 0));
        let [scan] = frame.causes.as_slice() else { panic!("{frame:#?}") };
        assert_eq!((scan.cause, scan.benign, counts(scan.counts)), ("scan", true, [300; 3]));
    }

    #[test]
    fn losses_of_a_kind_add_up() {
        let mut board = board();
        board.lost(&samples::lost());
        board.lost(&samples::lost());
        board.lost(&EventsLost { stage: LossStage::Late, ..samples::lost() });
        let lost: Vec<_> =
            board.frame(End::before(2)).lost.iter().map(|lost| counts(lost.counts)[2]).collect();
        assert_eq!(lost, [24, 12]);
    }

    #[test]
    fn what_waits_for_its_other_end_is_bounded() {
        let mut board = board();
        for id in 0..20_000 {
            board.verdict(&at(1, Verdict { id, ..samples::explained() }));
        }
        assert_eq!((board.lately.counted.len(), board.lately.order.len()), (OPEN, OPEN));
    }

    #[test]
    fn amendments_are_told_beside_and_not_counted_again() {
        let mut board = board();
        board.verdict(&at(1, samples::explained()));
        board.amendment(&samples::amendment());
        let frame = board.frame(End::before(2));
        assert_eq!(frame.amended, [frame::AmendedRow { cause: "not-yet-listening", count: 1 }]);
        assert_eq!(counts(frame.resets), [1; 3]);
    }
}
