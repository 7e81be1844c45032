//! Firewall rules that refuse with a RST.

use super::{Finding, Place, Severity, Value};
use crate::doctor::{Facts, Namespace};
use crate::event::RejectRule;

/// Found when
/// 1. a rule of this namespace refuses with a RST.
pub(super) fn find(_facts: &Facts, namespace: &Namespace) -> Vec<Finding> {
    let rules = &namespace.rejections.rules;
    rules.first().map(|first| finding(namespace, first, rules.len())).into_iter().collect()
}

fn finding(namespace: &Namespace, first: &RejectRule, count: usize) -> Finding {
    let others = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
    let verb = if count > 1 { "refuse" } else { "refuses" };
    Finding {
        severity: Severity::Note,
        code: "reject-rules",
        sentence: format!("the firewall rule {first}{others} {verb} with a RST"),
        values: vec![Value { name: "rules", value: count as u64, unit: "rules" }],
        leads_to: &["rejected-by-rule"],
        effect: "whom a rule matches is reset in the name of the server, which knows nothing of it; no counter of TCP shows it",
        fix: format!("see that it matches whom it should: nft -a list ruleset ({first})"),
        do_not: "flush the ruleset to find out",
        places: vec![Place::of(namespace)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Rejections;
    use crate::doctor::samples::{clean, facts, rule};

    fn found(rules: Vec<RejectRule>) -> Vec<Finding> {
        let rejections = Rejections { rules, complete: true };
        find(&facts(vec![]), &Namespace { rejections, ..clean() })
    }

    #[test]
    fn a_rule_is_found_by_its_place() {
        let found = found(vec![rule()]);
        assert_eq!(found[0].severity, Severity::Note);
        let sentence = "the firewall rule inet guard input handle 4 refuses with a RST";
        assert_eq!(found[0].sentence, sentence);
    }

    #[test]
    fn several_rules_are_counted() {
        assert!(found(vec![rule(), rule()])[0].sentence.ends_with("and 1 more refuse with a RST"));
    }

    #[test]
    fn no_rule_is_not_found() {
        assert_eq!(found(vec![]), []);
    }
}
