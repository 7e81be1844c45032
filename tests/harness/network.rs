//! The lab: one host, two hosts, or a service with its back ends behind a router.

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

use crate::address::{Ip, at};
use crate::counters::Counters;
use crate::namespace::{Namespace, ip_batch};
use crate::patience::wait_for;

/// The port every server of the lab listens on, in a namespace of its own each time.
pub const PORT: u16 = 2222;

/// One namespace that talks to itself over `lo`.
pub struct Host {
    pub ip: Ip,
    pub namespace: Namespace,
}

impl Host {
    pub fn alone(ip: Ip) -> Self {
        Self { ip, namespace: Namespace::new("host") }
    }

    /// Where its server is dialled.
    pub fn address(&self) -> SocketAddr {
        at(self.ip.loopback(), PORT)
    }

    /// A second address on `lo`.
    pub fn second_address(&self) -> IpAddr {
        let address = self.ip.address(9, 1);
        self.namespace.ip(&format!("addr add {} dev lo", self.ip.assignment(address)));
        address
    }
}

/// A client and a server, joined by a cable.
pub struct Pair {
    pub ip: Ip,
    pub client: Namespace,
    pub server: Namespace,
}

impl Pair {
    pub fn joined(ip: Ip) -> Self {
        let pair = Self { ip, client: Namespace::new("client"), server: Namespace::new("server") };
        cable(&pair.client, "eth0", &pair.server);
        pair.server.ip(&address_of(ip, "eth0", ip.address(1, 1)));
        pair.client.ip(&address_of(ip, "eth0", ip.address(1, 2)));
        wait_until_reachable(&pair.client, &pair.server, pair.address().ip());
        pair
    }

    /// Where the server is dialled.
    pub fn address(&self) -> SocketAddr {
        at(self.ip.address(1, 1), PORT)
    }
}

/// A client and a server in one network, joined by a bridge that has no address in it.
pub struct Switched {
    pub ip: Ip,
    pub client: Namespace,
    pub switch: Namespace,
    pub server: Namespace,
}

impl Switched {
    pub fn joined(ip: Ip) -> Self {
        let net = Self {
            ip,
            client: Namespace::new("client"),
            switch: Namespace::new("switch"),
            server: Namespace::new("server"),
        };
        net.switch.ip("link add switch type bridge\nlink set dev switch up");
        for (port, end) in [("client", &net.client), ("server", &net.server)] {
            cable(&net.switch, port, end);
            net.switch.ip(&format!("link set dev {port} master switch"));
        }
        net.server.ip(&address_of(ip, "eth0", ip.address(1, 1)));
        net.client.ip(&address_of(ip, "eth0", ip.address(1, 2)));
        wait_until_reachable(&net.client, &net.server, net.address().ip());
        net
    }

    /// Where the server is dialled.
    pub fn address(&self) -> SocketAddr {
        at(self.ip.address(1, 1), PORT)
    }
}

/// How many back ends a service has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backends {
    One,
    Two,
}

/// Who translates the service address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dnat {
    Nftables,
    IptablesNft,
    IptablesLegacy,
}

/// A client, a router that translates the service address, and the back ends behind it:
/// `client .1.2 — .1.1 router .2.1 — .2.2 a`, `router .3.1 — .3.2 b`, service at `.96.1`.
/// New connections go to a, b, a, … in turn.
pub struct Service {
    pub ip: Ip,
    pub client: Namespace,
    pub router: Namespace,
    /// `a`, and `b` when there are two.
    pub backends: Vec<Namespace>,
}

impl Service {
    pub fn new(ip: Ip, backends: Backends, dnat: Dnat) -> Self {
        let names: &[&str] = if backends == Backends::One { &["a"] } else { &["a", "b"] };
        let service = Self {
            ip,
            client: Namespace::new("client"),
            router: Namespace::new("router"),
            backends: names
                .iter()
                .map(|name| Namespace::new(&format!("back end {name}")))
                .collect(),
        };
        service.router.set("net.ipv4.ip_forward", 1);
        service.router.set("net.ipv6.conf.all.forwarding", 1);
        attach(&service.router, "client", &service.client, ip, 1);
        for (index, backend) in service.backends.iter().enumerate() {
            attach(&service.router, names[index], backend, ip, network(index));
            wait_until_reachable(&service.client, backend, backend_address(ip, index));
        }
        dnat.install(&service.router, ip, backends).unwrap_or_else(|error| panic!("{error}"));
        service
    }

    /// The address clients know.
    pub fn address(&self) -> SocketAddr {
        at(service_address(self.ip), PORT)
    }

    /// The address of a back end.
    pub fn backend_address(&self, index: usize) -> SocketAddr {
        at(backend_address(self.ip, index), PORT)
    }

    /// Every back end listens.
    pub fn listen(&self) -> Vec<TcpListener> {
        let listen =
            |(index, backend): (usize, &Namespace)| backend.listen(self.backend_address(index));
        self.backends.iter().enumerate().map(listen).collect()
    }

    /// All its namespaces.
    pub fn namespaces(&self) -> Vec<&Namespace> {
        [&self.client, &self.router].into_iter().chain(&self.backends).collect()
    }

    /// The counters of [`Self::namespaces`], in that order.
    pub fn counters(&self) -> Vec<Counters> {
        self.namespaces().into_iter().map(Namespace::counters).collect()
    }

    /// Takes back end `a` off the network: from now on nothing it sends arrives anywhere.
    pub fn unplug_a(&self) {
        self.router.ip("link del dev a");
    }

