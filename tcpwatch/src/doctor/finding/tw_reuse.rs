//! Ports are used again while the last connection on them may be remembered elsewhere.

use super::{Finding, Place, Severity, Value};
use crate::doctor::{Facts, Namespace};

/// Found when
/// 1. `tcp_tw_reuse` is 1: for every peer. Kernels come with 2, for loopback only (net/ipv4/tcp_ipv4.c,
///    `tcp_twsk_unique`).
pub(super) fn find(_facts: &Facts, namespace: &Namespace) -> Vec<Finding> {
    let everywhere = namespace.sysctl(NAME) == Some(EVERYWHERE);
    everywhere.then(|| finding(namespace)).into_iter().collect()
}

fn finding(namespace: &Namespace) -> Finding {
    Finding {
        severity: Severity::Note,
        code: "tw-reuse",
        sentence: format!(
            "{NAME} is {EVERYWHERE}: ports in TIME_WAIT are used again, towards every peer"
        ),
        values: vec![Value { name: NAME, value: EVERYWHERE, unit: "" }],
        leads_to: &["port-reuse"],
        effect: "a peer, or a translator between, that remembers the last connection on a port answers the new one as if \
                 it were the old: a second is lost, or a reset is sent",
        fix: "reuse connections instead of ports: pools, keep-alive; then set it to 2 (default)"
            .into(),
        do_not: "look for tcp_tw_recycle, or set SO_LINGER to 0: that makes resets of closes",
        places: vec![Place::of(namespace)],
    }
}

const NAME: &str = "net.ipv4.tcp_tw_reuse";
const EVERYWHERE: u64 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::samples::{facts, with};

    #[test]
    fn reuse_towards_everybody_is_found() {
        let found = find(&facts(vec![]), &with(&[(NAME, "1")]));
        assert_eq!(found[0].values, [Value { name: NAME, value: 1, unit: "" }]);
    }

    #[test]
    fn the_default_and_none_are_not_found() {
        for value in ["0", "2"] {
            assert_eq!(find(&facts(vec![]), &with(&[(NAME, value)])), []);
        }
    }
}
