//! How far had a connection come (include/linux/tcp.h, `struct tcp_sock`)?

use aya_ebpf::helpers::generated::{bpf_jiffies64, bpf_ktime_get_ns};
use tcpwatch_common::wire::{Conversation, UNKNOWN};

use super::layout::{field, tick};
use super::memory::Read;
use super::sock::{LISTEN, NEW_SYN_RECV, Sock, TIME_WAIT};

/// What stands in a record when nobody conversed.
const NOTHING: Conversation = Conversation {
    received_ago: UNKNOWN,
    sent_ago: UNKNOWN,
    heard_ago: UNKNOWN,
    transmitted_ago: UNKNOWN,
    received: 0,
    sent: 0,
    snd_una: 0,
    snd_nxt: 0,
};

/// Writes what the socket knows of its conversation, if there is one.
#[inline(always)]
pub(crate) fn describe_conversation<R: Read>(sock: Option<Sock<R>>, out: *mut Conversation) {
    let told = sock.and_then(|sock| match sock.state()? {
        NEW_SYN_RECV => None,
        LISTEN => of_listener(sock),
        TIME_WAIT => of_time_wait(sock),
        _ => of_full(sock),
    });
    // SAFETY: `out` is a slot of the ring.
    unsafe { out.write(told.unwrap_or(NOTHING)) };
}

#[inline(always)]
fn of_full<R: Read>(sock: Sock<R>) -> Option<Conversation> {
    Some(Conversation {
        received_ago: since_tick(sock.beyond(field!(data_received_at))?),
        sent_ago: since_tick(sock.beyond(field!(data_sent_at))?),
        heard_ago: since_tick(sock.beyond(field!(heard_at))?),
        transmitted_ago: since_nanos(sock.beyond(field!(transmitted_at))?),
        received: narrow(sock.beyond(field!(bytes_received))?),
        sent: narrow(sock.beyond(field!(bytes_sent))?),
        snd_una: sock.beyond(field!(snd_una))?,
        snd_nxt: sock.beyond(field!(snd_nxt))?,
    })
}

/// It keeps little. Made in FIN_WAIT2, its age is the time since the peer acknowledged the FIN
/// (net/ipv4/tcp_minisocks.c, `tcp_time_wait`); where that is not kept, the peer's last timestamp tells the same.
#[inline(always)]
fn of_time_wait<R: Read>(sock: Sock<R>) -> Option<Conversation> {
    let snd_nxt = sock.beyond(field!(tw_snd_nxt))?;
    let now = now();
    let heard_ago = match (sock.beyond(field!(tw_made_at)), sock.beyond(field!(tw_heard_at))) {
        (Some(made), _) => since(made, now / 1_000_000),
        (None, Some(heard)) if heard != 0 => {
            narrow(u64::from(since(heard, now / 1_000_000_000)) * 1000)
        }
        _ => UNKNOWN,
    };
    Some(Conversation { heard_ago, snd_una: snd_nxt, snd_nxt, ..NOTHING })
}

/// When it last answered a SYN with a cookie. It shares that time with its siblings where several listen on one port, in
/// a place we do not look at.
#[inline(always)]
fn of_listener<R: Read>(sock: Sock<R>) -> Option<Conversation> {
    let alone = sock.beyond::<u64>(field!(reuseport))? == 0;
    let answered: u32 = sock.beyond(field!(cookies_at))?;
    (alone && answered != 0)
        .then(|| Conversation { transmitted_ago: since_tick(answered), ..NOTHING })
}

/// Milliseconds since a value of the tick counter (`tcp_jiffies32`). Another processor may be a tick ahead.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the kernel keeps 32 bits of it")]
fn since_tick(then: u32) -> u32 {
    // SAFETY: the helper has no preconditions.
    let ticks = since(then, unsafe { bpf_jiffies64() });
    narrow(u64::from(ticks) * u64::from(tick()) / 1_000_000)
}

/// Milliseconds since a time on the clock that stands still while the machine sleeps.
#[inline(always)]
fn since_nanos(then: u64) -> u32 {
    narrow(now().saturating_sub(then) / 1_000_000)
}

#[inline(always)]
fn now() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_ktime_get_ns() }
}

/// How far a counter of 32 bits has come.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the counter has 32 bits")]
fn since(then: u32, now: u64) -> u32 {
    let passed = (now as u32).wrapping_sub(then);
    if passed.cast_signed() < 0 { 0 } else { passed }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "it was made to fit")]
fn narrow(value: u64) -> u32 {
    value.min(u64::from(UNKNOWN - 1)) as u32
}
