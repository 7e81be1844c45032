//! Which connection did this host give up of its own accord?
//!
//! proto: 5.10: net/ipv4/tcp_output.c: void tcp_send_active_reset(struct sock *sk, gfp_t priority)
//! proto: 6.10: net/ipv4/tcp_output.c: void tcp_send_active_reset(struct sock *sk, gfp_t priority, enum sk_rst_reason reason)
//! proto: 7.0: net/ipv4/tcp_output.c: void tcp_send_active_reset(struct sock *sk, enum sk_rst_reason reason)
//! proto: 5.10: include/trace/events/tcp.h: tcp_send_reset(const struct sock *sk, const struct sk_buff *skb), skb NULL
//!
//! Ubuntu's 6.8 has a fourth shape, without `priority` and `reason`: positions come from BTF.
//!
//! A dozen places in the kernel call it, and the reason, where there is one, names few of them. The socket itself tells
//! the rest: its state, lock, file and flags differ from place to place, so no hook around the callers is needed.

use aya_ebpf::helpers::generated::bpf_jiffies64;
use aya_ebpf::macros::{btf_tracepoint, fentry, kprobe};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, ProbeContext};
use tcpwatch_common::wire::{ConnectionAborted, abort_flag, kind, socket_file};

use crate::emit::Slot;
use crate::filter;
use crate::read::{
    CLOSE, Context, Queue, Read, Sock, argument, describe_current, field, is_exiting, is_oom_victim,
};

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

/// Returns the network namespace. Loads through the helper are dear: what says nothing of a socket in this state is left
/// alone.
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
        (*record).ack = received;
        (*record).file = sock.file().unwrap_or(socket_file::UNKNOWN);
        describe_current(&raw mut (*record).task)?;
        let exiting = is_exiting(&raw const (*record).task);
        (*record).flags = flags(sock)? | if exiting { of_exiting_task() } else { 0 };
        describe_silence(record, sock)?;
    }
    sock.netns()
}

/// Bits of [`abort_flag`] that speak of the socket.
#[inline(always)]
fn flags<R: Read>(sock: Sock<R>) -> Option<u16> {
    let written: u32 = sock.beyond(field!(write_seq))?;
    let acknowledged: u32 = sock.beyond(field!(snd_una))?;
    let mptcp: Option<u8> = sock.beyond(field!(is_mptcp));
    let mut flags = 0;
    for (holds, flag) in [
        (sock.is_locked()?, abort_flag::LOCKED),
        (sock.has_received_fin()?, abort_flag::FIN_RECEIVED),
        (written != acknowledged, abort_flag::UNACKED),
        (mptcp.is_some_and(|is| is != 0), abort_flag::MPTCP),
    ] {
        if holds {
            flags |= flag;
        }
    }
    Some(if sock.is_dead()? { flags | of_orphan(sock)? } else { flags })
}

#[inline(always)]
fn of_orphan<R: Read>(sock: Sock<R>) -> Option<u16> {
    let linger2: i32 = sock.beyond(field!(linger2))?;
    let mut flags = 0;
    if linger2 < 0 {
        flags |= abort_flag::LINGER2_NEGATIVE;
    }
    if sock.exceeds_memory() == Some(true) {
        flags |= abort_flag::MEMORY_EXCEEDED;
    }
    Some(flags)
}

#[inline(always)]
fn of_exiting_task() -> u16 {
    if is_oom_victim() == Some(true) { abort_flag::OOM_VICTIM } else { 0 }
}

/// Writes what timers count: of a socket that was in use until now.
#[inline(always)]
fn describe_silence<R: Read>(record: *mut ConnectionAborted, sock: Sock<R>) -> Option<()> {
    let in_use = sock.state()? != CLOSE;
    // SAFETY: `record` is a slot of the ring; the helper has no preconditions.
    unsafe {
        let jiffies = low(bpf_jiffies64());
        (*record).jiffies = jiffies;
        (*record).user_timeout = 0;
        (*record).probes = 0;
        (*record).silent = 0;
        if in_use {
            (*record).user_timeout = sock.beyond(field!(user_timeout)).unwrap_or(0);
            (*record).probes = sock.beyond(field!(probes)).unwrap_or(0);
            (*record).silent = jiffies.wrapping_sub(sock.beyond(field!(last_ack))?);
        }
    }
    Some(())
}

/// The kernel keeps 32 bits of the time when something happened.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "that is the point")]
fn low(jiffies: u64) -> u32 {
    jiffies as u32
}
