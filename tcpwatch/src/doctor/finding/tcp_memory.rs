//! TCP takes about as much memory as it may.

use super::{Finding, Place, Severity, Value};
use crate::doctor::{Facts, Namespace};

/// Found when
/// 1. TCP of the whole host has more pages than the second value of `tcp_mem`, from which on the kernel is under
///    pressure. Beyond the third it resets what is closed (net/ipv4/tcp_timer.c, `tcp_out_of_resources`).
pub(super) fn find(_facts: &Facts, namespace: &Namespace) -> Vec<Finding> {
    let pages = namespace.memory.map(|memory| memory.pages);
    let pressure = namespace.sysctl_part(LIMITS, 1).zip(namespace.sysctl_part(LIMITS, 2));
    let found = pages.zip(pressure).filter(|(pages, (pressure, _))| pages > pressure);
    found.map(|(pages, limits)| finding(namespace, pages, limits)).into_iter().collect()
}

fn finding(namespace: &Namespace, pages: u64, (pressure, limit): (u64, u64)) -> Finding {
    Finding {
        severity: if pages > limit { Severity::Critical } else { Severity::Warning },
        code: "tcp-memory-pressure",
        sentence: format!("TCP holds {pages} pages of memory; it is under pressure from {pressure} on, and {limit} is the end"),
        values: vec![
            Value { name: "pages", value: pages, unit: "pages" },
            Value { name: "net.ipv4.tcp_mem (pressure)", value: pressure, unit: "pages" },
            Value { name: "net.ipv4.tcp_mem (limit)", value: limit, unit: "pages" },
        ],
        leads_to: &["out-of-memory-or-orphans"],
        effect: "buffers shrink and segments are dropped; beyond the limit closed connections are reset",
        fix: "find who does not read, or not send, what fills the buffers (ss -tanm); then raise net.ipv4.tcp_mem".into(),
        do_not: "raise tcp_rmem and tcp_wmem: that is what each connection may take",
        places: vec![Place::of(namespace)],
    }
}

const LIMITS: &str = "net.ipv4.tcp_mem";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::TcpMemory;
    use crate::doctor::samples::{facts, with};

    fn found(pages: u64) -> Vec<Finding> {
        let memory = Some(TcpMemory { orphans: 0, pages });
        find(&facts(vec![]), &Namespace { memory, ..with(&[(LIMITS, "10\t20\t30")]) })
    }

    #[test]
    fn pressure_is_found_with_its_numbers() {
        assert_eq!(found(21)[0].severity, Severity::Warning);
        assert_eq!(found(31)[0].severity, Severity::Critical);
        assert!(found(21)[0].sentence.starts_with("TCP holds 21 pages"));
    }

    #[test]
    fn what_is_below_pressure_is_not_found() {
        assert_eq!(found(20), []);
        assert_eq!(find(&facts(vec![]), &with(&[(LIMITS, "10\t20\t30")])), []);
    }
}
