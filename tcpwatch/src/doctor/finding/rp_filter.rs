//! Segments are dropped for having come in by the wrong device.

use super::{Finding, Place, Severity, Value};
use crate::doctor::{Facts, Namespace};

/// Found when
/// 1. a device checks source addresses strictly (`rp_filter` 1, that of the device or that of all), and
/// 2. such checks have dropped packets in this namespace (`IPReversePathFilter`).
pub(super) fn find(_facts: &Facts, namespace: &Namespace) -> Vec<Finding> {
    let drops = namespace.reverse_path_drops.filter(|drops| *drops > 0);
    let found = drops.filter(|_| !namespace.strict_devices.is_empty());
    found.map(|drops| finding(namespace, drops)).into_iter().collect()
}

fn finding(namespace: &Namespace, drops: u64) -> Finding {
    let devices = &namespace.strict_devices;
    let named = devices.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    let others = devices.len().saturating_sub(NAMED);
    let others = if others > 0 { format!(" and {others} more") } else { String::new() };
    Finding {
        severity: Severity::Note,
        code: "rp-filter-drops",
        sentence: format!("strict rp_filter (on {named}{others}): checks of source addresses have dropped {drops} packets"),
        values: vec![Value { name: "IPReversePathFilter", value: drops, unit: "packets" }],
        leads_to: &[],
        effect: "where answers would leave by another device, segments are dropped: connections time out, nobody is reset",
        fix: "if this host is meant to have several ways to its peers, set rp_filter to 2 on the devices concerned".into(),
        do_not: "set it to 0 everywhere: it also keeps forged addresses out",
        places: vec![Place::of(namespace)],
    }
}

/// Devices that are named; others are counted.
const NAMED: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::samples::{clean, facts};

    fn found(devices: &[&str], drops: Option<u64>) -> Vec<Finding> {
        let strict_devices = devices.iter().map(|&device| device.to_owned()).collect();
        find(&facts(vec![]), &Namespace { strict_devices, reverse_path_drops: drops, ..clean() })
    }

    #[test]
    fn drops_of_a_strict_device_are_found_with_their_number() {
        let found = found(&["eth0"], Some(5));
        assert_eq!(found[0].values[0].value, 5);
        assert!(found[0].sentence.contains("(on eth0)") && found[0].sentence.contains("5 packets"));
        assert!(found[0].leads_to.is_empty());
    }

    #[test]
    fn many_devices_are_counted() {
        let sentence = &found(&["a", "b", "c", "d", "e"], Some(5))[0].sentence;
        assert!(sentence.contains("(on a, b, c and 2 more)"), "{sentence}");
    }

    #[test]
    fn strictness_without_drops_and_drops_without_strictness_are_not_found() {
        assert_eq!(found(&["eth0"], Some(0)), []);
        assert_eq!(found(&["eth0"], None), []);
        assert_eq!(found(&[], Some(5)), []);
    }
}
