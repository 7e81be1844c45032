//! Real sockets, made in a namespace, with bounded waits only.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    Backlog, GetSockOpt, SetSockOpt, SockFlag, SockType, SockaddrStorage, bind, connect,
    getsockname, listen, socket, sockopt,
};

use crate::address::{Ip, at, from_storage, storage};
use crate::namespace::Namespace;
use crate::patience::{PATIENCE, wait_for};

mod option {
    //! What nix leaves out.

    use nix::sys::socket::sockopt::{GetStruct, SetStruct};
    use nix::{getsockopt_impl, setsockopt_impl};

    #[derive(Clone, Copy)]
    pub(super) struct DeferAccept;
    setsockopt_impl!(DeferAccept, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, u32, SetStruct<u32>);

    // include/uapi/linux/tcp.h.
    #[derive(Clone, Copy)]
    pub(super) struct Repair;
    setsockopt_impl!(Repair, libc::IPPROTO_TCP, libc::TCP_REPAIR, i32, SetStruct<i32>);
    pub(super) const REPAIR_ON: i32 = 1;
    pub(super) const REPAIR_OFF_NO_PROBE: i32 = -1;

    #[derive(Clone, Copy)]
    pub(super) struct RepairQueue;
    setsockopt_impl!(RepairQueue, libc::IPPROTO_TCP, libc::TCP_REPAIR_QUEUE, i32, SetStruct<i32>);
    pub(super) const RECV_QUEUE: i32 = 1;
    pub(super) const SEND_QUEUE: i32 = 2;

    #[derive(Clone, Copy)]
    pub(super) struct QueueSeq;
    getsockopt_impl!(QueueSeq, libc::IPPROTO_TCP, libc::TCP_QUEUE_SEQ, u32, GetStruct<u32>);

    #[derive(Clone, Copy)]
    pub(super) struct Linger2;
    setsockopt_impl!(Linger2, libc::IPPROTO_TCP, libc::TCP_LINGER2, i32, SetStruct<i32>);

    #[derive(Clone, Copy)]
    pub(super) struct TcpInfo;
    getsockopt_impl!(TcpInfo, libc::IPPROTO_TCP, libc::TCP_INFO, Head, GetStruct<Head>);

    /// The beginning of `struct tcp_info`; the rest grows from kernel to kernel (include/uapi/linux/tcp.h).
    #[repr(C)]
    #[derive(Clone, Copy)]
    pub(super) struct Head {
        bytes: [u8; 8],
        timers_and_sizes: [u32; 4],
        pub(super) unacked: u32,
        pub(super) sacked: u32,
    }
}

/// The answer to a `connect()`, with the address it came from even when it failed.
pub struct Dialled {
    pub local: SocketAddr,
    pub result: io::Result<TcpStream>,
}

impl Dialled {
    /// It must have worked.
    pub fn connected(self) -> TcpStream {
        self.result.unwrap_or_else(|error| panic!("{} cannot connect: {error}", self.local))
    }

    /// It must have been refused; where it came from.
    pub fn refused(self) -> SocketAddr {
        let error = self.result.err().and_then(|error| error.raw_os_error());
        assert_eq!(error, Some(libc::ECONNREFUSED), "{} was not refused", self.local);
        self.local
    }
}

impl Namespace {
    pub fn listen(&self, address: SocketAddr) -> TcpListener {
        self.listen_with(address, &Listen::default())
    }

    pub fn listen_with(&self, address: SocketAddr, how: &Listen) -> TcpListener {
        self.enter(|| how.open(address))
            .unwrap_or_else(|error| panic!("cannot listen on {address} in {self}: {error}"))
    }

    /// A socket bound to the address that does not listen yet: several may be.
    pub fn bound(&self, address: SocketAddr) -> OwnedFd {
        self.enter(|| Listen::default().bind(address))
            .unwrap_or_else(|error| panic!("cannot bind {address} in {self}: {error}"))
    }

    /// Connects, and remembers from where even when it is refused.
    pub fn dial(&self, to: SocketAddr) -> Dialled {
        self.dial_from(0, to)
    }

    /// The same from a port of one's own choice.
    pub fn dial_from(&self, port: u16, to: SocketAddr) -> Dialled {
        self.enter(|| dial(port, to))
            .unwrap_or_else(|error| panic!("cannot dial {to} in {self}: {error}"))
    }

    /// Dials so often, one after the other, and is refused every time.
    pub fn is_refused_often(&self, to: SocketAddr, times: u16) {
        let is_refused = |_| {
            dial(0, to).expect("a free port").refused();
        };
        self.enter(|| (0..times).for_each(is_refused));
    }

    pub fn connect(&self, to: SocketAddr) -> TcpStream {
        self.dial(to).connected()
    }
}

