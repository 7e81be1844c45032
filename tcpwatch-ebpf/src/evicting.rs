//! Is this processor making room in a full conntrack table right now?
//!
//! Noted for each processor, with the thread that runs there: a softirq on top of the same thread that makes room too
//! ends the note early, and then an eviction is told as any other removal. Never the other way round, but for a note
//! whose end was missed (a return probe may be): so it is good for a moment only.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;

use crate::maps::EVICTING;

/// Who makes room, and since when. No thread and no time: nobody.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Eviction {
    /// `pid_tgid`.
    thread: u64,
    /// Nanoseconds since boot; 0: over.
    since: u64,
}

/// The search for an entry begins.
#[inline(always)]
pub(crate) fn begin() {
    note(Eviction { thread: bpf_get_current_pid_tgid(), since: now() });
}

/// It is over.
#[inline(always)]
pub(crate) fn end() {
    note(Eviction { thread: 0, since: 0 });
}

/// What is removed here and now is removed for want of room.
#[inline(always)]
pub(crate) fn is_by_current() -> bool {
    let Some(eviction) = EVICTING.get(0) else { return false };
    eviction.since != 0
        && eviction.thread == bpf_get_current_pid_tgid()
        && now().wrapping_sub(eviction.since) < LONGEST
}

#[inline(always)]
fn note(eviction: Eviction) {
    let Some(place) = EVICTING.get_ptr_mut(0) else { return };
    // SAFETY: the map's value is this processor's own.
    unsafe { *place = eviction };
}

#[inline(always)]
fn now() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_ktime_get_boot_ns() }
}

/// Nanoseconds. Eight buckets are searched (`NF_CT_EVICTION_RANGE`), which takes microseconds; the processor of a guest may
/// be taken away meanwhile.
const LONGEST: u64 = 100_000_000;
