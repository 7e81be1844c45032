//! Facts for the tests of findings and of their formats.

use super::*;
use crate::event::*;

/// A host of which nothing is wrong but what these namespaces say.
pub(crate) fn facts(namespaces: Vec<Namespace>) -> Facts {
    let host = HostDescribed {
        time: Time(5_000_000_000_000),
        wall: 1_795_262_640_000_000_000,
        hostname: "node1".into(),
        boot_id: "b0".into(),
        kernel: "6.18.0".into(),
        version: "0.1.0".into(),
    };
    Facts { host, sight: sight(), namespaces }
}

/// One hook attached, one not.
pub(crate) fn sight() -> Sight {
    let seen = HookCoverage {
        fact: Fact::RstSent,
        hook: "tcp_send_reset".into(),
        way: Some(Way::Tracepoint),
        failed: Vec::new(),
        blind: String::new(),
        idle: false,
    };
    let unseen = HookCoverage {
        fact: Fact::HandshakeAckRefused,
        hook: "tcp_check_req".into(),
        way: None,
        failed: vec!["fentry tcp_check_req: this kernel does not permit it".into()],
        blind: "a handshake that its client resets is not seen".into(),
        idle: false,
    };
    let capability = |name, held| Capability { name, held, purpose: "Without it less is seen." };
    Sight {
        hooks: vec![seen, unseen],
        refused: None,
        types: TypeInformation { path: "/sys/kernel/btf/vmlinux".into(), bytes: Some(5_000_000) },
        lockdown: "integrity",
        capabilities: vec![capability("CAP_BPF", true), capability("CAP_SYS_PTRACE", false)],
        memory: LockedMemory { counted: Some(false), needed: 6 << 20, limit: Some(8 << 20) },
    }
}

/// As the kernel makes a namespace, with conntrack loaded and one listener.
pub(crate) fn clean() -> Namespace {
    let sysctls = [
        ("net.core.somaxconn", "4096"),
        ("net.ipv4.ip_forward", "0"),
        ("net.ipv4.tcp_abort_on_overflow", "0"),
        ("net.ipv4.tcp_keepalive_time", "7200"),
        ("net.ipv4.tcp_max_orphans", "131072"),
        ("net.ipv4.tcp_mem", "287898\t383867\t575796"),
        ("net.ipv4.tcp_syncookies", "1"),
        ("net.ipv4.tcp_tw_reuse", "2"),
        ("net.netfilter.nf_conntrack_max", "262144"),
        ("net.netfilter.nf_conntrack_tcp_be_liberal", "0"),
        ("net.netfilter.nf_conntrack_tcp_timeout_established", "432000"),
    ];
    Namespace {
        name: Some("web".into()),
        process: Some(Process { pid: 7, command: "nginx".into(), pod: None }),
        entered: true,
        sysctls: sysctls.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        listeners: vec![listener(80, 0, 4096)],
        conntrack: Some(Fill { entries: 12, limit: 262_144 }),
        memory: Some(TcpMemory { orphans: 3, pages: 160 }),
        reverse_path_drops: Some(0),
        listen_overflows: Some(0),
        rejections: Rejections { rules: Vec::new(), complete: true },
        ..Namespace::unknown(NetNs(4_026_531_840))
    }
}

/// The same with some sysctls set, and without what depends on them.
pub(crate) fn with(sysctls: &[(&str, &str)]) -> Namespace {
    let mut namespace = Namespace { memory: None, ..clean() };
    let set = sysctls.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
    namespace.sysctls.extend(set);
    namespace
}

pub(crate) fn listener(port: u16, len: u32, limit: u32) -> Listening {
    let local = Endpoint::new([10, 0, 0, 1], port);
    let process = Some(Process { pid: 7, command: "nginx".into(), pod: None });
    Listening { local, queue: AcceptQueue { len, limit }, process }
}

pub(crate) fn rule() -> RejectRule {
    RejectRule {
        family: "inet".into(),
        table: "guard".into(),
        chain: "input".into(),
        hook: Some(FilterHook::Input),
        handle: 4,
        comment: None,
    }
}

/// Every question has something to find.
pub(crate) fn all_wrong() -> Facts {
    let namespace = Namespace {
        conntrack: Some(Fill { entries: 100, limit: 100 }),
        listeners: vec![listener(80, 6, 5), listener(81, 0, 128)],
        memory: Some(TcpMemory { orphans: 200_000, pages: 600_000 }),
        strict_devices: vec!["eth0".into()],
        reverse_path_drops: Some(5),
        proxies: Proxies {
            found: vec![Proxy { mode: Mode::Iptables, sign: "chain KUBE-SERVICES".into() }],
            unknown: Some("iptables-legacy is in use".into()),
        },
        rejections: Rejections { rules: vec![rule()], complete: false },
        ..with(&[
            ("net.core.somaxconn", "128"),
            ("net.ipv4.tcp_abort_on_overflow", "1"),
            ("net.ipv4.tcp_tw_reuse", "1"),
            ("net.netfilter.nf_conntrack_tcp_timeout_established", "300"),
        ])
    };
    facts(vec![namespace])
}
