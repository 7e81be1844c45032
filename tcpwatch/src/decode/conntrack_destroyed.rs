use std::time::Duration;

use tcpwatch_common::wire;

use super::{
    Malformed,
    flow::tuple,
    task::{command, is_kernel_thread},
};
use crate::event::{
    ConntrackDestroyed, ConntrackEntry, ConntrackState, Death, NetNs, Remover, Time,
};

pub(super) fn decode(record: &wire::ConntrackDestroyed) -> Result<ConntrackDestroyed, Malformed> {
    let time = Time(record.header.time);
    let death = death(time, record.jiffies, record.timeout);
    Ok(ConntrackDestroyed {
        time,
        netns: NetNs(record.header.netns),
        entry: ConntrackEntry {
            original: tuple(&record.original)?,
            reply: tuple(&record.reply)?,
            zone: record.zone,
        },
        state: Some(ConntrackState::from_kernel(record.tcp_state)),
        seen_reply: record.status & SEEN_REPLY != 0,
        assured: record.status & ASSURED != 0,
        death: Some(death),
        remover: remover(death, &record.task),
        evicted: record.evicted != 0,
    })
}

/// Deletion leaves `nf_conn.timeout` alone, so it still says when the entry would have expired by itself.
fn death(time: Time, jiffies: u64, timeout: u32) -> Death {
    let hz = hz(time, jiffies);
    #[expect(clippy::cast_possible_truncation, reason = "the kernel keeps 32 bits of it")]
    let left = timeout.wrapping_sub(jiffies as u32).cast_signed();
    let span = Duration::from_micros(u64::from(left.unsigned_abs()) * 1_000_000 / hz);
    if left > 0 {
        Death::Removed { remaining: span }
    } else {
        Death::Expired { before_removal: Some(span) }
    }
}

/// Timer ticks per second: a build option of the kernel that nobody exports. The tick counter starts 300
/// seconds before 32 bits overflow (include/linux/jiffies.h, `INITIAL_JIFFIES`), so uptime and counter tell.
/// Close to five minutes of uptime all rates give the same count, and a neighbour may win.
fn hz(time: Time, jiffies: u64) -> u64 {
    let expected = |hz: u64| {
        let since_boot = u128::from(time.0) * u128::from(hz) / 1_000_000_000;
        (1_u128 << 32) + since_boot - u128::from(300 * hz)
    };
    let error = |hz: &u64| expected(*hz).abs_diff(u128::from(jiffies));
    RATES.into_iter().min_by_key(error).unwrap_or(1000)
}

/// kernel/Kconfig.hz.
const RATES: [u64; 4] = [100, 250, 300, 1000];

/// The hook tells a task only if it set out to remove this entry; without one it was dropped in softirq, or nobody
/// can tell. Kernel threads remove in somebody's name.
fn remover(death: Death, task: &wire::Task) -> Option<Remover> {
    let by_hand = matches!(death, Death::Removed { .. });
    (by_hand && task.pid != 0 && !is_kernel_thread(task))
        .then(|| Remover { pid: task.pid, command: Some(command(task)) })
}

/// include/uapi/linux/netfilter/nf_conntrack_common.h, `enum ip_conntrack_status`.
const SEEN_REPLY: u32 = 1 << 1;
const ASSURED: u32 = 1 << 2;

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    /// Uptime in seconds, and the counter of a kernel with that many ticks per second.
    fn clock(seconds: u64, hz: u64) -> (Time, u64) {
        (Time(seconds * 1_000_000_000), (1 << 32) + seconds * hz - 300 * hz)
    }

    #[test]
    fn the_tick_rate_is_found_at_any_uptime() {
        for rate in RATES {
            for seconds in [1, 30, 200, 400, 86_400, 400 * 86_400] {
                let (time, jiffies) = clock(seconds, rate);
                assert_eq!(hz(time, jiffies + rate / 10), rate, "up {seconds} s at {rate}");
            }
        }
    }

    #[test]
    fn an_entry_removed_with_time_left() {
        let gone = decode(&sample::conntrack_destroyed()).unwrap();
        assert_eq!(gone.death, Some(Death::Removed { remaining: Duration::from_mins(1) }));
        assert_eq!(gone.remover.unwrap().command.as_deref(), Some("nginx"));
        assert_eq!(gone.entry.original.to_string(), "10.0.0.2:50000 -> 10.96.0.1:80");
        assert!(gone.entry.is_dnat() && gone.assured && gone.seen_reply);
        assert_eq!((gone.entry.zone, gone.evicted), (7, false));
        assert_eq!(gone.state, Some(ConntrackState::Established));
    }

    #[test]
    fn an_entry_whose_time_ran_out_has_no_remover() {
        let mut record = sample::conntrack_destroyed();
        record.timeout = record.timeout.wrapping_sub(90 * 250);
        let gone = decode(&record).unwrap();
        let before_removal = Some(Duration::from_secs(30));
        assert_eq!((gone.death, gone.remover), (Some(Death::Expired { before_removal }), None));
    }

    #[test]
    fn an_entry_removed_for_want_of_room_is_told_so() {
        let record = wire::ConntrackDestroyed { evicted: 1, ..sample::conntrack_destroyed() };
        assert!(decode(&record).unwrap().evicted);
    }

    #[test]
    fn a_record_without_a_task_names_nobody() {
        let mut record = sample::conntrack_destroyed();
        record.task = wire::Task { pid: 0, flags: 0, exit_code: 0, uid: 0, comm: [0; 16] };
        let gone = decode(&record).unwrap();
        assert!(matches!(gone.death, Some(Death::Removed { .. })));
        assert_eq!(gone.remover, None);
    }

    #[test]
    fn the_counter_may_wrap_between_now_and_then() {
        let (time, jiffies) = clock(299, 250);
        let timeout = u32::try_from(jiffies & 0xffff_ffff).unwrap().wrapping_add(500);
        assert_eq!(timeout, 250);
        let remaining = Duration::from_secs(2);
        // One second short of five minutes the rates lie close together; this one is exact.
        assert_eq!(death(time, jiffies, timeout), Death::Removed { remaining });
    }

    #[test]
    fn workers_and_the_idle_task_are_not_blamed() {
        let mut record = sample::conntrack_destroyed();
        record.task.flags = 0x0020_0000;
        assert_eq!(decode(&record).unwrap().remover, None);
        (record.task.flags, record.task.pid) = (0, 0);
        assert_eq!(decode(&record).unwrap().remover, None);
    }
}
