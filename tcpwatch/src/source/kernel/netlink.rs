//! How are netlink messages read, and how is a kernel table dumped?
//!
//! Layouts: `struct nlmsghdr` (include/uapi/linux/netlink.h) and `struct nlattr`, both in the machine's byte order,
//! padded to four bytes. Nothing here trusts a length.

use std::io;
use std::time::Duration;

use bytes::Buf;
use rustix::fd::OwnedFd;
use rustix::io::retry_on_intr;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send,
    socket_with,
};

/// One message with its header taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    pub kind: u16,
    pub flags: u16,
    /// Port of the process that caused it; 0: the kernel itself.
    pub portid: u32,
    pub payload: &'a [u8],
}

/// The messages in a buffer; ends at the first one that is cut short.
#[derive(Clone, Debug)]
pub struct Messages<'a>(pub &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let len = usize::try_from(u32_at(self.0, 0)?).ok()?;
        let payload = self.0.get(HEADER..len)?;
        let message = Message {
            kind: u16_at(self.0, 4)?,
            flags: u16_at(self.0, 6)?,
            portid: u32_at(self.0, 12)?,
            payload,
        };
        self.0 = self.0.get(aligned(len)..).unwrap_or_default();
        Some(message)
    }
}

/// The attributes in a payload, as (type without its flag bits, value); ends at the first one that is cut short.
#[derive(Clone, Debug)]
pub struct Attributes<'a>(pub &'a [u8]);

impl<'a> Attributes<'a> {
    /// The value of the first attribute of this type.
    pub fn find(&self, kind: u16) -> Option<&'a [u8]> {
        self.clone().find_map(|(k, value)| (k == kind).then_some(value))
    }

    /// The attributes inside the first attribute of this type.
    pub fn nested(&self, kind: u16) -> Option<Self> {
        self.find(kind).map(Self)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let len = usize::from(u16_at(self.0, 0)?);
        let kind = u16_at(self.0, 2)? & NLA_TYPE_MASK;
        let value = self.0.get(ATTRIBUTE_HEADER..len)?;
        self.0 = self.0.get(aligned(len)..).unwrap_or_default();
        Some((kind, value))
    }
}

/// `NETLINK_ROUTE` is protocol 0.
pub const ROUTE: Option<Protocol> = None;

/// Opens a netlink socket in the calling thread's network namespace.
pub fn open(protocol: Option<Protocol>, groups: u32, flags: SocketFlags) -> io::Result<OwnedFd> {
    let flags = flags | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
    bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

/// Dumps a kernel table of the calling thread's network namespace: all answers, one after the other.
///
/// A table that changed under the dump (`NLM_F_DUMP_INTR`) is read again, a few times.
pub fn dump(protocol: Option<Protocol>, kind: u16, request: &[u8]) -> io::Result<Vec<u8>> {
    dump_at_most(protocol, kind, request, usize::MAX)
}

/// The same of a table whose size nobody bounds: more than `most` bytes are an error.
pub fn dump_at_most(
    protocol: Option<Protocol>,
    kind: u16,
    request: &[u8],
    most: usize,
) -> io::Result<Vec<u8>> {
    let socket = open(protocol, 0, SocketFlags::empty())?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    let mut answers = Vec::new();
    for _ in 0..ATTEMPTS {
        answers.clear();
        send(&socket, &dump_request(kind, request), SendFlags::empty())?;
        if collect(&socket, most, &mut answers)? {
            return Ok(answers);
        }
    }
    Err(io::Error::other("the table kept changing while it was read"))
}

/// Reads one dump to its end; false when the table changed meanwhile.
fn collect(socket: &OwnedFd, most: usize, answers: &mut Vec<u8>) -> io::Result<bool> {
    let mut buffer = vec![0; BUFFER];
    let mut consistent = true;
    loop {
        let (_, len) = retry_on_intr(|| recv(socket, &mut buffer[..], RecvFlags::TRUNC))?;
        let received = buffer.get(..len).ok_or_else(|| io::Error::other("answer too long"))?;
        answers.extend_from_slice(received);
        if answers.len() > most {
            return Err(io::Error::other("the table is too large to be read in passing"));
        }
        for message in Messages(received) {
            consistent &= message.flags & NLM_F_DUMP_INTR == 0;
            if message.kind == NLMSG_DONE || message.kind == NLMSG_ERROR {
                return error_of(message.payload).map_or(Ok(consistent), Err);
            }
        }
    }
}

/// Both closing messages begin with an errno, negated (`struct nlmsgerr`); 0 is success.
pub fn error_of(payload: &[u8]) -> Option<io::Error> {
    let errno = u32_at(payload, 0)?.cast_signed();
    (errno < 0).then(|| io::Error::from_raw_os_error(errno.saturating_neg()))
}

fn dump_request(kind: u16, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
    let mut message = Vec::with_capacity(HEADER + body.len());
    message.extend_from_slice(&len.to_ne_bytes());
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(body);
    message
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.try_get_u16_ne().ok()
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.try_get_u32_ne().ok()
}

/// `N` bytes from `at` on.
pub(super) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn aligned(len: usize) -> usize {
    len.next_multiple_of(4)
}

const HEADER: usize = 16;
const ATTRIBUTE_HEADER: usize = 4;
/// Without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
const NLA_TYPE_MASK: u16 = 0x3fff;
/// Also the answer to a request that asked for one.
pub const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 0x001;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_DUMP_INTR: u16 = 0x010;
/// The kernel never makes a dump message longer (net/netlink/af_netlink.c, `netlink_dump`: 32 KiB, 5.10 to 6.18).
const BUFFER: usize = 64 * 1024;
const ATTEMPTS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
        dump_request(kind, payload)
    }

    #[test]
    fn messages_are_walked_to_the_end() {
        let mut bytes = message(7, &[1, 2, 3, 4]);
        bytes.extend(message(8, &[]));
        let kinds: Vec<_> = Messages(&bytes).map(|m| (m.kind, m.payload.len())).collect();
        assert_eq!(kinds, [(7, 4), (8, 0)]);
    }

    #[test]
    fn a_message_cut_short_ends_the_walk() {
        let bytes = message(7, &[1, 2, 3, 4]);
        assert_eq!(Messages(&bytes[..bytes.len() - 1]).count(), 0);
        assert_eq!(Messages(&[0; 64]).count(), 0, "a length of zero must not loop for ever");
    }

    #[test]
    fn attributes_lose_their_flag_bits() {
        let bytes = [6, 0, 2, 0x80, 1, 2, 0, 0, 5, 0, 3, 0, 9];
        let found: Vec<_> = Attributes(&bytes).collect();
        assert_eq!(found, [(2, &[1, 2][..]), (3, &[9][..])]);
        assert_eq!(Attributes(&bytes).find(3), Some(&[9][..]));
        assert_eq!(Attributes(&[3, 0, 1, 0]).count(), 0, "shorter than its own header");
    }

    #[test]
    fn errors_are_negated_errnos() {
        assert!(error_of(&0_i32.to_ne_bytes()).is_none());
        assert_eq!(error_of(&(-2_i32).to_ne_bytes()).unwrap().kind(), io::ErrorKind::NotFound);
    }
}
