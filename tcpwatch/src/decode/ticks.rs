//! How long is a tick of the kernel's timer?

use std::time::Duration;

use crate::event::Time;

/// So many ticks as a span; `jiffies` is the low half of the tick counter at `time`.
pub(super) fn span(ticks: u32, time: Time, jiffies: u32) -> Duration {
    Duration::from_micros(u64::from(ticks) * 1_000_000 / hz(time, jiffies))
}

/// Timer ticks per second: a build option of the kernel that nobody exports. The low half of the tick counter starts
/// 300 seconds before it overflows (include/linux/jiffies.h, `INITIAL_JIFFIES`), so uptime and counter tell. Close to
/// five minutes of uptime all rates give the same count, and a neighbour may win.
fn hz(time: Time, jiffies: u32) -> u64 {
    let error = |hz: &u64| {
        let difference = expected(*hz, time).wrapping_sub(jiffies);
        difference.min(difference.wrapping_neg())
    };
    RATES.into_iter().min_by_key(error).unwrap_or(1000)
}

/// The low half of the counter at that rate.
#[expect(clippy::cast_possible_truncation, reason = "half of the counter is compared")]
fn expected(hz: u64, time: Time) -> u32 {
    let since_boot = u128::from(time.0) * u128::from(hz) / 1_000_000_000;
    (since_boot as u32).wrapping_sub(300 * hz as u32)
}

/// kernel/Kconfig.hz.
const RATES: [u64; 4] = [100, 250, 300, 1000];

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_tick_rate_is_found_at_any_uptime() {
        for rate in RATES {
            for seconds in [1, 30, 200, 400, 86_400, 400 * 86_400] {
                let (time, jiffies) = sample::clock(seconds, rate);
                let late = u32::try_from(rate / 10).unwrap();
                let found = hz(time, jiffies.wrapping_add(late));
                assert_eq!(found, rate, "up {seconds} s at {rate}");
            }
        }
    }

    #[test]
    fn ticks_become_a_span() {
        let (time, jiffies) = sample::clock(1000, 250);
        assert_eq!(span(500, time, jiffies), Duration::from_secs(2));
    }
}
