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
    /// How resets are judged whose other end is known, or known to be missing.
    judged: Totals,
    /// How the hosts that received them had judged and counted them.
    withdrawn: Totals,
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
        let (judged, withdrawn) = (&self.judged, &self.withdrawn);
        totals.explained = totals.explained + judged.explained - withdrawn.explained;
        totals.unexplained = totals.unexplained + judged.unexplained - withdrawn.unexplained;
        for (code, count) in &judged.causes {
            *totals.causes.entry(code).or_default() += count;
        }
        for (code, count) in &withdrawn.causes {
            *totals.causes.entry(code).or_default() -= count;
        }
        totals.causes.retain(|_, count| *count > 0);
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
        let Some(host) = self.hosts.get(&id.0).map(|host| Arc::clone(&host.described)) else {
            return (Arc::clone(received), Some(id));
        };
        let joined = joined(received, &sent, host);
        self.rejudge(&received.finding, &joined.finding);
        (Arc::new(joined), Some(id))
    }

    fn without_sender(&mut self, to: HostId, wall: i128, received: &Arc<Verdict>) -> Arc<Verdict> {
        match between::what_is_between(&self.hosts, &self.ends, to, wall, received) {
            Some(sentence) => {
                let finding = Finding::Unexplained { missing: vec![sentence] };
                self.rejudge(&received.finding, &finding);
                Arc::new(Verdict { finding, ..Verdict::clone(received) })
            }
            None => Arc::clone(received),
        }
    }

    /// The host that received it has judged it by what is known there, and counted it so.
    fn rejudge(&mut self, was: &Finding, is: &Finding) {
        count(was, &mut self.withdrawn);
        count(is, &mut self.judged);
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

fn count(finding: &Finding, in_totals: &mut Totals) {
    match finding {
        Finding::Explained(best) => {
            in_totals.explained += 1;
            *in_totals.causes.entry(best.cause.code()).or_default() += 1;
        }
        Finding::Unexplained { .. } => in_totals.unexplained += 1,
    }
}

/// A reset that was received, with what its sender knows. A sender who has no explanation leaves that of the receiver.
fn joined(received: &Verdict, sent: &Verdict, host: Arc<HostDescribed>) -> Verdict {
    let is_explained = |verdict: &Verdict| matches!(verdict.finding, Finding::Explained(_));
    let explains = is_explained(sent) || !is_explained(received);
    let by = if explains { sent } else { received };
    let mut rst = received.rst;
    if rst.ack == Acknowledged::Unseen {
        rst.ack = sent.rst.ack;
    }
    Verdict {
        rst,
        service: (sent.flow.local != received.flow.remote).then_some(received.flow.remote),
        finding: by.finding.clone(),
        also: by.also.clone(),
        peer: Some(Arc::new(Peer { host, time: sent.time, explains })),
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::Engine;
    use crate::event::{Fact, TcpState};
    use crate::explain::story::Story;
    use crate::explain::verdict::Skew;

    const SERVER: &str = "10.0.0.1:80";
    const CLIENT: &str = "10.0.0.9:40000";

    /// What one host was told, by which clock.
    struct Recorded {
        name: &'static str,
        ahead_ms: i64,
        events: Vec<Event>,
    }

    /// Half a minute, in the middle of which something happens; it ticks all the time.
    fn recorded(name: &'static str, addresses: &[&str], tell: impl Fn(Story) -> Story) -> Recorded {
        let story = Story::new().namespace(1, addresses, false).after(15_000);
        let mut events = tell(story).events();
        let ticks = (0..300).map(|n| Event::Tick { time: Time(1_000_000_000 + n * 100_000_000) });
        events.extend(ticks);
        events.sort_by_key(Event::time);
        Recorded { name, ahead_ms: 0, events }
    }

    fn server(tell: impl Fn(Story) -> Story) -> Recorded {
        recorded("web", &["10.0.0.1"], tell)
    }

    fn client(tell: impl Fn(Story) -> Story) -> Recorded {
        recorded("app", &["10.0.0.9"], tell)
    }

    fn refuses(story: Story) -> Story {
        story.syn_meets_nobody(SERVER, CLIENT)
    }

    fn is_refused(story: Story) -> Story {
        story.after(1).receives(CLIENT, SERVER, 0, TcpState::SynSent)
    }

    /// Without a socket: the sequence number is that of a real connection.
    fn resets(story: Story) -> Story {
        story.data_meets_nobody(SERVER, CLIENT)
    }

    fn is_reset(story: Story) -> Story {
        story.after(1).receives(CLIENT, SERVER, 1_000, TcpState::Established)
    }

    impl Recorded {
        fn ahead(mut self, ms: i64) -> Self {
            self.ahead_ms = ms;
            self
        }

        /// The acknowledgement numbers of received resets were seen.
        fn acknowledging(mut self, number: u32) -> Self {
            for event in &mut self.events {
                if let Event::RstReceived(rst) = event {
                    rst.ack = Acknowledged::Number(number);
                }
            }
            self
        }

        fn described(&self, host: &HostDescribed) -> HostDescribed {
            let wall = host.wall.strict_add_signed(self.ahead_ms * 1_000_000);
            HostDescribed { hostname: self.name.into(), wall, ..host.clone() }
        }
    }

    /// What comes out: of whom, and what.
    struct Told {
        verdicts: Vec<(String, Arc<Verdict>)>,
        amendments: Vec<u64>,
        totals: Totals,
    }

    impl Told {
        /// The last verdict of a host.
        fn of(&self, name: &str) -> &Verdict {
            let mut of = self.verdicts.iter().rev().filter(|(host, _)| host == name);
            of.next().map(|(_, verdict)| &**verdict).expect("a verdict of this host")
        }

        fn missing(&self, name: &str) -> String {
            match &self.of(name).finding {
                Finding::Unexplained { missing } => missing.join("; "),
                Finding::Explained(best) => panic!("{} is explained: {}", name, best.cause),
            }
        }

        fn are_joined(&self) -> bool {
            self.of("app").joined == Some(self.of("web").id)
        }
    }

    fn told(hosts: &[Recorded]) -> Told {
        let mut fleet = Fleet::default();
        let mut engines: Vec<_> = hosts.iter().map(|_| Engine::new()).collect();
        let mut all: Vec<_> = hosts
            .iter()
            .enumerate()
            .flat_map(|(index, host)| {
                let ahead = i128::from(host.ahead_ms) * 1_000_000;
                host.events.iter().map(move |e| (i128::from(e.time().0) + ahead, index, e))
            })
            .collect();
        all.sort_by_key(|(wall, ..)| *wall);
        let mut told =
            Told { verdicts: Vec::new(), amendments: Vec::new(), totals: Totals::default() };
        for (_, index, event) in all {
            let id = HostId(index);
            if let Event::HostDescribed(host) = event {
                fleet.begin(id, Arc::new(hosts[index].described(host)));
            }
            fleet.observe(id, event);
            engines[index].observe(event).into_iter().for_each(|c| fleet.take(id, c));
            note(&mut fleet, &mut told);
        }
        for (index, engine) in engines.iter_mut().enumerate() {
            engine.finish().into_iter().for_each(|c| fleet.take(HostId(index), c));
            fleet.end(HostId(index));
            told.totals.add(fleet.named(HostId(index), engine.totals()));
        }
        note(&mut fleet, &mut told);
        fleet.correct(&mut told.totals);
        told
    }

    fn note(fleet: &mut Fleet, told: &mut Told) {
        while let Some((host, saying)) = fleet.next_ready() {
            match saying {
                Saying::Conclusion(Conclusion::Verdict(verdict)) => {
                    told.verdicts.push((host.hostname.clone(), verdict));
                }
                Saying::Conclusion(Conclusion::Amendment(amendment)) => {
                    told.amendments.push(amendment.of);
                }
                Saying::Lost(_) | Saying::Until(_) => {}
            }
        }
    }

    #[test]
    fn a_reset_that_crossed_is_told_once_with_its_cause() {
        let told = told(&[server(refuses), client(is_refused)]);
        let (sent, received) = (told.of("web"), told.of("app"));
        assert!(told.are_joined());
        assert_eq!((sent.id, received.id), (1, 2));
        assert_eq!(received.finding.code(), "no-listener");
        let peer = received.peer.as_ref().expect("another host");
        assert_eq!((peer.host.hostname.as_str(), peer.time), ("web", sent.time));
        assert_eq!(received.rst.ack, Acknowledged::Number(2), "its sender knows");
        assert_eq!((told.totals.explained, told.totals.unexplained), (2, 0));
        assert_eq!(told.totals.causes["no-listener"], 2);
    }

    #[test]
    fn a_receiver_who_knows_more_than_the_sender_keeps_what_it_knows() {
        let told = told(&[server(resets), client(is_reset)]);
        let (sent, received) = (told.of("web"), told.of("app"));
        assert_eq!((sent.finding.code(), received.finding.code()), ("unexplained", "peer-reset"));
        assert!(told.are_joined() && received.evidence_time() == received.time);
        assert_eq!((told.totals.explained, told.totals.unexplained), (1, 1));
    }

    #[test]
    fn the_cause_comes_before_its_effect_whatever_the_clocks_say() {
        for ahead in [-4_000, -12, 0, 12, 4_000] {
            let told = told(&[server(resets), client(is_reset).ahead(ahead)]);
            assert!(told.are_joined(), "{ahead} ms");
            assert_eq!((told.of("web").id, told.of("app").id), (1, 2), "{ahead} ms");
            let skew = &told.totals.skews[0];
            assert_eq!((skew.host.as_str(), skew.reference.as_str()), ("app", "web"));
            assert_eq!(skew.ahead_ns, (ahead + 1) * 1_000_000, "a millisecond on the way");
        }
    }

    #[test]
    fn clocks_far_apart_join_nothing() {
        let told = told(&[server(resets), client(is_reset).ahead(6_000)]);
        assert_eq!((told.of("app").joined, told.totals.skews.len()), (None, 0));
    }

    #[test]
    fn resets_both_ways_take_the_time_on_the_way_out_of_the_skew() {
        let back = |story: Story| story.after(5).data_meets_nobody(CLIENT, SERVER);
        let comes_back =
            |story: Story| story.after(6).receives(SERVER, CLIENT, 1_000, TcpState::Established);
        let told = told(&[
            server(|story| comes_back(resets(story))),
            client(|story| back(is_reset(story))).ahead(-12),
        ]);
        let skew = Skew { host: "app".into(), reference: "web".into(), ahead_ns: 0, resets: 2 };
        // One millisecond there, none back: half a millisecond stays.
        let ahead_ns = told.totals.skews[0].ahead_ns;
        assert!((-12_500_000..=-11_500_000).contains(&ahead_ns), "{ahead_ns}");
        assert_eq!(told.totals.skews, [Skew { ahead_ns, ..skew }]);
    }

    #[test]
    fn other_numbers_or_endpoints_are_another_reset() {
        let other_seq =
            |story: Story| story.after(1).receives(CLIENT, SERVER, 1_001, TcpState::Established);
        let other_port = |story: Story| {
            story.after(1).receives("10.0.0.9:40001", SERVER, 1_000, TcpState::Established)
        };
        assert_eq!(told(&[server(resets), client(other_seq)]).of("app").joined, None);
        assert_eq!(told(&[server(resets), client(other_port)]).of("app").joined, None);
        let acknowledges_other = client(is_refused).acknowledging(77);
        assert_eq!(told(&[server(refuses), acknowledges_other]).of("app").joined, None);
    }

    /// Hosts with the same private network, each with a server and a client of its own.
    #[test]
    fn equal_addresses_on_both_hosts_prove_nothing() {
        let both = ["10.0.0.1", "10.0.0.9"];
        let hosts = |ack: Option<u32>| {
            let app = recorded("app", &both, is_refused);
            let app = match ack {
                Some(ack) => app.acknowledging(ack),
                None => app,
            };
            told(&[recorded("web", &both, refuses), app])
        };
        assert_eq!(hosts(None).of("app").joined, None);
        assert!(hosts(Some(2)).are_joined(), "the number the client chose at random is proof");
    }

    #[test]
    fn what_two_hosts_could_have_sent_nobody_has() {
        let told =
            told(&[server(resets), recorded("also", &["10.0.0.1"], resets), client(is_reset)]);
        assert_eq!(told.of("app").joined, None);
    }

    #[test]
    fn what_was_received_on_its_own_host_is_not_received_again() {
        let at_home = recorded("web", &["10.0.0.1", "10.0.0.9"], |story| is_reset(resets(story)));
        let told = told(&[at_home, client(|story| is_reset(story.after(50)))]);
        assert_eq!(told.of("web").joined, Some(1));
        assert_eq!(told.of("app").joined, None);
    }

    #[test]
    fn a_reset_sent_twice_is_received_as_the_first() {
        let told = told(&[server(|story| resets(resets(story).after(300))), client(is_reset)]);
        assert_eq!(told.of("app").joined, Some(1));
    }

    #[test]
    fn the_service_address_its_sender_knows_is_as_good_as_its_own() {
        let mut web = server(resets);
        let service = "10.96.0.1:80";
        let by_service =
            |story: Story| story.after(1).receives(CLIENT, service, 1_000, TcpState::Established);
        web.events = Story::new()
            .namespace(1, &["10.0.0.1"], false)
            .after(14_000)
            .loses_entry(CLIENT, service, "10.0.0.2:80", crate::explain::story::expired())
            .after(1_000)
            .data_meets_nobody(SERVER, CLIENT)
            .events();
        web.events.push(Event::Tick { time: Time(40_000_000_000) });
        let told = told(&[web, client(by_service)]);
        assert_eq!(told.of("web").service, Some(crate::explain::story::endpoint(service)));
        assert!(told.are_joined());
        assert_eq!(told.of("app").service, told.of("web").service);
    }

    #[test]
    fn a_reset_nobody_sent_comes_from_in_between() {
        let told = told(&[server(|story| story), client(is_reset)]);
        let missing = told.missing("app");
        assert!(
            missing.contains("10.0.0.1 is an address of web, whose recording is whole"),
            "{missing}"
        );
        assert!(told.of("app").joined.is_none());
        assert_eq!((told.totals.explained, told.totals.unexplained), (0, 1));
    }

    /// Where the sender could have sent it unseen, nothing is said of what lies in between.
    #[test]
    fn nobody_is_cleared_who_was_not_watched_all_the_time() {
        let silent = |host: Recorded| {
            let told = told(&[host, client(is_reset)]);
            assert_eq!(told.of("app").finding.code(), "peer-reset");
        };
        silent(recorded("web", &["10.0.0.2"], |story| story));
        silent(server(|story| story.loses_events(Fact::RstSent, 5)));
        silent(server(|story| story.loses_events(Fact::ConnectionAborted, 5)));
        silent(recorded("web", &["10.0.0.1", "10.0.0.9"], |story| story));
        silent(Recorded { events: late(13_000), ..server(|story| story) });
        silent(Recorded { events: blind(), ..server(|story| story) });
        silent(server(|story| story).ahead(30_000));
    }

    fn late(ms: u64) -> Vec<Event> {
        let mut events = server(|story| story).events;
        let begin = Time(1_000_000_000).plus(Duration::from_millis(ms));
        for event in &mut events {
            match event {
                Event::HostDescribed(host) => {
                    host.wall += begin.0 - host.time.0;
                    host.time = begin;
                }
                Event::CoverageDeclared(told) => told.time = begin,
                Event::NamespaceDescribed(told) => told.time = begin,
                _ => {}
            }
        }
        events.retain(|event| event.time() >= begin);
        events
    }

    fn blind() -> Vec<Event> {
        let mut events =
            Story::blind_to(&[Fact::RstSent]).namespace(1, &["10.0.0.1"], false).events();
        events.push(Event::Tick { time: Time(40_000_000_000) });
        events
    }

    #[test]
    fn two_who_hold_the_address_clear_each_other_of_nothing() {
        let other = recorded("also", &["10.0.0.1"], |story| story);
        let told = told(&[server(|story| story), other, client(is_reset)]);
        assert_eq!(told.of("app").finding.code(), "peer-reset");
    }

    #[test]
    fn the_same_number_between_other_endpoints_is_told_as_a_hint() {
        let translated = |story: Story| story.data_meets_nobody("10.0.0.1:8080", CLIENT);
        let told = told(&[server(translated), client(is_reset)]);
        let missing = told.missing("app");
        assert!(missing.contains("web sent a reset with the same sequence number"), "{missing}");
        assert_eq!(told.of("app").joined, None);
    }

    #[test]
    fn a_number_that_says_nothing_may_belong_to_any_refusal() {
        let other = |story: Story| story.syn_meets_nobody("10.0.0.1:81", "10.0.0.7:40000");
        let missing = told(&[server(other), client(is_refused)]).missing("app");
        assert!(missing.contains("this host"), "{missing}");
    }

    #[test]
    fn conclusions_come_by_the_wall_clock_under_new_numbers() {
        let often = |from: u64| {
            move |story: Story| {
                let story = story.after(from).syn_meets_nobody("10.0.0.1:81", CLIENT);
                story
                    .after(400)
                    .syn_meets_nobody("10.0.0.1:82", CLIENT)
                    .after(2_000)
                    .opens("0.0.0.0:82")
            }
        };
        let told = told(&[server(often(0)), recorded("app", &["10.0.0.9"], often(200))]);
        let hosts: Vec<_> = told.verdicts.iter().map(|(host, _)| host.as_str()).collect();
        let ids: Vec<_> = told.verdicts.iter().map(|(_, verdict)| verdict.id).collect();
        assert_eq!(hosts, ["web", "app", "web", "app"]);
        assert_eq!(ids, [1, 2, 3, 4]);
        assert_eq!(told.amendments, [3, 4]);
    }

    #[test]
    fn accounts_are_kept_by_host() {
        let told = told(&[server(resets), client(resets)]);
        assert_eq!(told.totals.explained + told.totals.unexplained, 2);
    }

    #[test]
    fn a_storm_does_not_wait_for_the_slowest_clock() {
        let mut fleet = Fleet::default();
        let quiet = client(|story| story);
        let storm = server(|mut story| {
            for port in 1..=500 {
                for client in 0..150 {
                    story = story.syn_meets_nobody(
                        &format!("10.0.0.1:{port}"),
                        &format!("10.0.0.9:{}", 30_000 + client),
                    );
                }
            }
            story
        });
        let (begin, rest) = quiet.events.split_first().expect("it begins");
        let mut engine = Engine::new();
        for (index, event) in [begin]
            .into_iter()
            .map(|event| (1, event))
            .chain(storm.events.iter().map(|event| (0, event)))
        {
            if let Event::HostDescribed(host) = event {
                fleet.begin(HostId(index), Arc::new(host.clone()));
            }
            engine.observe(event).into_iter().for_each(|c| fleet.take(HostId(index), c));
        }
        assert!(!rest.is_empty() && fleet.held.len() > MOST);
        while fleet.next_ready().is_some() {}
        assert_eq!(fleet.held.len(), MOST);
    }
}
