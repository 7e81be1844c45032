//! Which firewall rules of this network namespace refuse with a RST?
//!
//! nftables is asked by netlink (include/uapi/linux/netfilter/nf_tables.h): its chains, then its rules, of which those
//! are kept whose last word is `reject with tcp reset`, also in the form iptables-nft writes it. What iptables-legacy
//! keeps is not listed: where it may have such a rule, the list is told to be incomplete.
//!
//! Asking loads nothing: a kernel without nf_tables is not asked.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use rustix::net::netlink::NETFILTER;

use super::clock;
use super::netlink::{Attributes, Message, Messages, array_at, dump_at_most};
use crate::event::{FilterHook, NetNs, RejectRule, RejectRulesFound};

/// The rules of the calling thread's network namespace. `has_nftables`: the kernel has nf_tables loaded or built in.
pub fn reject_rules(netns: NetNs, has_nftables: bool) -> RejectRulesFound {
    let time = clock::now();
    let listed = if has_nftables { list() } else { Ok(Vec::new()) };
    if let Err(error) = &listed {
        log::debug!("cannot list the firewall rules of {netns}: {error}");
    }
    let complete = listed.is_ok() && !legacy_may_reject();
    RejectRulesFound { time, netns, rules: listed.unwrap_or_default(), complete }
}

/// A chain of nftables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    pub family: &'static str,
    pub table: String,
    pub name: String,
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.family, self.table, self.name)
    }
}

/// The chains of the calling thread's network namespace, those of iptables-nft among them. Asking a kernel
/// without nf_tables loads it.
pub fn chains() -> io::Result<Vec<Chain>> {
    let chains = dump_at_most(Some(NETFILTER), GET_CHAIN, &ALL_FAMILIES, MOST)?;
    Ok(Messages(&chains).filter_map(|message| chain_of(&message)).collect())
}

fn chain_of(message: &Message<'_>) -> Option<Chain> {
    let (family, attributes) = attributes_of(message, NEW_CHAIN)?;
    let text = |kind| attributes.find(kind).map(string);
    let (table, name) = (text(NFTA_CHAIN_TABLE)?, text(NFTA_CHAIN_NAME)?);
    Some(Chain { family: family_name(family), table, name })
}

/// Whether nf_tables is loaded as a module.
pub fn nftables_is_loaded() -> bool {
    Path::new("/sys/module/nf_tables").exists()
}

fn list() -> io::Result<Vec<RejectRule>> {
    let chains = dump_at_most(Some(NETFILTER), GET_CHAIN, &ALL_FAMILIES, MOST)?;
    let rules = dump_at_most(Some(NETFILTER), GET_RULE, &ALL_FAMILIES, MOST)?;
    Ok(parse(&chains, &rules))
}

/// Both tables as they were dumped.
fn parse(chains: &[u8], rules: &[u8]) -> Vec<RejectRule> {
    let hooks: BTreeMap<_, _> = Messages(chains).filter_map(|m| hooked_chain(&m)).collect();
    let rejecting = Messages(rules).filter_map(|m| rejecting_rule(&m));
    let with_hook = |(chain, rule): (ChainId, RejectRule)| RejectRule {
        hook: hooks.get(&chain).copied(),
        ..rule
    };
    rejecting.map(with_hook).collect()
}

/// Family, table, name.
type ChainId = (u8, String, String);

/// A chain that is hooked in; `None` for those that others jump to.
fn hooked_chain(message: &Message<'_>) -> Option<(ChainId, FilterHook)> {
    let (family, attributes) = attributes_of(message, NEW_CHAIN)?;
    let hook = attributes.nested(NFTA_CHAIN_HOOK)?;
    let number = be32(hook.find(NFTA_HOOK_HOOKNUM)?)?;
    let id = (
        family,
        string(attributes.find(NFTA_CHAIN_TABLE)?),
        string(attributes.find(NFTA_CHAIN_NAME)?),
    );
    Some((id, hook_of(family, number)))
}

/// Bridges and devices number their hooks in their own way.
fn hook_of(family: u8, number: u32) -> FilterHook {
    match family {
        NFPROTO_BRIDGE | NFPROTO_NETDEV => FilterHook::LinkLayer,
        _ => u8::try_from(number).map_or(FilterHook::Unknown, FilterHook::from_kernel),
    }
}

fn rejecting_rule(message: &Message<'_>) -> Option<(ChainId, RejectRule)> {
    let (family, attributes) = attributes_of(message, NEW_RULE)?;
    let expressions = attributes.nested(NFTA_RULE_EXPRESSIONS)?;
    let mut expressions = expressions.map(|(_, expression)| Attributes(expression));
    if !expressions.any(|expression| rejects_with_reset(family, &expression) == Some(true)) {
        return None;
    }
    let table = string(attributes.find(NFTA_RULE_TABLE)?);
    let chain = string(attributes.find(NFTA_RULE_CHAIN)?);
    let handle = u64::from_be_bytes(array_at(attributes.find(NFTA_RULE_HANDLE)?, 0)?);
    let comment = attributes.find(NFTA_RULE_USERDATA).and_then(comment);
    let rule = RejectRule {
        family: family_name(family).to_owned(),
        table: table.clone(),
        chain: chain.clone(),
        hook: None,
        handle,
        comment,
    };
    Some(((family, table, chain), rule))
}

