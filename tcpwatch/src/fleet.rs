//! Several hosts, one story: what each concludes, in the order of the wall clock, and both ends of a reset that went
//! from one to another.
//!
//! Hosts bear the same addresses and the same namespace numbers, so each has a memory of its own, and what one knows
//! is no evidence in a case of another. Only conclusions meet here: a reset that one host received and another sent,
//! between the same two endpoints and with the same numbers, is the same reset.
//!
//! Clocks are not to be trusted. Conclusions wait until nothing can come any more that belongs before them, were the
//! clocks apart by as much as [`APART`]; what is farther apart is not joined.
#![deny(clippy::disallowed_methods, clippy::disallowed_macros)]

mod between;
mod ends;
mod host;
mod skew;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::event::{Acknowledged, Event, EventsLost, HostDescribed, HostId, Time};
use crate::explain::verdict::{Amendment, Conclusion, Direction, Finding, Peer, Totals, Verdict};

use ends::{EndId, Ends};
use host::Host;
use skew::Skews;

/// Hosts, and what they have concluded and was not told yet.
#[derive(Default)]
pub struct Fleet {
    hosts: BTreeMap<HostId, Host>,
    held: BTreeMap<Place, Held>,
    ready: VecDeque<Ready>,
    arrivals: u64,
    /// Numbers given to verdicts.
    numbers: u64,
    ends: Ends,
    skews: Skews,
    /// Resets that are explained because their other end is.
    rejudged: Totals,
    /// How far `until` was told, by wall clock.
    told_until: i128,
}

/// What comes out, and of whom.
pub type Ready = (Arc<HostDescribed>, Saying);

/// One thing that is told of a host.
#[derive(Debug)]
pub enum Saying {
    Conclusion(Conclusion),
    Lost(EventsLost),
    /// Time has come this far.
    Until(Time),
}

/// Where something stands among the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// Nanoseconds since 1970.
    wall: i128,
    /// Behind what stands at the same time of its own: the end that receives, behind the one that sent.
    after: bool,
    arrival: u64,
}

struct Held {
    host: HostId,
    /// With the clock of its time: a host may be described anew.
    described: Arc<HostDescribed>,
    /// The other end of a reset that was received.
    sender: Option<EndId>,
    /// It was looked for.
    settled: bool,
    saying: Saying,
}

impl Fleet {
    /// A host begins to tell, or begins anew.
    pub fn begin(&mut self, id: HostId, described: Arc<HostDescribed>) {
        match self.hosts.get_mut(&id) {
            Some(host) => host.begin_again(described),
            None => _ = self.hosts.insert(id, Host::new(described)),
        }
    }

    /// Takes note of what a host is told. Events must come in order of their time.
    pub fn observe(&mut self, id: HostId, event: &Event) {
        if let Some(host) = self.hosts.get_mut(&id) {
            host.observe(event);
        }
    }

    /// Takes what follows for a host.
    pub fn take(&mut self, id: HostId, conclusion: Conclusion) {
        let Some(host) = self.hosts.get_mut(&id) else { return };
        let (time, other) = match &conclusion {
            Conclusion::Verdict(verdict) => (verdict.time, verdict.joined),
            Conclusion::Amendment(amendment) => (amendment.time, Some(amendment.of)),
        };
        let place = Place { wall: host.wall(time), after: false, arrival: self.arrivals };
        let other = other.map(|other| EndId(id, other));
        let behind = other.and_then(|other| self.ends.place(other));
        if let Conclusion::Verdict(verdict) = &conclusion {
            match verdict.direction {
                Direction::Sent => {
                    host.sent(verdict, place.wall);
                    self.ends.sent(EndId(id, verdict.id), place, verdict);
                }
                Direction::Received => other.into_iter().for_each(|other| self.ends.taken(other)),
            }
        }
        let place = behind.map_or(place, |behind| place.behind(behind));
        self.hold(id, place, other, Saying::Conclusion(conclusion));
    }

    pub fn lost(&mut self, id: HostId, lost: &EventsLost) {
        let Some(host) = self.hosts.get(&id) else { return };
        let place = Place { wall: host.wall(lost.until), after: false, arrival: self.arrivals };
        self.hold(id, place, None, Saying::Lost(lost.clone()));
    }

    /// Nothing more comes of this host.
    pub fn end(&mut self, id: HostId) {
        if let Some(host) = self.hosts.get_mut(&id) {
            host.end();
        }
    }

