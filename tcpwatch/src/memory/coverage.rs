//! What could we see, and when were we blind?

use std::collections::HashMap;

use crate::event::{CoverageDeclared, EventsLost, Fact, HookCoverage, Time, Way};

/// The hooks that are live, and the spans in which their events were lost.
#[derive(Default)]
pub struct Coverage {
    since: Time,
    hooks: Vec<HookCoverage>,
    /// When each fact became wholly visible.
    sighted: HashMap<Fact, Time>,
    /// When events of a fact were last lost.
    losses: HashMap<Fact, Time>,
    lost: u64,
}

impl Coverage {
    pub fn started(&mut self, time: Time) {
        self.since = time;
    }

    /// A later declaration may only add sight (a module was loaded) or take it away. What came between the loading and
    /// the declaration was not seen: the hook counts from now.
    pub fn declare(&mut self, declared: &CoverageDeclared) {
        let before = std::mem::replace(&mut self.hooks, declared.hooks.clone());
        for fact in Fact::ALL {
            let awoke = is_idle(&before, fact) && !is_idle(&self.hooks, fact);
            if awoke || !self.is_whole(fact) {
                self.sighted.remove(&fact);
            }
            if self.is_whole(fact) {
                self.sighted.entry(fact).or_insert(declared.time);
            }
        }
    }

    pub fn lost(&mut self, lost: &EventsLost) {
        self.lost = self.lost.saturating_add(lost.count);
        self.losses.insert(lost.fact, lost.until);
    }

    /// Could every event of this kind since `since` have been seen? Only then is absence evidence.
    pub fn sees(&self, fact: Fact, since: Time) -> bool {
        let sighted = self.sighted.get(&fact).is_some_and(|from| *from <= since);
        sighted && self.is_intact(fact, since)
    }

    /// Nothing of this kind that the hooks saw since `since` was lost on the way.
    pub fn is_intact(&self, fact: Fact, since: Time) -> bool {
        self.losses.get(&fact).is_none_or(|lost| *lost < since)
    }

    /// When this run began to watch.
    pub fn since(&self) -> Time {
        self.since
    }

    /// When events of this kind became visible.
    pub fn sighted_since(&self, fact: Fact) -> Option<Time> {
        self.sighted.get(&fact).copied()
    }

    /// The way by which a fact is seen.
    pub fn way(&self, fact: Fact) -> Option<Way> {
        self.hooks.iter().filter(|hook| hook.fact == fact).find_map(|hook| hook.way)
    }

    /// What this host cannot tell about a fact, as a sentence.
    pub fn blind_spot(&self, fact: Fact) -> Option<&str> {
        let hooks = self.hooks.iter().filter(|hook| hook.fact == fact);
        hooks.map(|hook| hook.blind.as_str()).find(|blind| !blind.is_empty())
    }

    /// Events lost so far, at any stage.
    pub fn total_lost(&self) -> u64 {
        self.lost
    }

    /// A fact is seen whole when every hook that tells it found a way, and a way without blind spots, or when there is
    /// nothing to be seen: otherwise an event may have passed unseen, and absence proves nothing.
    fn is_whole(&self, fact: Fact) -> bool {
        let sees = |hook: &HookCoverage| hook.idle || hook.way.is_some() && hook.blind.is_empty();
        let mut hooks = self.hooks.iter().filter(|hook| hook.fact == fact).peekable();
        hooks.peek().is_some() && hooks.all(sees)
    }
}

fn is_idle(hooks: &[HookCoverage], fact: Fact) -> bool {
    hooks.iter().any(|hook| hook.fact == fact && hook.idle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(time: u64, way: Option<Way>, idle: bool) -> CoverageDeclared {
        let hook = HookCoverage {
            fact: Fact::PacketRejected,
            hook: "nf_send_reset".into(),
            way,
            failed: Vec::new(),
            blind: String::new(),
            idle,
        };
        CoverageDeclared { time: Time(time), hooks: vec![hook] }
    }

    #[test]
    fn where_the_code_is_not_loaded_nothing_can_have_happened() {
        let mut coverage = Coverage::default();
        coverage.declare(&declared(5, None, true));
        assert!(coverage.sees(Fact::PacketRejected, Time(6)));
        coverage.declare(&declared(7, None, false));
        assert!(!coverage.sees(Fact::PacketRejected, Time(8)), "no way works, so nothing is seen");
    }

    #[test]
    fn between_loading_and_attaching_something_may_have_happened() {
        let mut coverage = Coverage::default();
        coverage.declare(&declared(5, None, true));
        coverage.declare(&declared(9, Some(Way::Kprobe), false));
        assert!(!coverage.sees(Fact::PacketRejected, Time(8)));
        assert!(coverage.sees(Fact::PacketRejected, Time(9)));
    }

    #[test]
    fn a_hook_that_stays_attached_keeps_its_past() {
        let mut coverage = Coverage::default();
        coverage.declare(&declared(5, Some(Way::Kprobe), false));
        coverage.declare(&declared(9, Some(Way::Kprobe), false));
        assert!(coverage.sees(Fact::PacketRejected, Time(5)));
    }
}
