//! What was read of a host, before anybody judges it.

use std::fmt;

use serde::Serialize;

use crate::event::{
    AcceptQueue, Endpoint, HookCoverage, HostDescribed, NetNs, RejectRule, Sysctls,
};

/// A host as it is now.
#[derive(Clone, Debug)]
pub struct Facts {
    pub host: HostDescribed,
    pub sight: Sight,
    /// In the order of their inode numbers.
    pub namespaces: Vec<Namespace>,
}

/// What a run of tcpwatch would see here.
#[derive(Clone, Debug)]
pub struct Sight {
    /// Each hook as it turned out; empty when none could be tried.
    pub hooks: Vec<HookCoverage>,
    /// Why none could be tried, with the next step.
    pub refused: Option<String>,
    pub types: TypeInformation,
    /// The mode in force, in the kernel's words; `unknown` where it is not shown.
    pub lockdown: &'static str,
    pub capabilities: Vec<Capability>,
    pub memory: LockedMemory,
}

/// The kernel's type information (BTF).
#[derive(Clone, Debug, Serialize)]
pub struct TypeInformation {
    pub path: String,
    /// `None`: it cannot be read.
    pub bytes: Option<u64>,
}

/// A capability that tcpwatch can make use of.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Capability {
    pub name: &'static str,
    pub held: bool,
    /// What is lost without it, as a sentence.
    pub purpose: &'static str,
}

/// What the kernel asks of whoever keeps maps in its memory.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LockedMemory {
    /// Maps count against `RLIMIT_MEMLOCK`; since 5.11 they count against the memory of the cgroup. `None`: unknown.
    pub counted: Option<bool>,
    /// What tcpwatch takes, in bytes.
    pub needed: u64,
    /// The limit in force, in bytes; `None`: unlimited.
    pub limit: Option<u64>,
}

/// A network namespace and its settings.
#[derive(Clone, Debug, Serialize)]
pub struct Namespace {
    pub netns: NetNs,
    pub name: Option<String>,
    /// A process that lives in it.
    pub process: Option<Process>,
    /// It could be entered. If not, nothing of what follows is known.
    pub entered: bool,
    pub sysctls: Sysctls,
    pub listeners: Vec<Listening>,
    /// `None` where nf_conntrack is not loaded.
    pub conntrack: Option<Fill>,
    /// Of the whole host; told of its first namespace only, which has the limits.
    pub memory: Option<TcpMemory>,
    /// Devices other than loopback whose source addresses are checked strictly (`rp_filter` 1).
    pub strict_devices: Vec<String>,
    /// Packets that checks of source addresses have dropped since the namespace was made.
    pub reverse_path_drops: Option<u64>,
    /// Handshakes that found the accept queue full since the namespace was made.
    pub listen_overflows: Option<u64>,
    pub proxies: Proxies,
    pub rejections: Rejections,
}

impl Namespace {
    /// One that nobody has entered.
    pub fn unknown(netns: NetNs) -> Self {
        Self {
            netns,
            name: None,
            process: None,
            entered: false,
            sysctls: Sysctls::new(),
            listeners: Vec::new(),
            conntrack: None,
            memory: None,
            strict_devices: Vec::new(),
            reverse_path_drops: None,
            listen_overflows: None,
            proxies: Proxies::default(),
            rejections: Rejections::default(),
        }
    }

    /// A sysctl that is one number.
    pub fn sysctl(&self, name: &str) -> Option<u64> {
        self.sysctls.get(name)?.parse().ok()
    }

    /// A sysctl of several numbers: one of them.
    pub fn sysctl_part(&self, name: &str, index: usize) -> Option<u64> {
        self.sysctls.get(name)?.split_whitespace().nth(index)?.parse().ok()
    }
}

/// What people call it: its name, or its number with a process that lives in it; the name of its pod says most.
impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, &self.process) {
            (_, Some(process)) if process.pod.is_some() => write!(f, "{} ({process})", self.netns),
            (Some(name), _) => write!(f, "{name} ({})", self.netns),
            (None, Some(process)) => write!(f, "{} ({process})", self.netns),
            (None, None) => write!(f, "{}", self.netns),
        }
    }
}

