//! What is found, and in which order it is told.

mod abort_on_overflow;
mod accept_queue;
mod backlog_capped;
mod conntrack_fill;
mod conntrack_timeout;
mod orphans;
mod reject_rules;
mod tcp_memory;
mod tw_reuse;

use serde::Serialize;

use super::{Facts, Namespace, Process};
use crate::event::NetNs;

/// A setting, or a state, that leads to resets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub severity: Severity,
    /// Stable, in kebab-case.
    pub code: &'static str,
    /// What is the case, with the live values.
    pub sentence: String,
    /// What `sentence` says, for programs.
    pub values: Vec<Value>,
    /// Codes of causes, as `tcpwatch causes` lists them; empty where connections fail without a reset.
    pub leads_to: &'static [&'static str],
    /// How it fails.
    pub effect: &'static str,
    pub fix: String,
    pub do_not: &'static str,
    /// Where it is so.
    pub places: Vec<Place>,
}

/// How bad it is, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The next connections fail.
    Critical,
    /// Connections fail as soon as load rises, or some of them are idle.
    Warning,
    /// Somebody wants it so, or it needs more to go wrong.
    Note,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A value as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Value {
    pub name: &'static str,
    pub value: u64,
    /// `s`, `entries`, `connections`…; empty for a switch.
    pub unit: &'static str,
}

/// A namespace in which something was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    pub netns: NetNs,
    pub name: Option<String>,
    pub process: Option<Process>,
    /// What people call it.
    #[serde(skip)]
    pub called: String,
}

impl Place {
    fn of(namespace: &Namespace) -> Self {
        Self {
            netns: namespace.netns,
            name: namespace.name.clone(),
            process: namespace.process.clone(),
            called: namespace.to_string(),
        }
    }
}

/// Everything that is found, worst first. What is the same in several namespaces is one finding.
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut all: Vec<Finding> = Vec::new();
    for check in CHECKS {
        let found = facts.namespaces.iter().flat_map(|namespace| check(facts, namespace));
        found.for_each(|finding| add(finding, &mut all));
    }
    all.sort_by_key(|finding| finding.severity);
    all
}

fn add(finding: Finding, all: &mut Vec<Finding>) {
    match all.iter_mut().find(|other| other.says_the_same_as(&finding)) {
        Some(other) => other.places.extend(finding.places),
        None => all.push(finding),
    }
}

impl Finding {
    /// But of other places. The rest follows from the sentence.
    fn says_the_same_as(&self, other: &Self) -> bool {
        (self.code, &self.sentence) == (other.code, &other.sentence)
    }
}

/// One question to the facts of a namespace.
type Check = fn(&Facts, &Namespace) -> Vec<Finding>;

const CHECKS: &[Check] = &[
    accept_queue::find,
    conntrack_fill::find,
    tcp_memory::find,
    orphans::find,
    conntrack_timeout::find,
    abort_on_overflow::find,
    backlog_capped::find,
    tw_reuse::find,
    reject_rules::find,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::samples::{clean, facts, with};
    use crate::explain::cause::Cause;

    /// Everything that can be found, in one namespace.
    fn ailing() -> Namespace {
        let mut namespace = with(&[
            ("net.ipv4.tcp_abort_on_overflow", "1"),
            ("net.ipv4.tcp_tw_reuse", "1"),
            ("net.netfilter.nf_conntrack_tcp_timeout_established", "60"),
        ]);
        namespace.conntrack = Some(crate::doctor::Fill { entries: 100, limit: 100 });
        namespace
    }

    #[test]
    fn a_host_as_the_kernel_made_it_has_no_findings() {
        assert_eq!(findings(&facts(vec![clean()])), []);
    }

    /// The counter never goes back, and what it counts may be forged addresses: told among the facts.
    #[test]
    fn packets_that_a_strict_rp_filter_has_dropped_are_no_finding() {
        let strict_devices = vec!["eth0".into()];
        let strict = Namespace { strict_devices, reverse_path_drops: Some(5), ..clean() };
        assert_eq!(findings(&facts(vec![strict])), []);
    }

    #[test]
    fn a_namespace_that_was_not_entered_has_no_findings() {
        assert_eq!(findings(&facts(vec![Namespace::unknown(NetNs(1))])), []);
    }

    #[test]
    fn the_worst_comes_first() {
        let found = findings(&facts(vec![ailing()]));
        let codes: Vec<_> = found.iter().map(|f| (f.severity.name(), f.code)).collect();
        let expected = [
            ("critical", "conntrack-full"),
            ("warning", "conntrack-timeout-below-keepalive"),
            ("warning", "abort-on-overflow"),
            ("note", "tw-reuse"),
        ];
        assert_eq!(codes, expected);
    }

    #[test]
    fn the_same_in_several_namespaces_is_one_finding() {
        let at =
            |netns| Namespace { netns: NetNs(netns), ..with(&[("net.ipv4.tcp_tw_reuse", "1")]) };
        let found = findings(&facts(vec![at(1), clean(), at(3)]));
        assert_eq!(found.len(), 1);
        let places: Vec<_> = found[0].places.iter().map(|place| place.netns).collect();
        assert_eq!(places, [NetNs(1), NetNs(3)]);
    }

    #[test]
    fn findings_lead_to_causes_that_exist() {
        for finding in findings(&crate::doctor::samples::all_wrong()) {
            for code in finding.leads_to {
                assert!(Cause::ALL.iter().any(|(known, _)| known == code), "{code}");
            }
            assert!(finding.leads_to.len() + finding.effect.len() > 0 && !finding.fix.is_empty());
        }
    }

    #[test]
    fn every_question_can_be_answered_with_yes() {
        let all_wrong = crate::doctor::samples::all_wrong();
        for (index, check) in CHECKS.iter().enumerate() {
            let yes = all_wrong.namespaces.iter().any(|ns| !check(&all_wrong, ns).is_empty());
            assert!(yes, "number {index} never finds anything");
        }
    }
}
