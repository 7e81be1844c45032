//! Who is running (include/linux/sched.h, `struct task_struct`)?

use aya_ebpf::helpers::generated::{bpf_get_current_comm, bpf_get_current_task};
use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_get_current_uid_gid};
use tcpwatch_common::wire::Task;

use super::layout::field;
use super::memory::{Memory, Probe};

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
