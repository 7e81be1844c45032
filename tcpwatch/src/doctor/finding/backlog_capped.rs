//! `somaxconn` was lowered, and listeners have no more than it gives.

use super::{Finding, Place, Severity, Value};
use crate::doctor::{Facts, Listening, Namespace};

/// Found when
/// 1. `net.core.somaxconn` is below what the kernel comes with, and
/// 2. the limit of some listener is just that: `listen()` asked for as much or more (net/socket.c, `__sys_listen`).
pub(super) fn find(_facts: &Facts, namespace: &Namespace) -> Vec<Finding> {
    let lowered = namespace.sysctl(NAME).filter(|value| *value < DEFAULT);
    let found = lowered.and_then(|value| {
        let capped = |listener: &&Listening| u64::from(listener.queue.limit) == value;
        let capped: Vec<_> = namespace.listeners.iter().filter(capped).collect();
        Some(finding(namespace, value, capped.first()?, capped.len()))
    });
    found.into_iter().collect()
}

fn finding(namespace: &Namespace, value: u64, first: &Listening, count: usize) -> Finding {
    let others = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
    Finding {
        severity: Severity::Note,
        code: "backlog-capped",
        sentence: format!(
            "{NAME} is {value} (default {DEFAULT}), and that or more was asked as backlog of {first}{others}"
        ),
        values: vec![Value { name: NAME, value, unit: "connections" }],
        leads_to: &["accept-queue-overflow"],
        effect: "where more was asked for, a burst of new connections that would have had room does not fit",
        fix: format!(
            "raise {NAME} in this namespace (a pod has its own), then restart the listener: it is read at listen()"
        ),
        do_not: "expect a change to reach listeners that are open already",
        places: vec![Place::of(namespace)],
    }
}

const NAME: &str = "net.core.somaxconn";

/// `SOMAXCONN` of include/linux/socket.h, since 5.4.
const DEFAULT: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::samples::{facts, listener, with};

    fn found(somaxconn: &str, limits: &[u32]) -> Vec<Finding> {
        let listeners = limits.iter().map(|limit| listener(80, 0, *limit)).collect();
        find(&facts(vec![]), &Namespace { listeners, ..with(&[(NAME, somaxconn)]) })
    }

    #[test]
    fn listeners_that_have_all_of_a_lowered_limit_are_found() {
        let sentence = &found("128", &[5, 128, 128])[0].sentence;
        assert!(sentence.contains("is 128 (default 4096), and that or more was"), "{sentence}");
        assert!(sentence.ends_with("10.0.0.1:80 (nginx[7]) and 1 more"), "{sentence}");
    }

    #[test]
    fn the_default_caps_nobody_worth_telling() {
        assert_eq!(found("4096", &[4096]), []);
        assert_eq!(found("65535", &[65535]), []);
    }

    #[test]
    fn a_listener_that_asked_for_less_is_not_capped() {
        assert_eq!(found("128", &[5, 127, 511]), []);
        assert_eq!(found("128", &[]), []);
    }
}
