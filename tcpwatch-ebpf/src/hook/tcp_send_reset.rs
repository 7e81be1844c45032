//! Which segment did this host answer with a RST?
//!
//! proto: 5.10: net/ipv4/tcp_ipv4.c: void tcp_v4_send_reset(const struct sock *sk, struct sk_buff *skb)
//! proto: 6.10: net/ipv4/tcp_ipv4.c: void tcp_v4_send_reset(const struct sock *sk, struct sk_buff *skb, enum sk_rst_reason reason)
//! proto: net/ipv6/tcp_ipv6.c: tcp_v6_send_reset, alike
//! proto: 5.10: include/trace/events/tcp.h: tcp_send_reset(const struct sock *sk, const struct sk_buff *skb)
//! proto: 6.10: include/trace/events/tcp.h: tcp_send_reset(const struct sock *sk, const struct sk_buff *skb, const enum sk_rst_reason reason)
//!
//! The functions are also called for segments they do not answer, so their first tests are repeated here. What cannot be
//! repeated is their judgement of signatures: a segment with a TCP-MD5 option that they refuse to answer is told as
//! answered. The tracepoint stands behind all tests; before 6.10 it is silent without a full socket.

use aya_ebpf::macros::{btf_tracepoint, fentry, kprobe};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, ProbeContext};
use tcpwatch_common::wire::{RstSent, kind};

use crate::emit::Slot;
use crate::filter;
use crate::read::{
    Context, Read, Skb, Sock, TcpHeader, argument, describe_conversation, describe_maybe, field,
};

#[fentry(function = "tcp_v4_send_reset")]
fn rst_sent_v4_fentry(ctx: FEntryContext) -> i32 {
    called(&ctx)
}

#[fentry(function = "tcp_v6_send_reset")]
fn rst_sent_v6_fentry(ctx: FEntryContext) -> i32 {
    called(&ctx)
}

#[kprobe(function = "tcp_v4_send_reset")]
fn rst_sent_v4_kprobe(ctx: ProbeContext) -> i32 {
    called(&ctx)
}

#[kprobe(function = "tcp_v6_send_reset")]
fn rst_sent_v6_kprobe(ctx: ProbeContext) -> i32 {
    called(&ctx)
}

#[btf_tracepoint(function = "tcp_send_reset")]
fn rst_sent_tracepoint(ctx: BtfTracePointContext) -> i32 {
    traced(&ctx)
}

/// At the function's entry.
#[inline(always)]
fn called<C: Context>(ctx: &C) -> i32 {
    rst_sent(ctx, ctx.enumerator(argument!(send_reset_reason)), may_be_answered);
    0
}

/// At the tracepoint. Without a packet it is another event: `tcp_send_active_reset`.
#[inline(always)]
fn traced<C: Context>(ctx: &C) -> i32 {
    rst_sent(ctx, ctx.enumerator(argument!(tp_send_reset_reason)), |_, _, _| Some(true));
    0
}

#[inline(always)]
fn rst_sent<C: Context>(
    ctx: &C,
    reason: i32,
    is_answered: impl FnOnce(Option<Sock<C::Read>>, Skb<C::Read>, &TcpHeader) -> Option<bool>,
) -> Option<()> {
    if !filter::enabled() {
        return None;
    }
    let sock = ctx.pointer(0).map(Sock::new);
    let skb = Skb::new(ctx.pointer(1)?);
    let tcp = skb.tcp()?;
    if is_answered(sock, skb, &tcp) == Some(false) {
        return None;
    }
    let mut slot = Slot::reserve(kind::RST_SENT, C::WAY)?;
    let netns = fill(slot.record(), sock, skb, &tcp, reason);
    slot.finish(netns);
    Some(())
}

/// Returns the network namespace.
#[inline(always)]
fn fill<R: Read>(
    record: *mut RstSent,
    sock: Option<Sock<R>>,
    skb: Skb<R>,
    tcp: &TcpHeader,
    reason: i32,
) -> Option<u32> {
    let conntrack = skb.conntrack();
    // SAFETY: `record` is a slot of the ring.
    unsafe {
        let ttl = skb.describe_received(tcp, &raw mut (*record).flow)?;
        describe_maybe(sock, &raw mut (*record).socket)?;
        skb.describe_segment(tcp, ttl, &raw mut (*record).segment)?;
        (*record).reason = reason;
        (*record).tracked = u8::from(conntrack != 0);
        (*record).ctinfo = (conntrack & 7) as u8;
        (*record).retransmits = retransmits(sock);
        (*record).pad = 0;
        describe_conversation(sock, &raw mut (*record).conversation);
    }
    skb.netns_with(sock)
}

/// Of a connection: other sockets are smaller.
#[inline(always)]
fn retransmits<R: Read>(sock: Option<Sock<R>>) -> u8 {
    let full = sock.filter(|sock| sock.is_full() == Some(true));
    full.and_then(|sock| sock.beyond(field!(retransmits))).unwrap_or(0)
}

/// The tests at the head of `tcp_v4_send_reset` and `tcp_v6_send_reset`, all versions: never answer a RST; a
/// segment without a socket must have been routed to this host.
#[inline(always)]
fn may_be_answered<R: Read>(sock: Option<Sock<R>>, skb: Skb<R>, tcp: &TcpHeader) -> Option<bool> {
    Some(!tcp.is_rst() && (sock.is_some() || skb.is_for_this_host()?))
}
