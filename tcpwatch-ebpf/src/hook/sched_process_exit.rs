//! Which process has ended?
//!
//! proto: 5.10: include/trace/events/sched.h: sched_process_exit(struct task_struct *p)
//! proto: 6.16: include/trace/events/sched.h: sched_process_exit(struct task_struct *p, bool group_dead)
//!
//! In the context of the task that ends, ahead of `exit_nsproxy_namespaces` (kernel/exit.c, `do_exit`): its network
//! namespace is still there. Kept for the look-up of who asked something through netlink and was gone before
//! the answer came.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::generated::{bpf_get_current_comm, bpf_ktime_get_boot_ns};
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use tcpwatch_common::wire::{Ended, OwnNumber};

use crate::maps::ENDED;
use crate::read::{Context, TaskStruct};

#[btf_tracepoint(function = "sched_process_exit")]
fn process_ended_tracepoint(ctx: BtfTracePointContext) -> i32 {
    ended(&ctx);
    0
}

/// Of all threads of a process, one has its number.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "each half is a number of its own")]
fn ended<C: Context>(ctx: &C) -> Option<()> {
    let both = bpf_get_current_pid_tgid();
    let (process, thread) = ((both >> 32) as u32, both as u32);
    if process != thread {
        return None;
    }
    let task = TaskStruct::new(ctx.pointer(0)?);
    let key = OwnNumber { netns: task.netns()?, pid: task.own_number()? };
    ENDED.insert(key, describe(process), 0).ok()
}

#[inline(always)]
fn describe(pid: u32) -> Ended {
    let mut ended = Ended { time: 0, pid, pad: 0, comm: [0; 16] };
    // SAFETY: neither helper has preconditions; the second fills all of `comm`.
    unsafe {
        ended.time = bpf_ktime_get_boot_ns();
        bpf_get_current_comm((&raw mut ended.comm).cast(), size_of::<[u8; 16]>() as u32);
    }
    ended
}
