//! What does a DESTROY message of conntrack say?
//!
//! `struct nfgenmsg`, then attributes (include/uapi/linux/netfilter/nfnetlink_conntrack.h; written by
//! net/netfilter/nf_conntrack_netlink.c, `ctnetlink_conntrack_event`). Numbers inside are big-endian.
//! Pure, bounded by its input, and at peace with any bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::netlink::{Attributes, Message, array_at};
use crate::event::{ConntrackEntry, ConntrackState, Death, Endpoint, Tuple};

/// A TCP entry that died while its connection was alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destroyed {
    pub entry: ConntrackEntry,
    pub state: Option<ConntrackState>,
    pub seen_reply: bool,
    pub assured: bool,
    pub death: Option<Death>,
    /// Netlink port of whoever asked for the deletion; 0: nobody did.
    pub portid: u32,
}

/// It is a DESTROY message, but lacks what every one has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads one message of the group. `Ok(None)`: not TCP, or its connection was over already, or never began.
pub fn parse(message: &Message<'_>) -> Result<Option<Destroyed>, Malformed> {
    if message.kind != CT_DELETE {
        return Ok(None);
    }
    let attributes = message.payload.get(NFGENMSG..).map(Attributes).ok_or(Malformed)?;
    let original = attributes.nested(CTA_TUPLE_ORIG).ok_or(Malformed)?;
    if protocol(&original).ok_or(Malformed)? != IPPROTO_TCP {
        return Ok(None);
    }
    let destroyed = destroyed(message.portid, &attributes, &original).ok_or(Malformed)?;
    Ok(Some(destroyed).filter(Destroyed::was_alive))
}

fn destroyed(
    portid: u32,
    attributes: &Attributes<'_>,
    original: &Attributes<'_>,
) -> Option<Destroyed> {
    let reply = attributes.nested(CTA_TUPLE_REPLY)?;
    let status = be32(attributes.find(CTA_STATUS)?)?;
    let state = state(attributes);
    Some(Destroyed {
        entry: ConntrackEntry {
            original: tuple(original)?,
            reply: tuple(&reply)?,
            zone: zone(attributes),
        },
        state: state.map(ConntrackState::from_kernel),
        seen_reply: status & IPS_SEEN_REPLY != 0,
        assured: status & IPS_ASSURED != 0,
        death: state.and_then(|_| death(attributes, portid)),
        portid,
    })
}

impl Destroyed {
    /// A connection that is opening, open or half closed; by the status bits where the kernel gives no state
    /// (before 5.13).
    fn was_alive(&self) -> bool {
        use ConntrackState::{CloseWait, Established, FinWait, SynRecv, SynSent};
        match self.state {
            Some(state) => {
                matches!(state, SynSent | SynRecv | Established | FinWait | CloseWait)
            }
            None => self.seen_reply || self.assured,
        }
    }
}

/// Kernels that tell the state tell the rest of the time too, in whole seconds rounded down, and leave it out when it
/// is zero (`ctnetlink_dump_timeout` with `skip_zero`). Within its last second only a requester gives a removal away.
fn death(attributes: &Attributes<'_>, portid: u32) -> Option<Death> {
    match attributes.find(CTA_TIMEOUT) {
        Some(value) => {
            let seconds = be32(value)?;
            Some(Death::Removed { remaining: Duration::from_secs(seconds.into()) })
        }
        None if portid != 0 => Some(Death::Removed { remaining: Duration::ZERO }),
        None => Some(Death::Expired { before_removal: None }),
    }
}

fn state(attributes: &Attributes<'_>) -> Option<u8> {
    let tcp = attributes.nested(CTA_PROTOINFO)?.nested(CTA_PROTOINFO_TCP)?;
    tcp.find(CTA_PROTOINFO_TCP_STATE)?.first().copied()
}

fn protocol(tuple: &Attributes<'_>) -> Option<u8> {
    tuple.nested(CTA_TUPLE_PROTO)?.find(CTA_PROTO_NUM)?.first().copied()
}

