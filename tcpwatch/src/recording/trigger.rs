//! When does a flight recorder write what it remembers?

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::event::{Event, Time};

/// What the user wants it to write for; a signal does in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A verdict with this cause.
    Cause(String),
    /// So many resets within a second.
    Rate(usize),
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cause(code) => write!(f, "cause {code}"),
            Self::Rate(resets) => write!(f, "{resets} resets within a second"),
        }
    }
}

/// Watches for what was asked for.
pub(super) struct Triggers {
    causes: Vec<String>,
    rate: Option<Rate>,
}

struct Rate {
    resets: usize,
    /// Times of the last so many.
    recent: VecDeque<Time>,
}

impl Triggers {
    pub(super) fn new(wanted: &[Trigger]) -> Self {
        let mut triggers = Self { causes: Vec::new(), rate: None };
        for trigger in wanted {
            match trigger {
                Trigger::Cause(code) => triggers.causes.push(code.clone()),
                Trigger::Rate(resets) => triggers.lower_rate(*resets),
            }
        }
        triggers
    }

    /// Of several rates the lowest decides.
    fn lower_rate(&mut self, resets: usize) {
        let resets = self.rate.as_ref().map_or(resets, |rate| rate.resets.min(resets));
        self.rate = Some(Rate { resets, recent: VecDeque::new() });
    }

    /// Why to write, if this cause is a reason.
    pub(super) fn on_cause(&self, code: &str) -> Option<String> {
        self.causes
            .iter()
            .find(|wanted| *wanted == code)
            .map(|code| Trigger::Cause(code.clone()).to_string())
    }

    /// Why to write, if this event is one reset too many.
    pub(super) fn on_event(&mut self, event: &Event) -> Option<String> {
        let rate = self.rate.as_mut()?;
        if !is_reset(event) || !rate.is_reached_at(event.time()) {
            return None;
        }
        Some(Trigger::Rate(rate.resets).to_string())
    }
}

impl Rate {
    /// Begins to count anew when it is reached.
    fn is_reached_at(&mut self, time: Time) -> bool {
        self.recent.push_back(time);
        if self.recent.len() < self.resets {
            return false;
        }
        let first = self.recent.pop_front();
        let reached = first.is_some_and(|first| time.since(first) <= SECOND);
        if reached {
            self.recent.clear();
        }
        reached
    }
}

fn is_reset(event: &Event) -> bool {
    matches!(event, Event::RstSent(_) | Event::ConnectionAborted(_) | Event::RstReceived(_))
}

const SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::samples::{reset, tick};

    fn millis(millis: u64) -> Time {
        Time(millis * 1_000_000)
    }

    fn fired(triggers: &mut Triggers, at: impl IntoIterator<Item = u64>) -> usize {
        at.into_iter().filter(|at| triggers.on_event(&reset(millis(*at))).is_some()).count()
    }

    #[test]
    fn a_rate_is_so_many_resets_within_a_second() {
        let triggers = || Triggers::new(&[Trigger::Rate(10), Trigger::Rate(5)]);
        assert_eq!(fired(&mut triggers(), (0..4).map(|n| n * 10)), 0, "too few");
        assert_eq!(fired(&mut triggers(), (0..50).map(|n| n * 300)), 0, "too slow");
        assert_eq!(fired(&mut triggers(), (0..10).map(|n| n * 250)), 2, "each five of them");
    }

    #[test]
    fn ticks_are_no_resets() {
        let mut triggers = Triggers::new(&[Trigger::Rate(1)]);
        assert_eq!(triggers.on_event(&tick(millis(1))), None);
        assert!(triggers.on_event(&reset(millis(1))).is_some());
    }

    #[test]
    fn only_the_causes_asked_for_are_reasons() {
        let triggers = Triggers::new(&[Trigger::Cause("no-listener".into())]);
        assert_eq!(triggers.on_cause("no-listener").as_deref(), Some("cause no-listener"));
        assert_eq!(triggers.on_cause("conntrack-expired"), None);
    }
}
