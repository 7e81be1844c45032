//! A host that is not ours: all there is of it are packets on a cable, written and read by the scenario. No TCP of this
//! machine speaks for it, so what it sends was sent elsewhere.

use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrLike, bind,
    recvfrom, sendto, socket,
};

use crate::address::{Ip, at};
use crate::namespace::Namespace;
use crate::network::{PORT, cable};
use crate::patience::wait_for;
use crate::segment::{Segment, checksum};
use crate::socket::Dialled;

/// Host 2 on a network of which a namespace is host 1.
pub struct Remote {
    ip: Ip,
    /// Holds the other end of the cable, without an address.
    _far: Namespace,
    packets: OwnedFd,
    /// Where packets go: the cable, and the namespace's end of it.
    towards: LinkAddr,
}

/// What a segment from the namespace said.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub seq: u32,
    pub ack: u32,
    pub flags: u8,
    pub payload: u32,
}

impl Remote {
    /// Joins it to a namespace by a cable of its own.
    pub fn beside(ip: Ip, namespace: &Namespace) -> Self {
        let far = Namespace::new("far end of a cable");
        cable(namespace, DEVICE, &far);
        let (here, there) = (ip.address(NETWORK, 1), ip.address(NETWORK, 2));
        namespace.ip(&format!(
            "addr add {} dev {DEVICE}\nneigh replace {there} lladdr {MAC} dev {DEVICE} nud permanent",
            ip.assignment(here)
        ));
        let near = namespace.enter(|| link(DEVICE));
        let (packets, towards) = far.enter(|| {
            let end = link("eth0");
            (listen_to(&end), addressed(&end, &near, ip))
        });
        Self { ip, _far: far, packets, towards }
    }

    /// Where the namespace sees it, on a port of the lab.
    pub fn address(&self) -> SocketAddr {
        at(self.ip.address(NETWORK, 2), PORT)
    }

    /// How it sees the namespace, on a port of the lab.
    pub fn neighbour(&self) -> SocketAddr {
        at(self.ip.address(NETWORK, 1), PORT)
    }

    /// Sends a segment.
    pub fn says(&self, segment: &Segment, ttl: u8) {
        let packet = packet(segment, ttl);
        sendto(self.packets.as_raw_fd(), &packet, &self.towards, MsgFlags::empty())
            .unwrap_or_else(|error| panic!("cannot send a packet: {error}"));
    }

    /// Waits for a segment that was sent to it.
    pub fn hears(&self, what: &str, is_it: impl Fn(&Heard) -> bool) -> Heard {
        wait_for(what, || self.next().filter(&is_it))
    }

    /// The next TCP segment to its address, if one has arrived. What it says itself passes by here, too.
    fn next(&self) -> Option<Heard> {
        let mut buffer = [0; 9_000];
        loop {
            match recvfrom::<LinkAddr>(self.packets.as_raw_fd(), &mut buffer) {
                Ok((length, _)) => {
                    let heard = parse(&buffer[..length]);
                    if let Some(heard) = heard.filter(|heard| heard.to.ip() == self.address().ip())
                    {
                        return Some(heard);
                    }
                }
                Err(Errno::EAGAIN) => return None,
                Err(error) => panic!("cannot receive packets: {error}"),
            }
        }
    }

    /// A namespace dials it, and it plays the server. Returns the client's socket and its own end.
    pub fn is_dialled(&self, client: &Namespace) -> (TcpStream, End<'_>) {
        let (dialled, end) = self.answers(client, |end| {
            end.says(Segment::SYN | Segment::ACK, b"");
            end.hears("the last ACK of the handshake", |heard| heard.flags == Segment::ACK);
        });
        (dialled.connected(), end)
    }

    /// A namespace dials it, and it answers the SYN its own way.
    pub fn answers(
        &self,
        client: &Namespace,
        answer: impl FnOnce(&mut End<'_>),
    ) -> (Dialled, End<'_>) {
        thread::scope(|scope| {
            let dialled = scope.spawn(|| client.dial(self.address()));
            let syn = self.hears("a SYN", |heard| heard.flags & Segment::SYN != 0);
            let mut end = End::meets(self, &syn);
            answer(&mut end);
            (dialled.join().expect("dialling does not panic"), end)
        })
    }

    /// It dials a listener of its neighbour from this port.
    pub fn dials(&self, to: SocketAddr, port: u16) -> End<'_> {
        let mut end = self.knocks(to, port);
        end.hears("the SYN+ACK", |heard| heard.flags & Segment::SYN != 0);
        end.says(Segment::ACK, b"");
        end
    }

