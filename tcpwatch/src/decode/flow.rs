use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tcpwatch_common::wire;

use super::Malformed;
use crate::event::{Endpoint, Flow, Tuple};

pub(super) fn flow(flow: &wire::Flow) -> Result<Flow, Malformed> {
    Ok(Flow {
        local: Endpoint::new(address(flow.version, flow.local)?, flow.local_port),
        remote: Endpoint::new(address(flow.version, flow.remote)?, flow.remote_port),
    })
}

pub(super) fn tuple(tuple: &wire::Tuple) -> Result<Tuple, Malformed> {
    Ok(Tuple {
        source: Endpoint::new(address(tuple.version, tuple.source)?, tuple.source_port),
        destination: Endpoint::new(
            address(tuple.version, tuple.destination)?,
            tuple.destination_port,
        ),
    })
}

pub(super) fn address(version: u8, words: wire::Address) -> Result<IpAddr, Malformed> {
    match version {
        4 => Ok(Ipv4Addr::from_bits(u32::from_be(words[0])).into()),
        6 => Ok(Ipv6Addr::from_bits(join(words)).into()),
        other => Err(Malformed::UnknownVersion(other)),
    }
}

fn join(words: wire::Address) -> u128 {
    words.into_iter().fold(0, |high, low| high << 32 | u128::from(u32::from_be(low)))
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn both_versions_and_no_other() {
        let v4 = sample::flow();
        assert_eq!(flow(&v4).unwrap().local.to_string(), "10.0.0.1:80");
        assert_eq!(flow(&v4).unwrap().remote.to_string(), "10.0.0.2:50000");
        let v6 = wire::Flow { version: 6, ..v4 };
        assert_eq!(flow(&v6).unwrap().local.to_string(), "[a00:1::]:80");
        let v5 = wire::Flow { version: 5, ..v4 };
        assert_eq!(flow(&v5), Err(Malformed::UnknownVersion(5)));
    }
}
