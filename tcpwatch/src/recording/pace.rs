//! Does time pass in a recording? Until it does, what was told waits in memory: for its turn, and for later evidence.

use std::time::Duration;

use crate::event::{Event, Time};

/// How much waits for time to pass.
#[derive(Default)]
pub(super) struct Pace {
    /// Everything up to here has left, but for what waits for evidence.
    passed: Time,
    /// The latest time that was told.
    newest: Time,
    /// Bytes of what came since.
    waiting: usize,
    /// Bytes of those among them, and from before, that are far ahead of every tick.
    ahead: usize,
}

impl Pace {
    pub(super) fn from(begin: Time) -> Self {
        Self { passed: begin, newest: begin, ..Self::default() }
    }

    /// Takes note of an event whose line is so long. When time must pass, because too much waits for it: until when.
    pub(super) fn take(&mut self, event: &Event, length: usize) -> Option<Time> {
        let (time, length) = (event.time(), length.max(size_of::<Event>()));
        self.newest = self.newest.max(time);
        if matches!(event, Event::Tick { .. }) && time >= self.passed.plus(STEP) {
            self.pass(time);
        }
        self.waiting += length;
        if time > self.passed.plus(FAR) {
            self.ahead += length;
        }
        (self.waiting > MOST).then(|| {
            self.pass(self.newest.max(self.passed.plus(STEP)));
            self.passed
        })
    }

    fn pass(&mut self, time: Time) {
        self.passed = time;
        if time >= self.newest {
            self.ahead = 0;
        }
        self.waiting = self.ahead;
    }
}

/// Longer than anything waits for its turn or for later evidence.
const STEP: Duration = Duration::from_millis(400);

/// A live run ticks each second, so nothing is further ahead for long.
const FAR: Duration = Duration::from_secs(2);

/// Bytes. A storm of half a million events a second, each a line of 550 bytes, has 110 MB to tell within [`STEP`].
const MOST: usize = 128 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::samples::{reset, tick};

    const LINE: usize = 1024 * 1024;

    /// How many of these events are taken, each of a line of one MiB, until time is made to pass; and until when.
    fn until_forced(mut pace: Pace, mut event: impl FnMut(u64) -> Event) -> Option<(u64, Time)> {
        (0..1_000).find_map(|n| Some((n, pace.take(&event(n), LINE)?)))
    }

    #[test]
    fn time_is_made_to_pass_where_no_tick_comes() {
        let pace = Pace::from(Time(5));
        assert_eq!(until_forced(pace, |n| reset(Time(n))), Some((128, Time(5).plus(STEP))));
    }

    #[test]
    fn it_is_where_ticks_come_and_tell_nothing_new() {
        let still = |_| tick(Time(5));
        assert_eq!(until_forced(Pace::from(Time(5)), still), Some((128, Time(5).plus(STEP))));
        let slow = |n| tick(Time(5 + n));
        assert_eq!(until_forced(Pace::from(Time(5)), slow), Some((128, Time(5).plus(STEP))));
    }

    #[test]
    fn it_is_where_what_is_told_is_ahead_of_every_tick() {
        let far = Time(u64::MAX / 2);
        let alternating = |n| {
            if n % 2 == 0 {
                reset(far)
            } else {
                tick(Time(0).plus(STEP * u32::try_from(n).unwrap()))
            }
        };
        let (taken, until) = until_forced(Pace::default(), alternating).unwrap();
        assert!((250..270).contains(&taken), "{taken}");
        assert_eq!(until, far);
    }

    #[test]
    fn it_is_left_alone_where_ticks_tell_it() {
        let second = |n| Time(n / 20 * 1_000_000_000);
        let run = |n| if n % 20 == 0 { tick(second(n)) } else { reset(second(n)) };
        assert_eq!(until_forced(Pace::default(), run), None);
        let with_a_stray = |n| if n == 5 { reset(Time(u64::MAX)) } else { run(n) };
        assert_eq!(until_forced(Pace::default(), with_a_stray), None);
    }

    #[test]
    fn short_lines_are_as_large_as_what_they_become() {
        let mut pace = Pace::default();
        let taken = (0..=MOST).find(|_| pace.take(&tick(Time(0)), 1).is_some());
        assert_eq!(taken, Some(MOST / size_of::<Event>()));
    }
}
