//! What time is it, for events and for people, and how much of it was ours?

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_getres, clock_gettime};

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

/// Nanoseconds between two ticks of the kernel's timer, whose rate is a build option that nobody exports: what the
/// coarse clocks resolve (kernel/time/hrtimer.c, `LOW_RES_NSEC`).
pub fn tick() -> u32 {
    u32::try_from(nanos(clock_getres(ClockId::MonotonicCoarse))).unwrap_or(0)
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
    fn the_timer_ticks_at_one_of_the_rates_a_kernel_can_be_built_for() {
        // kernel/Kconfig.hz
        let rates = [100, 250, 300, 1000].map(|hz| 1_000_000_000 / hz);
        assert!(rates.iter().any(|rate| tick().abs_diff(*rate) <= 1), "{} ns", tick());
    }

    #[test]
    fn wall_clock_is_of_this_century() {
        assert!(pair().1 > 1_600_000_000_000_000_000);
    }
}
