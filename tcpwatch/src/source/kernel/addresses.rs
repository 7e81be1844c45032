//! Which addresses does this network namespace own?
//!
//! `RTM_GETADDR` with `struct ifaddrmsg` (include/uapi/linux/if_addr.h). `IFA_LOCAL` is the own address;
//! `IFA_ADDRESS` is the peer's on a point-to-point link, and the own one where `IFA_LOCAL` is absent (IPv6).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::netlink::{Attributes, Messages, ROUTE, array_at, dump};

/// All addresses of the calling thread's network namespace, in order, each once.
pub fn addresses() -> io::Result<Vec<IpAddr>> {
    Ok(parse(&dump(ROUTE, RTM_GETADDR, &[0; IFADDRMSG])?))
}

/// The addresses among the answers of a dump.
pub fn parse(answers: &[u8]) -> Vec<IpAddr> {
    let mut found: Vec<_> = Messages(answers)
        .filter(|message| message.kind == RTM_NEWADDR)
        .filter_map(|message| address(message.payload))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn address(payload: &[u8]) -> Option<IpAddr> {
    let attributes = Attributes(payload.get(IFADDRMSG..)?);
    let value = attributes.find(IFA_LOCAL).or_else(|| attributes.find(IFA_ADDRESS))?;
    match value.len() {
        4 => array_at::<4>(value, 0).map(|octets| Ipv4Addr::from(octets).into()),
        16 => array_at::<16>(value, 0).map(|octets| Ipv6Addr::from(octets).into()),
        _ => None,
    }
}

const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFADDRMSG: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_there() {
        assert!(addresses().unwrap().contains(&Ipv4Addr::LOCALHOST.into()));
    }

    #[test]
    fn on_a_point_to_point_link_the_own_address_counts() {
        let payload = [2, 32, 0, 0, 0, 0, 0, 0, 8, 0, 1, 0, 10, 0, 0, 2, 8, 0, 2, 0, 10, 0, 0, 1];
        assert_eq!(address(&payload), Some(Ipv4Addr::new(10, 0, 0, 1).into()));
    }
}
