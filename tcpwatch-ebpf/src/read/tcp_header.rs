//! The first 20 bytes of a TCP header (include/uapi/linux/tcp.h, `struct tcphdr`).

use super::memory::{Memory, Probe};

/// As on the wire: big endian.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct TcpHeader {
    source: u16,
    destination: u16,
    seq: u32,
    ack: u32,
    data_offset: u8,
    flags: u8,
    window: u16,
    checksum: u16,
    urgent: u16,
}

const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

impl TcpHeader {
    #[inline(always)]
    pub(crate) fn at(memory: Memory<Probe>) -> Option<Self> {
        memory.get(Some(0))
    }

    pub(crate) fn is_rst(&self) -> bool {
        self.flags & RST != 0
    }

    /// It says only what has arrived so far, with data or without.
    pub(crate) fn acknowledges(&self) -> bool {
        self.flags & (ACK | SYN | RST) == ACK
    }

    pub(crate) fn flags(&self) -> u8 {
        self.flags
    }

    pub(crate) fn source(&self) -> u16 {
        u16::from_be(self.source)
    }

    pub(crate) fn destination(&self) -> u16 {
        u16::from_be(self.destination)
    }

    pub(crate) fn seq(&self) -> u32 {
        u32::from_be(self.seq)
    }

    pub(crate) fn ack(&self) -> u32 {
        u32::from_be(self.ack)
    }

    /// Bytes of header and options.
    pub(crate) fn len(&self) -> u32 {
        u32::from(self.data_offset >> 4) * 4
    }
}
