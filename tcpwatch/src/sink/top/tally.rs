//! How often something happened: in the last ten seconds, in the last minute, since the start. By event time.

use std::ops::AddAssign;
use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct, Serializer};

/// Counts per second of one run, of which the last minute is kept apart.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    total: u64,
    /// The youngest second counted in; as all seconds here, since the start of the run.
    head: u64,
    seconds: [u64; RING],
}

impl Default for Tally {
    fn default() -> Self {
        Self { total: 0, head: 0, seconds: [0; RING] }
    }
}

impl Tally {
    /// What is older than the ring counts in the total alone.
    pub(super) fn add(&mut self, second: u64, count: u64) {
        self.turn_to(second);
        self.total += count;
        if self.holds(second) {
            self.seconds[slot(second)] += count;
        }
    }

    /// Takes in what another one has counted.
    pub(super) fn merge(&mut self, other: &Self) {
        let told_apart: u64 = other.held().map(|second| other.of(second)).sum();
        self.total += other.total - told_apart;
        other.held().for_each(|second| self.add(second, other.of(second)));
    }

    pub(super) fn until(&self, end: End) -> Counts {
        let since = |span: u64| {
            let first = end.second.saturating_sub(span);
            Span { count: self.between(first, end.second), time: end.since(first) }
        };
        let later = self.between(end.second, u64::MAX);
        let since_start = Span { count: self.total - later, time: end.elapsed };
        Counts { last_10s: since(10), last_1min: since(MINUTE), since_start }
    }

    fn between(&self, first: u64, end: u64) -> u64 {
        let wanted = |second: &u64| (first..end).contains(second);
        self.held().filter(wanted).map(|second| self.of(second)).sum()
    }

    fn turn_to(&mut self, second: u64) {
        let first = (self.head + 1).max(second.saturating_sub(RING as u64 - 1));
        (first..=second).for_each(|second| self.seconds[slot(second)] = 0);
        self.head = self.head.max(second);
    }

    fn held(&self) -> impl Iterator<Item = u64> {
        self.head.saturating_sub(RING as u64 - 1)..=self.head
    }

    fn holds(&self, second: u64) -> bool {
        second + RING as u64 > self.head
    }

    fn of(&self, second: u64) -> u64 {
        self.seconds[slot(second)]
    }
}

/// Bounded by [`RING`], whatever the second.
#[expect(clippy::cast_possible_truncation, reason = "less than the ring's length")]
fn slot(second: u64) -> usize {
    (second % RING as u64) as usize
}

const MINUTE: u64 = 60;

/// A minute, and some seconds that have begun when the account of that minute is made.
const RING: usize = 64;

/// Until when things are counted in.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    /// The first second that is not counted in.
    second: u64,
    /// Since the start of the run: rates are of the time there was.
    elapsed: Duration,
}

impl End {
    /// Whole seconds, and nothing of the one that begins then.
    pub(super) fn before(second: u64) -> Self {
        Self { second, elapsed: Duration::from_secs(second) }
    }

    /// Everything there was, that of a second which has only begun too.
    pub(super) fn now(elapsed: Duration) -> Self {
        Self { second: elapsed.as_secs() + 1, elapsed }
    }

    pub(super) fn elapsed(self) -> Duration {
        self.elapsed
    }

    fn since(self, second: u64) -> Duration {
        self.elapsed.saturating_sub(Duration::from_secs(second))
    }
}

/// One thing counted over three spans that end at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(super) struct Counts {
    pub(super) last_10s: Span,
    pub(super) last_1min: Span,
    pub(super) since_start: Span,
}

impl Counts {
    pub(super) fn spans(&self) -> [Span; 3] {
        [self.last_10s, self.last_1min, self.since_start]
    }

    /// The most frequent now come first.
    pub(super) fn rank(&self) -> impl Ord + use<> {
        std::cmp::Reverse((self.last_1min.count, self.since_start.count))
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        let Self { last_10s, last_1min, since_start } = other;
        self.last_10s.add(last_10s);
        self.last_1min.add(last_1min);
        self.since_start.add(since_start);
    }
}

/// So many in such a time: shorter than the span is named after where the run is younger, and by less than a second
/// where it ends in the middle of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) count: u64,
    pub(super) time: Duration,
}

