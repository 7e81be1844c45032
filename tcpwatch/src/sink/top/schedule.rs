//! When is the next page due? By event time, so that it does not matter who asks when.

use std::time::Duration;

use super::tally::End;
use crate::event::Time;

/// Pages at whole intervals since the start of the run.
pub(super) struct Schedule {
    interval: u64,
    next: u64,
    since: Time,
    now: Time,
}

impl Schedule {
    /// Whole seconds, at least one.
    pub(super) fn every(interval: Duration) -> Self {
        let interval = interval.as_secs().max(1);
        Self { interval, next: interval, since: Time::default(), now: Time::default() }
    }

    pub(super) fn start(&mut self, since: Time) {
        (self.since, self.now) = (since, since);
        self.next = self.interval;
    }

    /// The end of the next page, once every verdict on what came before it has been told. To be asked again.
    pub(super) fn due(&mut self, now: Time) -> Option<End> {
        self.now = now;
        let settled = now.minus(SETTLED).since(self.since).as_secs();
        if settled < self.next {
            return None;
        }
        let behind = (settled - self.next) / self.interval;
        if behind > CATCH_UP {
            self.next += behind * self.interval;
        }
        let end = End::before(self.next);
        self.next += self.interval;
        Some(end)
    }

    /// Now: a page that ends here leaves nothing out.
    pub(super) fn end(&self) -> End {
        End::now(self.now.since(self.since))
    }
}

/// Verdicts are told so much later at most, drain and slack included.
const SETTLED: Duration = Duration::from_millis(500);

/// Pages made up for, when time makes a leap: after a suspend nobody wants one for each interval of the night.
const CATCH_UP: u64 = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time(7_000_000_000 + ms * 1_000_000)
    }

    fn pages(schedule: &mut Schedule, ms: u64) -> Vec<u64> {
        let due = std::iter::from_fn(|| schedule.due(at(ms)));
        due.map(|end| end.elapsed().as_secs()).collect()
    }

    fn every(seconds: u64) -> Schedule {
        let mut schedule = Schedule::every(Duration::from_secs(seconds));
        schedule.start(at(0));
        schedule
    }

    #[test]
    fn a_page_waits_for_the_verdicts_of_its_time() {
        let mut schedule = every(5);
        assert_eq!(pages(&mut schedule, 5_499), [0; 0]);
        assert_eq!(pages(&mut schedule, 5_500), [5]);
        assert_eq!(pages(&mut schedule, 5_501), [0; 0]);
        assert_eq!(
            schedule.end().elapsed(),
            Duration::from_millis(5_501),
            "no more than there was"
        );
    }

    #[test]
    fn however_late_it_is_asked_the_pages_are_the_same() {
        let mut often = every(2);
        let asked_often: Vec<_> = (0..9_000).flat_map(|ms| pages(&mut often, ms)).collect();
        assert_eq!(pages(&mut every(2), 8_999), asked_often);
        assert_eq!(asked_often, [2, 4, 6, 8]);
    }

    #[test]
    fn a_night_is_not_made_up_for() {
        let mut schedule = every(5);
        assert_eq!(pages(&mut schedule, 36_000_600), [36_000]);
        assert_eq!(pages(&mut schedule, 36_005_600), [36_005]);
    }
}
