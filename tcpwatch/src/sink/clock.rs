//! From the time of events (since boot) to the time of people. Only sinks do this.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use crate::event::{HostDescribed, Time};

/// Wall-clock time in one zone. A second is worked out once and kept: events come in bunches.
#[derive(Clone)]
pub struct Clock {
    zone: TimeZone,
    /// Wall clock minus boot clock, nanoseconds.
    offset: i128,
    second: i128,
    /// `2026-11-21T12:04:31`
    text: String,
    /// `+01:00`
    zone_text: String,
}

impl Clock {
    pub fn local() -> Self {
        Self::of(TimeZone::system())
    }

    pub fn utc() -> Self {
        Self::of(TimeZone::UTC)
    }

    fn of(zone: TimeZone) -> Self {
        let (text, zone_text) = (String::new(), String::new());
        Self { zone, offset: 0, second: i128::MIN, text, zone_text }
    }

    /// Takes the pair of clocks of the host that saw the events.
    pub fn set(&mut self, host: &HostDescribed) {
        self.offset = host.wall_offset();
    }

    /// Since 1970, in UTC.
    pub(super) fn unix_nanos(&self, time: Time) -> i64 {
        i64::try_from(self.offset + i128::from(time.0)).unwrap_or_default()
    }

    pub fn at(&mut self, time: Time) -> Moment<'_> {
        let wall = self.offset + i128::from(time.0);
        let second = wall.div_euclid(NANOS);
        if second != self.second {
            self.turn_to(second);
        }
        let nanos = u32::try_from(wall.rem_euclid(NANOS)).unwrap_or_default();
        Moment { date: &self.text[..10], time: &self.text[11..], nanos, zone: &self.zone_text }
    }

    fn turn_to(&mut self, second: i128) {
        let timestamp = Timestamp::from_nanosecond(second * NANOS).unwrap_or_default();
        let offset = self.zone.to_offset(timestamp);
        self.second = second;
        self.text = offset.to_datetime(timestamp).strftime("%Y-%m-%dT%H:%M:%S").to_string();
        self.zone_text = zone_text(offset);
    }
}

fn zone_text(offset: Offset) -> String {
    let (sign, minutes) = (offset.seconds() < 0, offset.seconds().abs() / 60);
    format!("{}{:02}:{:02}", if sign { '-' } else { '+' }, minutes / 60, minutes % 60)
}

const NANOS: i128 = 1_000_000_000;

/// One moment, in pieces.
pub struct Moment<'a> {
    date: &'a str,
    time: &'a str,
    nanos: u32,
    zone: &'a str,
}

impl Moment<'_> {
    /// `12:04:31.882104`
    pub(super) fn clock_time(&self) -> impl fmt::Display {
        fmt::from_fn(|f| write!(f, "{}.{:06}", self.time, self.nanos / 1_000))
    }

    /// `2026-11-21 12:04:31.882+01:00`
    pub(super) fn full(&self) -> impl fmt::Display {
        fmt::from_fn(|f| {
            write!(f, "{} {}.{:03}{}", self.date, self.time, self.nanos / 1_000_000, self.zone)
        })
    }

    /// RFC 3339 with nanoseconds, for a clock in UTC.
    pub(super) fn rfc3339(&self) -> String {
        format!("{}T{}.{:09}Z", self.date, self.time, self.nanos)
    }
}

/// A span of time in the unit one would say it in.
pub(super) struct Span(pub(super) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.0.as_secs(), self.0.as_micros());
        match seconds {
            0 if micros < 1_000 => write!(f, "{micros} µs"),
            0 => write!(f, "{} ms", micros / 1_000),
            1..120 => write!(f, "{}.{} s", seconds, self.0.subsec_millis() / 100),
            120..7_200 => write!(f, "{} min {} s", seconds / 60, seconds % 60),
            _ => write!(f, "{} h {} min", seconds / 3_600, seconds / 60 % 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::samples;

    #[test]
    fn boot_time_becomes_wall_time() {
        let mut clock = Clock::utc();
        clock.set(&samples::host());
        let moment = clock.at(Time(samples::START.0 + 61_000_000_123));
        assert_eq!(moment.clock_time().to_string(), "12:05:01.000000");
        assert_eq!(moment.full().to_string(), "2026-11-21 12:05:01.000+00:00");
        assert_eq!(moment.rfc3339(), "2026-11-21T12:05:01.000000123Z");
        let nanos = clock.unix_nanos(Time(samples::START.0 + 61_000_000_123));
        assert_eq!(nanos, 1_795_262_701_000_000_123);
    }

    #[test]
    fn a_zone_shows_its_offset() {
        let mut clock = Clock::of(TimeZone::fixed(Offset::constant(-3)));
        clock.set(&samples::host());
        assert_eq!(clock.at(samples::START).full().to_string(), "2026-11-21 09:04:00.000-03:00");
        let half = Offset::from_seconds(5 * 3_600 + 30 * 60).unwrap();
        assert_eq!(zone_text(half), "+05:30");
    }

    #[test]
    fn spans_are_said_in_their_own_unit() {
        let said = |micros| Span(Duration::from_micros(micros)).to_string();
        assert_eq!(said(30), "30 µs");
        assert_eq!(said(999_900), "999 ms");
        assert_eq!(said(12_345_000), "12.3 s");
        assert_eq!(said(725_000_000), "12 min 5 s");
        assert_eq!(said(86_403_000_000), "24 h 0 min");
    }
}
