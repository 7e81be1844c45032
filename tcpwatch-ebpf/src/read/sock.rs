//! A socket (include/net/sock.h): full, request or timewait; the three share only `struct sock_common`.

use tcpwatch_common::wire::{Address, Flow, Socket, socket_file, socket_flag, socket_kind};

use super::Skb;
use super::layout::field;
use super::memory::{Memory, Probe, Read};

/// A socket of any of the three kinds.
#[derive(Clone, Copy)]
pub(crate) struct Sock<R>(Memory<R>);

/// Whether a socket's accept queue is worth reading.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queue {
    /// While it listens.
    OfListener,
    /// Whatever its state: it is about to listen, or has just stopped.
    Always,
}

impl<R: Read> Sock<R> {
    #[inline(always)]
    pub(crate) fn new(memory: Memory<R>) -> Self {
        Self(memory)
    }

    #[inline(always)]
    pub(crate) fn state(self) -> Option<u8> {
        self.0.get(field!(state))
    }

    /// Neither what is left of a closed connection nor what may become one.
    #[inline(always)]
    pub(crate) fn is_full(self) -> Option<bool> {
        Some(!matches!(self.state()?, TIME_WAIT | NEW_SYN_RECV))
    }

    #[inline(always)]
    pub(crate) fn netns(self) -> Option<u32> {
        self.0.follow(field!(net))?.get(field!(netns_inode))
    }

    /// TCP itself: not MPTCP's socket above its subflows, which takes the same paths.
    #[inline(always)]
    pub(crate) fn is_tcp(self) -> bool {
        self.0.get::<u16>(field!(protocol)) == Some(IPPROTO_TCP)
    }

    /// The kernel's own test, `sk_acceptq_is_full`: one more than the limit is let in.
    #[inline(always)]
    pub(crate) fn accept_queue_is_full(self) -> Option<bool> {
        let len: u32 = self.0.get(field!(accept_len))?;
        let limit: u32 = self.0.get(field!(accept_limit))?;
        Some(len > limit)
    }

    /// Writes both ends. For full sockets with a peer.
    #[inline(always)]
    pub(crate) fn describe_flow(self, flow: *mut Flow) -> Option<()> {
        let version = self.version()?;
        // SAFETY: `flow` is a slot of the ring.
        unsafe {
            (*flow).local = self.local_address(version)?;
            (*flow).remote = self.remote_address(version)?;
            (*flow).local_port = self.local_port()?;
            (*flow).remote_port = u16::from_be(self.0.get(field!(remote_port))?);
            (*flow).version = version;
            (*flow).pad = [0; 3];
        }
        Some(())
    }

    /// 4 or 6: what it speaks, so 4 for a v6 socket whose peer is `::ffff:a.b.c.d`.
    #[inline(always)]
    fn version(self) -> Option<u8> {
        if self.family()? == 4 {
            return Some(4);
        }
        let [first, second, third, _] = self.address_v6(field!(remote_v6))?;
        let mapped = first == 0 && second == 0 && u32::from_be(third) == 0xffff;
        Some(if mapped { 4 } else { 6 })
    }

    /// 4 or 6: what it was opened as.
    #[inline(always)]
    pub(crate) fn family(self) -> Option<u8> {
        match self.0.get::<u16>(field!(family))? {
            AF_INET => Some(4),
            AF_INET6 => Some(6),
            _ => None,
        }
    }

    #[inline(always)]
    pub(crate) fn v6only(self) -> Option<u8> {
        let bit = field!(v6only)?;
        let byte: u8 = self.0.get(Some(bit / 8))?;
        Some(byte >> (bit % 8) & 1)
    }

    /// Closing gives a port back that nobody bound, and clears `skc_num`, before the RST is sent: then the
    /// source port, which stays, is read from beyond `struct sock`.
    #[inline(always)]
    pub(crate) fn local_port(self) -> Option<u16> {
        match self.0.get::<u16>(field!(local_port))? {
            0 => Some(u16::from_be(self.0.probed().get(field!(source_port))?)),
            port => Some(port),
        }
    }

    #[inline(always)]
    pub(crate) fn local_address(self, version: u8) -> Option<Address> {
        if version == 4 {
            self.address_v4(field!(local_v4))
        } else {
            self.address_v6(field!(local_v6))
        }
    }

