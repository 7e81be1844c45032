//! A firewall rule refused the packet with a RST; TCP had no part in it.

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use super::Explains;
use crate::event::{Endpoint, FilterHook, PacketRejected, RejectRule, TcpFlags, Time};
use crate::explain::case::Case;
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::verdict::{Certainty, Evidence, Remedy};

/// `reject with tcp reset`, or `-j REJECT --reject-with tcp-reset`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RejectedByRule {
    /// The namespace of the rule.
    pub rule_netns: String,
    pub hook: FilterHook,
    /// Devices the packet came in by and would have left by, where it had them.
    pub input: Option<String>,
    pub output: Option<String>,
    /// The refused packet.
    pub source: Endpoint,
    pub destination: Endpoint,
    pub packet: Packet,
    /// The only rule there that can have done it; `null` when there are several, or when they are not known.
    pub rule: Option<RejectRule>,
    /// Rules that can have done it; `null` when they are not known.
    pub candidates: Option<usize>,
    #[serde(skip)]
    listed_at: Option<Time>,
}

/// What was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Packet {
    Syn,
    SynAck,
    Segment,
}

impl Explains for RejectedByRule {
    const CODE: &'static str = "rejected-by-rule";
    const MEANING: &'static str = "a firewall rule refused the packet with a reset";

    const PAGE: Page = Page {
        group: Group::Path,
        about: "A firewall rule (`reject with tcp reset`, or `-j REJECT --reject-with tcp-reset`) refused the packet \
            with a RST in the name of its destination. TCP had no part in it: the server never saw the packet, the \
            kernel's own counter of resets does not move, and the client gets ECONNREFUSED for a SYN and ECONNRESET \
            later on.",
        shown_by: "the kernel's code for such rules sending the reset, the hook and the devices, and the rule where \
            only one can have done it",
        conditions: &[
            "The kernel's code for rules that reject was seen to send it.",
            "The rule is named when all rules that reject with a reset were listed next to the reset, and",
            "one of them alone can have met the packet: of its family, and at its hook or in a chain that others \
                jump to.",
        ],
        certainty: "observed",
        alike: &[
            ("no-listener", "TCP itself answered, as nothing listens"),
            (
                "peer-refused",
                "where the code for such rules cannot be watched, a rule of this host looks like a refusal from \
                    elsewhere, and that verdict is inferred only",
            ),
            ("middlebox-suspected", "a device elsewhere is suspected"),
        ],
        advice: Advice {
            now: "see the rule, in the namespace that is named: nft -a list ruleset; iptables-save -c",
            fix: "if it is wanted traffic, accept it ahead of the rule",
            trade_off: "drop in place of reject hides the host, and makes clients wait until they time out",
            do_not: "flush the rules; look for the fault in the server, which never saw the packet",
        },
        otherwise: &[],
        reproduce: Reproduce {
            demo: None,
            scenario: "netfilter::a_rule_that_rejects_what_comes_in_refuses_a_connection",
        },
    };

    /// A rule caused the reset when
    /// 1. the kernel's code for rules that reject was seen to send it.
    ///
    /// The rule itself is named when
    /// 2. all rules that reject with a reset were listed next to the reset, and
    /// 3. one of them alone can have met the packet: of its family, and at its hook or in a chain that others jump to;
    ///    where a bridge or a device refused it, of their families.
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)> {
        let rejected = case.rejection()?;
        let listed = case.reject_rules().filter(|listed| listed.complete);
        let candidates = listed.map(|listed| listed.rules.iter().filter(|rule| can_meet(rule, rejected)));
        let candidates: Option<Vec<_>> = candidates.map(Iterator::collect);
        let rule = match candidates.as_deref() {
            Some([only]) => Some((*only).clone()),
            _ => None,
        };
        let cause = Self {
            rule_netns: case.name_of(rejected.netns),
            hook: rejected.hook,
            input: rejected.input.clone(),
            output: rejected.output.clone(),
            source: rejected.flow.remote,
            destination: rejected.flow.local,
            packet: Packet::of(rejected.segment.flags),
            rule,
            candidates: candidates.map(|candidates| candidates.len()),
            listed_at: listed.map(|listed| listed.time),
        };
        Some((Certainty::Observed, cause))
    }

    fn evidence(&self) -> Vec<Evidence> {
        let Self { source, destination, packet, hook, rule_netns, .. } = self;
        let refused = format!("{packet} {source} -> {destination} was answered with a RST by a rule");
        let place = format!("in {rule_netns}, hook {hook}{}", self.devices());
        vec![Evidence::new("netfilter", refused), Evidence::new("netfilter", place), self.which()]
    }

    fn remedy(&self) -> Remedy {
        Remedy {
            now: format!("see the rule (in {}): {}", self.rule_netns, self.command()),
            fix: format!("if it is wanted traffic, accept it ahead of the rule: tcp dport {}", self.destination.port),
            ..Self::PAGE.advice.into()
        }
    }
}

impl RejectedByRule {
    fn which(&self) -> Evidence {
        let text = match (&self.rule, self.candidates) {
            (Some(rule), _) => format!("{rule}{}: no other rule there can", commented(rule)),
            (None, Some(0)) => "no rule of nftables there can: it is gone again".into(),
            (None, Some(count)) => format!("{count} rules there can: which one is not told"),
            (None, None) => "which rule is not known: they could not all be listed".into(),
        };
        Evidence { source: "netfilter", at: self.listed_at, text }
    }

    fn devices(&self) -> String {
        let named = |word: &str, name: &Option<String>| {
            name.as_ref().map_or_else(String::new, |name| format!(", {word} {name}"))
        };
        named("in by", &self.input) + &named("out by", &self.output)
    }

