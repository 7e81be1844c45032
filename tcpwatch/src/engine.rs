//! Events in, verdicts out. Cannot fail, has no clock: a case is closed when event time says so.
//!
//! Order matters in one place: what is due is closed **before** the next event is observed. So a verdict depends
//! on the events up to its deadline and on nothing else; ticks decide when it is printed, never what it says.
#![deny(clippy::disallowed_methods, clippy::disallowed_macros)]

mod amendments;
mod leaving;
mod verdicts;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::event::{ConnectionAborted, Event, NetNs, PacketRejected, RstReceived, RstSent, Time};
use crate::explain::verdict::{Conclusion, Finding, NamespaceTotals, Totals, Verdict};
use crate::memory::Memory;

use amendments::Refusals;
use leaving::Leaving;
use verdicts::Concluded;

/// Memory, open cases, and the verdicts that may still matter.
#[derive(Default)]
pub struct Engine {
    memory: Memory,
    sent: VecDeque<(Time, OpenCase)>,
    received: VecDeque<(Time, RstReceived)>,
    concluded: Concluded,
    refusals: Refusals,
    leaving: Leaving,
    explained: u64,
    unexplained: u64,
    causes: BTreeMap<&'static str, u64>,
}

/// A reset this host sent, waiting for late evidence.
enum OpenCase {
    Reply(RstSent),
    Abort(ConnectionAborted),
    Rejection(PacketRejected),
}

impl OpenCase {
    fn netns(&self) -> NetNs {
        match self {
            Self::Reply(rst) => rst.netns,
            Self::Abort(rst) => rst.netns,
            Self::Rejection(rst) => rst.netns,
        }
    }
}

impl Engine {
    pub fn new() -> Self {
        Self::default()
    }

    /// One that remembers nothing, and numbers its verdicts on from `verdicts`.
    pub fn after(verdicts: u64) -> Self {
        Self { concluded: Concluded::after(verdicts), ..Self::default() }
    }

    /// What follows from an event. Events must come in order of time.
    pub fn observe(&mut self, event: &Event) -> Vec<Conclusion> {
        let mut conclusions = self.close_due(event.time());
        self.forget_the_gone(event, &mut conclusions);
        conclusions.extend(self.refusals.answered_by(event).into_iter().map(Conclusion::from));
        self.memory.observe(event);
        self.open(event);
        conclusions
    }

    /// Closes whatever is still open: the end of the stream.
    pub fn finish(&mut self) -> Vec<Conclusion> {
        self.close_due(Time(u64::MAX))
    }

    /// Something waits for time to pass.
    pub fn pending(&self) -> bool {
        !self.sent.is_empty() || !self.received.is_empty()
    }

    pub fn totals(&self) -> Totals {
        Totals {
            explained: self.explained,
            unexplained: self.unexplained,
            lost: self.memory.coverage.total_lost(),
            causes: self.causes.clone(),
            namespaces: self.namespaces(),
            skews: Vec::new(),
        }
    }

    /// What waits in a namespace whose number another one has by now is judged by what is known so far.
    fn forget_the_gone(&mut self, event: &Event, conclusions: &mut Vec<Conclusion>) {
        for gone in self.leaving.release(event) {
            self.close_in(gone.netns, conclusions);
            self.memory.forget(gone.netns);
            self.refusals.forget(gone.netns);
        }
    }

    fn open(&mut self, event: &Event) {
        match event {
            Event::NamespaceVanished(e) => {
                self.leaving.hold(e.clone(), e.time.plus(SETTLE_RECEIVED));
            }
            Event::RstSent(e) => {
                self.sent.push_back((e.time.plus(SETTLE), OpenCase::Reply(e.clone())));
            }
            Event::ConnectionAborted(e) => {
                self.sent.push_back((e.time.plus(SETTLE), OpenCase::Abort(e.clone())));
            }
            Event::PacketRejected(e) => {
                self.sent.push_back((e.time.plus(SETTLE), OpenCase::Rejection(e.clone())));
            }
            Event::RstReceived(e) => {
                self.received.push_back((e.time.plus(SETTLE_RECEIVED), e.clone()));
            }
            _ => {}
        }
    }

