//! A conntrack table that is full, or nearly so, right now.

use super::{Finding, Place, Severity, Value};
use crate::doctor::{Facts, Fill, Namespace};

/// Found when
/// 1. the table has a limit, and
/// 2. [`NEARLY`] percent of it or more are taken.
///
/// The next connection finds no room when all of it is. Then entries make room that are not assured, that is, which have
/// not seen traffic both ways; before, from 95 percent on, closing ones (net/netfilter/nf_conntrack_core.c,
/// `early_drop`, `gc_worker_can_early_drop`). A connection in good order keeps its entry.
pub(super) fn find(_facts: &Facts, namespace: &Namespace) -> Vec<Finding> {
    let percent = namespace.conntrack.and_then(Fill::percent).filter(|percent| *percent >= NEARLY);
    let found = namespace.conntrack.zip(percent);
    found.map(|(fill, percent)| finding(namespace, fill, percent)).into_iter().collect()
}

fn finding(namespace: &Namespace, fill: Fill, percent: u64) -> Finding {
    let Fill { entries, limit } = fill;
    let full = entries >= limit;
    Finding {
        severity: if full { Severity::Critical } else { Severity::Warning },
        code: "conntrack-full",
        sentence: format!("the conntrack table is {percent} % full: {entries} of {limit} entries"),
        values: vec![
            Value { name: "net.netfilter.nf_conntrack_count", value: entries, unit: "entries" },
            Value { name: "net.netfilter.nf_conntrack_max", value: limit, unit: "entries" },
        ],
        leads_to: &["conntrack-evicted"],
        effect: "once it is full new connections are dropped; entries not assured yet, or closing, have to make room",
        fix: format!(
            "find who opens so many connections (conntrack -L); raise net.netfilter.nf_conntrack_max (now {limit}, for \
             the whole host) together with nf_conntrack_buckets"
        ),
        do_not: "lower nf_conntrack_tcp_timeout_established below what applications are idle for",
        places: vec![Place::of(namespace)],
    }
}

const NEARLY: u64 = 80;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::samples::{clean, facts};

    fn found(entries: u64, limit: u64) -> Vec<Finding> {
        let conntrack = Some(Fill { entries, limit });
        find(&facts(vec![]), &Namespace { conntrack, ..clean() })
    }

    #[test]
    fn a_table_with_little_room_is_found_with_its_numbers() {
        assert_eq!(found(80, 100)[0].severity, Severity::Warning);
        assert_eq!(found(99, 100)[0].severity, Severity::Warning);
        assert_eq!(
            found(95, 100)[0].sentence,
            "the conntrack table is 95 % full: 95 of 100 entries"
        );
    }

    #[test]
    fn a_table_without_room_is_critical() {
        let of_full = |entries| found(entries, 100)[0].severity;
        assert_eq!(
            [99, 100, 101].map(of_full),
            [Severity::Warning, Severity::Critical, Severity::Critical]
        );
        assert!(!found(100, 100)[0].effect.contains("in use"));
    }

    #[test]
    fn a_table_with_room_or_without_limit_is_not_found() {
        assert_eq!(found(79, 100), []);
        assert_eq!(found(79, 0), []);
        assert_eq!(find(&facts(vec![]), &Namespace { conntrack: None, ..clean() }), []);
    }
}