    #[inline(always)]
    fn remote_address(self, version: u8) -> Option<Address> {
        if version == 4 {
            self.address_v4(field!(remote_v4))
        } else {
            self.address_v6(field!(remote_v6))
        }
    }

    #[inline(always)]
    fn address_v4(self, offset: Option<u32>) -> Option<Address> {
        Some([self.0.get(offset)?, 0, 0, 0])
    }

    #[inline(always)]
    fn address_v6(self, offset: Option<u32>) -> Option<Address> {
        let word = |index: u32| self.0.get(offset.map(|at| at + 4 * index));
        Some([word(0)?, word(1)?, word(2)?, word(3)?])
    }

    /// Writes what is known of the socket itself.
    #[inline(always)]
    pub(crate) fn describe(self, queue: Queue, out: *mut Socket) -> Option<()> {
        let state = self.state()?;
        // SAFETY: `out` is a slot of the ring.
        unsafe { out.write(Socket { id: self.0.id(), state, ..NO_SOCKET }) };
        match state {
            TIME_WAIT => self.describe_time_wait(out),
            // SAFETY: as above.
            NEW_SYN_RECV => unsafe { (*out).kind = socket_kind::REQUEST },
            _ => self.describe_full(queue == Queue::Always || state == LISTEN, out)?,
        }
        Some(())
    }

    /// A timewait socket ends long before a full one does: the verifier takes it for a full one and would
    /// object to a load that cuts another field in two, so the helper reads it.
    #[inline(always)]
    fn describe_time_wait(self, out: *mut Socket) {
        let substate: Option<u8> = self.0.probed().get(field!(tw_substate));
        // SAFETY: `out` is a slot of the ring.
        unsafe {
            (*out).kind = socket_kind::TIME_WAIT;
            (*out).substate = substate.unwrap_or(0);
        }
    }

    #[inline(always)]
    fn describe_full(self, queue: bool, out: *mut Socket) -> Option<()> {
        // SAFETY: `out` is a slot of the ring.
        unsafe {
            (*out).kind = socket_kind::FULL;
            (*out).flags = self.flags()?;
            (*out).cgroup = self.cgroup().unwrap_or(0);
            (*out).inode = self.inode().unwrap_or(0);
            if queue {
                (*out).accept_len = self.0.get(field!(accept_len))?;
                (*out).accept_limit = self.0.get(field!(accept_limit))?;
                (*out).syn_len = self.0.probed().get(field!(syn_len)).unwrap_or(0);
            }
        }
        Some(())
    }

    /// `enum sock_flags`: numbers unchanged since 2.6.
    #[inline(always)]
    fn flags(self) -> Option<u8> {
        let flags: u64 = self.0.get(field!(flags))?;
        let mut out = 0;
        if flags & SOCK_DEAD != 0 {
            out |= socket_flag::DEAD;
        }
        if flags & SOCK_DONE != 0 {
            out |= socket_flag::PEER_ENDED;
        }
        if flags & SOCK_KEEPOPEN != 0 {
            out |= socket_flag::KEEPALIVE;
        }
        if flags & SOCK_LINGER != 0 && self.0.get::<u64>(field!(linger_time))? == 0 {
            out |= socket_flag::LINGER_ZERO;
        }
        if self.0.get::<u64>(field!(socket))? != 0 {
            out |= socket_flag::OWNED;
        }
        Some(out)
    }

    /// `kernfs_node.id` of the socket's cgroup (v2); 5.10 may keep a class id in that word, so it has no such
    /// member there.
    #[inline(always)]
    fn cgroup(self) -> Option<u64> {
        let cgroup = self.0.follow(field!(cgroup))?;
        cgroup.follow(field!(cgroup_kn))?.get(field!(kernfs_id))
    }

    /// In the sock itself from 6.18 on; before, next to the `struct socket` (include/net/sock.h,
    /// `struct socket_alloc`).
    #[inline(always)]
    fn inode(self) -> Option<u64> {
        if let Some(inode) = self.0.get(field!(inode)) {
            return Some(inode);
        }
        let socket = self.0.follow(field!(socket))?;
        let inside = field!(socket_inode)? + field!(inode_number)?;
        socket.probed().get(Some(inside))
    }

    /// Taken by a task: timers and softirqs that find it so come back later (include/net/sock.h,
    /// `sock_owned_by_user`).
    #[inline(always)]
    pub(crate) fn is_locked(self) -> Option<bool> {
        Some(self.0.get::<u32>(field!(lock_owned))? != 0)
    }