    /// The next thing whose turn has come.
    pub fn next_ready(&mut self) -> Option<Ready> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Some(ready);
            }
            let turn = self.turn();
            let (place, _) = self.held.first_key_value()?;
            if place.wall > turn && self.held.len() <= MOST {
                self.time_passes(turn);
                return self.ready.pop_front();
            }
            let (place, held) = self.held.pop_first()?;
            self.time_passes(place.wall);
            self.say(place, held);
        }
    }

    /// The account of one host, under its name.
    pub fn named(&self, id: HostId, mut totals: Totals) -> Totals {
        let name = self.hosts.get(&id).map(|host| host.described.hostname.clone());
        for namespace in &mut totals.namespaces {
            namespace.host.clone_from(&name);
        }
        totals
    }

    /// The account of all hosts, with what only this room knows.
    pub fn correct(&self, totals: &mut Totals) {
        totals.explained += self.rejudged.explained;
        totals.unexplained = totals.unexplained.saturating_sub(self.rejudged.explained);
        for (code, count) in &self.rejudged.causes {
            *totals.causes.entry(code).or_default() += count;
        }
        totals.skews = self.skews.told(&self.hosts);
    }

    fn hold(&mut self, host: HostId, place: Place, sender: Option<EndId>, saying: Saying) {
        let Some(described) = self.hosts.get(&host).map(|host| Arc::clone(&host.described)) else {
            return;
        };
        self.arrivals += 1;
        self.held.insert(place, Held { host, described, sender, settled: false, saying });
    }

    /// Up to there, by the wall clock, everything has come that can be the other end of something.
    fn turn(&self) -> i128 {
        let reached = self.hosts.values().filter_map(Host::reached).min();
        reached.map_or(i128::MAX, |reached| reached - APART - LATE)
    }

    /// Lets every host know, now and then: what sinks count is told in time.
    fn time_passes(&mut self, wall: i128) {
        if wall - self.told_until < STEP || wall == i128::MAX {
            return;
        }
        self.told_until = wall;
        for host in self.hosts.values() {
            let until = Saying::Until(host.time_at(wall));
            self.ready.push_back((Arc::clone(&host.described), until));
        }
    }

    fn say(&mut self, place: Place, mut held: Held) {
        if let Saying::Conclusion(Conclusion::Verdict(verdict)) = &held.saying
            && !held.settled
        {
            let met = self.meet(held.host, place.wall, verdict, held.sender);
            (held.saying, held.sender, held.settled) =
                (Saying::Conclusion(Conclusion::Verdict(met.0)), met.1, true);
            if let Some(place) = held.sender.and_then(|sender| self.ends.still_held(sender, place))
            {
                self.held.insert(place, held);
                return;
            }
        }
        let Held { host, described, sender, saying, .. } = held;
        let saying = match saying {
            Saying::Conclusion(Conclusion::Verdict(verdict)) => {
                Saying::Conclusion(Conclusion::Verdict(self.number(host, &verdict, sender)))
            }
            Saying::Conclusion(Conclusion::Amendment(amendment)) => {
                let Some(of) = self.ends.number(EndId(host, amendment.of)) else { return };
                let amendment = Amendment { of, ..*amendment };
                Saying::Conclusion(Conclusion::Amendment(Box::new(amendment)))
            }
            other => other,
        };
        self.ready.push_back((described, saying));
    }

    /// Finds the other end of a reset that was received, or says what its absence means.
    fn meet(
        &mut self,
        to: HostId,
        wall: i128,
        received: &Arc<Verdict>,
        sender: Option<EndId>,
    ) -> (Arc<Verdict>, Option<EndId>) {
        if received.direction == Direction::Sent || sender.is_some() {
            return (Arc::clone(received), sender);
        }
        let Some(id) = self.ends.sender_of(to, received, wall, &self.hosts) else {
            return (self.without_sender(to, wall, received), None);
        };
        let Some((sent, sent_at)) = self.ends.join(id) else { return (Arc::clone(received), None) };
        self.skews.add(id.0, to, wall - sent_at);
        self.rejudge(&sent.finding);
        let host = self.hosts.get(&id.0).map(|host| Arc::clone(&host.described));
        (Arc::new(joined(received, &sent, host)), Some(id))
    }

    fn without_sender(&self, to: HostId, wall: i128, received: &Arc<Verdict>) -> Arc<Verdict> {
        match between::what_is_between(&self.hosts, &self.ends, to, wall, received) {
            Some(sentence) => {
                let finding = Finding::Unexplained { missing: vec![sentence] };
                Arc::new(Verdict { finding, ..Verdict::clone(received) })
            }
            None => Arc::clone(received),
        }
    }

    /// The host that received it could not explain it, and counted it so.
    fn rejudge(&mut self, finding: &Finding) {
        if let Finding::Explained(best) = finding {
            self.rejudged.explained += 1;
            *self.rejudged.causes.entry(best.cause.code()).or_default() += 1;
        }
    }

    fn number(&mut self, host: HostId, verdict: &Verdict, sender: Option<EndId>) -> Arc<Verdict> {
        self.numbers += 1;
        let joined = sender.and_then(|sender| self.ends.number(sender));
        self.ends.set_number(EndId(host, verdict.id), self.numbers);
        Arc::new(Verdict { id: self.numbers, joined, ..verdict.clone() })
    }
}

impl Place {
    /// The same place, or right behind another one if that is later.
    fn behind(self, other: Self) -> Self {
        if self > other { self } else { Self { after: true, arrival: self.arrival, ..other } }
    }
}

/// A reset that was received, with what its sender knows.
fn joined(received: &Verdict, sent: &Verdict, host: Option<Arc<HostDescribed>>) -> Verdict {
    let mut rst = received.rst;
    if rst.ack == Acknowledged::Unseen {
        rst.ack = sent.rst.ack;
    }
    Verdict {
        rst,
        service: (sent.flow.local != received.flow.remote).then_some(received.flow.remote),
        finding: sent.finding.clone(),
        also: sent.also.clone(),
        peer: host.map(|host| Arc::new(Peer { host, time: sent.time })),
        ..received.clone()
    }
}

const NANOS: i128 = 1_000_000_000;

/// Both ends of a reset are sought this far from each other, by the wall clocks. Hosts whose clocks are kept stand
/// milliseconds apart; memory and coincidence bound what can be allowed to others.
const APART: i128 = 5 * NANOS;

/// After so long a host has concluded what it can: cases are closed a fraction of a second after the reset, once a
/// tick has come, and these come each second.
const LATE: i128 = 2 * NANOS;

/// Steps in which sinks learn that time has passed.
const STEP: i128 = NANOS;

/// Conclusions held at most; in a storm the oldest are told before everything has come.
const MOST: usize = 65_536;
