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
    let found = timeout.zip(keepalive).filter(|(timeout, longest)| *timeout <= longest.seconds);
    found.map(|(timeout, longest)| finding(namespace, timeout, &longest)).into_iter().collect()
}

/// The time before the first keepalive probe.
struct Keepalive<'a> {
    seconds: u64,
    of: &'a Namespace,
}

/// Where several are as long, that of the namespace itself.
fn longest_keepalive<'a>(facts: &'a Facts, namespace: &'a Namespace) -> Option<Keepalive<'a>> {
    let forwards = namespace.sysctl("net.ipv4.ip_forward") == Some(1);
    let others = facts.namespaces.iter().filter(|_| forwards);
    let all = others.chain([namespace]);
    let all = all.filter_map(|of| Some(Keepalive { seconds: of.sysctl(KEEPALIVE)?, of }));
    all.max_by_key(|keepalive| keepalive.seconds)
}

fn finding(namespace: &Namespace, timeout: u64, longest: &Keepalive<'_>) -> Finding {
    let keepalive = longest.seconds;
    let elsewhere = longest.of.netns != namespace.netns;
    let whose = if elsewhere { format!(" in {}", longest.of) } else { String::new() };
    Finding {
        severity: Severity::Warning,
        code: "conntrack-timeout-below-keepalive",
        sentence: format!(
            "conntrack forgets idle connections after {timeout} s, and the first keepalive probe{whose} comes after {keepalive} s"
        ),
        values: vec![
            Value { name: TIMEOUT, value: timeout, unit: "s" },
            Value { name: KEEPALIVE, value: keepalive, unit: "s" },
        ],
        leads_to: &["conntrack-expired"],
        effect: "a connection that is idle for so long loses its entry: where it is translated, its next segment is reset",
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
    use crate::event::NetNs;

    fn found(timeout: &str, keepalive: &str) -> Vec<Finding> {
        find(&facts(vec![]), &with(&[(TIMEOUT, timeout), (KEEPALIVE, keepalive)]))
    }

    #[test]
    fn a_timeout_below_keepalive_is_found_with_both_values() {
        let found = found("300", "7200");
        let expected = "conntrack forgets idle connections after 300 s, and the first keepalive probe comes after 7200 s";
        assert_eq!(found[0].sentence, expected);
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
    fn who_is_as_patient_as_others_is_told_its_own_value() {
        let same = Namespace { netns: NetNs(9), ..with(&[(TIMEOUT, "300")]) };
        let router = with(&[("net.ipv4.ip_forward", "1"), (TIMEOUT, "300")]);
        let found = find(&facts(vec![same]), &router);
        assert!(found[0].sentence.ends_with("keepalive probe comes after 7200 s"));
    }

    #[test]
    fn who_forwards_answers_for_the_keepalive_of_others() {
        let patient = Namespace { netns: NetNs(9), name: None, ..with(&[(KEEPALIVE, "500000")]) };
        let others = facts(vec![patient, clean()]);
        let router = with(&[("net.ipv4.ip_forward", "1")]);
        let found = &find(&others, &router)[0];
        assert_eq!(found.values[1].value, 500_000);
        let whose = "the first keepalive probe in net:[9] (nginx[7]) comes after 500000 s";
        assert!(found.sentence.ends_with(whose), "{}", found.sentence);
        assert_eq!(find(&others, &clean()), []);
    }
}
