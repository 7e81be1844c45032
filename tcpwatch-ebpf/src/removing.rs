//! Who is removing conntrack entries by hand right now?
//!
//! Where an entry dies, the running task is a bystander as a rule: early drops, timers and look-ups remove in
//! softirq, on top of whoever it interrupts. It is the remover only if it came through one of the functions
//! that remove in somebody's name. They note the thread here, and the death is looked up.
//!
//! A softirq on top of a flush, in the very thread that flushes, would still be told as the flush's work, unless it is
//! seen to make room (`evicting`). That is negligible: the thread is in the kernel for milliseconds, and has little left
//! to be removed by others.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;

use crate::maps::REMOVING;
use crate::read::is_user_task;

/// What a thread set out to remove.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Removal {
    /// Address of the entry; [`MANY`]: whatever it meets.
    entry: u64,
    /// Nanoseconds since boot.
    time: u64,
}

/// No entry lies at this address.
pub(crate) const MANY: u64 = 0;

/// The running thread sets out to remove this entry, or [`MANY`]. Kernel threads do so in somebody else's name.
#[inline(always)]
pub(crate) fn begin(entry: u64) {
    if is_user_task() == Some(true) {
        let _ = REMOVING.insert(bpf_get_current_pid_tgid(), Removal { entry, time: now() }, 0);
    }
}

/// The running thread has finished.
#[inline(always)]
pub(crate) fn end() {
    let _ = REMOVING.remove(bpf_get_current_pid_tgid());
}

/// The running thread set out to remove this entry.
#[inline(always)]
pub(crate) fn is_by_current(entry: u64) -> bool {
    // SAFETY: at worst another thread's removal takes the place while it is read: then it has another thread's
    // number, and this thread's is not found again.
    let Some(removal) = (unsafe { REMOVING.get(bpf_get_current_pid_tgid()) }) else {
        return false;
    };
    let (what, since) = (removal.entry, now().wrapping_sub(removal.time));
    (what == MANY || what == entry) && since < LONGEST
}

#[inline(always)]
fn now() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_ktime_get_boot_ns() }
}

/// Nanoseconds. A flush of millions of entries takes seconds; what was noted longer ago, its end was missed.
const LONGEST: u64 = 10_000_000_000;
