//! Many lines: which words come how often, and about whom.

use std::collections::BTreeMap;

use super::{Pattern, Place, Reading, patterns, read};

/// What a log says as a whole. Bounded, however long it is.
#[derive(Debug, Default)]
pub struct Tally {
    /// Lines that were read.
    pub lines: u64,
    /// By the words they have.
    found: BTreeMap<(&'static str, &'static str), Found>,
}

/// Words that were found.
#[derive(Clone, Debug)]
pub struct Found {
    pub pattern: &'static Pattern,
    pub count: u64,
    places: BTreeMap<Place, u64>,
    /// There were more places than are kept.
    elsewhere: bool,
}

impl Tally {
    pub fn add(&mut self, line: &str) {
        self.lines += 1;
        if let Some(Reading { pattern, place }) = read(line) {
            let key = (pattern.family, pattern.words);
            self.found.entry(key).or_insert_with(|| Found::none(pattern)).add(place);
        }
    }

    /// Most frequent first; among equals in the order of the patterns.
    pub fn found(self) -> Vec<Found> {
        let mut by_words = self.found;
        let in_order =
            patterns().filter_map(|pattern| by_words.remove(&(pattern.family, pattern.words)));
        let mut found: Vec<_> = in_order.collect();
        found.sort_by_key(|found| std::cmp::Reverse(found.count));
        found
    }
}

impl Found {
    /// In a single line.
    pub fn once(Reading { pattern, place }: Reading) -> Self {
        let mut found = Self::none(pattern);
        found.add(place);
        found
    }

    /// By the user, without a line.
    pub fn said(pattern: &'static Pattern) -> Self {
        Self::once(Reading { pattern, place: Place::default() })
    }

    fn none(pattern: &'static Pattern) -> Self {
        Self { pattern, count: 0, places: BTreeMap::new(), elsewhere: false }
    }

    fn add(&mut self, place: Place) {
        self.count += 1;
        if self.places.len() < MOST_PLACES || self.places.contains_key(&place) {
            *self.places.entry(place).or_default() += 1;
        } else {
            self.elsewhere = true;
        }
    }

    /// Where the service or the other end is, most frequent first, with the number of lines. Not all, when there are many.
    pub fn places(&self) -> Vec<(Place, u64)> {
        let mut places: Vec<_> =
            self.places.iter().map(|(place, count)| (*place, *count)).collect();
        places.retain(|(place, _)| place.is_known());
        places.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        places
    }

    /// Options of `tcpwatch rst` that show such resets, where they can be told apart by place; `None` where no reset is
    /// part of it.
    pub fn filter(&self) -> Option<Vec<String>> {
        let known = if self.elsewhere { Vec::new() } else { Place::options(self.places.keys()) };
        (!self.pattern.kind.candidates().is_empty()).then_some(known)
    }
}

/// More would make no filter.
const MOST_PLACES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(lines: &[&str]) -> Vec<(u64, String)> {
        let mut tally = Tally::default();
        for line in lines {
            tally.add(line);
        }
        let found = tally.found().into_iter();
        found
            .map(|found| {
                (found.count, found.filter().map_or("nothing".into(), |words| words.join(" ")))
            })
            .collect()
    }

    #[test]
    fn the_most_frequent_comes_first_with_a_filter_for_all_its_places() {
        let lines = [
            "dial tcp 10.0.0.5:80: i/o timeout",
            "dial tcp 10.0.0.6:80: connect: connection refused",
            "all is well on port 111",
            "dial tcp 10.0.0.5:80: connect: connection refused",
        ];
        let expected =
            [(2, "--host 10.0.0.5,10.0.0.6 --port 80".to_owned()), (1, "nothing".to_owned())];
        assert_eq!(filters(&lines), expected);
    }

    #[test]
    fn of_very_many_places_none_is_filtered_for() {
        let lines: Vec<_> = (1..=9)
            .map(|host| format!("dial tcp 10.0.0.{host}:80: connect: connection refused"))
            .collect();
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        assert_eq!(filters(&lines), [(9, String::new())]);
        assert_eq!(filters(&lines[1..]).len(), 1);
    }

    #[test]
    fn every_line_is_counted() {
        let mut tally = Tally::default();
        for line in ["", "ECONNRESET", "x"] {
            tally.add(line);
        }
        assert_eq!(tally.lines, 3);
        assert_eq!(tally.found().len(), 1);
    }

    #[test]
    fn no_two_patterns_have_the_same_words() {
        let mut words: Vec<_> = patterns().map(|pattern| (pattern.family, pattern.words)).collect();
        let count = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), count);
    }
}
