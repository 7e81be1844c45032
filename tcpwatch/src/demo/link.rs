//! Cables, addresses and routes of the calling thread's network namespace, by rtnetlink.
//!
//! Layouts: `struct ifinfomsg` and `rtmsg` (include/uapi/linux/rtnetlink.h), `ifaddrmsg` (if_addr.h), attributes of
//! if_link.h and veth.h.

use std::io;
use std::net::Ipv4Addr;

use super::request::{CHANGE, CREATE, Request, ask};
use crate::source::kernel::netlink::{Messages, ROUTE, dump};

/// An address and the length of its network's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Net {
    pub(super) address: Ipv4Addr,
    pub(super) prefix: u8,
}

/// One end of a cable.
#[derive(Clone, Copy, Debug)]
pub(super) struct Port<'a> {
    pub(super) name: &'a str,
    /// Chosen by us, so that nobody has to ask for it.
    pub(super) index: i32,
}

/// Makes a cable from `here` to `there`, in the network namespace of the process `pid`.
pub(super) fn cable(here: Port<'_>, there: Port<'_>, pid: u32) -> io::Result<()> {
    let peer = |inside: Request| {
        let named = inside.raw(&interface(there.index, 0)).text(IFLA_IFNAME, there.name);
        named.attribute(IFLA_NET_NS_PID, &pid.to_ne_bytes())
    };
    let request = Request::new(RTM_NEWLINK, CREATE, &interface(here.index, 0))
        .text(IFLA_IFNAME, here.name)
        .nested(IFLA_LINKINFO, |info| {
            let kind = info.text(IFLA_INFO_KIND, "veth");
            kind.nested(IFLA_INFO_DATA, |data| data.nested(VETH_INFO_PEER, peer))
        });
    ask(ROUTE, vec![request])
}

pub(super) fn up(index: i32) -> io::Result<()> {
    ask(ROUTE, vec![Request::new(RTM_NEWLINK, CHANGE, &interface(index, IFF_UP))])
}

pub(super) fn assign(index: i32, net: Net) -> io::Result<()> {
    let octets = net.address.octets();
    let [a, b, c, d] = index.to_ne_bytes();
    let request = Request::new(RTM_NEWADDR, CREATE, &[AF_INET, net.prefix, 0, 0, a, b, c, d]);
    ask(ROUTE, vec![request.attribute(IFA_LOCAL, &octets).attribute(IFA_ADDRESS, &octets)])
}

pub(super) fn default_route(gateway: Ipv4Addr) -> io::Result<()> {
    let head = [AF_INET, 0, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, RT_SCOPE_UNIVERSE, RTN_UNICAST];
    let request = Request::new(RTM_NEWROUTE, CREATE, &head).raw(&[0; 4]);
    ask(ROUTE, vec![request.attribute(RTA_GATEWAY, &gateway.octets())])
}

/// Whether what is sent goes out. The flag comes with the queue that sends (net/core/link_watch.c); until then
/// packets are dropped.
pub(super) fn carries(index: i32) -> io::Result<bool> {
    let links = dump(ROUTE, RTM_GETLINK, &interface(0, 0))?;
    let at = |payload: &[u8], at: usize| payload.get(at..)?.first_chunk().copied();
    Ok(Messages(&links).any(|link| {
        at(link.payload, 4) == Some(index.to_ne_bytes())
            && at(link.payload, 8).is_some_and(|flags| u32::from_ne_bytes(flags) & IFF_RUNNING != 0)
    }))
}

/// `struct ifinfomsg`; `flags` are to be set, others stay as they are.
fn interface(index: i32, flags: u32) -> [u8; 16] {
    let mut message = [0; 16];
    message[4..8].copy_from_slice(&index.to_ne_bytes());
    message[8..12].copy_from_slice(&flags.to_ne_bytes());
    message[12..].copy_from_slice(&flags.to_ne_bytes());
    message
}

/// `lo` is the first interface of every network namespace (net/core/dev.c, `default_device_init`).
pub(super) const LOOPBACK: i32 = 1;

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_PID: u16 = 19;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_GATEWAY: u16 = 5;
const IFF_UP: u32 = 0x01;
const IFF_RUNNING: u32 = 0x40;
const AF_INET: u8 = 2;
const RT_TABLE_MAIN: u8 = 254;
const RTPROT_STATIC: u8 = 4;
const RT_SCOPE_UNIVERSE: u8 = 0;
const RTN_UNICAST: u8 = 1;
