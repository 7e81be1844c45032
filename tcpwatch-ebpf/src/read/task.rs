//! Who is running (include/linux/sched.h, `struct task_struct`)?

use aya_ebpf::helpers::generated::{bpf_get_current_comm, bpf_get_current_task};
use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_get_current_uid_gid};
use tcpwatch_common::wire::Task;

use super::layout::{argument, field};
use super::memory::{Memory, Probe, Read};

/// A task.
#[derive(Clone, Copy)]
pub(crate) struct TaskStruct<R>(Memory<R>);

impl<R: Read> TaskStruct<R> {
    #[inline(always)]
    pub(crate) fn new(memory: Memory<R>) -> Self {
        Self(memory)
    }

    /// Inode number of its network namespace; `None` once it has left all namespaces.
    #[inline(always)]
    pub(crate) fn netns(self) -> Option<u32> {
        let net = self.0.follow(field!(task_nsproxy))?.follow(field!(nsproxy_net))?;
        net.get(field!(netns_inode))
    }

    /// Its number in its own pid namespace, the innermost one. An index that only the running kernel knows needs the
    /// helper.
    #[inline(always)]
    pub(crate) fn own_number(self) -> Option<u32> {
        let pid = self.0.follow(field!(task_pid))?;
        let level: u32 = pid.get(field!(pid_level))?;
        let at = field!(pid_numbers)? + level * argument!(upid_size)?;
        pid.probed().inside(at as usize).get(field!(upid_number))
    }
}

/// The current task is no thread of the kernel's own.
#[inline(always)]
pub(crate) fn is_user_task() -> Option<bool> {
    // SAFETY: the helper has no preconditions.
    let task = Memory::<Probe>::new(unsafe { bpf_get_current_task() } as *const u8)?;
    let flags: u32 = task.get(field!(task_flags))?;
    Some(flags & PF_KTHREAD == 0)
}

/// The OOM killer had chosen the current task's process (mm/oom_kill.c, `mark_oom_victim`).
#[inline(always)]
pub(crate) fn is_oom_victim() -> Option<bool> {
    // SAFETY: the helper has no preconditions.
    let task = Memory::<Probe>::new(unsafe { bpf_get_current_task() } as *const u8)?;
    let mm: u64 = task.follow(field!(task_signal))?.get(field!(signal_oom_mm))?;
    Some(mm != 0)
}

/// The task described here was ending.
#[inline(always)]
pub(crate) fn is_exiting(task: *const Task) -> bool {
    // SAFETY: `task` is a slot of the ring that has been written.
    unsafe { (*task).flags & PF_EXITING != 0 }
}

/// Writes the current task. Whether it is the doer is for the reader to say.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the lower half is the id that is meant")]
pub(crate) fn describe_current(out: *mut Task) -> Option<()> {
    // SAFETY: the helper has no preconditions.
    let task = Memory::<Probe>::new(unsafe { bpf_get_current_task() } as *const u8)?;
    // SAFETY: `out` is a slot of the ring; the helper fills all of `comm`.
    unsafe {
        (*out).pid = (bpf_get_current_pid_tgid() >> 32) as u32;
        (*out).flags = task.get(field!(task_flags))?;
        (*out).exit_code = task.get(field!(task_exit_code))?;
        (*out).uid = bpf_get_current_uid_gid() as u32;
        bpf_get_current_comm((&raw mut (*out).comm).cast(), size_of::<[u8; 16]>() as u32);
    }
    Some(())
}

/// Writes that no task is known.
#[inline(always)]
pub(crate) fn describe_nobody(out: *mut Task) {
    // SAFETY: `out` is a slot of the ring.
    unsafe { out.write(Task { pid: 0, flags: 0, exit_code: 0, uid: 0, comm: [0; 16] }) };
}

/// include/linux/sched.h.
const PF_EXITING: u32 = 0x0000_0004;
const PF_KTHREAD: u32 = 0x0020_0000;
