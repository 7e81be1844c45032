//! What is missing in a recording whose disk did not keep up, and what a reader has to be told in its place.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{Event, EventsLost, Fact, LossStage, NamespaceVanished, NetNs, Time};

/// Counts events that may be missing, or are.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) events: u64,
    facts: BTreeMap<Fact, EventsLost>,
    vanished: BTreeSet<NetNs>,
}

impl Tally {
    pub(super) fn add(&mut self, event: &Event) {
        self.events += 1;
        match event {
            Event::EventsLost(lost) => self.miss(lost.fact, lost.count, lost.since, lost.until),
            Event::NamespaceVanished(gone) => _ = self.vanished.insert(gone.netns),
            _ => {
                if let Some(fact) = event.fact() {
                    self.miss(fact, 1, event.time(), event.time());
                }
            }
        }
    }

    fn miss(&mut self, fact: Fact, count: u64, since: Time, until: Time) {
        let stage = LossStage::Recording;
        let none = EventsLost { since, until, fact, count: 0, stage };
        let sum = self.facts.entry(fact).or_insert(none);
        sum.count = sum.count.saturating_add(count);
        sum.since = sum.since.min(since);
        sum.until = sum.until.max(until);
    }

    /// The losses, and which namespaces are not what they were: their numbers may be in use again.
    pub(super) fn told(&self, now: Time) -> Vec<Event> {
        let lost = self.facts.values().cloned().map(Event::EventsLost);
        let vanished = self
            .vanished
            .iter()
            .map(|netns| Event::NamespaceVanished(NamespaceVanished { time: now, netns: *netns }));
        lost.chain(vanished).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::samples::{described, reset, tick};

    #[test]
    fn losses_are_summed_by_fact() {
        let mut tally = Tally::default();
        let events = [reset(Time(5)), tick(Time(6)), reset(Time(9)), described(Time(9), 1)];
        for event in &events {
            tally.add(event);
        }
        let (since, until, stage) = (Time(5), Time(9), LossStage::Recording);
        let lost = EventsLost { since, until, fact: Fact::RstSent, count: 2, stage };
        assert_eq!((tally.events, tally.told(Time(9))), (4, vec![Event::EventsLost(lost)]));
    }

    #[test]
    fn a_loss_that_is_lost_stays_a_loss() {
        let (since, until, fact) = (Time(1), Time(4), Fact::Listeners);
        let lost = EventsLost { since, until, fact, count: 12, stage: LossStage::Ring };
        let mut tally = Tally::default();
        tally.add(&Event::EventsLost(lost.clone()));
        let lost = EventsLost { stage: LossStage::Recording, ..lost };
        assert_eq!(tally.told(Time(9)), [Event::EventsLost(lost)]);
    }

    #[test]
    fn a_namespace_that_vanished_unseen_vanishes_late() {
        let mut tally = Tally::default();
        let gone = |time| Event::NamespaceVanished(NamespaceVanished { time, netns: NetNs(7) });
        tally.add(&gone(Time(3)));
        assert_eq!(tally.told(Time(9)), [gone(Time(9))]);
    }
}