    fn close_due(&mut self, now: Time) -> Vec<Conclusion> {
        let mut conclusions = Vec::new();
        loop {
            let sent = self.sent.front().map(|(due, _)| *due).filter(|due| *due < now);
            let received = self.received.front().map(|(due, _)| *due).filter(|due| *due < now);
            match (sent, received) {
                (None, None) => return conclusions,
                (Some(sent), received) if received.is_none_or(|received| sent <= received) => {
                    let Some((_, case)) = self.sent.pop_front() else { continue };
                    self.close_sent(&case, &mut conclusions);
                }
                _ => {
                    let Some((_, rst)) = self.received.pop_front() else { continue };
                    self.close_received(&rst, &mut conclusions);
                }
            }
        }
    }

    fn close_in(&mut self, netns: NetNs, conclusions: &mut Vec<Conclusion>) {
        let (sent, waiting) = self.sent.drain(..).partition(|(_, case)| case.netns() == netns);
        self.sent = waiting;
        let (received, waiting) = self.received.drain(..).partition(|(_, rst)| rst.netns == netns);
        self.received = waiting;
        let (sent, received): (VecDeque<_>, VecDeque<_>) = (sent, received);
        for (_, case) in &sent {
            self.close_sent(case, conclusions);
        }
        for (_, rst) in &received {
            self.close_received(rst, conclusions);
        }
    }

    fn close_sent(&mut self, case: &OpenCase, conclusions: &mut Vec<Conclusion>) {
        let verdict = match case {
            OpenCase::Reply(rst) => self.concluded.reply(rst, &self.memory),
            OpenCase::Abort(rst) => self.concluded.abort(rst, &self.memory),
            OpenCase::Rejection(rst) => self.concluded.rejection(rst, &self.memory),
        };
        let amendment = self.refusals.remember(&verdict, &self.memory.listeners);
        conclusions.push(self.count(verdict));
        conclusions.extend(amendment.map(Conclusion::from));
    }

    fn close_received(&mut self, rst: &RstReceived, conclusions: &mut Vec<Conclusion>) {
        let verdict = self.concluded.received(rst, &self.memory);
        conclusions.extend(verdict.map(|verdict| self.count(verdict)));
    }

    fn count(&mut self, verdict: Arc<Verdict>) -> Conclusion {
        match &verdict.finding {
            Finding::Explained(explanation) => {
                self.explained += 1;
                *self.causes.entry(explanation.cause.code()).or_default() += 1;
            }
            Finding::Unexplained { .. } => self.unexplained += 1,
        }
        Conclusion::Verdict(verdict)
    }

    fn namespaces(&self) -> Vec<NamespaceTotals> {
        let accounts = &self.memory.accounts;
        let name = |netns| self.memory.namespaces.get(netns).and_then(|told| told.name.as_deref());
        let living = accounts.living().map(|(netns, account)| (netns, name(netns), account));
        let all = living.chain(accounts.closed());
        let told = all.filter(|(_, _, account)| {
            account.sent() > 0 || account.out_rsts().is_some_and(|n| n > 0)
        });
        told.map(|(netns, name, account)| NamespaceTotals {
            host: None,
            netns,
            name: name.map(str::to_owned),
            sent: account.sent(),
            out_rsts: account.out_rsts(),
            difference: account.difference(),
        })
        .collect()
    }
}

/// How long a case waits for evidence that comes after the reset: the death of the conntrack entry that took the
/// segment up, the drop reported behind the reset, the drain of the slower sources.
const SETTLE: Duration = Duration::from_millis(200);

/// A reset received waits for the verdict of its sender, should that be on this host.
const SETTLE_RECEIVED: Duration = Duration::from_millis(350);

#[cfg(test)]
mod tests {
    use crate::event::{
        Acknowledged, CountersRead, Event, Fact, FilterHook, NetNs, TcpState, Time,
    };
    use crate::explain::story::{Late, Story, removed, talk};
    use crate::explain::verdict::{Direction, Errno};

    use super::*;

    const SERVER: &str = "10.0.0.1:80";
    const CLIENT: &str = "10.0.0.9:40000";

    #[test]
    fn both_ends_of_a_reset_on_this_host_are_joined() {
        let story = Story::new().after(5).syn_meets_nobody(SERVER, CLIENT);
        let verdicts = story.within(2).receives(CLIENT, SERVER, 0, TcpState::SynSent).verdicts();
        let [sent, received] = verdicts.as_slice() else { panic!("{verdicts:#?}") };
        assert_eq!((sent.direction, received.direction), (Direction::Sent, Direction::Received));
        assert_eq!(received.joined, Some(sent.id));
        assert_eq!(received.errno, Some(Errno::ECONNREFUSED));
        assert_eq!(received.rst.ack, Acknowledged::Number(2), "its sender knows");
        assert!(
            matches!(&received.finding, Finding::Explained(best) if best.cause.code() == "no-listener")
        );
    }

