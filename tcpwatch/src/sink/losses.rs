//! Lost events in text: added up for a second, so that a flood of losses is not a flood of lines.

use std::fmt;
use std::time::Duration;

use crate::event::{EventsLost, LossStage, Time};

/// Losses not told yet.
#[derive(Default)]
pub(super) struct Losses {
    sums: Vec<EventsLost>,
    due: Option<Time>,
}

impl Losses {
    pub(super) fn add(&mut self, lost: &EventsLost) {
        self.due.get_or_insert(lost.until.plus(INTERVAL));
        let alike = |sum: &&mut EventsLost| sum.fact == lost.fact && sum.stage == lost.stage;
        match self.sums.iter_mut().find(alike) {
            Some(sum) => {
                sum.count = sum.count.saturating_add(lost.count);
                sum.since = sum.since.min(lost.since);
                sum.until = sum.until.max(lost.until);
            }
            None => self.sums.push(lost.clone()),
        }
    }

    /// Sums that have waited long enough.
    pub(super) fn due(&mut self, now: Time) -> Vec<EventsLost> {
        if self.due.is_some_and(|due| now >= due) { self.rest() } else { Vec::new() }
    }

    /// All sums.
    pub(super) fn rest(&mut self) -> Vec<EventsLost> {
        self.due = None;
        std::mem::take(&mut self.sums)
    }
}

/// What was lost and why, without the time.
pub(super) fn sentence(lost: &EventsLost) -> impl fmt::Display {
    let (count, fact, why) = (lost.count, lost.fact, reason(lost.stage));
    fmt::from_fn(move |f| write!(f, "lost {count} ({fact}): {why}"))
}

fn reason(stage: LossStage) -> &'static str {
    match stage {
        LossStage::Ring => "the ring buffer was full",
        LossStage::Unreadable => "the hook could not read them",
        LossStage::Malformed => "the records made no sense",
        LossStage::Late => "they came after their time had been dealt with",
        LossStage::Netlink => "the netlink socket overran",
        LossStage::Nested => "the hook was passed over while one was running",
        LossStage::Recording => "the recording did not keep up, or is damaged there",
    }
}

const INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::samples;

    #[test]
    fn losses_of_a_kind_add_up() {
        let mut losses = Losses::default();
        losses.add(&samples::lost());
        losses.add(&samples::lost());
        losses.add(&EventsLost { stage: LossStage::Late, ..samples::lost() });
        let told = losses.due(samples::lost().until.plus(INTERVAL));
        assert_eq!(told.iter().map(|sum| sum.count).collect::<Vec<_>>(), [24, 12]);
        assert_eq!(losses.rest(), []);
    }
}