/// The sequence numbers that a connection sends and expects next.
pub fn queue_positions(stream: &TcpStream) -> (u32, u32) {
    let set = |value| option::Repair.set(stream, &value).expect("root may repair a connection");
    let position = |queue| {
        option::RepairQueue.set(stream, &queue).expect("a connection has two queues");
        option::QueueSeq.get(stream).expect("a queue under repair has a position")
    };
    set(option::REPAIR_ON);
    let positions = (position(option::SEND_QUEUE), position(option::RECV_QUEUE));
    // Without a window probe: the peer is to notice nothing.
    set(option::REPAIR_OFF_NO_PROBE);
    positions
}

/// How to listen.
pub struct Listen {
    pub backlog: i32,
    pub v6_only: bool,
}

impl Default for Listen {
    fn default() -> Self {
        Self { backlog: 128, v6_only: false }
    }
}

impl Listen {
    fn open(&self, address: SocketAddr) -> nix::Result<TcpListener> {
        let fd = self.bind(address)?;
        listen(&fd, Backlog::new(self.backlog)?)?;
        Ok(fd.into())
    }

    fn bind(&self, address: SocketAddr) -> nix::Result<OwnedFd> {
        let ip = Ip::of(address.ip());
        let fd = socket(ip.family(), SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        sockopt::ReuseAddr.set(&fd, &true)?;
        if ip == Ip::V6 {
            sockopt::Ipv6V6Only.set(&fd, &self.v6_only)?;
        }
        bind(fd.as_raw_fd(), &storage(address))?;
        Ok(fd)
    }
}

/// `listen()` on a bound socket.
pub fn listen_on(socket: &OwnedFd) -> nix::Result<()> {
    listen(socket, Backlog::new(1)?)
}

/// Holds connections back until their first data, or no longer.
pub fn defer_accept(listener: &TcpListener, seconds: u32) {
    option::DeferAccept.set(listener, &seconds).expect("TCP_DEFER_ACCEPT is as old as Linux 2.4");
}

/// Connections that wait for `accept()`, and how many may.
pub fn accept_queue(listener: &TcpListener) -> (u32, u32) {
    let info = option::TcpInfo.get(listener).expect("a TCP socket has TCP_INFO");
    // For a listener the kernel puts its queue there (net/ipv4/tcp.c, tcp_get_info).
    (info.unacked, info.sacked)
}

/// Accepts one connection, waiting for it within reason.
pub fn accept(listener: &TcpListener) -> TcpStream {
    ready(listener, PollFlags::POLLIN);
    listener.accept().expect("a connection waits").0
}

/// Accepts until nobody waits any more.
pub fn accept_all(listener: &TcpListener) -> Vec<TcpStream> {
    std::iter::from_fn(|| (accept_queue(listener).0 > 0).then(|| accept(listener))).collect()
}

/// One side writes, the other must read it: the connection lives.
pub fn talk(from: &mut TcpStream, to: &mut TcpStream) {
    from.write_all(b"ping").expect("a living connection takes data");
    let mut heard = [0; 4];
    to.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero is fine");
    to.read_exact(&mut heard).expect("data crosses a living connection");
    assert_eq!(&heard, b"ping");
}

/// Writes where the outcome is only learnt later.
pub fn say(stream: &mut TcpStream, words: &str) {
    stream.write_all(words.as_bytes()).expect("the first write goes into the socket's buffer");
}

/// How a connection ends for its application.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// It reads the end of the stream.
    Closed,
    /// It gets an error.
    Error(Errno),
}

impl End {
    pub const RESET: Self = Self::Error(Errno::ECONNRESET);
}

/// Reads until the connection ends.
pub fn end_of(stream: &mut TcpStream) -> End {
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero is fine");
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => End::Closed,
        Err(error) => End::Error(Errno::from_raw(error.raw_os_error().unwrap_or(0))),
    }
}

/// Waits until bytes lie in the receive buffer, unread.
pub fn wait_for_unread(stream: &TcpStream) {
    ready(stream, PollFlags::POLLIN);
}

/// Waits until the socket has failed, and takes the error without reading.
pub fn pending_error(stream: &TcpStream) -> Errno {
    let error =
        wait_for("a pending socket error", || stream.take_error().expect("SO_ERROR can be read"));
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

/// `close()` becomes a RST.
pub fn linger_zero(stream: &TcpStream) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    sockopt::Linger.set(stream, &linger).expect("SO_LINGER can be set");
}

/// `close()` becomes a RST once the peer has acknowledged the FIN (`TCP_LINGER2`).
pub fn no_wait_for_the_peer(stream: &TcpStream) {
    option::Linger2.set(stream, &-1).expect("TCP_LINGER2 is as old as Linux 2.4");
}

/// Probes after a second of silence and each second from then on; gives up after so many without an answer, or after
/// so many milliseconds without one.
pub fn keepalive(stream: &TcpStream, probes: u32, user_timeout: u32) {
    sockopt::KeepAlive.set(stream, &true).expect("SO_KEEPALIVE can be set");
    sockopt::TcpKeepIdle.set(stream, &1).expect("TCP_KEEPIDLE can be set");
    sockopt::TcpKeepInterval.set(stream, &1).expect("TCP_KEEPINTVL can be set");
    sockopt::TcpKeepCount.set(stream, &probes).expect("TCP_KEEPCNT can be set");
    sockopt::TcpUserTimeout.set(stream, &user_timeout).expect("TCP_USER_TIMEOUT can be set");
}

