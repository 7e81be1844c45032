//! A full accept queue is answered with a RST.

use super::{Finding, Place, Severity, Value};
use crate::doctor::{Facts, Namespace};

/// Found when
/// 1. `tcp_abort_on_overflow` is not 0, its default (net/ipv4/tcp_minisocks.c, `tcp_check_req`).
pub(super) fn find(_facts: &Facts, namespace: &Namespace) -> Vec<Finding> {
    let value = namespace.sysctl(NAME).filter(|value| *value != 0);
    value.map(|value| finding(namespace, value)).into_iter().collect()
}

fn finding(namespace: &Namespace, value: u64) -> Finding {
    Finding {
        severity: Severity::Warning,
        code: "abort-on-overflow",
        sentence: format!("{NAME} is {value}: a full accept queue resets its clients"),
        values: vec![Value { name: NAME, value, unit: "" }],
        leads_to: &["accept-queue-overflow"],
        effect: "a burst that the server would have caught up with a moment later is reset instead of delayed",
        fix: format!(
            "set {NAME} to 0 in this namespace (default), and make the server accept() faster"
        ),
        do_not: "keep it to make clients fail fast: they cannot tell it from a crash",
        places: vec![Place::of(namespace)],
    }
}

const NAME: &str = "net.ipv4.tcp_abort_on_overflow";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::samples::{clean, facts, with};

    #[test]
    fn one_is_found_with_its_value() {
        let namespace = with(&[(NAME, "1")]);
        let found = find(&facts(vec![]), &namespace);
        assert_eq!(found[0].values, [Value { name: NAME, value: 1, unit: "" }]);
        assert!(found[0].sentence.starts_with("net.ipv4.tcp_abort_on_overflow is 1:"));
        assert_eq!(found[0].places, [Place::of(&namespace)]);
    }

    #[test]
    fn zero_and_unknown_are_not_found() {
        assert_eq!(find(&facts(vec![]), &with(&[(NAME, "0")])), []);
        assert_eq!(find(&facts(vec![]), &Namespace { sysctls: [].into(), ..clean() }), []);
    }
}