/// `reject` itself, or the target REJECT of iptables, whose data begin with how it rejects.
fn rejects_with_reset(family: u8, expression: &Attributes<'_>) -> Option<bool> {
    let data = expression.nested(NFTA_EXPR_DATA)?;
    match expression.find(NFTA_EXPR_NAME)? {
        b"reject\0" => Some(be32(data.find(NFTA_REJECT_TYPE)?)? == NFT_REJECT_TCP_RST),
        b"target\0" if data.find(NFTA_TARGET_NAME)? == b"REJECT\0" => {
            let how = u32::from_ne_bytes(array_at(data.find(NFTA_TARGET_INFO)?, 0)?);
            let reset = if family == NFPROTO_IPV6 { IP6T_TCP_RESET } else { IPT_TCP_RESET };
            Some(how == reset)
        }
        _ => None,
    }
}

/// nft keeps comments among its own data, which the kernel only stores: type, length, bytes.
fn comment(mut userdata: &[u8]) -> Option<String> {
    while let [kind, len, rest @ ..] = userdata {
        let value = rest.get(..usize::from(*len))?;
        if *kind == COMMENT {
            return Some(string(value));
        }
        userdata = &rest[value.len()..];
    }
    None
}

/// iptables-legacy lists the tables it uses here, and the targets the kernel has for it.
fn legacy_may_reject() -> bool {
    let lists = |file: &str, word: &str| {
        let text = fs::read_to_string(format!("/proc/thread-self/net/{file}"));
        text.is_ok_and(|text| text.lines().any(|line| line == word))
    };
    ["ip", "ip6"].iter().any(|family| {
        lists(&format!("{family}_tables_names"), "filter")
            && lists(&format!("{family}_tables_targets"), "REJECT")
    })
}

fn attributes_of<'a>(message: &Message<'a>, kind: u16) -> Option<(u8, Attributes<'a>)> {
    if message.kind != kind {
        return None;
    }
    Some((*message.payload.first()?, Attributes(message.payload.get(NFGENMSG..)?)))
}

fn family_name(family: u8) -> &'static str {
    match family {
        NFPROTO_INET => "inet",
        NFPROTO_IPV4 => "ip",
        NFPROTO_IPV6 => "ip6",
        NFPROTO_BRIDGE => "bridge",
        NFPROTO_NETDEV => "netdev",
        _ => "unknown",
    }
}

