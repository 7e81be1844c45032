//! What `tcpwatch doctor` asks of a host: the hooks are attached, noted and let go, and each network namespace is
//! entered once. Nothing is set, and nothing stays.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use rustix::process::{Resource, getrlimit};

use super::capabilities::{self, Lockdown};
use super::names::Names;
use super::netns::Place;
use super::{
    Options, VMLINUX, Watch, counters, host, netns, procfs, proxies, reverse_path, ruleset,
    sock_diag, sysctl, tcp_memory,
};
use crate::btf::Btf;
use crate::doctor::{
    Facts, Fill, Listening, LockedMemory, Namespace, Process, Rejections, Sight, TypeInformation,
};
use crate::event::{CoverageDeclared, Event, Listener, NetNs};
use crate::source::Live;

/// Everything, now.
pub fn examine(options: &Options) -> Facts {
    let path = options.btf.as_deref().unwrap_or(Path::new(VMLINUX));
    let bytes = fs::read(path).ok();
    let types = TypeInformation {
        path: path.display().to_string(),
        bytes: bytes.as_ref().and_then(|bytes| bytes.len().try_into().ok()),
    };
    let btf = bytes.and_then(|bytes| Btf::parse(bytes).ok());
    let sight = sight(options, types, btf.as_ref());
    let names = Names::new(options.host_root.clone());
    let namespaces = namespaces(has_nftables(btf.as_ref()), names);
    Facts { host: host::describe(), sight, namespaces }
}

/// `None`: it is not loaded as a module, and whether it is built in does not show.
fn has_nftables(btf: Option<&Btf>) -> Option<bool> {
    if ruleset::nftables_is_loaded() {
        return Some(true);
    }
    btf.map(|btf| btf.function("nft_do_chain").is_ok())
}

/// The hooks live as long as this takes.
fn sight(options: &Options, types: TypeInformation, btf: Option<&Btf>) -> Sight {
    let (coverage, refused) = match coverage(options) {
        Ok(coverage) => (coverage, None),
        Err(error) => (None, Some(format!("{error:#}"))),
    };
    Sight {
        hooks: coverage.map_or_else(Vec::new, |coverage| coverage.hooks),
        refused,
        types,
        lockdown: Lockdown::read().name(),
        capabilities: capabilities::all(),
        memory: locked_memory(btf),
    }
}

/// As a run would declare it after its start: the latest declaration counts.
fn coverage(options: &Options) -> anyhow::Result<Option<CoverageDeclared>> {
    let mut events = Vec::new();
    Watch::open(options)?.start(&mut events)?;
    let declared = events.into_iter().rev().find_map(|event| match event {
        Event::CoverageDeclared(coverage) => Some(coverage),
        _ => None,
    });
    Ok(declared)
}

fn locked_memory(btf: Option<&Btf>) -> LockedMemory {
    let limit = getrlimit(Resource::Memlock).current;
    let counted = btf.and_then(counts_locked_memory);
    LockedMemory { counted, needed: NEEDED, limit }
}

/// The helper came with the commits that ended it (kernel/bpf, 5.11).
fn counts_locked_memory(btf: &Btf) -> Option<bool> {
    let helpers = btf.enum_values("bpf_func_id").ok()?;
    Some(!helpers.iter().any(|(name, _)| name == "BPF_FUNC_ktime_get_coarse_ns"))
}

/// Both rings, 5 MiB, and the small maps beside them.
const NEEDED: u64 = 6 << 20;

fn namespaces(has_nftables: Option<bool>, mut names: Names) -> Vec<Namespace> {
    let read = netns::all().into_values();
    let read: Vec<_> =
        read.filter_map(|place| Reading::take(&place, has_nftables, &mut names)).collect();
    let holders = procfs::holders(&read.iter().flat_map(Reading::inodes).collect::<BTreeSet<_>>());
    read.into_iter().map(|reading| reading.finish(&holders, &mut names)).collect()
}

