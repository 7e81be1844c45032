//! Which packet did a rule refuse with a RST?
//!
//! proto: 5.10: net/ipv4/netfilter/nf_reject_ipv4.c: void nf_send_reset(struct net *net, struct sk_buff *oldskb, int hook)
//! proto: 5.11: net/ipv4/netfilter/nf_reject_ipv4.c: void nf_send_reset(struct net *net, struct sock *sk, struct sk_buff *oldskb, int hook)
//! proto: net/ipv6/netfilter/nf_reject_ipv6.c: nf_send_reset6, alike
//! proto: 5.11: net/ipv4/netfilter/nf_reject_ipv4.c: struct sk_buff *nf_reject_skb_v4_tcp_reset(struct net *net, struct sk_buff *oldskb, const struct net_device *dev, int hook)
//! proto: net/ipv6/netfilter/nf_reject_ipv6.c: nf_reject_skb_v6_tcp_reset, alike
//!
//! The first two serve the tables of IP, the others those of bridges and devices. Stable kernels took over the longer
//! shape (Debian's 5.10 has it), and where the code is a module, vmlinux knows no shape at all: so the arguments
//! themselves tell. The RST is no business of TCP's: `OutRsts` does not count it. Where the kernel cannot make one (a bad
//! checksum, no route back) the packet is refused all the same, and told.

use core::hint::black_box;

use aya_ebpf::macros::{fentry, kprobe};
use aya_ebpf::programs::{FEntryContext, ProbeContext};
use tcpwatch_common::wire::{LINK_LAYER, PacketRejected, kind};

use crate::emit::Slot;
use crate::filter;
use crate::read::{Context, Net, Probe, Skb};

#[fentry(function = "nf_send_reset")]
fn packet_rejected_v4_fentry(ctx: FEntryContext) -> i32 {
    called(&ctx)
}

#[fentry(function = "nf_send_reset6")]
fn packet_rejected_v6_fentry(ctx: FEntryContext) -> i32 {
    called(&ctx)
}

#[fentry(function = "nf_reject_skb_v4_tcp_reset")]
fn packet_rejected_link_v4_fentry(ctx: FEntryContext) -> i32 {
    called_on_link(&ctx)
}

#[fentry(function = "nf_reject_skb_v6_tcp_reset")]
fn packet_rejected_link_v6_fentry(ctx: FEntryContext) -> i32 {
    called_on_link(&ctx)
}

#[kprobe(function = "nf_send_reset")]
fn packet_rejected_v4_kprobe(ctx: ProbeContext) -> i32 {
    called(&ctx)
}

#[kprobe(function = "nf_send_reset6")]
fn packet_rejected_v6_kprobe(ctx: ProbeContext) -> i32 {
    called(&ctx)
}

#[kprobe(function = "nf_reject_skb_v4_tcp_reset")]
fn packet_rejected_link_v4_kprobe(ctx: ProbeContext) -> i32 {
    called_on_link(&ctx)
}

#[kprobe(function = "nf_reject_skb_v6_tcp_reset")]
fn packet_rejected_link_v6_kprobe(ctx: ProbeContext) -> i32 {
    called_on_link(&ctx)
}

/// In a table of IP. Where the third argument is the hook, which is a small number, there is no socket before it.
#[inline(always)]
fn called<C: Context>(ctx: &C) -> i32 {
    let third = black_box(ctx.raw(2));
    let (packet, hook) = if is_kernel_address(third) {
        (third, black_box(ctx.raw(3)))
    } else {
        (black_box(ctx.raw(1)), third)
    };
    packet_rejected(ctx, packet, hook);
    0
}

/// In a table of a bridge or a device.
#[inline(always)]
fn called_on_link<C: Context>(ctx: &C) -> i32 {
    packet_rejected(ctx, ctx.raw(1), u64::from(LINK_LAYER));
    0
}

/// The upper half of the address space is the kernel's.
#[inline(always)]
fn is_kernel_address(value: u64) -> bool {
    value >> 63 == 1
}

/// The kernel answers no RST either (`nf_reject_ip_tcphdr_get`, `nf_reject_ip6_tcphdr_get`).
#[inline(always)]
fn packet_rejected<C: Context>(ctx: &C, packet: u64, hook: u64) -> Option<()> {
    if !filter::enabled() {
        return None;
    }
    let skb = Skb::at(packet)?;
    if skb.tcp_behind_ip().is_some_and(|(tcp, _)| tcp.is_rst()) {
        return None;
    }
    let net = Net::new(ctx.pointer(0)?.probed());
    let mut slot = Slot::reserve(kind::PACKET_REJECTED, C::WAY)?;
    let filled = fill(slot.record(), skb, hook);
    slot.finish(filled.and_then(|()| net.inode()));
    Some(())
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "hooks have small numbers")]
fn fill(record: *mut PacketRejected, skb: Skb<Probe>, hook: u64) -> Option<()> {
    let (tcp, headers) = skb.tcp_behind_ip()?;
    // SAFETY: `record` is a slot of the ring.
    unsafe {
        let ttl = skb.describe_received(&tcp, &raw mut (*record).flow)?;
        skb.describe_segment_behind(&tcp, headers, ttl, &raw mut (*record).segment)?;
        (*record).input = skb.device().unwrap_or([0; 4]);
        (*record).output = skb.way_out().unwrap_or([0; 4]);
        (*record).hook = hook as u8;
        (*record).pad = [0; 7];
    }
    Some(())
}
