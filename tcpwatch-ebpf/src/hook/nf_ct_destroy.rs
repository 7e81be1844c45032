//! Which conntrack entry died while its connection was alive?
//!
//! proto: 5.10: net/netfilter/nf_conntrack_core.c: static void destroy_conntrack(struct nf_conntrack *nfct)
//! proto: 5.17: net/netfilter/nf_conntrack_core.c: void nf_ct_destroy(struct nf_conntrack *nfct)
//!
//! One function under two names: the last user of an entry ends there. `nf_conntrack_destroy` in vmlinux calls
//! it, but since 5.17 most go around that. `nf_ct_delete` would be nearer to the decision, but compilers split
//! it in two.

use aya_ebpf::helpers::generated::bpf_jiffies64;
use aya_ebpf::macros::{fentry, kprobe};
use aya_ebpf::programs::{FEntryContext, ProbeContext};
use tcpwatch_common::wire::{ConntrackDestroyed, Task, kind};

use crate::emit::Slot;
use crate::evicting;
use crate::filter;
use crate::read::{CONFIRMED, Context, NfConn, describe_current, describe_nobody};
use crate::removing;

#[fentry(function = "nf_ct_destroy")]
fn conntrack_destroyed_fentry(ctx: FEntryContext) -> i32 {
    called(&ctx)
}

#[kprobe(function = "nf_ct_destroy")]
fn conntrack_destroyed_kprobe(ctx: ProbeContext) -> i32 {
    called(&ctx)
}

#[kprobe(function = "destroy_conntrack")]
fn conntrack_destroyed_early_kprobe(ctx: ProbeContext) -> i32 {
    called(&ctx)
}

#[inline(always)]
fn called<C: Context>(ctx: &C) -> i32 {
    conntrack_destroyed(ctx);
    0
}

#[inline(always)]
fn conntrack_destroyed<C: Context>(ctx: &C) -> Option<()> {
    if !filter::enabled() {
        return None;
    }
    let entry = NfConn::new(ctx.pointer(0)?.probed());
    if !entry.is_alive_tcp()? {
        return None;
    }
    // An entry that never got into the table belongs to a packet that was dropped.
    let status = entry.status()?;
    if status & CONFIRMED == 0 {
        return None;
    }
    let mut slot = Slot::reserve(kind::CONNTRACK_DESTROYED, C::WAY)?;
    let netns = fill(slot.record(), entry, status);
    slot.finish(netns);
    Some(())
}

/// Returns the network namespace.
#[inline(always)]
fn fill(record: *mut ConntrackDestroyed, entry: NfConn, status: u32) -> Option<u32> {
    let evicted = evicting::is_by_current();
    // SAFETY: `record` is a slot of the ring; the helper has no preconditions.
    unsafe {
        entry.describe_original(&raw mut (*record).original)?;
        entry.describe_reply(&raw mut (*record).reply)?;
        (*record).jiffies = bpf_jiffies64();
        (*record).timeout = entry.timeout()?;
        (*record).status = status;
        (*record).tcp_state = entry.tcp_state()?;
        (*record).evicted = u8::from(evicted);
        (*record).zone = entry.zone();
        (*record).pad = [0; 4];
        describe_remover(entry, evicted, &raw mut (*record).task)?;
    }
    entry.netns()
}

/// The current task, if it set out to remove this entry; nobody otherwise, as where room was wanted, on top of a task
/// that removes.
#[inline(always)]
fn describe_remover(entry: NfConn, evicted: bool, out: *mut Task) -> Option<()> {
    if !evicted && removing::is_by_current(entry.id()) {
        return describe_current(out);
    }
    describe_nobody(out);
    Some(())
}
