//! A listener whose accept queue is full, or nearly so, right now.

use super::{Finding, Place, Severity, Value};
use crate::doctor::{Facts, Listening, Namespace};
use crate::event::AcceptQueue;

/// Found, for each listener, when
/// 1. its accept queue takes nobody any more, or
/// 2. its accept queue is filled to [`NEARLY`] percent, with [`SEVERAL`] connections at least: one that waits in a
///    queue for one is no sign of anything.
pub(super) fn find(_facts: &Facts, namespace: &Namespace) -> Vec<Finding> {
    let troubled = namespace.listeners.iter().filter_map(|l| Some((l, severity(l.queue)?)));
    troubled.map(|(listener, severity)| finding(namespace, listener, severity)).collect()
}

fn severity(queue: AcceptQueue) -> Option<Severity> {
    if queue.is_full() {
        return Some(Severity::Critical);
    }
    let nearly = u64::from(queue.len) * 100 >= u64::from(queue.limit) * NEARLY;
    (nearly && queue.len >= SEVERAL).then_some(Severity::Warning)
}

fn finding(namespace: &Namespace, listener: &Listening, severity: Severity) -> Finding {
    let queue = listener.queue;
    let word = if queue.is_full() { "full" } else { "nearly full" };
    Finding {
        severity,
        code: "accept-queue-full",
        sentence: format!("the accept queue of {listener} is {word}: {queue} connections wait"),
        values: vec![
            Value { name: "accept_queue", value: queue.len.into(), unit: "connections" },
            Value { name: "limit", value: queue.limit.into(), unit: "connections" },
        ],
        leads_to: &["accept-queue-overflow"],
        effect: "new clients hang, time out, or are reset",
        fix: format!(
            "see why it does not accept(): CPU limit, blocked loop, too few workers; then raise the listen() backlog \
             (limit now {}) and net.core.somaxconn",
            queue.limit
        ),
        do_not: "raise the limit alone: a longer queue hides a slow server until clients give up",
        places: vec![Place::of(namespace)],
    }
}

const NEARLY: u64 = 80;
const SEVERAL: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::samples::{clean, facts, listener};

    fn found(len: u32, limit: u32) -> Vec<Finding> {
        let listeners = vec![listener(80, len, limit)];
        find(&facts(vec![]), &Namespace { listeners, ..clean() })
    }

    #[test]
    fn a_full_queue_is_found_with_its_numbers() {
        let found = found(2, 1);
        assert_eq!(found[0].severity, Severity::Critical);
        let sentence = "the accept queue of 10.0.0.1:80 (nginx[7]) is full: 2/1 connections wait";
        assert_eq!(found[0].sentence, sentence);
        assert_eq!((found[0].values[0].value, found[0].values[1].value), (2, 1));
    }

    #[test]
    fn a_queue_that_is_nearly_full_is_a_warning() {
        assert_eq!(found(103, 128)[0].severity, Severity::Warning);
        assert!(found(103, 128)[0].sentence.contains("nearly full: 103/128"));
    }

    #[test]
    fn a_queue_with_room_and_a_short_one_are_not_found() {
        assert_eq!(found(102, 128), []);
        assert_eq!(found(1, 1), [], "the kernel lets one more in than the limit says");
        assert_eq!(found(5, 5), []);
        assert_eq!(found(0, 0), []);
    }
}
