//! What time is it, for events and for people, and how much of it was ours?

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::event::Time;

/// Now, on the clock that `bpf_ktime_get_boot_ns` reads.
pub fn now() -> Time {
    Time(nanos(clock_gettime(ClockId::Boottime)))
}

/// The same instant on both clocks: time since boot, and nanoseconds since 1970.
///
/// The middle of two readings around the other clock: off by less than half the time a preemption takes.
pub fn pair() -> (Time, u64) {
    let before = now().0;
    let wall = nanos(clock_gettime(ClockId::Realtime));
    let after = now().0;
    (Time(before.midpoint(after)), wall)
}

/// What the calling thread has cost so far.
pub fn cpu_time() -> Duration {
    Duration::from_nanos(nanos(clock_gettime(ClockId::ThreadCPUTime)))
}

/// 0 for times before the epoch.
fn nanos(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let rest = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_since_boot_is_the_kernels_uptime() {
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let seconds: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        #[expect(clippy::cast_precision_loss, reason = "a test that compares seconds")]
        let ours = now().0 as f64 / 1e9;
        assert!((ours - seconds).abs() < 5.0, "{ours} is not about {seconds}");
    }

    #[test]
    fn wall_clock_is_of_this_century() {
        assert!(pair().1 > 1_600_000_000_000_000_000);
    }
}