    #[test]
    fn the_receiver_is_joined_through_the_service_address() {
        let (service, old, new) = ("10.96.0.1:80", "10.0.0.2:80", SERVER);
        let story = Story::new()
            .finds("0.0.0.0:80")
            .loses_entry(CLIENT, service, old, removed(50))
            .after(5);
        let story = story.data_meets_listener(new, CLIENT, 77).within(2);
        let verdicts = story.receives(CLIENT, service, 77, TcpState::Established).verdicts();
        let received = verdicts.last().expect("two verdicts");
        assert_eq!(received.joined, Some(1));
        assert_eq!(received.service.map(|service| service.to_string()).as_deref(), Some(service));
    }

    #[test]
    fn who_has_a_listener_is_told_where_it_is_known() {
        let (server, client) = ("10.0.0.1:50051", "10.0.0.9:40001");
        let listens = |story: Story| story.verdicts().last().expect("a verdict").listens;
        let story = || Story::new().finds("0.0.0.0:50051").after(5);
        let received = |story: Story, local, remote| {
            listens(story.receives(local, remote, 5, TcpState::Established))
        };
        assert_eq!(received(story(), server, client), Some(true));
        assert_eq!(received(story(), client, server), Some(false));
        let lately = story().closes("0.0.0.0:50051", None).after(5);
        assert_eq!(received(lately, server, client), Some(true));
        assert_eq!(listens(story().aborts(server, client)), Some(true));
        assert_eq!(listens(story().data_meets_nobody(client, server)), Some(false));
        let blind = || Story::blind_to(&[Fact::Listeners]).after(5);
        assert_eq!(received(blind(), client, server), None);
        let rule = story().rejects_syn(FilterHook::Forward, server, client);
        assert_eq!(listens(rule), None, "of whose address is it?");
    }

    #[test]
    fn a_reset_from_elsewhere_has_no_sender_here() {
        let story = Story::new().after(5).receives(CLIENT, SERVER, 5, TcpState::Established);
        let verdicts = story.verdicts();
        assert_eq!(verdicts[0].joined, None);
        assert!(
            matches!(&verdicts[0].finding, Finding::Unexplained { missing } if missing[0].starts_with("the sender"))
        );
    }

    #[test]
    fn the_receiver_is_joined_though_both_ends_were_translated() {
        let story = Story::new().finds("0.0.0.0:80").after(5);
        let story = story.data_meets_listener(SERVER, "10.0.0.50:61000", 77).within(2);
        let verdicts = story.receives(CLIENT, "10.96.0.1:80", 77, TcpState::Established).verdicts();
        assert_eq!(verdicts.last().and_then(|verdict| verdict.joined), Some(1));
    }

    #[test]
    fn a_refusal_is_known_again_by_what_it_acknowledges() {
        let refused = |ack| {
            let story = Story::new().after(5).syn_meets_nobody(SERVER, "10.0.0.50:61000").within(2);
            let ack = Acknowledged::Number(ack);
            let story = story.takes(CLIENT, "10.96.0.1:80", TcpState::SynSent, talk(), ack);
            story.verdicts().last().and_then(|verdict| verdict.joined)
        };
        assert_eq!((refused(2), refused(3)), (Some(1), None));
    }

    #[test]
    fn data_that_was_refused_is_not_told_as_a_reset_from_the_peer_too() {
        let taken = || Story::new().after(5).receives_unseen(SERVER, CLIENT, TcpState::FinWait2);
        let refused = taken().late_segment(SERVER, CLIENT, Late::to_orphan(talk()));
        assert_eq!(refused.verdicts().len(), 1);
        let reset_and_more = taken().data_meets_listener(SERVER, CLIENT, 5);
        assert_eq!(reset_and_more.verdicts().len(), 2, "the socket was gone by then");
    }

    #[test]
    fn another_reset_to_the_same_client_is_not_its_sender() {
        let story =
            Story::new().finds("0.0.0.0:80").after(5).data_meets_listener(SERVER, CLIENT, 77);
        let verdicts =
            story.within(2).receives(CLIENT, SERVER, 78, TcpState::Established).verdicts();
        assert_eq!(verdicts.last().and_then(|verdict| verdict.joined), None);
    }

