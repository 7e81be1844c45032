//! A conntrack entry (include/net/netfilter/nf_conntrack.h, `struct nf_conn`).
//!
//! The code is mostly a module, the type is in the vmlinux BTF of every kernel looked at. Hooks are given a
//! `struct nf_conntrack *`, its first member, so the helper does the reading.

use tcpwatch_common::wire::Tuple;

use super::layout::field;
use super::memory::{Memory, Probe};

/// An entry of any protocol.
#[derive(Clone, Copy)]
pub(crate) struct NfConn(Memory<Probe>);

impl NfConn {
    #[inline(always)]
    pub(crate) fn new(memory: Memory<Probe>) -> Self {
        Self(memory)
    }

    /// Its address.
    #[inline(always)]
    pub(crate) fn id(self) -> u64 {
        self.0.id()
    }

    /// A TCP connection that conntrack still held for alive: SYN_SENT, SYN_RECV, ESTABLISHED, FIN_WAIT or
    /// CLOSE_WAIT. The usual end (TIME_WAIT, CLOSE) leaves after one read.
    #[inline(always)]
    pub(crate) fn is_alive_tcp(self) -> Option<bool> {
        Some((SYN_SENT..=CLOSE_WAIT).contains(&self.tcp_state()?) && self.is_tcp()?)
    }

    /// A TCP connection whose packets carry other addresses on one side than on the other. The kernel sets the bits
    /// where a rule has translated, and keeps them.
    #[inline(always)]
    pub(crate) fn is_translated_tcp(self) -> Option<bool> {
        Some(self.status()? & (SRC_NAT | DST_NAT) != 0 && self.is_tcp()?)
    }

    /// 0, the zone of those in none, also where the kernel has no zones.
    #[inline(always)]
    pub(crate) fn zone(self) -> u16 {
        self.0.get(field!(ct_zone)).unwrap_or(0)
    }

    /// For entries of other protocols whatever they keep in that place.
    #[inline(always)]
    pub(crate) fn tcp_state(self) -> Option<u8> {
        self.0.get(field!(ct_tcp_state))
    }

    #[inline(always)]
    fn is_tcp(self) -> Option<bool> {
        let at = field!(ct_original)? + field!(tuple_protocol)?;
        Some(self.0.get::<u8>(Some(at))? == IPPROTO_TCP)
    }

    /// Bits of `enum ip_conntrack_status`; a `long` of which 16 are in use.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "16 bits are in use")]
    pub(crate) fn status(self) -> Option<u32> {
        self.0.get::<u64>(field!(ct_status)).map(|status| status as u32)
    }

    #[inline(always)]
    pub(crate) fn timeout(self) -> Option<u32> {
        self.0.get(field!(ct_timeout))
    }

    #[inline(always)]
    pub(crate) fn netns(self) -> Option<u32> {
        self.0.follow(field!(ct_net))?.get(field!(netns_inode))
    }

    #[inline(always)]
    pub(crate) fn describe_original(self, out: *mut Tuple) -> Option<()> {
        describe(self.0.inside(field!(ct_original)? as usize), out)
    }

    #[inline(always)]
    pub(crate) fn describe_reply(self, out: *mut Tuple) -> Option<()> {
        describe(self.0.inside(field!(ct_reply)? as usize), out)
    }
}

/// `struct nf_conntrack_tuple`. The kernel clears what an IPv4 address leaves of the 16 bytes.
#[inline(always)]
fn describe(tuple: Memory<Probe>, out: *mut Tuple) -> Option<()> {
    // SAFETY: `out` is a slot of the ring.
    unsafe {
        (*out).source = tuple.get(field!(tuple_source))?;
        (*out).destination = tuple.get(field!(tuple_destination))?;
        (*out).source_port = u16::from_be(tuple.get(field!(tuple_source_port))?);
        (*out).destination_port = u16::from_be(tuple.get(field!(tuple_destination_port))?);
        (*out).version = if tuple.get::<u16>(field!(tuple_family))? == AF_INET { 4 } else { 6 };
        (*out).pad = [0; 3];
    }
    Some(())
}

/// include/uapi/linux/netfilter/nf_conntrack_common.h: the entry was in the table.
pub(crate) const CONFIRMED: u32 = 1 << 3;
const SRC_NAT: u32 = 1 << 4;
const DST_NAT: u32 = 1 << 5;
/// include/uapi/linux/netfilter/nf_conntrack_tcp.h.
const SYN_SENT: u8 = 1;
const CLOSE_WAIT: u8 = 5;
const AF_INET: u16 = 2;
const IPPROTO_TCP: u8 = 6;
