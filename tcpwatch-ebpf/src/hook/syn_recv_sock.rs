//! Which handshake found the accept queue full?
//!
//! proto: 5.10: net/ipv4/tcp_ipv4.c: struct sock *tcp_v4_syn_recv_sock(const struct sock *sk, struct sk_buff *skb, struct request_sock *req, …)
//! proto: 5.10: net/ipv6/tcp_ipv6.c: static struct sock *tcp_v6_syn_recv_sock(const struct sock *sk, struct sk_buff *skb, struct request_sock *req, …)
//! proto: 5.10: include/trace/events/skb.h: kfree_skb(struct sk_buff *skb, void *location)
//! proto: 5.17: include/trace/events/skb.h: kfree_skb(…, enum skb_drop_reason reason)
//! proto: 6.11: include/trace/events/skb.h: kfree_skb(…, struct sock *rx_sk)
//!
//! Both functions begin with `if (sk_acceptq_is_full(sk)) goto exit_overflow;`. So the same test at their entry
//! tells the overflow, and no return probe is needed, which would cost several times as much and, with the
//! seven arguments of many stable kernels, could not be attached on x86 before 6.6. Another processor may move
//! the queue between this test and the kernel's: then one overflow more or less is told.

use aya_ebpf::macros::{btf_tracepoint, fentry, kprobe};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, ProbeContext};
use tcpwatch_common::wire::{AcceptQueueOverflowed, kind};

use crate::emit::Slot;
use crate::filter;
use crate::read::{Context, LISTEN, Read, Skb, Sock, TcpHeader, argument, describe_maybe};

#[fentry(function = "tcp_v4_syn_recv_sock")]
fn accept_queue_overflowed_v4_fentry(ctx: FEntryContext) -> i32 {
    called(&ctx, 4)
}

#[fentry(function = "tcp_v6_syn_recv_sock")]
fn accept_queue_overflowed_v6_fentry(ctx: FEntryContext) -> i32 {
    called(&ctx, 6)
}

#[kprobe(function = "tcp_v4_syn_recv_sock")]
fn accept_queue_overflowed_v4_kprobe(ctx: ProbeContext) -> i32 {
    called(&ctx, 4)
}

#[kprobe(function = "tcp_v6_syn_recv_sock")]
fn accept_queue_overflowed_v6_kprobe(ctx: ProbeContext) -> i32 {
    called(&ctx, 6)
}

#[btf_tracepoint(function = "kfree_skb")]
fn accept_queue_overflowed_tracepoint(ctx: BtfTracePointContext) -> i32 {
    traced(&ctx);
    0
}

/// At the entry of the function for IPv4 or IPv6. The latter hands IPv4 packets on to the former.
#[inline(always)]
fn called<C: Context>(ctx: &C, version: u8) -> i32 {
    check(ctx, version);
    0
}

/// A connection that succeeds leaves after two loads.
#[inline(always)]
fn check<C: Context>(ctx: &C, version: u8) -> Option<()> {
    let sock = Sock::new(ctx.pointer(0)?);
    if !sock.accept_queue_is_full()? {
        return None;
    }
    let skb = Skb::new(ctx.pointer(1)?);
    if skb.version()? != version {
        return None;
    }
    accept_queue_overflowed(C::WAY, Some(sock), skb)
}

/// Where a packet is dropped, for this one reason. Dropped packets are many, so the reason comes first.
#[inline(always)]
fn traced<C: Context>(ctx: &C) -> Option<()> {
    let overflow = argument!(drop_listen_overflow)?;
    if ctx.enumerator(argument!(tp_kfree_skb_reason)).cast_unsigned() != overflow {
        return None;
    }
    let skb = Skb::new(ctx.pointer(0)?);
    let receiver = if argument!(tp_kfree_skb_arity)? > 3 { ctx.pointer(3) } else { None };
    let listener = receiver.map(Sock::new).filter(|sock| sock.state() == Some(LISTEN));
    accept_queue_overflowed(C::WAY, listener, skb)
}

#[inline(always)]
fn accept_queue_overflowed<R: Read>(way: u8, listener: Option<Sock<R>>, skb: Skb<R>) -> Option<()> {
    if !filter::enabled() {
        return None;
    }
    let tcp = skb.tcp()?;
    let mut slot = Slot::reserve(kind::ACCEPT_QUEUE_OVERFLOWED, way)?;
    let netns = fill(slot.record(), listener, skb, &tcp);
    slot.finish(netns);
    Some(())
}

/// Returns the network namespace.
#[inline(always)]
fn fill<R: Read>(
    record: *mut AcceptQueueOverflowed,
    listener: Option<Sock<R>>,
    skb: Skb<R>,
    tcp: &TcpHeader,
) -> Option<u32> {
    // SAFETY: `record` is a slot of the ring.
    unsafe {
        let ttl = skb.describe_received(tcp, &raw mut (*record).flow)?;
        describe_maybe(listener, &raw mut (*record).socket)?;
        skb.describe_segment(tcp, ttl, &raw mut (*record).segment)?;
    }
    skb.netns_with(listener)
}