/// A process, as far as people need to find it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Process {
    pub pid: u32,
    pub command: String,
    /// The pod it runs in, as `namespace/name`, where that is to be found on this host.
    pub pod: Option<String>,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.command, self.pid)?;
        self.pod.as_ref().map_or(Ok(()), |pod| write!(f, " in pod {pod}"))
    }
}

/// A listener as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listening {
    pub local: Endpoint,
    pub queue: AcceptQueue,
    /// `None`: not known.
    pub process: Option<Process>,
}

impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.local)?;
        self.process.as_ref().map_or(Ok(()), |process| write!(f, " ({process})"))
    }
}

/// A table with a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Fill {
    pub entries: u64,
    /// 0: none.
    pub limit: u64,
}

impl Fill {
    /// Whole percent, rounded down. `None`: there is no limit.
    pub fn percent(self) -> Option<u64> {
        self.entries.saturating_mul(100).checked_div(self.limit)
    }
}

/// What TCP takes of the whole host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TcpMemory {
    /// Connections that no process holds any more and that are not over yet.
    pub orphans: u64,
    pub pages: u64,
}

/// Who translates service addresses in a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Proxies {
    pub found: Vec<Proxy>,
    /// Why there may be others.
    pub unknown: Option<String>,
}

/// One way in which service addresses are translated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proxy {
    pub mode: Mode,
    /// By what it is known.
    pub sign: String,
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.mode.name(), self.sign)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Iptables,
    Nftables,
    Ipvs,
    Ebpf,
}

impl Mode {
    pub fn name(self) -> &'static str {
        match self {
            Self::Iptables => "iptables",
            Self::Nftables => "nftables",
            Self::Ipvs => "IPVS",
            Self::Ebpf => "eBPF",
        }
    }
}

/// Firewall rules that refuse with a RST.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Rejections {
    pub rules: Vec<RejectRule>,
    /// There are no others.
    pub complete: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_without_limit_is_never_full() {
        assert_eq!(Fill { entries: 999, limit: 1_000 }.percent(), Some(99));
        assert_eq!(Fill { entries: 5, limit: 0 }.percent(), None);
        assert_eq!(Fill { entries: u64::MAX, limit: 1 }.percent(), Some(u64::MAX));
    }

    #[test]
    fn sysctls_are_numbers_or_several() {
        let sysctls = [("a", "7"), ("b", "1\t2\t3"), ("c", "x")];
        let sysctls = sysctls.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let namespace = Namespace { sysctls, ..Namespace::unknown(NetNs(4)) };
        assert_eq!((namespace.sysctl("a"), namespace.sysctl("b")), (Some(7), None));
        assert_eq!((namespace.sysctl("c"), namespace.sysctl("d")), (None, None));
        assert_eq!(namespace.sysctl_part("b", 2), Some(3));
        assert_eq!(namespace.sysctl_part("b", 3), None);
    }

    #[test]
    fn a_namespace_is_called_by_its_name_or_by_who_lives_there() {
        let process = Some(Process { pid: 7, command: "nginx".into(), pod: None });
        let unnamed = Namespace { process, ..Namespace::unknown(NetNs(4)) };
        assert_eq!(unnamed.to_string(), "net:[4] (nginx[7])");
        let pod = Process { pid: 7, command: "nginx".into(), pod: Some("shop/web-1".into()) };
        assert_eq!(pod.to_string(), "nginx[7] in pod shop/web-1");
        let named = Namespace { name: Some("web".into()), ..unnamed };
        assert_eq!(named.to_string(), "web (net:[4])");
        let of_pod = Namespace { process: Some(pod), ..named };
        assert_eq!(of_pod.to_string(), "net:[4] (nginx[7] in pod shop/web-1)");
    }
}
