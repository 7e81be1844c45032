//! Who opened or closed a listener?
//!
//! proto: 5.10: net/ipv4/inet_connection_sock.c: int inet_csk_listen_start(struct sock *sk, int backlog)
//! proto: 6.0: net/ipv4/inet_connection_sock.c: int inet_csk_listen_start(struct sock *sk)
//! proto: 5.10: net/ipv4/inet_connection_sock.c: void inet_csk_listen_stop(struct sock *sk)
//! proto: 5.10: include/trace/events/sock.h: inet_sock_set_state(const struct sock *sk, const int oldstate, const int newstate)
//!
//! Both run in the context of who calls `listen()`, `close()` or exits: here the current task is the doer.
//!
//! `listen()` may fail (`EADDRINUSE`), and a socket that was not bound gets its port on the way: the exit of
//! `inet_csk_listen_start` knows both. At its entry, where only a kprobe is to be had, a failing `listen()` is told as
//! opened and a socket that was not bound with port 0. The tracepoint tells a failing one as opened and closed at once.

use aya_ebpf::macros::{btf_tracepoint, fentry, fexit, kprobe};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, FExitContext, ProbeContext};
use tcpwatch_common::wire::{Listener, kind};

use crate::emit::Slot;
use crate::filter;
use crate::read::{CLOSE, Context, LISTEN, Queue, Read, Sock, argument, describe_current};

#[fexit(function = "inet_csk_listen_start")]
fn listener_opened_fexit(ctx: FExitContext) -> i32 {
    returned(&ctx)
}

#[kprobe(function = "inet_csk_listen_start")]
fn listener_opened_kprobe(ctx: ProbeContext) -> i32 {
    opened(&ctx)
}

#[fentry(function = "inet_csk_listen_stop")]
fn listener_closed_fentry(ctx: FEntryContext) -> i32 {
    closed(&ctx)
}

#[kprobe(function = "inet_csk_listen_stop")]
fn listener_closed_kprobe(ctx: ProbeContext) -> i32 {
    closed(&ctx)
}

#[btf_tracepoint(function = "inet_sock_set_state")]
fn listener_changed_tracepoint(ctx: BtfTracePointContext) -> i32 {
    changed(&ctx)
}

/// At the exit of `inet_csk_listen_start`: the value it returns stands behind its arguments.
#[inline(always)]
fn returned<C: Context>(ctx: &C) -> i32 {
    if ctx.enumerator(argument!(listen_start_arity)) == 0 { opened(ctx) } else { 0 }
}

#[inline(always)]
fn opened<C: Context>(ctx: &C) -> i32 {
    listener(ctx, kind::LISTENER_OPENED);
    0
}

#[inline(always)]
fn closed<C: Context>(ctx: &C) -> i32 {
    listener(ctx, kind::LISTENER_CLOSED);
    0
}

/// A change of state of any socket; most are not about listeners and leave after two loads. A connection
/// begins as a copy of its listener and leaves LISTEN too, but for SYN_RECV (`inet_csk_clone_lock`).
#[inline(always)]
fn changed<C: Context>(ctx: &C) -> i32 {
    if ctx.raw(2) == u64::from(LISTEN) {
        opened(ctx)
    } else if ctx.raw(1) == u64::from(LISTEN) && ctx.raw(2) == u64::from(CLOSE) {
        closed(ctx)
    } else {
        0
    }
}

#[inline(always)]
fn listener<C: Context>(ctx: &C, kind: u8) -> Option<()> {
    if !filter::enabled() {
        return None;
    }
    let sock = Sock::new(ctx.pointer(0)?);
    if !sock.is_tcp() {
        return None;
    }
    let mut slot = Slot::reserve(kind, C::WAY)?;
    let netns = fill(slot.record(), sock);
    slot.finish(netns);
    Some(())
}

/// Returns the network namespace.
#[inline(always)]
fn fill<R: Read>(record: *mut Listener, sock: Sock<R>) -> Option<u32> {
    let version = sock.family()?;
    // SAFETY: `record` is a slot of the ring.
    unsafe {
        (*record).local = sock.local_address(version)?;
        (*record).port = sock.local_port()?;
        (*record).version = version;
        (*record).v6only = if version == 6 { sock.v6only()? } else { 0 };
        (*record).pad = [0; 4];
        sock.describe(Queue::Always, &raw mut (*record).socket)?;
        describe_current(&raw mut (*record).task)?;
    }
    sock.netns()
}
