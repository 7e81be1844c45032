//! Conntrack forgets connections before keepalive would have spoken.

use super::{Finding, Place, Severity, Value};
use crate::doctor::{Facts, Namespace};

/// Found when
/// 1. conntrack forgets an established connection after no more time
/// 2. than passes before its first keepalive probe: that of this namespace, or, where it forwards for others
///    (`ip_forward` 1), the longest of all namespaces that were looked at.
///
/// Kernels come with 432000 s and 7200 s (net/netfilter/nf_conntrack_proto_tcp.c, include/net/tcp.h).
pub(super) fn find(facts: &Facts, namespace: &Namespace) -> Vec<Finding> {
    let timeout = namespace.sysctl(TIMEOUT);
    let keepalive = longest_keepalive(facts, namespace);
    let found = timeout.zip(keepalive).filter(|(timeout, keepalive)| timeout <= keepalive);
    found.map(|(timeout, idle)| finding(namespace, timeout, idle)).into_iter().collect()
}

/// In seconds.
fn longest_keepalive(facts: &Facts, namespace: &Namespace) -> Option<u64> {
    let forwards = namespace.sysctl("net.ipv4.ip_forward") == Some(1);
    let others = facts.namespaces.iter().filter(|_| forwards);
    others.chain([namespace]).filter_map(|namespace| namespace.sysctl(KEEPALIVE)).max()
}

fn finding(namespace: &Namespace, timeout: u64, keepalive: u64) -> Finding {
    Finding {
        severity: Severity::Warning,
        code: "conntrack-timeout-below-keepalive",
        sentence: format!(
            "conntrack forgets idle connections after {timeout} s, and the first keepalive probe comes after {keepalive} s"
        ),
        values: vec![
            Value { name: TIMEOUT, value: timeout, unit: "s" },
            Value { name: KEEPALIVE, value: keepalive, unit: "s" },
        ],
        leads_to: &["conntrack-expired"],
        effect: "a tracked connection that is idle for so long loses its translation: its next segment is reset",
        fix: format!(
            "set {KEEPALIVE} well below {timeout} s where the applications live (each namespace has its own), with \
             SO_KEEPALIVE on; or raise {TIMEOUT} (default 432000 s)"
        ),
        do_not: "count on keepalive that no application has switched on; lower the timeout to save memory",
        places: vec![Place::of(namespace)],
    }
}

const TIMEOUT: &str = "net.netfilter.nf_conntrack_tcp_timeout_established";
const KEEPALIVE: &str = "net.ipv4.tcp_keepalive_time";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::samples::{clean, facts, with};

    fn found(timeout: &str, keepalive: &str) -> Vec<Finding> {
        find(&facts(vec![]), &with(&[(TIMEOUT, timeout), (KEEPALIVE, keepalive)]))
    }

    #[test]
    fn a_timeout_below_keepalive_is_found_with_both_values() {
        let found = found("300", "7200");
        assert!(
            found[0].sentence.contains("after 300 s") && found[0].sentence.contains("after 7200 s")
        );
        let values: Vec<_> =
            found[0].values.iter().map(|value| (value.value, value.unit)).collect();
        assert_eq!(values, [(300, "s"), (7200, "s")]);
    }

    #[test]
    fn the_moment_of_the_probe_is_too_late() {
        assert_eq!(found("7200", "7200").len(), 1);
        assert_eq!(found("7201", "7200"), []);
    }

    #[test]
    fn what_kernels_and_kube_proxy_come_with_is_not_found() {
        assert_eq!(found("432000", "7200"), []);
        assert_eq!(found("86400", "7200"), []);
    }

    #[test]
    fn without_conntrack_nothing_is_forgotten() {
        let mut namespace = clean();
        namespace.sysctls.remove(TIMEOUT);
        assert_eq!(find(&facts(vec![]), &namespace), []);
    }

    #[test]
    fn who_forwards_answers_for_the_keepalive_of_others() {
        let patient = with(&[(KEEPALIVE, "500000")]);
        let others = facts(vec![patient]);
        let router = with(&[("net.ipv4.ip_forward", "1")]);
        assert_eq!(find(&others, &router)[0].values[1].value, 500_000);
        assert_eq!(find(&others, &clean()), []);
    }
}
