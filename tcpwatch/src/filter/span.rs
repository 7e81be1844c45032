//! From when to when? Moments as people name them, and the span of wall-clock time they make of a recording.

use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;

/// A span of wall-clock time; without an end it is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Nanoseconds since 1970.
    pub since: Option<i128>,
    pub until: Option<i128>,
}

impl Span {
    /// Wall-clock times in nanoseconds since 1970.
    pub fn contains(self, wall: i128) -> bool {
        self.touches(wall, wall)
    }

    /// Does any of the time from `since` to `until` belong to it?
    pub fn touches(self, since: i128, until: i128) -> bool {
        self.since.is_none_or(|begin| until >= begin) && self.until.is_none_or(|end| since <= end)
    }
}

/// A moment as the user names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// With its offset from UTC.
    At(Timestamp),
    /// By the local clock.
    Local(DateTime),
    /// On the first day of the recording, by the local clock.
    FirstDay(Time),
    /// So long before the end of the recording.
    BeforeEnd(Duration),
}

impl When {
    /// Nanoseconds since 1970, for a recording that begins at `first` and ends at `last` (`None`: nobody knows yet).
    pub fn resolve(self, first: i128, last: Option<i128>, zone: &TimeZone) -> Result<i128, String> {
        match self {
            Self::At(timestamp) => Ok(timestamp.as_nanosecond()),
            Self::Local(local) => at(local, zone),
            Self::FirstDay(time) => {
                let begin = Timestamp::from_nanosecond(first).unwrap_or_default();
                at(zone.to_datetime(begin).date().to_datetime(time), zone)
            }
            Self::BeforeEnd(span) => {
                let last = last.ok_or(ONCE)?;
                Ok(last - i128::try_from(span.as_nanos()).unwrap_or(i128::MAX))
            }
        }
    }

    /// The end of the recording has to be known.
    pub fn needs_end(self) -> bool {
        matches!(self, Self::BeforeEnd(_))
    }
}

/// A time that the local clock showed twice is its first, one that it left out is as far behind the gap.
fn at(local: DateTime, zone: &TimeZone) -> Result<i128, String> {
    let zoned = zone.to_zoned(local).map_err(|error| format!("no such time here: {error}"))?;
    Ok(zoned.timestamp().as_nanosecond())
}

impl FromStr for When {
    type Err = String;

    /// All forms but [`When::BeforeEnd`].
    fn from_str(text: &str) -> Result<Self, String> {
        let at = || text.parse().map(Self::At).ok();
        let time = || text.parse().map(Self::FirstDay).ok();
        let local = || text.parse().map(Self::Local).ok();
        // A date is a number too, and one without an offset is no timestamp.
        let when = if text.contains(':') { at().or_else(time).or_else(local) } else { local() };
        when.ok_or_else(|| FORMS.into())
    }
}

/// What may be said, for whoever said something else.
pub const FORMS: &str = "expected 2026-11-21T12:04:31Z, a local time such as '2026-11-21 12:04' or 12:04:31 (of the recording's first day), or -5m (before its end)";

const ONCE: &str =
    "stdin can be read only once, so its end is not known: give a time of day, or a file";

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21 23:50 UTC is the next day in Berlin.
    const FIRST: &str = "2026-11-21T23:50:00Z";
    const LAST: &str = "2026-11-22T02:00:00Z";

    fn nanos(text: &str) -> i128 {
        text.parse::<Timestamp>().unwrap().as_nanosecond()
    }

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap()
    }

    fn resolved(when: When) -> String {
        let nanos = when.resolve(nanos(FIRST), Some(nanos(LAST)), &berlin()).unwrap();
        Timestamp::from_nanosecond(nanos).unwrap().to_string()
    }

    fn said(text: &str) -> String {
        resolved(text.parse().unwrap())
    }

    #[test]
    fn a_moment_has_four_forms() {
        assert_eq!(said("2026-11-22T00:10:00Z"), "2026-11-22T00:10:00Z");
        assert_eq!(said("2026-11-22T00:10:00.25+01:00"), "2026-11-21T23:10:00.25Z");
        assert_eq!(said("2026-11-22 00:10"), "2026-11-21T23:10:00Z");
        assert_eq!(said("2026-11-22T00:10:31"), "2026-11-21T23:10:31Z");
        assert_eq!(said("2026-11-22"), "2026-11-21T23:00:00Z");
        assert_eq!(said("00:55"), "2026-11-21T23:55:00Z", "the day that has begun in Berlin");
        assert_eq!(said("01:04:31"), "2026-11-22T00:04:31Z");
        assert_eq!(resolved(When::BeforeEnd(Duration::from_mins(5))), "2026-11-22T01:55:00Z");
    }

    #[test]
    fn the_end_must_be_known_where_it_counts() {
        let resolve = |when: When| when.resolve(nanos(FIRST), None, &berlin());
        assert!(resolve(When::BeforeEnd(Duration::ZERO)).unwrap_err().contains("only once"));
        assert!(resolve("12:04".parse().unwrap()).is_ok());
    }

    #[test]
    fn other_forms_are_refused() {
        for text in
            ["", "now", "12", "25:00", "12:04:61:00", "2026-13-01", "5m", "2026-11-21 12:04 CET"]
        {
            assert_eq!(text.parse::<When>(), Err(FORMS.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_span_holds_its_ends_and_is_open_without() {
        let span = Span { since: Some(10), until: Some(20) };
        assert_eq!([9, 10, 20, 21].map(|wall| span.contains(wall)), [false, true, true, false]);
        assert!(span.touches(0, 10) && span.touches(20, 30) && !span.touches(21, 30));
        assert!(Span::default().contains(i128::MIN) && Span::default().contains(i128::MAX));
    }
}