    /// It sends a SYN and leaves it at that.
    pub fn knocks(&self, to: SocketAddr, port: u16) -> End<'_> {
        let mut end = End {
            remote: self,
            local: at(self.address().ip(), port),
            peer: to,
            seq: 1_000_000,
            ack: 0,
            ttl: TTL,
        };
        end.says(Segment::SYN, b"");
        end
    }
}

/// Its end of a connection: which numbers come next.
pub struct End<'a> {
    remote: &'a Remote,
    pub local: SocketAddr,
    pub peer: SocketAddr,
    pub seq: u32,
    pub ack: u32,
    /// Hop count of what it sends.
    pub ttl: u8,
}

impl<'a> End<'a> {
    fn meets(remote: &'a Remote, syn: &Heard) -> Self {
        let ack = syn.seq.wrapping_add(1);
        Self { remote, local: syn.to, peer: syn.from, seq: 5_000_000, ack, ttl: TTL }
    }

    /// Sends the next segment.
    pub fn says(&mut self, flags: u8, payload: &'static [u8]) {
        self.remote.says(&self.segment(flags, payload), self.ttl);
        let ends = u32::from(flags & (Segment::SYN | Segment::FIN) != 0);
        let length = u32::try_from(payload.len()).expect("a payload is short");
        self.seq = self.seq.wrapping_add(length).wrapping_add(ends);
    }

    /// Ends the connection the way of an answer to what was heard last: without acknowledging anything.
    pub fn refuses(&mut self) {
        let refusal = Segment { ack: 0, ..self.segment(Segment::RST, b"") };
        self.remote.says(&refusal, self.ttl);
    }

    /// Waits for a segment of this connection, and acknowledges it from now on.
    pub fn hears(&mut self, what: &str, is_it: impl Fn(&Heard) -> bool) -> Heard {
        let (local, peer) = (self.local, self.peer);
        let heard = self
            .remote
            .hears(what, |heard| heard.from == peer && heard.to == local && is_it(heard));
        let ends = u32::from(heard.flags & (Segment::SYN | Segment::FIN) != 0);
        self.ack = heard.seq.wrapping_add(heard.payload).wrapping_add(ends);
        heard
    }

    /// Waits for data.
    pub fn hears_data(&mut self) -> Heard {
        self.hears("data", |heard| heard.payload > 0)
    }

    /// Waits for the end of the peer's side.
    pub fn hears_fin(&mut self) -> Heard {
        self.hears("a FIN", |heard| heard.flags & Segment::FIN != 0)
    }

    /// Waits for a RST.
    pub fn hears_rst(&mut self) -> Heard {
        self.hears("a RST", |heard| heard.flags & Segment::RST != 0)
    }

    /// One as it would be sent next.
    pub fn segment(&self, flags: u8, payload: &'static [u8]) -> Segment {
        let ack = if flags & Segment::ACK != 0 { self.ack } else { 0 };
        Segment { from: self.local, to: self.peer, seq: self.seq, ack, flags, payload }
    }
}

/// A link by its name, in the calling thread's namespace.
fn link(name: &str) -> LinkAddr {
    let mut found = getifaddrs().expect("interfaces can be listed");
    let address = found.find_map(|interface| {
        let link = interface.address.and_then(|address| address.as_link_addr().copied());
        link.filter(|_| interface.interface_name == name)
    });
    address.unwrap_or_else(|| panic!("there is no link {name}"))
}

/// All packets that pass a link, without their link headers.
fn listen_to(link: &LinkAddr) -> OwnedFd {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let all = SockProtocol::EthAll;
    let packets = socket(AddressFamily::Packet, SockType::Datagram, flags, all)
        .expect("root may read packets");
    let here = sockaddr(link, link.addr(), libc::ETH_P_ALL);
    bind(packets.as_raw_fd(), &here).expect("a link can be listened to");
    packets
}