    /// A new pod gets the address back end `a` had.
    pub fn replace_a(&self) -> Namespace {
        let pod = Namespace::new("new pod");
        attach(&self.router, "a", &pod, self.ip, network(0));
        wait_until_reachable(&self.router, &pod, backend_address(self.ip, 0));
        pod
    }
}

impl Dnat {
    /// Translates the service address in `router`. Fails where the kernel or the tools cannot.
    pub(crate) fn install(
        self,
        router: &Namespace,
        ip: Ip,
        backends: Backends,
    ) -> Result<(), String> {
        match self {
            Self::Nftables => router.try_nft(&nft_rules(ip, backends)).map(drop),
            Self::IptablesNft => by_iptables(router, "nft", ip, backends),
            Self::IptablesLegacy => by_iptables(router, "legacy", ip, backends),
        }
    }
}

fn nft_rules(ip: Ip, backends: Backends) -> String {
    let (family, a, b) = (nft_family(ip), backend_address(ip, 0), backend_address(ip, 1));
    let target = match backends {
        Backends::One => a.to_string(),
        Backends::Two => format!("numgen inc mod 2 map {{ 0 : {a}, 1 : {b} }}"),
    };
    format!(
        "add table {family} nat\n\
         add chain {family} nat prerouting {{ type nat hook prerouting priority -100; }}\n\
         add rule {family} nat prerouting {family} daddr {} tcp dport {PORT} dnat to {target}\n",
        service_address(ip)
    )
}

/// The way kube-proxy does it: each rule takes its share of what the rules before left over.
fn by_iptables(
    router: &Namespace,
    variant: &str,
    ip: Ip,
    backends: Backends,
) -> Result<(), String> {
    let tool = if ip == Ip::V4 { "iptables" } else { "ip6tables" };
    let service = service_address(ip);
    let rule = |share: &str, index| {
        let target = backend_address(ip, index);
        let rule = format!(
            "-A PREROUTING -d {service} -p tcp --dport {PORT} {share} -j DNAT --to-destination {target}"
        );
        router.try_run(&format!("{tool}-{variant} -w 10 -t nat {rule}")).map(drop)
    };
    if backends == Backends::Two {
        rule("-m statistic --mode nth --every 2 --packet 0", 0)?;
        return rule("", 1);
    }
    rule("", 0)
}

/// The family of nftables tables and address matches.
pub fn nft_family(ip: Ip) -> &'static str {
    if ip == Ip::V4 { "ip" } else { "ip6" }
}

fn service_address(ip: Ip) -> IpAddr {
    ip.address(96, 1)
}

fn backend_address(ip: Ip, index: usize) -> IpAddr {
    ip.address(network(index), 2)
}

/// The client has network 1, the back ends those after it.
fn network(backend: usize) -> u8 {
    2 + u8::try_from(backend).expect("there are two back ends at most")
}

/// Joins `member` to the router as host 2 of a network of its own, with the router as its way out.
fn attach(router: &Namespace, port: &str, member: &Namespace, ip: Ip, network: u8) {
    let gateway = ip.address(network, 1);
    cable(router, port, member);
    router.ip(&address_of(ip, port, gateway));
    let own = address_of(ip, "eth0", ip.address(network, 2));
    member.ip(&format!("{own}\nroute add default via {gateway}"));
}

/// Joins `port` of one namespace to `eth0` of another, and waits until both ends carry: what is sent before is lost,
/// and asked for again only after a second.
pub(crate) fn cable(one: &Namespace, port: &str, other: &Namespace) {
    let (name, other_name) = (one.name(), other.name());
    ip_batch(
        &[],
        &format!("link add name {port} netns {name} type veth peer name eth0 netns {other_name}"),
    );
    for (end, port) in [(one, port), (other, "eth0")] {
        end.ip(&format!("link set dev {port} up"));
    }
    for (end, port) in [(one, port), (other, "eth0")] {
        wait_for("a cable to carry", || end.enter(|| carries(port)).then_some(()));
    }
}

/// The flag comes with the queue that sends (net/core/link_watch.c).
fn carries(port: &str) -> bool {
    let mut ports = getifaddrs().expect("interfaces can be listed");
    ports.any(|found| {
        found.interface_name == port && found.flags.contains(InterfaceFlags::IFF_RUNNING)
    })
}

fn address_of(ip: Ip, port: &str, address: IpAddr) -> String {
    format!("addr add {} dev {port}", ip.assignment(address))
}

/// Routes and neighbours are settled some time after the commands that make them. Datagrams there and back show that
/// they are; TCP, which scenarios count, is not used.
fn wait_until_reachable(from: &Namespace, to: &Namespace, address: IpAddr) {
    let nap = Some(Duration::from_millis(50));
    let bind = |namespace: &Namespace, address, port| {
        let bound = || namespace.enter(|| UdpSocket::bind(at(address, port))).ok();
        let socket = wait_for("an address to be usable", bound);
        socket.set_read_timeout(nap).expect("a timeout above zero is fine");
        socket
    };
    let (here, there) = (bind(from, Ip::of(address).any(), 0), bind(to, address, PORT));
    let mut heard = [0; 1];
    wait_for("a datagram there and back", || {
        here.send_to(b"?", at(address, PORT)).ok()?;
        let (_, back) = there.recv_from(&mut heard).ok()?;
        there.send_to(b"!", back).ok()?;
        here.recv(&mut heard).ok()
    });
}