    #[test]
    fn a_pod_that_is_gone_before_its_reset_is_judged_is_still_known() {
        let story =
            || Story::new().after(500).opens("0.0.0.0:80").after(100).closes("0.0.0.0:80", None);
        let refused = || story().after(5).syn_meets_nobody(SERVER, CLIENT).after(3).vanishes(1);
        assert_eq!(refused().code(), "listener-closed");
        assert_eq!(refused().after(3).namespace(1, &["10.0.0.1"], true).code(), "listener-closed");
    }

    #[test]
    fn the_next_namespace_with_the_same_number_has_none_of_its_listeners() {
        let story =
            Story::new().after(500).opens("0.0.0.0:80").after(100).closes("0.0.0.0:80", None);
        let next = story.after(5).vanishes(1).after(1).namespace(1, &["10.0.0.1"], true);
        assert_eq!(next.after(1).syn_meets_nobody(SERVER, CLIENT).code(), "no-listener");
    }

    #[test]
    fn a_port_that_opens_in_the_next_namespace_was_not_late() {
        for judged_after in [3, 300] {
            let story = Story::new().after(5).syn_meets_nobody(SERVER, CLIENT);
            let next = story.after(judged_after).vanishes(1).after(1).opens("0.0.0.0:80");
            assert!(next.amendments().is_empty(), "{judged_after}");
        }
    }

    #[test]
    fn a_reset_whose_sender_is_not_judged_yet_is_not_from_elsewhere() {
        let (service, old) = ("10.96.0.1:80", "10.0.0.2:80");
        let story = Story::new().finds("0.0.0.0:80").loses_entry(CLIENT, service, old, removed(50));
        let story = story.after(500).data_meets_listener(SERVER, CLIENT, 77).within(2);
        let story = story.namespace(2, &["10.0.0.9"], false).receives(
            CLIENT,
            service,
            77,
            TcpState::Established,
        );
        // Its namespace ends at once, and its number is given away.
        let verdicts = story.vanishes(2).namespace(2, &["10.0.0.8"], true).verdicts();
        let received = verdicts.iter().find(|verdict| verdict.direction == Direction::Received);
        let finding = &received.expect("it is judged").finding;
        assert!(matches!(finding, Finding::Unexplained { .. }), "{finding:?}");
    }

    #[test]
    fn nor_has_one_that_is_not_described_yet() {
        let story =
            Story::new().after(500).opens("0.0.0.0:80").after(100).closes("0.0.0.0:80", None);
        let next = story.after(5).vanishes(1).after(1).syn_meets_nobody(SERVER, CLIENT);
        assert_eq!(next.code(), "unexplained");
    }

    #[test]
    fn the_account_of_a_namespace_is_held_against_the_kernel() {
        let counted = |ms: u64, out_rsts| {
            let (time, netns) = (Time(ms * 1_000_000), NetNs(1));
            Event::CountersRead(CountersRead { time, netns, out_rsts, ..CountersRead::default() })
        };
        let mut engine = Engine::new();
        engine.observe(&counted(1, 40));
        for event in Story::new().after(5).syn_meets_nobody(SERVER, CLIENT).events() {
            engine.observe(&event);
        }
        engine.observe(&counted(9000, 42));
        let totals = engine.totals();
        let account = &totals.namespaces[0];
        assert_eq!((account.sent, account.out_rsts, account.difference), (1, Some(2), Some(1)));
        assert_eq!((totals.explained, totals.unexplained), (1, 0));
    }

    #[test]
    fn a_verdict_depends_on_the_events_up_to_its_deadline_only() {
        let until = |ms| {
            let story = Story::new().after(5).syn_meets_nobody(SERVER, CLIENT).after(ms);
            story
                .finds("127.0.0.1:80")
                .verdicts()
                .pop()
                .map(|verdict| format!("{:?}", verdict.finding))
        };
        assert_eq!(until(201), until(10_000));
    }

    #[test]
    fn losing_events_weakens_a_verdict_and_never_changes_it() {
        let whole = Story::new().finds("0.0.0.0:80").overflows(SERVER, CLIENT, 5).after(400);
        assert_eq!(whole.data_meets_listener(SERVER, CLIENT, 5).code(), "accept-queue-overflow");
        let torn = Story::new()
            .finds("0.0.0.0:80")
            .after(1)
            .loses_events(Fact::AcceptQueueOverflowed, 1)
            .after(400);
        assert_eq!(torn.data_meets_listener(SERVER, CLIENT, 5).code(), "unexplained");
    }
}