/// Out of one link, to the other at the far end of its cable.
fn addressed(from: &LinkAddr, to: &LinkAddr, ip: Ip) -> LinkAddr {
    let protocol = if ip == Ip::V4 { libc::ETH_P_IP } else { libc::ETH_P_IPV6 };
    sockaddr(from, to.addr(), protocol)
}

fn sockaddr(link: &LinkAddr, mac: Option<[u8; 6]>, protocol: libc::c_int) -> LinkAddr {
    // SAFETY: plain integers, for which zero is a value.
    let mut raw: libc::sockaddr_ll = unsafe { mem::zeroed() };
    raw.sll_family = u16::try_from(libc::AF_PACKET).expect("a small number");
    raw.sll_protocol = u16::try_from(protocol).expect("a small number").to_be();
    raw.sll_ifindex = i32::try_from(link.ifindex()).expect("a small number");
    raw.sll_halen = 6;
    raw.sll_addr[..6].copy_from_slice(&mac.expect("a cable has hardware addresses"));
    let length = u32::try_from(size_of::<libc::sockaddr_ll>()).expect("a small number");
    // SAFETY: `raw` is a link address of that length.
    unsafe { LinkAddr::from_raw((&raw const raw).cast(), Some(length)) }.expect("a link address")
}

fn packet(segment: &Segment, ttl: u8) -> Vec<u8> {
    let tcp = segment.bytes();
    let length = u16::try_from(tcp.len()).expect("a segment is short");
    let header = match (segment.from.ip(), segment.to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => header_v4(from, to, length, ttl),
        (IpAddr::V6(from), IpAddr::V6(to)) => header_v6(from, to, length, ttl),
        _ => panic!("a packet has one family"),
    };
    [header, tcp].concat()
}

/// Not to be fragmented.
fn header_v4(from: Ipv4Addr, to: Ipv4Addr, length: u16, ttl: u8) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend((length + 20).to_be_bytes());
    header.extend([0, 0, 0x40, 0, ttl, TCP, 0, 0]);
    header.extend(from.octets());
    header.extend(to.octets());
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header
}

fn header_v6(from: Ipv6Addr, to: Ipv6Addr, length: u16, ttl: u8) -> Vec<u8> {
    let mut header = vec![0x60, 0, 0, 0];
    header.extend(length.to_be_bytes());
    header.extend([TCP, ttl]);
    header.extend(from.octets());
    header.extend(to.octets());
    header
}

/// `None` for anything but TCP. A kernel of ours sends neither fragments nor extension headers here.
fn parse(packet: &[u8]) -> Option<Heard> {
    let (from, to, tcp): (IpAddr, IpAddr, &[u8]) = match packet.first()? >> 4 {
        4 if *packet.get(9)? == TCP => {
            let octets = |at: usize| <[u8; 4]>::try_from(packet.get(at..at + 4)?).ok();
            let header = usize::from(packet[0] & 15) * 4;
            let end = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
            (octets(12)?.into(), octets(16)?.into(), packet.get(header..end)?)
        }
        6 if *packet.get(6)? == TCP => {
            let octets = |at: usize| <[u8; 16]>::try_from(packet.get(at..at + 16)?).ok();
            (octets(8)?.into(), octets(24)?.into(), packet.get(40..)?)
        }
        _ => return None,
    };
    let word = |at: usize| Some(u32::from_be_bytes(tcp.get(at..at + 4)?.try_into().ok()?));
    let port = |at: usize| Some(u16::from_be_bytes(tcp.get(at..at + 2)?.try_into().ok()?));
    let options_end = usize::from(tcp.get(12)? >> 4) * 4;
    Some(Heard {
        from: at(from, port(0)?),
        to: at(to, port(2)?),
        seq: word(4)?,
        ack: word(8)?,
        flags: tcp[13],
        payload: u32::try_from(tcp.len().saturating_sub(options_end)).ok()?,
    })
}

/// IP's number of TCP.
const TCP: u8 = 6;

/// What most hosts begin with, after a few hops.
const TTL: u8 = 57;

/// The network between a namespace and the remote host, and the namespace's end of the cable.
const NETWORK: u8 = 7;
const DEVICE: &str = "outside";

/// A hardware address nobody has: the kernel at the far end of the cable takes the packets for somebody else's.
const MAC: &str = "02:00:00:00:00:02";
