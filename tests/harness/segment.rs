//! TCP segments no socket would send: a host that lost its memory, a middlebox, a scan.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use nix::sys::socket::{MsgFlags, SockFlag, SockProtocol, SockType, bind, sendto, socket};

use crate::address::{Ip, at, storage};
use crate::namespace::Namespace;

/// Header fields of a segment without options.
pub struct Segment {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub seq: u32,
    pub ack: u32,
    pub flags: u8,
    pub payload: &'static [u8],
}

impl Segment {
    pub const FIN: u8 = 0x01;
    pub const SYN: u8 = 0x02;
    pub const RST: u8 = 0x04;
    pub const ACK: u8 = 0x10;

    /// Sends it from a raw socket of `namespace`.
    pub fn send(&self, namespace: &Namespace) {
        namespace
            .enter(|| self.send_here())
            .unwrap_or_else(|error| panic!("cannot send a raw segment: {error}"));
    }

    fn send_here(&self) -> nix::Result<usize> {
        let ip = Ip::of(self.to.ip());
        let fd = socket(ip.family(), SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Tcp)?;
        // Raw sockets have no ports; IPv6 even refuses one.
        bind(fd.as_raw_fd(), &storage(at(self.from.ip(), 0)))?;
        sendto(fd.as_raw_fd(), &self.bytes(), &storage(at(self.to.ip(), 0)), MsgFlags::empty())
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.from.port().to_be_bytes());
        bytes.extend(self.to.port().to_be_bytes());
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(self.ack.to_be_bytes());
        // Five words of header, the flags, a window of 1024, no checksum yet, no urgent pointer.
        bytes.extend([5 << 4, self.flags, 4, 0, 0, 0, 0, 0]);
        bytes.extend(self.payload);
        let checksum = checksum(&[self.pseudo_header(bytes.len()), bytes.clone()].concat());
        bytes[16..18].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }

    /// What the checksum covers besides the segment: addresses, protocol, length. In this arrangement the sum is the
    /// same for both families.
    fn pseudo_header(&self, length: usize) -> Vec<u8> {
        let length = u32::try_from(length).expect("a segment is short");
        let mut bytes = [octets(self.from), octets(self.to)].concat();
        bytes.extend(length.to_be_bytes());
        bytes.extend(6_u32.to_be_bytes());
        bytes
    }
}

fn octets(address: SocketAddr) -> Vec<u8> {
    match address {
        SocketAddr::V4(v4) => v4.ip().octets().to_vec(),
        SocketAddr::V6(v6) => v6.ip().octets().to_vec(),
    }
}

/// RFC 1071.
pub(crate) fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded to 16 bits")
}
