//! What do the knobs say that decide about resets?
//!
//! Below `/proc/sys/net` the kernel shows the values of the calling thread's network namespace.

use std::fs;

use crate::event::Sysctls;

/// The values of the calling thread's network namespace. What this kernel does not have is left out:
/// the conntrack ones are there only while nf_conntrack is loaded.
pub fn read() -> Sysctls {
    NAMES.iter().filter_map(|&name| Some((name.to_owned(), value(name)?))).collect()
}

/// Whether nf_conntrack is loaded (or built in), so that listening to it loads nothing.
pub fn has_conntrack() -> bool {
    fs::exists(path("net.netfilter.nf_conntrack_max")).unwrap_or(false)
}

fn value(name: &str) -> Option<String> {
    Some(fs::read_to_string(path(name)).ok()?.trim().to_owned())
}

fn path(name: &str) -> String {
    format!("/proc/sys/{}", name.replace('.', "/"))
}

const NAMES: [&str; 23] = [
    "net.core.somaxconn",
    "net.ipv4.ip_forward",
    "net.ipv4.tcp_abort_on_overflow",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    // Of the whole host, and shown in its first namespace only.
    "net.ipv4.tcp_max_orphans",
    "net.ipv4.tcp_max_syn_backlog",
    // Likewise.
    "net.ipv4.tcp_mem",
    "net.ipv4.tcp_migrate_req",
    "net.ipv4.tcp_synack_retries",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_tw_reuse",
    "net.netfilter.nf_conntrack_events",
    "net.netfilter.nf_conntrack_max",
    "net.netfilter.nf_conntrack_tcp_be_liberal",
    "net.netfilter.nf_conntrack_tcp_loose",
    "net.netfilter.nf_conntrack_tcp_timeout_close_wait",
    "net.netfilter.nf_conntrack_tcp_timeout_established",
    "net.netfilter.nf_conntrack_tcp_timeout_fin_wait",
    "net.netfilter.nf_conntrack_tcp_timeout_syn_recv",
    "net.netfilter.nf_conntrack_tcp_timeout_syn_sent",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_the_kernel_prints() {
        let values = read();
        assert!(values["net.core.somaxconn"].parse::<u32>().is_ok());
        assert!(values.contains_key("net.ipv4.tcp_abort_on_overflow"));
    }

    #[test]
    fn an_unknown_name_has_no_value() {
        assert_eq!(value("net.ipv4.no_such_knob"), None);
    }
}