fn string(value: &[u8]) -> String {
    let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

fn be32(value: &[u8]) -> Option<u32> {
    array_at(value, 0).map(u32::from_be_bytes)
}

/// `struct nfgenmsg`.
const ALL_FAMILIES: [u8; NFGENMSG] = [0; NFGENMSG];
const NFGENMSG: usize = 4;
/// `NFNL_SUBSYS_NFTABLES << 8 |` message.
const NEW_CHAIN: u16 = 0x0a03;
const GET_CHAIN: u16 = 0x0a04;
const NEW_RULE: u16 = 0x0a06;
const GET_RULE: u16 = 0x0a07;
const NFTA_CHAIN_TABLE: u16 = 1;
const NFTA_CHAIN_NAME: u16 = 3;
const NFTA_CHAIN_HOOK: u16 = 4;
const NFTA_HOOK_HOOKNUM: u16 = 1;
const NFTA_RULE_TABLE: u16 = 1;
const NFTA_RULE_CHAIN: u16 = 2;
const NFTA_RULE_HANDLE: u16 = 3;
const NFTA_RULE_EXPRESSIONS: u16 = 4;
const NFTA_RULE_USERDATA: u16 = 7;
const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;
const NFTA_REJECT_TYPE: u16 = 1;
const NFT_REJECT_TCP_RST: u32 = 1;
const NFTA_TARGET_NAME: u16 = 1;
const NFTA_TARGET_INFO: u16 = 3;
/// include/uapi/linux/netfilter_ipv4/ipt_REJECT.h and its sister.
const IPT_TCP_RESET: u32 = 7;
const IP6T_TCP_RESET: u32 = 6;
/// include/uapi/linux/netfilter.h.
const NFPROTO_INET: u8 = 1;
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_NETDEV: u8 = 5;
const NFPROTO_BRIDGE: u8 = 7;
const NFPROTO_IPV6: u8 = 10;
/// libnftnl, `NFTNL_UDATA_RULE_COMMENT`.
const COMMENT: u8 = 0;
/// Bytes of one table: some ten thousand rules. Who has more reads them with nft.
const MOST: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let len = u16::try_from(4 + value.len()).unwrap();
        let mut bytes = [len.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn message(kind: u16, family: u8, attributes: &[Vec<u8>]) -> Vec<u8> {
        let body = attributes.concat();
        let len = u32::try_from(20 + body.len()).unwrap();
        let mut bytes = len.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend([family, 0, 0, 0]);
        bytes.extend(body);
        bytes
    }

    fn chain(family: u8, name: &str, hook: u32) -> Vec<u8> {
        let hook = attribute(NFTA_HOOK_HOOKNUM, &hook.to_be_bytes());
        let named =
            [attribute(NFTA_CHAIN_TABLE, b"filter\0"), attribute(NFTA_CHAIN_NAME, name.as_bytes())];
        message(NEW_CHAIN, family, &[named.concat(), attribute(NFTA_CHAIN_HOOK, &hook)])
    }

    fn rule(family: u8, chain: &str, expressions: &[Vec<u8>]) -> Vec<u8> {
        let list: Vec<u8> = expressions.iter().flat_map(|e| attribute(1, e)).collect();
        let comment = [7, 1, 9, COMMENT, 5, b'w', b'h', b'y', b'?', 0];
        let attributes = [
            attribute(NFTA_RULE_TABLE, b"filter\0"),
            attribute(NFTA_RULE_CHAIN, chain.as_bytes()),
            attribute(NFTA_RULE_HANDLE, &4_u64.to_be_bytes()),
            attribute(NFTA_RULE_EXPRESSIONS, &list),
            attribute(NFTA_RULE_USERDATA, &comment),
        ];
        message(NEW_RULE, family, &attributes)
    }

    fn expression(name: &[u8], data: &[u8]) -> Vec<u8> {
        [attribute(NFTA_EXPR_NAME, name), attribute(NFTA_EXPR_DATA, data)].concat()
    }

    fn reject(kind: u32) -> Vec<u8> {
        expression(b"reject\0", &attribute(NFTA_REJECT_TYPE, &kind.to_be_bytes()))
    }

    fn target(name: &[u8], how: u32) -> Vec<u8> {
        let info = attribute(NFTA_TARGET_INFO, &how.to_ne_bytes());
        expression(b"target\0", &[attribute(NFTA_TARGET_NAME, name), info].concat())
    }

    #[test]
    fn a_rule_is_told_with_the_hook_of_its_chain_and_its_comment() {
        let chains = [chain(NFPROTO_INET, "in\0", 1), chain(NFPROTO_IPV4, "out\0", 3)].concat();
        let counter = expression(b"counter\0", &[]);
        let found = parse(&chains, &rule(NFPROTO_INET, "in\0", &[counter, reject(1)]));
        let [rule] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(rule.to_string(), "inet filter in handle 4");
        assert_eq!((rule.hook, rule.comment.as_deref()), (Some(FilterHook::Input), Some("why?")));
    }

    #[test]
    fn chains_are_listed_with_their_tables() {
        let bytes = chain(NFPROTO_INET, "in\0", 1);
        let found: Vec<_> = Messages(&bytes).filter_map(|message| chain_of(&message)).collect();
        assert_eq!(found.iter().map(Chain::to_string).collect::<Vec<_>>(), ["inet filter in"]);
    }

    #[test]
    fn a_chain_of_another_family_is_another_chain() {
        let found =
            parse(&chain(NFPROTO_IPV4, "in\0", 1), &rule(NFPROTO_INET, "in\0", &[reject(1)]));
        assert_eq!(found[0].hook, None);
    }

    #[test]
    fn to_reject_by_icmp_is_no_reset() {
        let rules = [
            rule(NFPROTO_INET, "in\0", &[reject(0)]),
            rule(NFPROTO_IPV4, "in\0", &[target(b"REJECT\0", 3)]),
            rule(NFPROTO_IPV4, "in\0", &[target(b"DNAT\0", IPT_TCP_RESET)]),
        ];
        assert_eq!(parse(&[], &rules.concat()), []);
    }

    #[test]
    fn iptables_has_numbers_of_its_own_for_each_family() {
        let rules = [
            rule(NFPROTO_IPV4, "a\0", &[target(b"REJECT\0", IPT_TCP_RESET)]),
            rule(NFPROTO_IPV6, "b\0", &[target(b"REJECT\0", IP6T_TCP_RESET)]),
            rule(NFPROTO_IPV6, "c\0", &[target(b"REJECT\0", IPT_TCP_RESET)]),
        ];
        let chains: Vec<_> =
            parse(&[], &rules.concat()).into_iter().map(|rule| rule.chain).collect();
        assert_eq!(chains, ["a", "b"]);
    }

    #[test]
    fn bridges_number_their_hooks_differently() {
        assert_eq!(hook_of(NFPROTO_BRIDGE, 1), FilterHook::LinkLayer);
        assert_eq!(hook_of(NFPROTO_IPV6, 2), FilterHook::Forward);
    }

    #[test]
    fn any_damage_is_survived() {
        let whole = rule(NFPROTO_INET, "in\0", &[reject(1), target(b"REJECT\0", 7)]);
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bent = whole.clone();
                bent[at] = value;
                let _ = parse(&bent, &bent);
            }
        }
    }

    #[test]
    fn this_kernel_can_be_asked() {
        let own = super::super::netns::own().unwrap();
        assert_eq!(reject_rules(own, false).rules, []);
    }
}
