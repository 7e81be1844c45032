//! A client, a router that translates a service address, and two back ends. The client falls silent for longer than
//! the router remembers; its next words are translated anew, and the other back end knows nothing of the connection.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use nix::errno::Errno;

use super::link::{self, Net};
use super::log::Log;
use super::order::Order;
use super::stage::{Actor, Stage};
use super::{Act, Script, nat, net};

pub(super) const SCRIPT: Script = Script {
    title: "demo conntrack: an idle connection outlives its conntrack entry",
    set,
    expects: &[("conntrack-expired", 2)],
    look_at: "the evidence of the first block: the service address led to another back end than
          before, because the entry had expired. Neither back end is at fault; keepalive with an
          idle time below the timeout cures it.",
};

struct Scene {
    client: Actor,
    router: Actor,
    a: Actor,
    b: Actor,
}

fn set(stage: &mut Stage) -> anyhow::Result<Act> {
    let mut scene = Scene {
        client: stage.hire("demo-client")?,
        router: stage.hire("demo-router")?,
        a: stage.hire("demo-backend-a")?,
        b: stage.hire("demo-backend-b")?,
    };
    let members = [(&scene.client, CLIENT), (&scene.a, BACKEND_A), (&scene.b, BACKEND_B)];
    for (member, own) in members {
        let gateway = Net { address: gateway(own), ..own };
        stage.cable((&scene.router, gateway), (member, own))?;
        member.within(|| link::default_route(gateway.address)).context("cannot set a route")?;
    }
    scene.router.set("net.ipv4.ip_forward", 1)?;
    scene.router.within(install).map_err(no_nat)?;
    scene.router.set(TIMEOUT, SECONDS)?;
    stage.note(format!(
        "service {SERVICE} -> demo-backend-a, demo-backend-b in turn (DNAT in demo-router)"
    ));
    stage.note(format!("{TIMEOUT} = {SECONDS} in demo-router (5 days by default)"));
    Ok(Box::new(move |log| scene.happens(log)))
}

impl Scene {
    fn happens(&mut self, log: &mut Log) -> anyhow::Result<()> {
        for (backend, own) in [(&mut self.a, BACKEND_A), (&mut self.b, BACKEND_B)] {
            let address = SocketAddrV4::new(own.address, SERVICE.port());
            backend.does(Order::Listen { address, backlog: 128 })?;
        }
        log.step(format!(
            "demo-client connects to {SERVICE}, the router leads it to demo-backend-a"
        ))?;
        self.client.does(Order::Dial { to: SERVICE, count: 1 })?;
        self.a.does(Order::Accept { count: 1 })?;
        self.client.does(Order::Say)?;
        self.a.does(Order::Reply)?;
        self.client.does(Order::Hear)?;
        log.step(format!(
            "it has its answer, keeps the connection, and says nothing for {} s",
            SILENCE.as_secs()
        ))?;
        thread::sleep(SILENCE);
        log.step("it sends its next request on the same connection")?;
        self.client.does(Order::Say)?;
        self.client.does(Order::AwaitResets { count: 1 })?;
        Ok(log.step("demo-client: Connection reset by peer")?)
    }
}

fn install() -> io::Result<()> {
    nat::install(SERVICE, [BACKEND_A.address, BACKEND_B.address])
}

/// What a kernel says that lacks a protocol, a subsystem, or a kind of chain or expression.
fn no_nat(error: io::Error) -> anyhow::Error {
    let missing = [Errno::EPROTONOSUPPORT, Errno::EOPNOTSUPP, Errno::ENOENT];
    let sentence = if missing.iter().any(|errno| error.raw_os_error() == Some(*errno as i32)) {
        "this kernel cannot translate addresses for the demo. Load its modules nf_tables, nft_chain_nat, nft_nat and \
         nft_numgen (modprobe), or use a kernel that has them"
    } else {
        "cannot make the rules that translate the service address"
    };
    anyhow::Error::from(error).context(sentence)
}

/// The first address of its network.
fn gateway(of: Net) -> Ipv4Addr {
    let host_bits = u32::MAX.checked_shr(of.prefix.into()).unwrap_or(0);
    Ipv4Addr::from_bits((of.address.to_bits() & !host_bits) + 1)
}

/// From a block for documentation (RFC 5737): no host has them.
const CLIENT: Net = net([192, 0, 2, 2], 28);
const BACKEND_A: Net = net([192, 0, 2, 18], 28);
const BACKEND_B: Net = net([192, 0, 2, 34], 28);
/// In none of these networks: it leads to the router.
const SERVICE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 80), 80);

const TIMEOUT: &str = "net.netfilter.nf_conntrack_tcp_timeout_established";
const SECONDS: u32 = 2;
const SILENCE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_without_translation_is_told_what_to_load() {
        let error = |errno| format!("{:#}", no_nat(io::Error::from(errno)));
        assert!(
            error(Errno::ENOENT)
                .contains("modules nf_tables, nft_chain_nat, nft_nat and nft_numgen")
        );
        assert!(!error(Errno::EPERM).contains("modules"));
    }

    #[test]
    fn the_router_is_the_first_host_of_each_network() {
        assert_eq!(gateway(CLIENT), Ipv4Addr::new(192, 0, 2, 1));
        assert_eq!(gateway(BACKEND_B), Ipv4Addr::new(192, 0, 2, 33));
    }
}
