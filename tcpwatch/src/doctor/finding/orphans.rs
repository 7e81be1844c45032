//! Connections that nobody holds any more are about to be given up.

use super::{Finding, Place, Severity, Value};
use crate::doctor::{Facts, Namespace};

/// Found when
/// 1. the orphans of the host have come to [`NEARLY`] percent of `tcp_max_orphans`. Beyond it the kernel resets them
///    (include/net/tcp.h, `tcp_too_many_orphans`).
pub(super) fn find(_facts: &Facts, namespace: &Namespace) -> Vec<Finding> {
    let orphans = namespace.memory.map(|memory| memory.orphans);
    let found = orphans.zip(namespace.sysctl(LIMIT));
    let near = found.filter(|(orphans, limit)| orphans.saturating_mul(100) >= limit * NEARLY);
    near.map(|(orphans, limit)| finding(namespace, orphans, limit)).into_iter().collect()
}

fn finding(namespace: &Namespace, orphans: u64, limit: u64) -> Finding {
    Finding {
        severity: if orphans > limit { Severity::Critical } else { Severity::Warning },
        code: "orphans-near-limit",
        sentence: format!(
            "{orphans} closed connections wait for their peers, of {limit} on the whole host"
        ),
        values: vec![
            Value { name: "orphans", value: orphans, unit: "connections" },
            Value { name: LIMIT, value: limit, unit: "connections" },
        ],
        leads_to: &["out-of-memory-or-orphans"],
        effect: "beyond the limit a connection is reset when it is closed, with data still on its way",
        fix: format!(
            "find whose peers do not answer (ss -tanop state fin-wait-1); then raise {LIMIT} (now {limit})"
        ),
        do_not: "raise it without the memory: each orphan may take 64 KB that cannot be swapped",
        places: vec![Place::of(namespace)],
    }
}

const LIMIT: &str = "net.ipv4.tcp_max_orphans";
const NEARLY: u64 = 80;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::TcpMemory;
    use crate::doctor::samples::{facts, with};

    fn found(orphans: u64, limit: &str) -> Vec<Finding> {
        let memory = Some(TcpMemory { orphans, pages: 0 });
        find(&facts(vec![]), &Namespace { memory, ..with(&[(LIMIT, limit)]) })
    }

    #[test]
    fn many_orphans_are_found_with_their_limit() {
        assert_eq!(found(80, "100")[0].severity, Severity::Warning);
        assert_eq!(found(101, "100")[0].severity, Severity::Critical);
        assert!(found(80, "100")[0].sentence.starts_with("80 closed connections"));
    }

    #[test]
    fn few_orphans_and_other_namespaces_are_not_found() {
        assert_eq!(found(79, "100"), []);
        assert_eq!(find(&facts(vec![]), &with(&[(LIMIT, "100")])), []);
    }
}
