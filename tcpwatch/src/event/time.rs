use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize, Serializer};

/// Nanoseconds since boot, suspend included (`CLOCK_BOOTTIME`). Wall-clock time is made in sinks only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// How long after `earlier` this is; zero when it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The distance to `other`, whichever came first.
    pub fn distance(self, other: Self) -> Duration {
        Duration::from_nanos(self.0.abs_diff(other.0))
    }

    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(nanos(span)))
    }

    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(span)))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", Seconds(self.0))
    }
}

/// Text, not a number: many readers of JSON round integers above 2^53.
impl Serialize for Time {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        seconds::serialize(&self.0, to)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        seconds::deserialize(from).map(Self)
    }
}

/// Nanoseconds as text in seconds with nine decimals, for `#[serde(with = …)]`.
pub(super) mod seconds {
    use super::{Deserialize, Deserializer, Seconds, Serializer, de, parse};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    pub(in crate::event) fn serialize<S: Serializer>(
        nanos: &u64,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(&Seconds(*nanos))
    }

    pub(in crate::event) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<u64, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        parse(&text).ok_or_else(|| de::Error::custom("expected seconds with nine decimals"))
    }
}

struct Seconds(u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0 / NANOS, self.0 % NANOS)
    }
}

fn parse(text: &str) -> Option<u64> {
    let (seconds, nanos) = text.split_once('.')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if nanos.len() != 9 || !digits(nanos) || !digits(seconds) {
        return None;
    }
    seconds.parse::<u64>().ok()?.checked_mul(NANOS)?.checked_add(nanos.parse().ok()?)
}

const NANOS: u64 = 1_000_000_000;

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_text_that_reads_back() {
        for nanos in [0, 1, 999_999_999, 1_000_000_000, u64::MAX] {
            let text = serde_json::to_string(&Time(nanos)).unwrap();
            assert_eq!(serde_json::from_str::<Time>(&text).unwrap(), Time(nanos), "{text}");
        }
        assert_eq!(serde_json::to_string(&Time(12_000_000_034)).unwrap(), "\"12.000000034\"");
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "12",
            "\"12\"",
            "\"12.5\"",
            "\"-1.000000000\"",
            "\"+1.000000000\"",
            "\"18446744074.000000000\"",
        ] {
            assert!(serde_json::from_str::<Time>(text).is_err(), "{text}");
        }
    }
}
