//! Which handshake did its client spoil?
//!
//! proto: 5.10: net/ipv4/tcp_minisocks.c: struct sock *tcp_check_req(struct sock *sk, struct sk_buff *skb, struct request_sock *req, bool fastopen, bool *req_stolen)
//! proto: 6.15: net/ipv4/tcp_minisocks.c: struct sock *tcp_check_req(…, enum skb_drop_reason *drop_reason)
//!
//! Each segment for an unfinished handshake comes here, one for most. A wrong acknowledgement sends the segment on to the
//! listener, which answers with a RST and no longer knows why. A RST ends the handshake, and `tcp_reset` is not called.
//! With TCP fast open a socket exists by then, and does all of this itself.

use aya_ebpf::macros::{fentry, kprobe};
use aya_ebpf::programs::{FEntryContext, ProbeContext};
use tcpwatch_common::wire::{HandshakeAckRefused, RstReceived, kind};

use crate::emit::Slot;
use crate::filter;
use crate::read::{
    Context, Queue, Read, Request, Skb, Sock, TcpHeader, argument, describe_conversation,
};

#[fentry(function = "tcp_check_req")]
fn handshake_spoiled_fentry(ctx: FEntryContext) -> i32 {
    called(&ctx)
}

#[kprobe(function = "tcp_check_req")]
fn handshake_spoiled_kprobe(ctx: ProbeContext) -> i32 {
    called(&ctx)
}

#[inline(always)]
fn called<C: Context>(ctx: &C) -> i32 {
    check(ctx);
    0
}

/// A handshake that succeeds leaves after the header and one number.
#[inline(always)]
fn check<C: Context>(ctx: &C) -> Option<()> {
    if argument!(check_req_request) != Some(2) || is_fast_open(ctx) || !filter::enabled() {
        return None;
    }
    let skb = Skb::new(ctx.pointer(1)?);
    let tcp = skb.tcp()?;
    let request = Request::new(ctx.pointer(2)?.probed());
    if tcp.is_rst() {
        // Elsewhere in the window it ends the handshake too, but on newer kernels it does not.
        return (tcp.seq() == request.expected_seq()?).then(|| reset(ctx, request, skb, &tcp))?;
    }
    let wrong = tcp.acknowledges() && tcp.ack() != request.expected_ack()?;
    if wrong { ack_refused(ctx, request, skb, &tcp) } else { None }
}

/// The argument behind the handshake.
#[inline(always)]
fn is_fast_open<C: Context>(ctx: &C) -> bool {
    ctx.raw(3) & 0xff != 0
}

#[inline(always)]
fn reset<C: Context>(ctx: &C, request: Request, skb: Skb<C::Read>, tcp: &TcpHeader) -> Option<()> {
    let listener = Sock::new(ctx.pointer(0)?);
    let mut slot = Slot::reserve(kind::RST_RECEIVED, C::WAY)?;
    let netns = fill_reset(slot.record(), request, skb, tcp).and_then(|()| listener.netns());
    slot.finish(netns);
    Some(())
}

#[inline(always)]
fn fill_reset<R: Read>(
    record: *mut RstReceived,
    request: Request,
    skb: Skb<R>,
    tcp: &TcpHeader,
) -> Option<()> {
    // SAFETY: `record` is a slot of the ring.
    unsafe {
        (*record).ttl = skb.describe_received(tcp, &raw mut (*record).flow)?;
        request.sock().describe(Queue::OfListener, &raw mut (*record).socket)?;
        (*record).seq = tcp.seq();
        (*record).ack = tcp.ack();
        (*record).tcp_flags = tcp.flags();
        (*record).has_packet = 1;
        (*record).data_ttl = 0;
        (*record).pad = [0; 4];
        describe_conversation(Some(request.sock()), &raw mut (*record).conversation);
    }
    Some(())
}

#[inline(always)]
fn ack_refused<C: Context>(
    ctx: &C,
    request: Request,
    skb: Skb<C::Read>,
    tcp: &TcpHeader,
) -> Option<()> {
    let listener = Sock::new(ctx.pointer(0)?);
    let mut slot = Slot::reserve(kind::HANDSHAKE_ACK_REFUSED, C::WAY)?;
    let netns = fill(slot.record(), request, skb, tcp).and_then(|()| listener.netns());
    slot.finish(netns);
    Some(())
}

#[inline(always)]
fn fill<R: Read>(
    record: *mut HandshakeAckRefused,
    request: Request,
    skb: Skb<R>,
    tcp: &TcpHeader,
) -> Option<()> {
    // SAFETY: `record` is a slot of the ring.
    unsafe {
        let ttl = skb.describe_received(tcp, &raw mut (*record).flow)?;
        skb.describe_segment(tcp, ttl, &raw mut (*record).segment)?;
        (*record).expected = request.expected_ack()?;
        (*record).pad = [0; 4];
    }
    Some(())
}