    fn command(&self) -> String {
        match &self.rule {
            Some(RejectRule { family, table, chain, .. }) => format!("nft -a list chain {family} {table} {chain}"),
            None => "nft -a list ruleset; iptables-save -c".into(),
        }
    }
}

impl Packet {
    fn of(flags: TcpFlags) -> Self {
        match (flags.syn(), flags.ack()) {
            (true, false) => Self::Syn,
            (true, true) => Self::SynAck,
            (false, _) => Self::Segment,
        }
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syn => "SYN",
            Self::SynAck => "SYN+ACK",
            Self::Segment => "segment",
        })
    }
}

impl fmt::Display for RejectedByRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hook, rule_netns, packet, .. } = self;
        match &self.rule {
            Some(rule) => write!(f, "the firewall rule {rule} in {rule_netns} refused the {packet} at {hook}"),
            None => write!(f, "a firewall rule in {rule_netns} refused the {packet} at {hook}"),
        }
    }
}

/// Condition 3.
fn can_meet(rule: &RejectRule, rejected: &PacketRejected) -> bool {
    if rejected.hook == FilterHook::LinkLayer {
        return matches!(rule.family.as_str(), "bridge" | "netdev");
    }
    let own = if is_v4(rejected) { "ip" } else { "ip6" };
    let family = rule.family == own || rule.family == "inet";
    family && rule.hook.is_none_or(|hook| hook == rejected.hook)
}

fn is_v4(rejected: &PacketRejected) -> bool {
    matches!(rejected.flow.local.addr, IpAddr::V4(_))
}

fn commented(rule: &RejectRule) -> String {
    rule.comment.as_ref().map_or_else(String::new, |comment| format!(" \"{comment}\""))
}

#[cfg(test)]
mod tests {
    use crate::event::{Fact, FilterHook};
    use crate::explain::story::{Story, reject_rule};

    const SERVER: &str = "10.0.0.1:80";
    const CLIENT: &str = "10.0.0.9:40000";

    fn rejected() -> Story {
        Story::new().after(5).rejects_syn(FilterHook::Input, SERVER, CLIENT)
    }

    #[test]
    fn the_only_rule_that_can_is_named() {
        let other = reject_rule("inet", Some(FilterHook::Forward), 9);
        let other_family = reject_rule("ip6", Some(FilterHook::Input), 8);
        let story = rejected().lists_rules(&[reject_rule("inet", Some(FilterHook::Input), 4), other, other_family], true);
        assert_eq!(
            story.said(),
            "rejected-by-rule observed: the firewall rule inet filter chain4 handle 4 in ns1 refused the SYN at input"
        );
    }

    #[test]
    fn a_rule_in_a_chain_that_others_jump_to_can_be_the_one() {
        let story = rejected().lists_rules(&[reject_rule("ip", None, 4)], true);
        assert!(story.said().contains("the firewall rule ip filter chain4 handle 4"));
    }

    #[test]
    fn of_two_rules_none_is_named() {
        let rules = [reject_rule("inet", Some(FilterHook::Input), 4), reject_rule("ip", None, 5)];
        let said = rejected().lists_rules(&rules, true).said();
        assert_eq!(said, "rejected-by-rule observed: a firewall rule in ns1 refused the SYN at input");
    }

    #[test]
    fn where_iptables_may_keep_rules_of_its_own_none_is_named() {
        let said = rejected().lists_rules(&[reject_rule("inet", Some(FilterHook::Input), 4)], false).said();
        assert!(said.contains("a firewall rule in ns1"), "{said}");
    }

    #[test]
    fn rules_listed_long_before_name_none() {
        let story = Story::new().lists_rules(&[reject_rule("inet", Some(FilterHook::Input), 4)], true).after(5000);
        let said = story.rejects_syn(FilterHook::Input, SERVER, CLIENT).said();
        assert!(said.contains("a firewall rule in ns1"), "{said}");
    }

    #[test]
    fn a_rule_of_a_bridge_is_not_met_by_a_packet_of_ip() {
        let said = rejected().lists_rules(&[reject_rule("bridge", None, 4)], true).said();
        assert!(said.contains("a firewall rule in ns1"), "{said}");
        let story = Story::new().after(5).rejects_syn(FilterHook::LinkLayer, SERVER, CLIENT);
        let said = story.lists_rules(&[reject_rule("bridge", None, 4)], true).said();
        assert!(said.contains("the firewall rule bridge filter chain4 handle 4"), "{said}");
    }

    #[test]
    fn the_other_end_on_this_host_is_told_the_same() {
        let verdicts = rejected().within(2).refused(CLIENT, SERVER).verdicts();
        let [sent, received] = verdicts.as_slice() else { panic!("{verdicts:#?}") };
        assert_eq!(received.joined, Some(sent.id));
        assert_eq!(received.errno.map(|errno| errno.name), Some("ECONNREFUSED"));
    }

    #[test]
    fn a_refusal_by_tcp_itself_is_none_by_a_rule() {
        let story = Story::new().lists_rules(&[reject_rule("inet", Some(FilterHook::Input), 4)], true).after(5);
        assert_eq!(story.syn_meets_nobody("10.0.0.1:81", CLIENT).code(), "no-listener");
    }

    #[test]
    fn where_rejections_cannot_be_seen_none_is_claimed() {
        let story = Story::blind_to(&[Fact::PacketRejected]).after(5).within(2).refused(CLIENT, SERVER);
        assert_eq!(story.code(), "unexplained");
    }
}