fn tuple(tuple: &Attributes<'_>) -> Option<Tuple> {
    let (source, destination) = addresses(&tuple.nested(CTA_TUPLE_IP)?)?;
    let ports = tuple.nested(CTA_TUPLE_PROTO)?;
    Some(Tuple {
        source: Endpoint { addr: source, port: be16(ports.find(CTA_PROTO_SRC_PORT)?)? },
        destination: Endpoint { addr: destination, port: be16(ports.find(CTA_PROTO_DST_PORT)?)? },
    })
}

fn addresses(ip: &Attributes<'_>) -> Option<(IpAddr, IpAddr)> {
    let v4 = |kind| Some(Ipv4Addr::from(array_at::<4>(ip.find(kind)?, 0)?).into());
    let v6 = |kind| Some(Ipv6Addr::from(array_at::<16>(ip.find(kind)?, 0)?).into());
    let pair = |source: Option<IpAddr>, destination| Some((source?, destination?));
    pair(v4(CTA_IP_V4_SRC), v4(CTA_IP_V4_DST))
        .or_else(|| pair(v6(CTA_IP_V6_SRC), v6(CTA_IP_V6_DST)))
}

/// The kernel leaves it out where it is 0 (`ctnetlink_dump_zone_id`).
fn zone(attributes: &Attributes<'_>) -> u16 {
    attributes.find(CTA_ZONE).and_then(be16).unwrap_or(0)
}

fn be16(value: &[u8]) -> Option<u16> {
    array_at(value, 0).map(u16::from_be_bytes)
}

fn be32(value: &[u8]) -> Option<u32> {
    array_at(value, 0).map(u32::from_be_bytes)
}

/// `NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE`.
pub(super) const CT_DELETE: u16 = 0x0102;
pub(super) const NFGENMSG: usize = 4;
pub(super) const IPPROTO_TCP: u8 = 6;
pub(super) const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_STATUS: u16 = 3;
pub(super) const CTA_PROTOINFO: u16 = 4;
const CTA_TIMEOUT: u16 = 7;
const CTA_ZONE: u16 = 18;
pub(super) const CTA_PROTOINFO_TCP: u16 = 1;
pub(super) const CTA_PROTOINFO_TCP_STATE: u16 = 1;
const CTA_TUPLE_IP: u16 = 1;
pub(super) const CTA_TUPLE_PROTO: u16 = 2;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V4_DST: u16 = 2;
const CTA_IP_V6_SRC: u16 = 3;
const CTA_IP_V6_DST: u16 = 4;
pub(super) const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_SRC_PORT: u16 = 2;
const CTA_PROTO_DST_PORT: u16 = 3;
const IPS_SEEN_REPLY: u32 = 1 << 1;
const IPS_ASSURED: u32 = 1 << 2;

/// Messages of Linux 6.18: 10.9.1.2 → 10.9.1.1:2222, translated to 10.9.2.2:2222 by a router in between.
#[cfg(test)]
pub(super) mod samples {
    /// `conntrack -F`, 2 s after the last segment.
    pub(crate) const FLUSHED: &str = "\
        a40000000201000000000000b46e0000020000003400018014000180080001000a090102080002000a0901011c000280\
        050001000600000006000200acc200000600030008ae00003400028014000180080001000a090202080002000a090102\
        1c00028005000100060000000600020008ae000006000300acc2000008000c00462d8de208000300000003ae08000700\
        0006977d100004800c0001800500010003000000";
    /// `conntrack -D -p tcp --dport 2222`.
    pub(crate) const DELETED: &str = "\
        a400000002010000000000009fd8d4ee020000003400018014000180080001000a090102080002000a0901011c000280\
        050001000600000006000200accc00000600030008ae00003400028014000180080001000a090202080002000a090102\
        1c00028005000100060000000600020008ae000006000300accc000008000c00e78f74d608000300000003ae08000700\
        0006977f100004800c0001800500010003000000";
    /// `nf_conntrack_tcp_timeout_established = 2`, and a segment after 3 s.
    pub(crate) const EXPIRED: &str = "\
        9c000000020100000000000000000000020000003400018014000180080001000a090102080002000a0901011c000280\
        050001000600000006000200acce00000600030008ae00003400028014000180080001000a090202080002000a090102\
        1c00028005000100060000000600020008ae000006000300acce000008000c0083b17afc08000300000003ae10000480\
        0c0001800500010003000000";
    /// A SYN answered by a RST.
    pub(crate) const REFUSED: &str = "\
        a4000000020100000000000000000000020000003400018014000180080001000a090102080002000a0901011c000280\
        050001000600000006000200ab0a0000060003000d0500003400028014000180080001000a090202080002000a090102\
        1c0002800500010006000000060002000d05000006000300ab0a000008000c000074cafd08000300000003a808000700\
        00000078100004800c0001800500010008000000";

