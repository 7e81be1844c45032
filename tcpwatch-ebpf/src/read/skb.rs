//! A packet that carries a TCP segment (include/linux/skbuff.h, `struct sk_buff`).

use tcpwatch_common::wire::{Address, DeviceName, Flow, Segment};

use super::layout::field;
use super::memory::{Memory, Probe, Read};
use super::{Sock, TcpHeader};

/// Valid where both headers have been found: from `tcp_v4_rcv` on.
#[derive(Clone, Copy)]
pub(crate) struct Skb<R>(Memory<R>);

impl<R: Read> Skb<R> {
    #[inline(always)]
    pub(crate) fn new(memory: Memory<R>) -> Self {
        Self(memory)
    }

    #[inline(always)]
    pub(crate) fn id(self) -> u64 {
        self.0.id()
    }

    /// 4 or 6, from `protocol`, which the socket's family does not tell: a v6 socket may speak v4.
    #[inline(always)]
    pub(crate) fn version(self) -> Option<u8> {
        match u16::from_be(self.0.get(field!(skb_protocol))?) {
            ETH_P_IP => Some(4),
            ETH_P_IPV6 => Some(6),
            _ => None,
        }
    }

    #[inline(always)]
    pub(crate) fn tcp(self) -> Option<TcpHeader> {
        TcpHeader::at(self.header(field!(skb_transport))?)
    }

    /// The TCP header right behind the IP header, and the bytes that both take: for hooks of netfilter, where the
    /// transport may not have been looked for yet. `None` for fragments, and behind extension headers of IPv6.
    #[inline(always)]
    pub(crate) fn tcp_behind_ip(self) -> Option<(TcpHeader, u32)> {
        let ip = self.header(field!(skb_network))?;
        let before = if self.version()? == 4 { len_v4(ip)? } else { len_v6(ip)? };
        let tcp = TcpHeader::at(ip.inside(before as usize))?;
        let both = before + tcp.len();
        Some((tcp, both))
    }

    /// Bytes from `skb->data` to the end; in TCP's receive functions `data` is the TCP header.
    #[inline(always)]
    fn len(self) -> Option<u32> {
        self.0.get(field!(skb_len))
    }

    /// Writes who talks to whom, as the receiver of this packet: local is its destination. Returns the TTL.
    #[inline(always)]
    pub(crate) fn describe_received(self, tcp: &TcpHeader, flow: *mut Flow) -> Option<u8> {
        let version = self.version()?;
        let network = self.header(field!(skb_network))?;
        // SAFETY: `flow` is a slot of the ring with room for a `Flow`.
        unsafe {
            (*flow).local_port = tcp.destination();
            (*flow).remote_port = tcp.source();
            (*flow).version = version;
            (*flow).pad = [0; 3];
        }
        if version == 4 { describe_v4(network, flow) } else { describe_v6(network, flow) }
    }

    /// Time to live or hop limit.
    #[inline(always)]
    pub(crate) fn ttl(self) -> Option<u8> {
        let ip = self.header(field!(skb_network))?;
        ip.get(Some(if self.version()? == 4 { TTL } else { HOP_LIMIT }))
    }

    /// The TTL of a packet that is kept, if it still has the header with which it came from there: packets that were
    /// made to save memory have none.
    #[inline(always)]
    pub(crate) fn ttl_if_from(self, remote: &Address) -> Option<u8> {
        let header = self.header(field!(skb_network))?;
        if self.version()? == 4 {
            let [_, _, ttl, source, _]: [u32; 5] = header.get(Some(0))?;
            (source == remote[0]).then_some(ttl.to_ne_bytes()[0])
        } else {
            let [_, lengths, source @ .., _, _, _, _]: [u32; 10] = header.get(Some(0))?;
            (source == *remote).then_some(lengths.to_ne_bytes()[3])
        }
    }

    /// Writes the header facts of the segment; `ttl` is what [`Self::describe_received`] returned.
    #[inline(always)]
    pub(crate) fn describe_segment(self, tcp: &TcpHeader, ttl: u8, to: *mut Segment) -> Option<()> {
        self.describe_segment_behind(tcp, tcp.len(), ttl, to)
    }

    /// The same where `skb->data` lies `headers` bytes before the payload.
    #[inline(always)]
    pub(crate) fn describe_segment_behind(
        self,
        tcp: &TcpHeader,
        headers: u32,
        ttl: u8,
        to: *mut Segment,
    ) -> Option<()> {
        let payload = self.len()?.saturating_sub(headers);
        // SAFETY: `to` is a slot of the ring with room for a `Segment`.
        unsafe {
            (*to).packet = self.id();
            (*to).seq = tcp.seq();
            (*to).ack = tcp.ack();
            (*to).payload = payload;
            (*to).tcp_flags = tcp.flags();
            (*to).ttl = ttl;
            (*to).pad = [0; 2];
        }
        Some(())
    }

    /// The namespace of the receiving device. Gone where the packet has met a full socket.
    #[inline(always)]
    pub(crate) fn netns(self) -> Option<u32> {
        let device = self.0.follow(field!(skb_dev))?;
        device.follow(field!(dev_net))?.get(field!(netns_inode))
    }

