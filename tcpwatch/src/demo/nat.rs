//! A service address that leads to two back ends in turn, by nf_tables over netlink: what
//! `dnat to numgen inc mod 2 map { … }` does, as two rules the way kube-proxy writes them.
//!
//! Layouts: include/uapi/linux/netfilter/nfnetlink.h and nf_tables.h. Numbers in attributes are big-endian. No crate does
//! it for us: `rustables` is under the GPL, the others call libnftnl or the tool `nft`.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use rustix::net::Protocol;
use rustix::net::netlink::NETFILTER;

use super::request::{APPEND, CREATE, Request, ask};

/// In the calling thread's network namespace: the first new connection to `service` goes to the first back end, the
/// next to the second, and so on.
pub(super) fn install(service: SocketAddrV4, backends: [Ipv4Addr; 2]) -> io::Result<()> {
    let protocol: Option<Protocol> = Some(NETFILTER);
    let every_other = |rule| equals(every_second(rule), &0_u32.to_ne_bytes());
    let first = rule(|list| dnat(every_other(to(list, service)), backends[0]));
    let second = rule(|list| dnat(to(list, service), backends[1]));
    ask(protocol, vec![edge(BATCH_BEGIN), table(), chain(), first, second, edge(BATCH_END)])
}

/// Beginning or end of what is to be done as a whole or not at all.
fn edge(kind: u16) -> Request {
    let [high, low] = SUBSYSTEM.to_be_bytes();
    Request::new(kind, 0, &[0, 0, high, low])
}

fn table() -> Request {
    message(NEWTABLE, CREATE).text(TABLE_NAME, NAME)
}

fn chain() -> Request {
    let hook = |inside| number(number(inside, HOOK_HOOKNUM, PREROUTING), HOOK_PRIORITY, DSTNAT);
    let chain = message(NEWCHAIN, CREATE).text(CHAIN_TABLE, NAME).text(CHAIN_NAME, NAME);
    chain.nested(CHAIN_HOOK, hook).text(CHAIN_TYPE, "nat")
}

fn rule(expressions: impl FnOnce(Request) -> Request) -> Request {
    let rule = message(NEWRULE, APPEND).text(RULE_TABLE, NAME).text(RULE_CHAIN, NAME);
    rule.nested(RULE_EXPRESSIONS, expressions)
}

/// `ip daddr … tcp dport …`
fn to(list: Request, service: SocketAddrV4) -> Request {
    let protocol = expression(list, "meta", |data| {
        number(number(data, META_DREG, REGISTER), META_KEY, META_L4PROTO)
    });
    let protocol = equals(protocol, &[IPPROTO_TCP]);
    let address = equals(load(protocol, NETWORK_HEADER, IPV4_DESTINATION), &service.ip().octets());
    equals(load(address, TRANSPORT_HEADER, TCP_DESTINATION), &service.port().to_be_bytes())
}

/// Counts up to two, and leaves the count in the register.
fn every_second(list: Request) -> Request {
    expression(list, "numgen", |data| {
        let counter = number(number(data, NUMGEN_DREG, REGISTER), NUMGEN_MODULUS, 2);
        number(counter, NUMGEN_TYPE, NUMGEN_INCREMENTAL)
    })
}

fn dnat(list: Request, target: Ipv4Addr) -> Request {
    let loaded = expression(list, "immediate", |data| {
        let register = number(data, IMMEDIATE_DREG, REGISTER);
        register.nested(IMMEDIATE_DATA, |value| value.attribute(DATA_VALUE, &target.octets()))
    });
    expression(loaded, "nat", |data| {
        let family = number(number(data, NAT_TYPE, NAT_DNAT), NAT_FAMILY, NFPROTO_IPV4.into());
        number(family, NAT_REG_ADDR_MIN, REGISTER)
    })
}

/// Bytes of the packet into the register.
fn load(list: Request, header: u32, (offset, len): (u32, u32)) -> Request {
    expression(list, "payload", |data| {
        let base = number(number(data, PAYLOAD_DREG, REGISTER), PAYLOAD_BASE, header);
        number(number(base, PAYLOAD_OFFSET, offset), PAYLOAD_LEN, len)
    })
}

/// Only what has this value in the register goes on.
fn equals(list: Request, value: &[u8]) -> Request {
    expression(list, "cmp", |data| {
        let operation = number(number(data, CMP_SREG, REGISTER), CMP_OP, CMP_EQ);
        operation.nested(CMP_DATA, |inside| inside.attribute(DATA_VALUE, value))
    })
}

fn expression(list: Request, name: &str, data: impl FnOnce(Request) -> Request) -> Request {
    list.nested(LIST_ELEM, |element| element.text(EXPR_NAME, name).nested(EXPR_DATA, data))
}

fn number(request: Request, kind: u16, value: u32) -> Request {
    request.attribute(kind, &value.to_be_bytes())
}

fn message(kind: u16, flags: u16) -> Request {
    Request::new(SUBSYSTEM << 8 | kind, flags, &[NFPROTO_IPV4, 0, 0, 0])
}

/// Of the table and of its chain.
const NAME: &str = "demo";
/// `NFNL_SUBSYS_NFTABLES`
const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEWTABLE: u16 = 0;
const NEWCHAIN: u16 = 3;
const NEWRULE: u16 = 6;
const NFPROTO_IPV4: u8 = 2;
const TABLE_NAME: u16 = 1;
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_TYPE: u16 = 7;
const HOOK_HOOKNUM: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
/// `NF_INET_PRE_ROUTING`
const PREROUTING: u32 = 0;
/// `NF_IP_PRI_NAT_DST`
const DSTNAT: u32 = (-100_i32).cast_unsigned();
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;
const LIST_ELEM: u16 = 1;
const EXPR_NAME: u16 = 1;
const EXPR_DATA: u16 = 2;
const DATA_VALUE: u16 = 1;
/// `NFT_REG_1`
const REGISTER: u32 = 1;
const PAYLOAD_DREG: u16 = 1;
const PAYLOAD_BASE: u16 = 2;
const PAYLOAD_OFFSET: u16 = 3;
const PAYLOAD_LEN: u16 = 4;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
/// Offset and length of `daddr` in `struct iphdr`.
const IPV4_DESTINATION: (u32, u32) = (16, 4);
/// Offset and length of `dest` in `struct tcphdr`.
const TCP_DESTINATION: (u32, u32) = (2, 2);
const META_DREG: u16 = 1;
const META_KEY: u16 = 2;
const META_L4PROTO: u32 = 16;
const IPPROTO_TCP: u8 = 6;
const CMP_SREG: u16 = 1;
const CMP_OP: u16 = 2;
const CMP_DATA: u16 = 3;
const CMP_EQ: u32 = 0;
const NUMGEN_DREG: u16 = 1;
const NUMGEN_MODULUS: u16 = 2;
const NUMGEN_TYPE: u16 = 3;
const NUMGEN_INCREMENTAL: u32 = 0;
const IMMEDIATE_DREG: u16 = 1;
const IMMEDIATE_DATA: u16 = 2;
const NAT_TYPE: u16 = 1;
const NAT_FAMILY: u16 = 2;
const NAT_REG_ADDR_MIN: u16 = 3;
const NAT_DNAT: u32 = 1;
