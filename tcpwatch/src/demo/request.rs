//! Netlink messages that ask the kernel to change something, and its word on each of them.

use std::io;
use std::time::Duration;

use rustix::io::retry_on_intr;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{Protocol, RecvFlags, SendFlags, SocketFlags, recv, send};

use crate::source::kernel::netlink::{Messages, NLMSG_ERROR, error_of, open};

/// One message under construction. Numbers are in the machine's byte order unless said otherwise.
#[derive(Clone, Debug)]
pub(super) struct Request {
    flags: u16,
    bytes: Vec<u8>,
}

impl Request {
    /// `head` is the fixed structure after the header. `flags` come on top of `NLM_F_REQUEST`.
    pub(super) fn new(kind: u16, flags: u16, head: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&(flags | NLM_F_REQUEST).to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        Self { flags, bytes }.raw(head)
    }

    pub(super) fn attribute(self, kind: u16, value: &[u8]) -> Self {
        self.nest(kind, |inside| inside.raw(value))
    }

    /// With the zero byte that ends it.
    pub(super) fn text(self, kind: u16, value: &str) -> Self {
        self.nest(kind, |inside| inside.raw(value.as_bytes()).raw(&[0]))
    }

    /// Attributes inside an attribute.
    pub(super) fn nested(self, kind: u16, inside: impl FnOnce(Self) -> Self) -> Self {
        self.nest(kind | NLA_F_NESTED, inside)
    }

    /// Bytes as they are: a multiple of four, or the last in their attribute.
    pub(super) fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    fn nest(self, kind: u16, inside: impl FnOnce(Self) -> Self) -> Self {
        let start = self.bytes.len();
        let mut whole = inside(self.raw(&[0; 2]).raw(&kind.to_ne_bytes()));
        let len = u16::try_from(whole.bytes.len() - start).unwrap_or(u16::MAX);
        whole.bytes[start..start + 2].copy_from_slice(&len.to_ne_bytes());
        whole.bytes.resize(whole.bytes.len().next_multiple_of(4), 0);
        whole
    }

    fn wants_answer(&self) -> bool {
        self.flags & NLM_F_ACK != 0
    }

    fn finish(mut self) -> Vec<u8> {
        let len = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes[..4].copy_from_slice(&len.to_ne_bytes());
        self.bytes
    }
}

/// Asks in the calling thread's network namespace, and waits until all is done or something is refused.
pub(super) fn ask(protocol: Option<Protocol>, requests: Vec<Request>) -> io::Result<()> {
    let socket = open(protocol, 0, SocketFlags::empty())?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    let mut unanswered = requests.iter().filter(|request| request.wants_answer()).count();
    let bytes: Vec<_> = requests.into_iter().flat_map(Request::finish).collect();
    send(&socket, &bytes, SendFlags::empty())?;
    let mut buffer = vec![0; BUFFER];
    while unanswered > 0 {
        let (len, _) = retry_on_intr(|| recv(&socket, &mut buffer[..], RecvFlags::empty()))?;
        for answer in Messages(&buffer[..len]).filter(|answer| answer.kind == NLMSG_ERROR) {
            error_of(answer.payload).map_or(Ok(()), Err)?;
            unanswered = unanswered.saturating_sub(1);
        }
    }
    Ok(())
}

/// Flags of a request that makes something: it must not exist yet, and its end is told.
pub(super) const CREATE: u16 = NLM_F_ACK | NLM_F_EXCL | NLM_F_CREATE;
/// Flags of a request that changes something.
pub(super) const CHANGE: u16 = NLM_F_ACK;
/// Flags of a request that makes one more of a kind.
pub(super) const APPEND: u16 = NLM_F_ACK | NLM_F_CREATE | NLM_F_APPEND;

const NLM_F_REQUEST: u16 = 0x001;
const NLM_F_ACK: u16 = 0x004;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
const NLM_F_APPEND: u16 = 0x800;
const NLA_F_NESTED: u16 = 0x8000;
/// Answers repeat the request (`struct nlmsgerr`), and ours are small.
const BUFFER: usize = 16 * 1024;
/// The kernel answers before `send` returns, unless it has to load a module.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::kernel::netlink::{Attributes, ROUTE};

    #[test]
    fn what_is_written_can_be_read() {
        let request = Request::new(16, CREATE, &[0; 4]).text(1, "demo").nested(2, |inside| {
            inside.attribute(1, &7_u32.to_ne_bytes()).attribute(2, &[9]).attribute(3, &[8])
        });
        let bytes = request.finish();
        let message = Messages(&bytes).next().unwrap();
        assert_eq!((message.kind, message.flags), (16, CREATE | NLM_F_REQUEST));
        let attributes = Attributes(&message.payload[4..]);
        assert_eq!(attributes.find(1), Some(&b"demo\0"[..]));
        let inner: Vec<_> = attributes.nested(2).unwrap().collect();
        assert_eq!(inner, [(1, &7_u32.to_ne_bytes()[..]), (2, &[9]), (3, &[8])]);
    }

    #[test]
    fn what_the_kernel_refuses_is_an_error() {
        const RTM_DELLINK: u16 = 17;
        let nothing = Request::new(RTM_DELLINK, CHANGE, &[0; 16]);
        assert!(ask(ROUTE, vec![nothing]).is_err(), "a link that nobody names cannot be deleted");
    }
}