    #[inline(always)]
    pub(crate) fn is_dead(self) -> Option<bool> {
        Some(self.0.get::<u64>(field!(flags))? & SOCK_DEAD != 0)
    }

    /// The peer has closed its end (net/ipv4/tcp_input.c, `tcp_fin`).
    #[inline(always)]
    pub(crate) fn has_received_fin(self) -> Option<bool> {
        Some(self.0.get::<u64>(field!(flags))? & SOCK_DONE != 0)
    }

    /// What became of its file: one of [`socket_file`].
    #[inline(always)]
    pub(crate) fn file(self) -> Option<u8> {
        let Some(socket) = Memory::<R>::new(self.0.get(field!(socket))?) else {
            return Some(socket_file::NONE);
        };
        let Some(file) = Memory::<R>::new(socket.get(field!(socket_file))?) else {
            return Some(socket_file::NONE);
        };
        Some(if is_released(file)? { socket_file::RELEASED } else { socket_file::OPEN })
    }

    /// The pages all TCP sockets use are more than the last value of `tcp_mem` (include/net/tcp.h,
    /// `tcp_out_of_memory`).
    #[inline(always)]
    pub(crate) fn exceeds_memory(self) -> Option<bool> {
        let proto = self.0.follow(field!(proto))?.probed();
        let allocated: i64 = proto.follow(field!(memory_allocated))?.get(Some(0))?;
        let limit: i64 = proto.follow(field!(memory_limits))?.get(Some(LAST_LIMIT))?;
        Some(allocated > limit)
    }

    /// The latest packet that waits to be read. The end of an empty queue is the queue itself.
    #[inline(always)]
    pub(crate) fn last_unread(self) -> Option<Skb<Probe>> {
        let queue = self.0.inside(field!(receive_queue)? as usize).id();
        let last = self.0.probed().follow(field!(receive_queue_last))?;
        (last.id() != queue).then(|| Skb::new(last))
    }

    /// `tcp_sock` and `inet_connection_sock` lie around `struct sock`, the type the verifier knows.
    #[inline(always)]
    pub(crate) fn beyond<T: Copy>(self, offset: Option<u32>) -> Option<T> {
        self.0.probed().get(offset)
    }
}

/// The last reference to a file is gone: it is being closed. Before 6.13 a plain count that is 0 then; later a count
/// that starts at 0 for one reference (include/linux/file_ref.h).
#[inline(always)]
fn is_released<R: Read>(file: Memory<R>) -> Option<bool> {
    if let Some(count) = file.get::<u64>(field!(file_count)) {
        return Some(count == 0);
    }
    Some(file.get::<u64>(field!(file_ref))? >= FILE_REF_RELEASED)
}

/// What stands in a record when there was no socket.
pub(crate) const NO_SOCKET: Socket = Socket {
    id: 0,
    cgroup: 0,
    inode: 0,
    accept_len: 0,
    accept_limit: 0,
    syn_len: 0,
    state: 0,
    kind: socket_kind::NONE,
    flags: 0,
    substate: 0,
};

/// Writes the socket, or that there was none.
#[inline(always)]
pub(crate) fn describe_maybe<R: Read>(sock: Option<Sock<R>>, out: *mut Socket) -> Option<()> {
    if let Some(sock) = sock {
        return sock.describe(Queue::OfListener, out);
    }
    // SAFETY: `out` is a slot of the ring.
    unsafe { out.write(NO_SOCKET) };
    Some(())
}

/// include/net/tcp_states.h.
pub(super) const TIME_WAIT: u8 = 6;
pub(crate) const CLOSE: u8 = 7;
pub(crate) const LISTEN: u8 = 10;
pub(super) const NEW_SYN_RECV: u8 = 12;

const SOCK_DEAD: u64 = 1 << 0;
const SOCK_DONE: u64 = 1 << 1;
const SOCK_KEEPOPEN: u64 = 1 << 3;
const SOCK_LINGER: u64 = 1 << 4;

/// include/linux/file_ref.h: `FILE_REF_RELEASED`; dead files lie above.
const FILE_REF_RELEASED: u64 = 0xc000_0000_0000_0000;

/// Bytes: the third of the three numbers of `tcp_mem`.
const LAST_LIMIT: u32 = 16;

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const IPPROTO_TCP: u16 = 6;
