//! Which TCP sockets listen in this network namespace?
//!
//! `NETLINK_SOCK_DIAG` with `struct inet_diag_req_v2` and `struct inet_diag_msg` (include/uapi/linux/inet_diag.h;
//! the kernel side is net/ipv4/inet_diag.c). The kernel loads tcp_diag for it when it is a module, as for `ss`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustix::net::netlink::SOCK_DIAG;

use super::netlink::{Attributes, Messages, array_at, dump, u32_at};
use crate::event::{AcceptQueue, Endpoint, Listener};

/// All TCP listeners of the calling thread's network namespace, IPv4 and IPv6.
pub fn listeners() -> io::Result<Vec<Listener>> {
    let mut found = listeners_of(AF_INET)?;
    found.extend(listeners_of(AF_INET6)?);
    Ok(found)
}

fn listeners_of(family: u8) -> io::Result<Vec<Listener>> {
    Ok(parse(&dump(Some(SOCK_DIAG), SOCK_DIAG_BY_FAMILY, &request(family))?))
}

/// The listeners among the answers of a dump.
pub fn parse(answers: &[u8]) -> Vec<Listener> {
    Messages(answers)
        .filter(|message| message.kind == SOCK_DIAG_BY_FAMILY)
        .filter_map(|message| listener(message.payload))
        .collect()
}

/// `struct inet_diag_req_v2`: TCP sockets of this family in LISTEN.
fn request(family: u8) -> [u8; REQUEST] {
    let mut request = [0; REQUEST];
    request[0] = family;
    request[1] = IPPROTO_TCP;
    request[4..8].copy_from_slice(&(1_u32 << TCP_LISTEN).to_ne_bytes());
    request
}

/// One `struct inet_diag_msg` and its attributes.
fn listener(bytes: &[u8]) -> Option<Listener> {
    let [family, state] = array_at(bytes, 0)?;
    let attributes = Attributes(bytes.get(INET_DIAG_MSG..)?);
    (state == TCP_LISTEN).then_some(Listener {
        local: Endpoint { addr: address(family, bytes)?, port: port(bytes)? },
        v6only: attributes.find(INET_DIAG_SKV6ONLY).is_some_and(|value| value.first() == Some(&1)),
        accept_queue: accept_queue(bytes)?,
        socket: None,
        inode: u32_at(bytes, 68).filter(|&inode| inode != 0).map(u64::from),
        cgroup: attributes.find(INET_DIAG_CGROUP_ID).and_then(cgroup),
    })
}

/// For a listener `idiag_rqueue` and `idiag_wqueue` are `sk_ack_backlog` and `sk_max_ack_backlog`
/// (net/ipv4/tcp_diag.c, `tcp_diag_get_info`).
fn accept_queue(bytes: &[u8]) -> Option<AcceptQueue> {
    Some(AcceptQueue { len: u32_at(bytes, 56)?, limit: u32_at(bytes, 60)? })
}

fn port(bytes: &[u8]) -> Option<u16> {
    array_at(bytes, 4).map(u16::from_be_bytes)
}

fn address(family: u8, bytes: &[u8]) -> Option<IpAddr> {
    match family {
        AF_INET => array_at::<4>(bytes, 8).map(|octets| Ipv4Addr::from(octets).into()),
        AF_INET6 => array_at::<16>(bytes, 8).map(|octets| Ipv6Addr::from(octets).into()),
        _ => None,
    }
}

fn cgroup(value: &[u8]) -> Option<u64> {
    array_at(value, 0).map(u64::from_ne_bytes).filter(|&id| id != 0)
}

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
const TCP_LISTEN: u8 = 10;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const INET_DIAG_SKV6ONLY: u16 = 11;
/// Linux 5.9 and later, with `CONFIG_SOCK_CGROUP_DATA`.
const INET_DIAG_CGROUP_ID: u16 = 21;
const REQUEST: usize = 56;
const INET_DIAG_MSG: usize = 72;

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, ToSocketAddrs};

    use super::*;

    fn found(address: impl ToSocketAddrs) -> (TcpListener, Listener) {
        let socket = TcpListener::bind(address).unwrap();
        let local = socket.local_addr().unwrap();
        let all = listeners().unwrap();
        let ours = all.iter().find(|l| l.local == Endpoint::new(local.ip(), local.port()));
        let ours = ours.unwrap_or_else(|| panic!("{local} is not in {all:?}")).clone();
        (socket, ours)
    }

    #[test]
    fn the_kernel_shows_our_own_listener() {
        let (_socket, listener) = found("127.0.0.1:0");
        assert_eq!(listener.accept_queue.len, 0);
        assert!(listener.accept_queue.limit > 0);
        assert!(listener.inode.is_some());
        assert!(!listener.v6only);
    }

    #[test]
    fn connections_that_nobody_accepts_are_in_the_accept_queue() {
        let (socket, before) = found("127.0.0.1:0");
        let _client = std::net::TcpStream::connect(socket.local_addr().unwrap()).unwrap();
        let after = listeners().unwrap().into_iter().find(|l| l.local == before.local).unwrap();
        assert_eq!(after.accept_queue.len, 1);
    }

    #[test]
    fn an_answer_cut_short_is_no_listener() {
        let mut bytes = [0; INET_DIAG_MSG];
        bytes[0] = AF_INET;
        bytes[1] = TCP_LISTEN;
        assert!(listener(&bytes).is_some());
        for len in 0..INET_DIAG_MSG {
            assert!(listener(&bytes[..len]).is_none(), "{len} bytes");
        }
    }
}
