//! What has the kernel itself counted in this network namespace?
//!
//! `/proc/net/snmp` and `/proc/net/netstat`: pairs of lines, names and then values, each pair with its own prefix
//! (net/ipv4/proc.c). The order of the names differs between kernels, so they are found by name.

use std::fs;
use std::io;

use super::clock;
use crate::event::{ConntrackCounters, CountersRead, NetNs};

/// The counters of the calling thread's network namespace.
pub fn read(netns: NetNs) -> io::Result<CountersRead> {
    let time = clock::now();
    let snmp = fs::read_to_string("/proc/thread-self/net/snmp")?;
    let netstat = fs::read_to_string("/proc/thread-self/net/netstat")?;
    Ok(CountersRead { time, netns, conntrack: conntrack(), ..parse(&snmp, &netstat) })
}

/// Packets of the calling thread's network namespace that checks of their source address have dropped.
pub fn reverse_path_drops() -> Option<u64> {
    let netstat = fs::read_to_string("/proc/thread-self/net/netstat").ok()?;
    value(&netstat, "TcpExt:", "IPReversePathFilter")
}

/// `None` where nf_conntrack is not loaded, or keeps no statistics.
fn conntrack() -> Option<ConntrackCounters> {
    let number = |name| {
        let text = fs::read_to_string(format!("/proc/sys/net/netfilter/{name}")).ok()?;
        text.trim().parse().ok()
    };
    let stat = fs::read_to_string("/proc/thread-self/net/stat/nf_conntrack").ok()?;
    Some(ConntrackCounters {
        entries: number("nf_conntrack_count")?,
        limit: number("nf_conntrack_max")?,
        early_drops: sum(&stat, "early_drop")?,
        drops: sum(&stat, "drop")?,
        invalid: sum(&stat, "invalid")?,
    })
}

/// A line of names, then one of hexadecimal numbers for each processor
/// (net/netfilter/nf_conntrack_standalone.c, `ct_cpu_seq_show`).
fn sum(stat: &str, name: &str) -> Option<u64> {
    let mut lines = stat.lines();
    let column = lines.next()?.split_whitespace().position(|n| n == name)?;
    lines.map(|line| u64::from_str_radix(line.split_whitespace().nth(column)?, 16).ok()).sum()
}

/// What the kernel does not count (any more, or yet) is 0.
fn parse(snmp: &str, netstat: &str) -> CountersRead {
    let tcp = |name| value(snmp, "Tcp:", name).unwrap_or(0);
    let ext = |name| value(netstat, "TcpExt:", name).unwrap_or(0);
    CountersRead {
        time: crate::event::Time::default(),
        netns: NetNs(0),
        out_rsts: tcp("OutRsts"),
        estab_resets: tcp("EstabResets"),
        attempt_fails: tcp("AttemptFails"),
        listen_overflows: ext("ListenOverflows"),
        listen_drops: ext("ListenDrops"),
        syncookies_failed: ext("SyncookiesFailed"),
        conntrack: None,
    }
}

fn value(text: &str, prefix: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(prefix));
    let column = lines.next()?.split_whitespace().position(|n| n == name)?;
    lines.next()?.split_whitespace().nth(column)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SNMP: &str = "Ip: Forwarding DefaultTTL\nIp: 1 64\n\
        Tcp: RtoAlgorithm MaxConn AttemptFails EstabResets OutRsts\nTcp: 1 -1 7 5 12\nUdp: InDatagrams\nUdp: 3\n";
    const NETSTAT: &str = "TcpExt: SyncookiesFailed ListenOverflows ListenDrops\nTcpExt: 2 4 6\nIpExt: InOctets\nIpExt: 1\n";

    #[test]
    fn values_are_found_by_name() {
        let read = parse(SNMP, NETSTAT);
        assert_eq!((read.out_rsts, read.estab_resets, read.attempt_fails), (12, 5, 7));
        assert_eq!((read.listen_overflows, read.listen_drops, read.syncookies_failed), (4, 6, 2));
    }

    #[test]
    fn conntrack_counts_by_processor_in_hexadecimal() {
        let stat = "entries  clashres found new invalid drop early_drop\n\
            0000000a  00000000 00000000 00000000 00000010 00000000 00000001\n\
            0000000a  00000000 00000000 00000000 00000001 00000002 0000000f\n";
        assert_eq!(sum(stat, "early_drop"), Some(16));
        assert_eq!(sum(stat, "invalid"), Some(17));
        assert_eq!(sum(stat, "insert_failed"), None);
        assert_eq!(sum("", "drop"), None);
    }

    #[test]
    fn what_is_missing_or_negative_is_no_number() {
        assert_eq!(value(SNMP, "Tcp:", "MaxConn"), None);
        assert_eq!(value(SNMP, "Tcp:", "Nothing"), None);
        assert_eq!(value("Tcp: OutRsts", "Tcp:", "OutRsts"), None);
        assert_eq!(parse("", "").out_rsts, 0);
    }
}
