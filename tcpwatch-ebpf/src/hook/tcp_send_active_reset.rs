//! Which connection did this host give up of its own accord?
//!
//! proto: 5.10: net/ipv4/tcp_output.c: void tcp_send_active_reset(struct sock *sk, gfp_t priority)
//! proto: 6.10: net/ipv4/tcp_output.c: void tcp_send_active_reset(struct sock *sk, gfp_t priority, enum sk_rst_reason reason)
//! proto: 7.0: net/ipv4/tcp_output.c: void tcp_send_active_reset(struct sock *sk, enum sk_rst_reason reason)
//! proto: 5.10: include/trace/events/tcp.h: tcp_send_reset(const struct sock *sk, const struct sk_buff *skb), skb NULL
//!
//! Ubuntu's 6.8 has a fourth shape, without `priority` and `reason`: positions come from BTF.

use aya_ebpf::macros::{btf_tracepoint, fentry, kprobe};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, ProbeContext};
use tcpwatch_common::wire::{ConnectionAborted, kind};

use crate::emit::Slot;
use crate::filter;
use crate::read::{Context, Queue, Read, Sock, argument, describe_current, field};

#[fentry(function = "tcp_send_active_reset")]
fn connection_aborted_fentry(ctx: FEntryContext) -> i32 {
    called(&ctx)
}

#[kprobe(function = "tcp_send_active_reset")]
fn connection_aborted_kprobe(ctx: ProbeContext) -> i32 {
    called(&ctx)
}

#[btf_tracepoint(function = "tcp_send_reset")]
fn connection_aborted_tracepoint(ctx: BtfTracePointContext) -> i32 {
    traced(&ctx)
}

/// At the function's entry.
#[inline(always)]
fn called<C: Context>(ctx: &C) -> i32 {
    connection_aborted(ctx, ctx.enumerator(argument!(active_reset_reason)));
    0
}

/// At the tracepoint. With a packet it is another event: `tcp_v4_send_reset`.
#[inline(always)]
fn traced<C: Context>(ctx: &C) -> i32 {
    if ctx.raw(1) == 0 {
        connection_aborted(ctx, ctx.enumerator(argument!(tp_send_reset_reason)));
    }
    0
}

#[inline(always)]
fn connection_aborted<C: Context>(ctx: &C, reason: i32) -> Option<()> {
    if !filter::enabled() {
        return None;
    }
    let sock = Sock::new(ctx.pointer(0)?);
    let mut slot = Slot::reserve(kind::CONNECTION_ABORTED, C::WAY)?;
    let netns = fill(slot.record(), sock, reason);
    slot.finish(netns);
    Some(())
}

/// Returns the network namespace.
#[inline(always)]
fn fill<R: Read>(record: *mut ConnectionAborted, sock: Sock<R>, reason: i32) -> Option<u32> {
    let received: u32 = sock.beyond(field!(rcv_nxt))?;
    let read: u32 = sock.beyond(field!(copied_seq))?;
    // SAFETY: `record` is a slot of the ring.
    unsafe {
        sock.describe_flow(&raw mut (*record).flow)?;
        sock.describe(Queue::OfListener, &raw mut (*record).socket)?;
        (*record).seq = sock.beyond(field!(snd_nxt))?;
        (*record).unread = received.wrapping_sub(read);
        (*record).reason = reason;
        (*record).user_timeout = sock.beyond(field!(user_timeout)).unwrap_or(0);
        (*record).ack = received;
        (*record).probes = sock.beyond(field!(probes)).unwrap_or(0);
        (*record).pad = [0; 3];
        describe_current(&raw mut (*record).task)?;
    }
    sock.netns()
}