    pub(crate) fn bytes(hex: &str) -> Vec<u8> {
        let digits = (0..hex.len()).step_by(2).map(|at| &hex[at..at + 2]);
        digits.map(|pair| u8::from_str_radix(pair, 16).expect("hex")).collect()
    }

    /// One of them, as if it were of another protocol.
    pub(crate) fn udp() -> Vec<u8> {
        let mut udp = bytes(FLUSHED);
        udp[52] = 17;
        udp
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{DELETED, EXPIRED, FLUSHED, REFUSED, bytes, udp};
    use super::*;
    use crate::source::kernel::netlink::Messages;

    fn read(bytes: &[u8]) -> Result<Option<Destroyed>, Malformed> {
        parse(&Messages(bytes).next().unwrap())
    }

    fn died(hex: &str) -> Destroyed {
        read(&bytes(hex)).unwrap().unwrap()
    }

    #[test]
    fn a_flush_is_a_removal_by_somebody_with_time_left() {
        let flushed = died(FLUSHED);
        let original = flushed.entry.original;
        assert_eq!(original.to_string(), "10.9.1.2:44226 -> 10.9.1.1:2222");
        assert_eq!(flushed.entry.reply.to_string(), "10.9.2.2:2222 -> 10.9.1.2:44226");
        assert!(flushed.entry.is_dnat());
        assert_eq!(flushed.state, Some(ConntrackState::Established));
        assert_eq!((flushed.seen_reply, flushed.assured), (true, true));
        let remaining = Duration::from_secs(431_997);
        assert_eq!(flushed.death, Some(Death::Removed { remaining }));
        assert_eq!(flushed.portid, 28340);
    }

    #[test]
    fn a_second_socket_of_a_tool_has_a_port_that_is_no_pid() {
        assert_eq!(died(DELETED).portid, 0xeed4_d89f);
    }

    #[test]
    fn an_expiry_has_no_time_left_and_no_requester() {
        let expired = died(EXPIRED);
        assert_eq!(expired.death, Some(Death::Expired { before_removal: None }));
        assert_eq!(expired.portid, 0);
    }

    #[test]
    fn a_removal_in_the_last_second_is_known_by_its_requester() {
        let mut bytes = bytes(EXPIRED);
        bytes[12] = 9;
        let removed = read(&bytes).unwrap().unwrap();
        assert_eq!(removed.death, Some(Death::Removed { remaining: Duration::ZERO }));
    }

    #[test]
    fn an_entry_closed_by_a_refusal_was_not_alive() {
        assert_eq!(read(&bytes(REFUSED)), Ok(None));
    }

    #[test]
    fn without_state_the_death_stays_open() {
        let mut old = bytes(EXPIRED);
        old.truncate(old.len() - 16);
        old[0] -= 16;
        let died = read(&old).unwrap().unwrap();
        assert_eq!((died.state, died.death), (None, None));
    }

    #[test]
    fn other_protocols_and_messages_are_not_ours() {
        assert_eq!(read(&udp()), Ok(None));
        let mut new = bytes(FLUSHED);
        new[4] = 0;
        assert_eq!(read(&new), Ok(None));
    }

    #[test]
    fn any_damage_is_survived() {
        let whole = bytes(FLUSHED);
        for at in 16..whole.len() {
            let mut cut = whole[..at].to_vec();
            cut[0] = u8::try_from(at).unwrap();
            let _ = read(&cut);
            for value in [0, 1, 0x7f, 0xff] {
                let mut bent = whole.clone();
                bent[at] = value;
                let _ = read(&bent);
            }
        }
    }
}