/// `connect()` to an address of family AF_UNSPEC: the socket stays, the connection goes.
pub fn dissolve(stream: &TcpStream) {
    let unspecified = libc::AF_UNSPEC.try_into().expect("a family is a small number");
    let nowhere = libc::sockaddr { sa_family: unspecified, sa_data: [0; 14] };
    let size = size_of::<libc::sockaddr>().try_into().expect("an address is short");
    // SAFETY: the address is a local variable of the size that is told.
    let result = unsafe { libc::connect(stream.as_raw_fd(), &raw const nowhere, size) };
    Errno::result(result).expect("a connection can be dissolved");
}

/// The socket goes without a word to its peer, as if its host had lost power.
pub fn vanish(stream: TcpStream) {
    option::Repair.set(&stream, &option::REPAIR_ON).expect("root may repair sockets");
    drop(stream);
}

pub fn local(stream: &TcpStream) -> SocketAddr {
    stream.local_addr().expect("a connected socket has an address")
}

fn ready(socket: &impl AsFd, what: PollFlags) {
    let timeout =
        PollTimeout::try_from(PATIENCE).expect("patience fits into an int of milliseconds");
    let mut fds = [PollFd::new(socket.as_fd(), what)];
    let ready = poll(&mut fds, timeout).expect("sockets can be polled");
    assert!(ready > 0, "waited in vain for {what:?} on a socket");
}

/// Bound first: after a refusal the kernel forgets the address it would have chosen itself.
fn dial(port: u16, to: SocketAddr) -> io::Result<Dialled> {
    let from = source_towards(to)?;
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(Ip::of(to.ip()).family(), SockType::Stream, flags, None)?;
    sockopt::ReuseAddr.set(&fd, &(port != 0))?;
    bind(fd.as_raw_fd(), &storage(at(from, port)))?;
    let result = match connect(fd.as_raw_fd(), &storage(to)) {
        Err(Errno::EINPROGRESS) => wait_connected(&fd),
        other => other.map_err(io::Error::from),
    };
    let local = from_storage(&getsockname::<SockaddrStorage>(fd.as_raw_fd())?)
        .ok_or(Errno::EAFNOSUPPORT)?;
    let stream = TcpStream::from(fd);
    Ok(Dialled {
        local,
        result: result.and_then(|()| stream.set_nonblocking(false)).map(|()| stream),
    })
}

fn wait_connected(fd: &OwnedFd) -> io::Result<()> {
    ready(fd, PollFlags::POLLOUT);
    match sockopt::SocketError.get(fd)? {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// The address this namespace would send from; nothing is sent.
fn source_towards(to: SocketAddr) -> io::Result<IpAddr> {
    let probe = UdpSocket::bind(at(Ip::of(to.ip()).any(), 0))?;
    probe.connect(to)?;
    Ok(probe.local_addr()?.ip())
}

/// One line of `/proc/net/tcp` or `tcp6`.
pub struct TcpEntry {
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// Numbers of include/net/tcp_states.h; request sockets are 3.
    pub state: u8,
}

impl TcpEntry {
    pub const ESTABLISHED: u8 = 1;
    pub const SYN_RECV: u8 = 3;
    pub const FIN_WAIT2: u8 = 5;
    pub const CLOSE_WAIT: u8 = 8;

    pub(crate) fn all_here() -> Vec<Self> {
        let lines =
            |file| fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap_or_default();
        [lines("tcp"), lines("tcp6")]
            .iter()
            .flat_map(|text| text.lines().skip(1).filter_map(Self::parse))
            .collect()
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split_whitespace().skip(1);
        let (local, remote) = (endpoint(fields.next()?)?, endpoint(fields.next()?)?);
        Some(Self { local, remote, state: u8::from_str_radix(fields.next()?, 16).ok()? })
    }
}

/// `0100007F:1F90`: 32-bit words in the machine's byte order, then the port.
fn endpoint(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let words: Vec<u8> = (0..address.len() / 8)
        .map(|word| u32::from_str_radix(&address[word * 8..word * 8 + 8], 16))
        .collect::<Result<Vec<_>, _>>()
        .ok()?
        .into_iter()
        .flat_map(u32::to_ne_bytes)
        .collect();
    let address = match <[u8; 4]>::try_from(words.as_slice()) {
        Ok(v4) => Ipv4Addr::from(v4).into(),
        Err(_) => Ipv6Addr::from(<[u8; 16]>::try_from(words.as_slice()).ok()?).into(),
    };
    Some(at(address, u16::from_str_radix(port, 16).ok()?))
}
