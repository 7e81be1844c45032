use tcpwatch_common::wire;

use super::{
    Malformed,
    flow::tuple,
    task::{command, is_kernel_thread},
    ticks,
};
use crate::event::{
    ConntrackDestroyed, ConntrackEntry, ConntrackState, Death, NetNs, Remover, Time,
};

pub(super) fn decode(record: &wire::ConntrackDestroyed) -> Result<ConntrackDestroyed, Malformed> {
    let time = Time(record.header.time);
    #[expect(clippy::cast_possible_truncation, reason = "the kernel keeps 32 bits of it")]
    let death = death(time, record.jiffies as u32, record.timeout);
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
fn death(time: Time, jiffies: u32, timeout: u32) -> Death {
    let left = timeout.wrapping_sub(jiffies).cast_signed();
    let span = ticks::span(left.unsigned_abs(), time, jiffies);
    if left > 0 {
        Death::Removed { remaining: span }
    } else {
        Death::Expired { before_removal: Some(span) }
    }
}

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
    use std::time::Duration;

    use super::super::sample;
    use super::*;

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
        let (time, jiffies) = sample::clock(299, 250);
        let timeout = jiffies.wrapping_add(500);
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
