//! Which connection did a RST from the peer end?
//!
//! proto: 5.10: net/ipv4/tcp_input.c: void tcp_reset(struct sock *sk)
//! proto: 5.11: net/ipv4/tcp_input.c: void tcp_reset(struct sock *sk, struct sk_buff *skb)
//! proto: 5.10: include/trace/events/tcp.h: tcp_receive_reset(struct sock *sk)
//!
//! The function also runs for data after shutdown (`tcp_rcv_state_process`), which is no RST at all: where the
//! packet is at hand its flag is tested, where it is not the record says so.

use aya_ebpf::macros::{btf_tracepoint, fentry, kprobe};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, ProbeContext};
use tcpwatch_common::wire::{Flow, RstReceived, kind};

use crate::emit::Slot;
use crate::filter;
use crate::read::{
    CLOSE, Context, Queue, Read, Skb, Sock, TcpHeader, argument, describe_conversation, field,
};

#[fentry(function = "tcp_reset")]
fn rst_received_fentry(ctx: FEntryContext) -> i32 {
    called(&ctx)
}

#[kprobe(function = "tcp_reset")]
fn rst_received_kprobe(ctx: ProbeContext) -> i32 {
    called(&ctx)
}

#[btf_tracepoint(function = "tcp_receive_reset")]
fn rst_received_tracepoint(ctx: BtfTracePointContext) -> i32 {
    rst_received(&ctx, None);
    0
}

/// At the function's entry.
#[inline(always)]
fn called<C: Context>(ctx: &C) -> i32 {
    let skb = if argument!(tcp_reset_packet) == Some(1) { ctx.pointer(1) } else { None };
    rst_received(ctx, skb.map(Skb::new));
    0
}

#[inline(always)]
fn rst_received<C: Context>(ctx: &C, skb: Option<Skb<C::Read>>) -> Option<()> {
    if !filter::enabled() {
        return None;
    }
    let sock = Sock::new(ctx.pointer(0)?);
    // The kernel itself returns at once (`case TCP_CLOSE` of tcp_reset): nothing happens.
    if sock.state()? == CLOSE {
        return None;
    }
    let tcp = match skb {
        Some(skb) => Some(skb.tcp()?),
        None => None,
    };
    if tcp.is_some_and(|tcp| !tcp.is_rst()) {
        return None;
    }
    let mut slot = Slot::reserve(kind::RST_RECEIVED, C::WAY)?;
    let netns = fill(slot.record(), sock, skb, tcp);
    slot.finish(netns);
    Some(())
}

/// Returns the network namespace.
#[inline(always)]
fn fill<R: Read>(
    record: *mut RstReceived,
    sock: Sock<R>,
    skb: Option<Skb<R>>,
    tcp: Option<TcpHeader>,
) -> Option<u32> {
    // SAFETY: `record` is a slot of the ring.
    unsafe {
        sock.describe(Queue::OfListener, &raw mut (*record).socket)?;
        let flow = &raw mut (*record).flow;
        if let (Some(skb), Some(tcp)) = (skb, tcp) {
            (*record).ttl = skb.describe_received(&tcp, flow)?;
            (*record).seq = tcp.seq();
            (*record).ack = tcp.ack();
            (*record).tcp_flags = tcp.flags();
            (*record).data_ttl = data_ttl(sock, flow);
        } else {
            (*record).ttl = 0;
            (*record).seq = without_packet(sock, flow)?;
            (*record).ack = 0;
            (*record).tcp_flags = 0;
            (*record).data_ttl = 0;
        }
        (*record).has_packet = u8::from(skb.is_some());
        (*record).pad = [0; 4];
        describe_conversation(Some(sock), &raw mut (*record).conversation);
    }
    sock.netns()
}

/// How the peer's own packets arrive, as far as one is still at hand: 0 when none is.
#[inline(always)]
fn data_ttl<R: Read>(sock: Sock<R>, flow: *const Flow) -> u8 {
    // SAFETY: `flow` was written just before.
    let remote = unsafe { &(*flow).remote };
    sock.last_unread().and_then(|packet| packet.ttl_if_from(remote)).unwrap_or(0)
}

/// The socket's own view; an accepted RST carries `rcv_nxt`.
#[inline(always)]
fn without_packet<R: Read>(sock: Sock<R>, flow: *mut Flow) -> Option<u32> {
    sock.describe_flow(flow)?;
    sock.beyond(field!(rcv_nxt))
}
