//! What a scenario needs from kernel and tools beyond root. Found out by trying, never by version or name.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::address::{Ip, at};
use crate::cgroup::{Driver, MemoryLimit, PodCgroup};
use crate::namespace::Namespace;
use crate::network::{Backends, Dnat, PORT};
use crate::socket::local;

/// Something a host or a guest may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// nftables can drop packets.
    Nftables,
    /// nftables can answer with a reset.
    RejectRule,
    /// A bridge can answer with a reset.
    BridgeReject,
    /// iptables of this variant (`nft`, `legacy`) can answer with a reset.
    IptablesReject(&'static str),
    /// A service address can be translated, in turn to two back ends.
    Dnat(Dnat),
    /// The tool `conntrack` can flush.
    ConntrackTool,
    /// Connections can be tracked, with a timeout per namespace.
    ConntrackTimeout,
    /// The tool `ss` can destroy sockets.
    SocketDestroy,
    /// A cgroup can limit memory.
    MemoryLimit,
    /// Cgroups can be made.
    PodCgroup,
    /// Settings of the whole host may be changed: there is nobody else on it.
    OwnMachine,
}

/// Answers so far: kernels do not change their mind.
type Tried = HashMap<(Need, Ip), Result<(), String>>;

impl Need {
    /// `Err` says what is missing. Tried once per family.
    pub fn is_met(self, ip: Ip) -> Result<(), String> {
        static TRIED: OnceLock<Mutex<Tried>> = OnceLock::new();
        let mut tried =
            TRIED.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        tried.entry((self, ip)).or_insert_with(|| self.try_it(ip)).clone()
    }

    fn try_it(self, ip: Ip) -> Result<(), String> {
        let lab = Namespace::new("trial");
        match self {
            Self::Nftables => lab.try_nft(&lose_port(ip, 1)).map(drop),
            Self::RejectRule => lab.try_nft(REJECT).map(drop),
            Self::BridgeReject => bridges(&lab).and_then(|()| lab.try_nft(BRIDGE_REJECT).map(drop)),
            Self::IptablesReject(variant) => Self::iptables_reject(&lab, ip, variant),
            Self::Dnat(dnat) => dnat.install(&lab, ip, Backends::Two),
            Self::ConntrackTool => lab.try_run("conntrack -F").map(drop),
            Self::ConntrackTimeout => lab.enter(tracks_connections),
            Self::SocketDestroy => destroys_sockets(&lab, ip),
            Self::MemoryLimit => MemoryLimit::of(1 << 30).map(drop),
            Self::PodCgroup => PodCgroup::made_by(Driver::Cgroupfs).map(drop),
            Self::OwnMachine => is_alone(),
        }
    }
}

impl Need {
    /// Rejects connections to our port with a reset, as iptables does it.
    pub fn iptables_reject(lab: &Namespace, ip: Ip, variant: &str) -> Result<(), String> {
        let tool = if ip == Ip::V4 { "iptables" } else { "ip6tables" };
        let rule = format!("-A INPUT -p tcp --dport {PORT} -j REJECT --reject-with tcp-reset");
        lab.try_run(&format!("{tool}-{variant} -w 10 {rule}")).map(drop)
    }
}

fn bridges(lab: &Namespace) -> Result<(), String> {
    lab.try_run("ip link add switch type bridge").map(drop)
}

fn tracks_connections() -> Result<(), String> {
    let sysctl = "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established";
    std::fs::metadata(sysctl).map(drop).map_err(|error| format!("nf_conntrack: {sysctl}: {error}"))
}

/// `ss -K` succeeds on any kernel; only the socket tells.
fn destroys_sockets(lab: &Namespace, ip: Ip) -> Result<(), String> {
    let server = at(ip.loopback(), PORT);
    let listener = lab.listen(server);
    let client = lab.connect(server);
    lab.try_run(&destroy(local(&client), server))?;
    let error = client.take_error().map_err(|error| error.to_string())?;
    drop(listener);
    error.map(drop).ok_or("this kernel is built without CONFIG_INET_DIAG_DESTROY".to_owned())
}

/// The command that destroys one socket.
pub fn destroy(local: SocketAddr, remote: SocketAddr) -> String {
    format!("ss -K src {local} dst {remote}")
}

/// PID 1 is this very program: a virtual machine of ours.
fn is_alone() -> Result<(), String> {
    let [first, own] = ["/proc/1/exe", "/proc/self/exe"].map(|link| std::fs::read_link(link).ok());
    let alone = own.is_some() && first == own;
    alone.then_some(()).ok_or("it changes settings of the whole host; run it in a VM".to_owned())
}

/// Every kernel here has IPv6, but a host may have switched it off.
pub fn family_works(ip: Ip) -> Result<(), String> {
    let lab = Namespace::new("trial");
    let bound = lab.enter(|| std::net::TcpListener::bind(at(ip.loopback(), 0)));
    bound.map(drop).map_err(|error| format!("no IP{ip}: {error}"))
}

const REJECT: &str = "add table inet guard\n\
    add chain inet guard input { type filter hook input priority 0; }\n\
    add rule inet guard input tcp dport 1 reject with tcp reset\n";

const BRIDGE_REJECT: &str = "add table bridge guard\n\
    add chain bridge guard prerouting { type filter hook prerouting priority 0; }\n\
    add rule bridge guard prerouting tcp dport 1 reject with tcp reset\n";

/// nftables commands that lose every arriving segment from this port; [`LOSE_NO_MORE`] ends it.
pub fn lose_port(ip: Ip, port: u16) -> String {
    format!(
        "add table inet lossy\n\
         add chain inet lossy input {{ type filter hook input priority 0; }}\n\
         add rule inet lossy input meta nfproto ipv{} tcp sport {port} drop\n",
        ip.digit()
    )
}

/// Ends what [`lose_port`] began.
pub const LOSE_NO_MORE: &str = "delete table inet lossy\n";
