//! The most frequent of many, in bounded memory.

use std::collections::BTreeMap;

use super::tally::{Counts, End, Tally};

/// Kinds by key. Where there are too many, the rarer half is from then on among the others.
pub(super) struct Ranking<K, T> {
    kinds: BTreeMap<K, Kind<T>>,
    others: Tally,
}

/// What is known of one kind.
#[derive(Default)]
pub(super) struct Kind<T> {
    tally: Tally,
    causes: BTreeMap<&'static str, Tally>,
    /// Who takes part.
    pub(super) names: T,
}

impl<K, T> Default for Ranking<K, T> {
    fn default() -> Self {
        Self { kinds: BTreeMap::new(), others: Tally::default() }
    }
}

impl<K: Ord + Clone, T: Default> Ranking<K, T> {
    /// Counts one more. A kind that had to make room begins anew.
    pub(super) fn count(&mut self, key: &K, second: u64, cause: &'static str) -> &mut Kind<T> {
        if self.kinds.len() >= MOST && !self.kinds.contains_key(key) {
            self.make_room(second);
        }
        let kind = self.kinds.entry(key.clone()).or_default();
        kind.tally.add(second, 1);
        kind.causes.entry(cause).or_default().add(second, 1);
        kind
    }

    /// One that has been counted, unless it had to make room.
    pub(super) fn get(&mut self, key: &K) -> Option<&mut Kind<T>> {
        self.kinds.get_mut(key)
    }

    /// The first `shown` of them, and the rest in one.
    pub(super) fn first(&self, shown: usize, end: End) -> (Vec<Ranked<'_, K, T>>, Counts) {
        let mut ranked = self.ranked(end);
        let mut others = self.others.until(end);
        ranked.drain(shown.min(ranked.len())..).for_each(|kind| others += kind.counts);
        (ranked, others)
    }

    /// What has not been counted by then is not there.
    fn ranked(&self, end: End) -> Vec<Ranked<'_, K, T>> {
        let ranked = |(key, kind)| Ranked::of(key, kind, end);
        let mut ranked: Vec<_> = self.kinds.iter().map(ranked).collect();
        ranked.retain(|kind| kind.counts.since_start.count > 0);
        // Stable: among equals the key decides.
        ranked.sort_by_cached_key(|kind| kind.counts.rank());
        ranked
    }

    fn make_room(&mut self, second: u64) {
        let ranked = self.ranked(End::before(second + 1));
        let rarer: Vec<_> = ranked[MOST / 2..].iter().map(|kind| kind.key.clone()).collect();
        for kind in rarer.iter().filter_map(|key| self.kinds.remove(key)) {
            self.others.merge(&kind.tally);
        }
    }
}

/// One kind with its place.
pub(super) struct Ranked<'a, K, T> {
    pub(super) key: &'a K,
    pub(super) names: &'a T,
    pub(super) counts: Counts,
    /// The most frequent cause of the last minute, or else of the run.
    pub(super) cause: &'static str,
}

impl<'a, K, T> Ranked<'a, K, T> {
    fn of(key: &'a K, kind: &'a Kind<T>, end: End) -> Self {
        let first = kind.causes.iter().min_by_key(|(_, tally)| tally.until(end).rank());
        let cause = first.map_or("", |(code, _)| *code);
        Self { key, names: &kind.names, counts: kind.tally.until(end), cause }
    }
}

/// Kinds remembered.
const MOST: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn ranking(keys: impl IntoIterator<Item = u32>) -> Ranking<u32, ()> {
        let mut ranking = Ranking::default();
        keys.into_iter().for_each(|key| _ = ranking.count(&key, 0, "no-listener"));
        ranking
    }

    #[test]
    fn the_most_frequent_come_first_and_the_rest_in_one() {
        let ranking = ranking([3, 1, 2, 2, 4]);
        let (first, others) = ranking.first(2, End::before(1));
        let keys: Vec<_> = first.iter().map(|kind| *kind.key).collect();
        assert_eq!((keys, others.since_start.count), (vec![2, 1], 2));
    }

    #[test]
    fn what_happens_now_comes_before_what_happened_often() {
        let mut ranking = ranking([1, 1, 1]);
        ranking.count(&2, 100, "no-listener");
        assert_eq!(*ranking.first(1, End::before(101)).0[0].key, 2);
    }

    #[test]
    fn the_cause_is_that_of_now() {
        let mut ranking = ranking([1, 1, 1]);
        ranking.count(&1, 100, "keepalive-timeout");
        let cause = |end| ranking.first(1, End::before(end)).0[0].cause;
        assert_eq!(cause(101), "keepalive-timeout", "once in the last minute");
        assert_eq!(cause(100), "no-listener", "before that happened");
        assert_eq!(cause(500), "no-listener", "a quiet minute: three to one");
    }

    #[test]
    fn memory_is_bounded_and_no_count_is_lost() {
        let often = std::iter::repeat_n(7, 3);
        let ranking = ranking(often.chain(10_000..20_000));
        assert!(ranking.kinds.len() <= MOST);
        let (first, others) = ranking.first(1, End::before(1));
        assert_eq!((*first[0].key, first[0].counts.since_start.count), (7, 3));
        assert_eq!(others.since_start.count, 10_000);
        assert_eq!(others.last_10s.count, 10_000);
    }

    #[test]
    fn a_kind_is_called_by_its_most_frequent_cause() {
        let mut ranking = ranking([1]);
        ranking.count(&1, 0, "accept-queue-overflow");
        assert_eq!(
            ranking.first(1, End::before(1)).0[0].cause,
            "accept-queue-overflow",
            "among equals the code"
        );
        ranking.count(&1, 0, "no-listener");
        assert_eq!(ranking.first(1, End::before(1)).0[0].cause, "no-listener");
    }
}