impl Span {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    pub(super) fn per_second(self) -> f64 {
        self.count as f64 / self.time.max(INSTANT).as_secs_f64()
    }

    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.time = self.time.max(other.time);
    }
}

/// Nothing is told of a shorter time: there would be no number for a rate.
const INSTANT: Duration = Duration::from_millis(1);

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut object = to.serialize_struct("Span", 2)?;
        object.serialize_field("count", &self.count)?;
        object.serialize_field("per_s", &((self.per_second() * 1e3).round() / 1e3))?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(seconds: &[u64]) -> Tally {
        let mut tally = Tally::default();
        for second in seconds {
            tally.add(*second, 1);
        }
        tally
    }

    fn until(tally: &Tally, end: u64) -> [u64; 3] {
        tally.until(End::before(end)).spans().map(|span| span.count)
    }

    #[test]
    fn windows_slide_and_the_total_stays() {
        let tally = counted(&[0, 5, 5, 14]);
        assert_eq!(until(&tally, 15), [3, 4, 4], "5 to 14");
        assert_eq!(until(&tally, 16), [1, 4, 4], "6 to 15");
        assert_eq!(until(&tally, 60), [0, 4, 4]);
        assert_eq!(until(&tally, 61), [0, 3, 4]);
        assert_eq!(until(&tally, 10_000), [0, 0, 4]);
    }

    #[test]
    fn what_came_after_the_end_is_not_in_it() {
        let tally = counted(&[3, 10, 11]);
        assert_eq!(until(&tally, 10), [1, 1, 1]);
        assert_eq!(until(&tally, 11), [2, 2, 2]);
    }

    #[test]
    fn seconds_long_gone_do_not_come_back() {
        let mut tally = counted(&[1, 200]);
        assert_eq!(until(&tally, 201), [1, 1, 2]);
        tally.add(2, 1);
        assert_eq!(until(&tally, 201), [1, 1, 3], "too late for the minute, not for the total");
        tally.add(200 + RING as u64, 1);
        assert_eq!(until(&tally, 201 + RING as u64), [1, 1, 4]);
    }

    #[test]
    fn rates_are_of_the_time_there_was() {
        let thousandths = |span: Span| (span.per_second() * 1e3).to_string();
        let rates = |end| counted(&[0, 0, 0]).until(End::before(end)).spans().map(thousandths);
        assert_eq!(rates(2), ["1500"; 3]);
        assert_eq!(rates(0), ["0"; 3]);
        assert_eq!(rates(30), ["0", "100", "100"]);
    }

    #[test]
    fn a_second_that_has_only_begun_is_counted_and_not_waited_for() {
        let last = |ms| counted(&[0, 0, 0, 1, 1, 1]).until(End::now(Duration::from_millis(ms)));
        let told = |span: Span| (span.count, (span.per_second() * 1e2).round().to_string());
        assert_eq!(last(1_000).spans().map(told), [(6, "600"); 3].map(owned));
        assert_eq!(last(1_500).spans().map(told), [(6, "400"); 3].map(owned));
        let [ten, minute, start] = last(10_500).spans();
        assert_eq!(ten.time, Duration::from_millis(9_500), "seconds 1 to 10");
        assert_eq!(told(ten), owned((3, "32")));
        assert_eq!([minute, start].map(told), [(6, "57"); 2].map(owned));
    }

    fn owned((count, rate): (u64, &str)) -> (u64, String) {
        (count, rate.into())
    }

    #[test]
    fn where_no_time_has_passed_a_rate_is_a_number() {
        let rates = counted(&[0]).until(End::now(Duration::ZERO)).spans().map(Span::per_second);
        assert!(rates.iter().all(|rate| rate.is_finite()), "{rates:?}");
    }

    #[test]
    fn merged_tallies_slide_as_one() {
        let mut one = counted(&[0, 70]);
        one.merge(&counted(&[1, 100, 130]));
        assert_eq!(until(&one, 131), [1, 2, 5]);
        let mut other = counted(&[1, 100, 130]);
        other.merge(&counted(&[0, 70]));
        assert_eq!(until(&other, 131), [1, 2, 5]);
    }

    #[test]
    fn a_span_tells_count_and_rate() {
        let span = Span { count: 10, time: Duration::from_mins(1) };
        assert_eq!(serde_json::to_string(&span).unwrap(), r#"{"count":10,"per_s":0.167}"#);
    }
}