/// A namespace, with listeners of which the holder is not known yet.
struct Reading {
    namespace: Namespace,
    listeners: Vec<Listener>,
}

impl Reading {
    /// `None`: it vanished before it could be entered.
    fn take(place: &Place, has_nftables: Option<bool>, names: &mut Names) -> Option<Self> {
        let netns = place.netns;
        let inside = place.enter(|| inside(netns, has_nftables));
        let (namespace, listeners) = match inside {
            Ok(inside) => inside,
            Err(_) if !place.is_there() => return None,
            Err(_) => (Namespace::unknown(netns), Vec::new()),
        };
        let process = place.pid.and_then(|pid| process(pid, names));
        let name = place.name.clone();
        Some(Self { namespace: Namespace { name, process, ..namespace }, listeners })
    }

    fn inodes(&self) -> impl Iterator<Item = u64> {
        self.listeners.iter().filter_map(|listener| listener.inode)
    }

    fn finish(self, holders: &BTreeMap<u64, u32>, names: &mut Names) -> Namespace {
        let mut holder = |listener: &Listener| process(*holders.get(&listener.inode?)?, names);
        let listeners = self.listeners.iter().map(|listener| Listening {
            local: listener.local,
            queue: listener.accept_queue,
            process: holder(listener),
        });
        Namespace { listeners: listeners.collect(), ..self.namespace }
    }
}

/// Of the calling thread's namespace.
fn inside(netns: NetNs, has_nftables: Option<bool>) -> (Namespace, Vec<Listener>) {
    let listeners = sock_diag::listeners();
    let counted = counters::read(netns).ok();
    let conntrack = counted.as_ref().and_then(|counted| counted.conntrack.as_ref());
    let rejections = ruleset::reject_rules(netns, has_nftables == Some(true));
    let sysctls = sysctl::read();
    let is_first = sysctls.contains_key("net.ipv4.tcp_mem");
    let namespace = Namespace {
        entered: listeners.is_ok(),
        conntrack: conntrack.map(|table| Fill { entries: table.entries, limit: table.limit }),
        memory: tcp_memory::read().filter(|_| is_first),
        strict_devices: reverse_path::strict_devices(),
        reverse_path_drops: counters::reverse_path_drops(),
        listen_overflows: counted.as_ref().map(|counted| counted.listen_overflows),
        proxies: proxies::read(has_nftables, is_first),
        rejections: Rejections {
            rules: rejections.rules,
            complete: rejections.complete && has_nftables.is_some(),
        },
        sysctls,
        ..Namespace::unknown(netns)
    };
    (namespace, listeners.unwrap_or_default())
}

fn process(pid: u32, names: &mut Names) -> Option<Process> {
    let owner = names.owner(pid)?;
    let pod = owner.pod.map(|pod| pod.to_string());
    Some(Process { pid, command: owner.command, pod })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn our_own_namespace_is_read_with_our_listener_in_it() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let own = netns::own().unwrap();
        let namespace = namespaces(Some(false), Names::new(None))
            .into_iter()
            .find(|namespace| namespace.netns == own)
            .unwrap();
        assert!(namespace.entered && namespace.sysctl("net.core.somaxconn").is_some());
        assert!(namespace.reverse_path_drops.is_some());
        let ours =
            namespace.listeners.iter().find(|listening| listening.local.port == port).unwrap();
        assert_eq!(ours.process.as_ref().map(|process| process.pid), Some(std::process::id()));
    }

    #[test]
    fn without_type_information_the_rest_is_still_told() {
        let btf = Some("/proc/version".into());
        let Facts { sight, .. } = examine(&Options { btf, ..Options::default() });
        assert!(sight.hooks.is_empty() && sight.refused.is_some());
        assert_eq!(sight.memory.counted, None);
        assert_eq!(sight.capabilities.len(), capabilities::Capability::ALL.len());
    }
}