    /// The name of the receiving device; of the sending one, where the packet is on its way out.
    #[inline(always)]
    pub(crate) fn device(self) -> Option<DeviceName> {
        self.0.follow(field!(skb_dev))?.get(field!(dev_name))
    }

    /// The name of the device that the packet was routed to; for packets to this host the loopback device.
    #[inline(always)]
    pub(crate) fn way_out(self) -> Option<DeviceName> {
        self.route()?.follow(field!(dst_dev))?.get(field!(dev_name))
    }

    /// Socket's namespace, or the device's where there is no socket.
    #[inline(always)]
    pub(crate) fn netns_with(self, sock: Option<Sock<R>>) -> Option<u32> {
        match sock {
            Some(sock) => sock.netns(),
            None => self.netns(),
        }
    }

    /// `_nfct`: pointer to the conntrack entry, and `enum ip_conntrack_info` in the low three bits.
    #[inline(always)]
    pub(crate) fn conntrack(self) -> u64 {
        self.0.get(field!(skb_nfct)).unwrap_or(0)
    }

    /// The packet was routed to this host: what `tcp_v4_send_reset` and `tcp_v6_send_reset` ask before they
    /// answer a segment without a socket (`rt_type != RTN_LOCAL`, `ipv6_unicast_destination`).
    #[inline(always)]
    pub(crate) fn is_for_this_host(self) -> Option<bool> {
        let dst = self.route()?;
        if self.version()? == 4 {
            Some(dst.get::<u16>(field!(route_type))? == RTN_LOCAL)
        } else {
            Some(dst.get::<u32>(field!(route6_flags))? & RTF_LOCAL != 0)
        }
    }

    /// `struct dst_entry`, the head of `struct rtable` and `struct rt6_info`.
    #[inline(always)]
    fn route(self) -> Option<Memory<Probe>> {
        let refdst: u64 = self.0.get(field!(skb_dst))?;
        // SKB_DST_NOREF (include/linux/skbuff.h).
        Memory::new((refdst & !1) as *const u8)
    }

    /// An address in the packet buffer, at one of the header offsets. `head` is a plain byte pointer, so the
    /// verifier knows no type behind it.
    #[inline(always)]
    fn header(self, offset: Option<u32>) -> Option<Memory<Probe>> {
        let start: u16 = self.0.get(offset)?;
        let head = Memory::<Probe>::new(self.0.get(field!(skb_head))?)?;
        Some(head.inside(usize::from(start)))
    }
}

impl Skb<Probe> {
    /// From an argument whose place differs between kernels.
    #[inline(always)]
    pub(crate) fn at(address: u64) -> Option<Self> {
        Memory::new(address as *const u8).map(Self)
    }
}

/// Bytes of the header (`ihl` words), if a whole TCP segment follows.
#[inline(always)]
fn len_v4(header: Memory<Probe>) -> Option<u32> {
    let [first, fragment, protocol]: [u32; 3] = header.get(Some(0))?;
    let fragment = u32::from_be(fragment) & IP_OFFSET;
    let is_whole_tcp = fragment == 0 && protocol.to_ne_bytes()[1] == IPPROTO_TCP;
    is_whole_tcp.then_some(u32::from(first.to_ne_bytes()[0] & 0xf) * 4)
}

/// Bytes of the header, if TCP follows at once.
#[inline(always)]
fn len_v6(header: Memory<Probe>) -> Option<u32> {
    let [_, lengths]: [u32; 2] = header.get(Some(0))?;
    (lengths.to_ne_bytes()[2] == IPPROTO_TCP).then_some(IPV6_HEADER)
}

/// include/uapi/linux/ip.h, `struct iphdr`, as words.
#[inline(always)]
fn describe_v4(header: Memory<Probe>, flow: *mut Flow) -> Option<u8> {
    let [_, _, ttl, source, destination]: [u32; 5] = header.get(Some(0))?;
    // SAFETY: `flow` is a slot of the ring.
    unsafe {
        (*flow).local = [destination, 0, 0, 0];
        (*flow).remote = [source, 0, 0, 0];
    }
    Some(ttl.to_ne_bytes()[0])
}

/// include/uapi/linux/ipv6.h, `struct ipv6hdr`, as words.
#[inline(always)]
fn describe_v6(header: Memory<Probe>, flow: *mut Flow) -> Option<u8> {
    let [_, lengths, s0, s1, s2, s3, d0, d1, d2, d3]: [u32; 10] = header.get(Some(0))?;
    // SAFETY: `flow` is a slot of the ring.
    unsafe {
        (*flow).local = [d0, d1, d2, d3];
        (*flow).remote = [s0, s1, s2, s3];
    }
    Some(lengths.to_ne_bytes()[3])
}

/// include/net/ip.h: the fragment's place in the packet, in a word whose upper half is the packet's number.
const IP_OFFSET: u32 = 0x1fff;
const IPPROTO_TCP: u8 = 6;
const IPV6_HEADER: u32 = 40;
/// Offsets in `struct iphdr` and `struct ipv6hdr`.
const TTL: u32 = 8;
const HOP_LIMIT: u32 = 7;
/// include/uapi/linux/if_ether.h.
pub(crate) const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86dd;
/// include/uapi/linux/rtnetlink.h.
const RTN_LOCAL: u16 = 2;
/// include/uapi/linux/ipv6_route.h.
const RTF_LOCAL: u32 = 0x8000_0000;
