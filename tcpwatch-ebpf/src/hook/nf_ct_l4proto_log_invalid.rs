//! Which packet of a translated connection did conntrack find fault with?
//!
//! proto: 5.10: net/netfilter/nf_conntrack_proto.c: void nf_ct_l4proto_log_invalid(const struct sk_buff *skb, const struct nf_conn *ct, const char *fmt, ...)
//! proto: 5.14: net/netfilter/nf_conntrack_proto.c: void nf_ct_l4proto_log_invalid(const struct sk_buff *skb, const struct nf_conn *ct, const struct nf_hook_state *state, const char *fmt, ...)
//!
//! Called whether or not anything is logged. A variable number of arguments rules out all ways but kprobes. The
//! packet is told only where it matters to resets: if it is invalid it will not be translated.

use aya_ebpf::macros::kprobe;
use aya_ebpf::programs::ProbeContext;
use tcpwatch_common::wire::{ConntrackInvalid, kind};

use crate::emit::Slot;
use crate::filter;
use crate::read::{Context, NfConn, Probe, Skb};

#[kprobe(function = "nf_ct_l4proto_log_invalid")]
fn conntrack_invalid_kprobe(ctx: ProbeContext) -> i32 {
    conntrack_invalid(&ctx);
    0
}

#[inline(always)]
fn conntrack_invalid<C: Context>(ctx: &C) -> Option<()> {
    if !filter::enabled() {
        return None;
    }
    let entry = NfConn::new(ctx.pointer(1)?.probed());
    if !entry.is_translated_tcp()? {
        return None;
    }
    let skb = Skb::at(ctx.raw(0))?;
    let mut slot = Slot::reserve(kind::CONNTRACK_INVALID, C::WAY)?;
    let netns = fill(slot.record(), skb, entry);
    slot.finish(netns);
    Some(())
}

/// Returns the network namespace.
#[inline(always)]
fn fill(record: *mut ConntrackInvalid, skb: Skb<Probe>, entry: NfConn) -> Option<u32> {
    let (tcp, headers) = skb.tcp_behind_ip()?;
    let ttl = skb.ttl()?;
    // SAFETY: `record` is a slot of the ring.
    unsafe {
        entry.describe_original(&raw mut (*record).original)?;
        entry.describe_reply(&raw mut (*record).reply)?;
        skb.describe_segment_behind(&tcp, headers, ttl, &raw mut (*record).segment)?;
        (*record).zone = entry.zone();
        (*record).tcp_state = entry.tcp_state()?;
        (*record).ctinfo = (skb.conntrack() & 7) as u8;
        (*record).pad = [0; 4];
    }
    entry.netns()
}
