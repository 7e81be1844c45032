//! When may a chore run again, so that it never costs more than its share of a core?

use std::time::Duration;

use crate::event::Time;

/// Paces a chore by what it cost the last time.
///
/// A scan of 50 processes may run every second; one of 50 000 runs as rarely as its share demands.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The shortest time from the end of one run to the start of the next.
    floor: Duration,
    /// Parts of rest to one part of work: 100 is 1 % of a core.
    rest: u32,
    next: Time,
}

impl Pace {
    /// A chore that is due at once.
    pub fn new(floor: Duration, rest: u32) -> Self {
        Self { floor, rest, next: Time(0) }
    }

    pub fn is_due(&self, now: Time) -> bool {
        now >= self.next
    }

    /// Call after each run, with the processor time it took: on a busy host the run itself had to wait, and
    /// that is no reason to rest.
    pub fn ran(&mut self, end: Time, cost: Duration) {
        let rest = cost.saturating_mul(self.rest);
        self.next = end.plus(rest.max(self.floor));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Time {
        Time(n * 1_000_000)
    }

    #[test]
    fn a_cheap_chore_keeps_its_floor() {
        let mut pace = Pace::new(Duration::from_millis(100), 700);
        assert!(pace.is_due(ms(0)));
        pace.ran(ms(10), Duration::ZERO);
        assert!(!pace.is_due(ms(109)));
        assert!(pace.is_due(ms(110)));
    }

    #[test]
    fn a_dear_chore_rests_longer() {
        let mut pace = Pace::new(Duration::from_millis(100), 700);
        pace.ran(ms(10), Duration::from_millis(10));
        assert!(!pace.is_due(ms(7009)));
        assert!(pace.is_due(ms(7010)));
    }
}
