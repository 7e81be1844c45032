//! A RST as it was on the wire, as far as it is known: an IP and a TCP header, nothing else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::event::{Acknowledged, Endpoint, TcpFlags};
use crate::explain::verdict::{Direction, RstHeader, Verdict};

/// The packet of a verdict, with checksums that are right for it.
pub(super) fn packet(verdict: &Verdict) -> Vec<u8> {
    let (local, remote) = (verdict.flow.local, verdict.flow.remote);
    let (source, destination) = match verdict.direction {
        Direction::Sent => (local, remote),
        Direction::Received => (remote, local),
    };
    let hops = verdict.rst.ttl.unwrap_or(HOPS);
    // An IPv6 socket that speaks IPv4 shows mapped addresses; the packet is an IPv4 packet.
    match (source.addr.to_canonical(), destination.addr.to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let tcp = tcp(source, destination, verdict.rst, &[from.octets(), to.octets()].concat());
            [ipv4(from, to, hops).as_slice(), &tcp].concat()
        }
        (from, to) => {
            let (from, to) = (as_ipv6(from), as_ipv6(to));
            let tcp = tcp(source, destination, verdict.rst, &[from.octets(), to.octets()].concat());
            [ipv6(from, to, hops).as_slice(), &tcp].concat()
        }
    }
}

/// Without options; Don't Fragment and no identification, as the kernel sends it.
fn ipv4(from: Ipv4Addr, to: Ipv4Addr, hops: u8) -> Vec<u8> {
    let mut header = vec![0x45, 0, 0, 40, 0, 0, 0x40, 0, hops, PROTOCOL, 0, 0];
    header.extend(from.octets());
    header.extend(to.octets());
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum);
    header
}

fn ipv6(from: Ipv6Addr, to: Ipv6Addr, hops: u8) -> Vec<u8> {
    let mut header = vec![0x60, 0, 0, 0, 0, 20, PROTOCOL, hops];
    header.extend(from.octets());
    header.extend(to.octets());
    header
}

/// Without options, window and urgent pointer. `addresses` are those of the IP header.
fn tcp(source: Endpoint, destination: Endpoint, rst: RstHeader, addresses: &[u8]) -> Vec<u8> {
    let (flags, ack) = match rst.ack {
        Acknowledged::Number(ack) => (TcpFlags::RST | TcpFlags::ACK, ack),
        Acknowledged::Nothing | Acknowledged::Unseen => (TcpFlags::RST, 0),
    };
    let mut header = Vec::with_capacity(20);
    header.extend(source.port.to_be_bytes());
    header.extend(destination.port.to_be_bytes());
    header.extend(rst.seq.to_be_bytes());
    header.extend(ack.to_be_bytes());
    header.extend([5 << 4, flags, 0, 0, 0, 0, 0, 0]);
    // The pseudo header in IPv6's arrangement; IPv4's has the same sum.
    let sum = checksum(&[addresses, &[0, 0, 0, 20, 0, 0, 0, PROTOCOL], &header].concat());
    header[16..18].copy_from_slice(&sum);
    header
}

/// RFC 1071, over an even number of bytes.
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let words = bytes.chunks_exact(2).map(|pair| u64::from(u16::from_be_bytes([pair[0], pair[1]])));
    // The sum modulo 2^16 - 1, where zero is written as all ones.
    let sum = match words.sum::<u64>() % 0xffff {
        0 => 0xffff,
        sum => sum,
    };
    (!u16::try_from(sum).unwrap_or_default()).to_be_bytes()
}

fn as_ipv6(addr: IpAddr) -> Ipv6Addr {
    match addr {
        IpAddr::V4(addr) => addr.to_ipv6_mapped(),
        IpAddr::V6(addr) => addr,
    }
}

/// The kernel's default for what it sends itself (`net.ipv4.ip_default_ttl`, `net.ipv6.conf.*.hop_limit`).
pub(super) const HOPS: u8 = 64;

/// TCP.
const PROTOCOL: u8 = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::samples;

    #[test]
    fn a_refusal_acknowledges_the_syn() {
        let (from, to) = ([10, 0, 0, 1], [10, 0, 0, 9]);
        let ip = [&[0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0x26, 0xc7][..], &from, &to].concat();
        let tcp = [
            [0, 80, 0x9c, 0x40],
            [0, 0, 0, 0],
            [0, 0, 0x12, 0x67],
            [0x50, 0x14, 0, 0],
            [0xec, 0xcf, 0, 0],
        ];
        assert_eq!(packet(&samples::explained()), [ip, tcp.concat()].concat());
    }

    #[test]
    fn a_received_one_comes_from_the_remote_with_its_ttl() {
        let packet = packet(&samples::received());
        assert_eq!((packet[8], &packet[12..20]), (61, &[10, 0, 0, 1, 10, 0, 0, 9][..]));
        assert_eq!(packet[20..24], [0, 80, 0x9c, 0x40]);
    }

    #[test]
    fn ipv6_without_acknowledgement() {
        let packet = packet(&samples::unexplained());
        assert_eq!((packet.len(), packet[0], packet[6], packet[7]), (60, 0x60, 6, 64));
        assert_eq!((packet[8], packet[23], packet[39]), (0xfd, 1, 9));
        let tcp = &packet[40..];
        assert_eq!(
            (&tcp[4..8], &tcp[8..12], tcp[13]),
            (&90_210_u32.to_be_bytes()[..], &[0; 4][..], 0x04)
        );
    }

    #[test]
    fn a_mapped_address_is_an_ipv4_address() {
        let mut verdict = samples::explained();
        let plain = packet(&verdict);
        verdict.flow.local.addr = "::ffff:10.0.0.1".parse().unwrap();
        verdict.flow.remote.addr = "::ffff:10.0.0.9".parse().unwrap();
        assert_eq!(packet(&verdict), plain);
    }

    /// A receiver adds up everything, checksum included, and wants all ones.
    #[test]
    fn receivers_find_the_checksums_right() {
        for verdict in [samples::explained(), samples::received(), samples::unexplained()] {
            let packet = packet(&verdict);
            let (ip, tcp) = packet.split_at(packet.len() - 20);
            let addresses = if ip[0] >> 4 == 4 { &ip[12..] } else { &ip[8..] };
            let pseudo = [addresses, &[0, 0, 0, 20, 0, 0, 0, PROTOCOL], tcp].concat();
            assert_eq!(checksum(&pseudo), [0, 0]);
            assert!(ip[0] >> 4 == 6 || checksum(ip) == [0, 0]);
        }
    }

    #[test]
    fn the_example_of_rfc_1071() {
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), [0x22, 0x0d]);
        assert_eq!(checksum(&[0xff, 0xff]), [0, 0]);
    }
}
