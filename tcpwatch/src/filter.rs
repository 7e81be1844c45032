//! Which verdicts does the user want to see? Filters only hide: the account covers everything.

mod span;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use crate::event::{Endpoint, NetNs};
use crate::explain::cause::Cause;
use crate::explain::verdict::{Amendment, Direction, UNEXPLAINED, Verdict};

pub use span::{FORMS, Span, When};

/// Several values of one kind mean any of them; several kinds mean all of them; none means everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub netns: Vec<Namespace>,
    /// Local, remote or service port.
    pub ports: Vec<Ports>,
    /// Local, remote or service address.
    pub hosts: Vec<Net>,
    /// Codes of the catalogue, or [`UNEXPLAINED`].
    pub causes: Vec<String>,
    pub direction: Option<Direction>,
    /// By the wall clock of the host.
    pub span: Span,
}

impl Filter {
    pub fn matches(&self, verdict: &Verdict) -> bool {
        self.matches_place(verdict) && self.matches_cause(verdict.finding.code())
    }

    fn matches_everything(&self) -> bool {
        *self == Self::default()
    }

    fn matches_place(&self, verdict: &Verdict) -> bool {
        let named = |wanted: &Namespace| wanted.is(verdict.netns, verdict.namespace.as_deref());
        let port = |ports: &Ports| endpoints(verdict).any(|end| ports.contain(end.port));
        let host = |net: &Net| endpoints(verdict).any(|end| net.contains(end.addr));
        any(&self.netns, named)
            && any(&self.ports, port)
            && any(&self.hosts, host)
            && self.direction.is_none_or(|wanted| wanted == verdict.direction)
    }

    fn matches_cause(&self, code: &str) -> bool {
        any(&self.causes, |wanted| wanted == code)
    }
}

fn any<T>(wanted: &[T], matches: impl FnMut(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(matches)
}

fn endpoints(verdict: &Verdict) -> impl Iterator<Item = Endpoint> {
    [verdict.flow.local, verdict.flow.remote].into_iter().chain(verdict.service)
}

/// A network namespace by inode number, or by what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespace {
    Inode(NetNs),
    Name(String),
}

impl Namespace {
    pub fn is(&self, netns: NetNs, name: Option<&str>) -> bool {
        match self {
            Self::Inode(wanted) => *wanted == netns,
            Self::Name(wanted) => name == Some(wanted),
        }
    }
}

/// A port, or a range of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    first: u16,
    last: u16,
}

impl Ports {
    fn contain(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let ports = number(first).zip(number(last)).map(|(first, last)| Self { first, last });
        ports
            .filter(|ports| ports.first <= ports.last)
            .ok_or_else(|| "expected a port such as 8080 or a range such as 8000-8999".into())
    }
}

/// Digits only: `u16` would also take a sign.
fn number<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// An address, or all addresses with the same beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    addr: IpAddr,
    prefix: u8,
}

impl Net {
    fn contains(self, addr: IpAddr) -> bool {
        match (self.addr, addr.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(addr)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                net.to_bits() & mask == addr.to_bits() & mask
            }
            (IpAddr::V6(net), IpAddr::V6(addr)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                net.to_bits() & mask == addr.to_bits() & mask
            }
            _ => false,
        }
    }
}

impl FromStr for Net {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse_net(text).ok_or_else(|| {
            "expected an address such as 10.0.0.1 or fd00::1, or a network such as 10.0.0.0/8"
                .into()
        })
    }
}

fn parse_net(text: &str) -> Option<Net> {
    let (addr, prefix) =
        text.split_once('/').map_or((text, None), |(addr, rest)| (addr, Some(rest)));
    let addr: IpAddr = addr.parse().ok()?;
    let longest = if addr.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        Some(prefix) => number(prefix).filter(|prefix| *prefix <= longest)?,
        None => longest,
    };
    Some(mapped(addr, prefix).unwrap_or(Net { addr, prefix }))
}

/// `::ffff:10.0.0.0/104` means the IPv4 network: that is how the flows are compared.
fn mapped(addr: IpAddr, prefix: u8) -> Option<Net> {
    let IpAddr::V6(v6) = addr else { return None };
    Some(Net { addr: v6.to_ipv4_mapped()?.into(), prefix: prefix.checked_sub(96)? })
}

/// Filters and, with each verdict, what comes after it: an amendment is shown with its verdict or not at all.
pub struct Gate {
    filter: Filter,
    everything: bool,
    /// Ids that passed, ascending.
    passed: VecDeque<u64>,
    /// Verdicts that only their cause kept from passing: an amendment may bring the cause that is asked for.
    held: VecDeque<Arc<Verdict>>,
}

/// What to do with an amendment.
#[derive(Debug)]
pub enum Passage {
    Show,
    /// Its verdict is of interest only now.
    ShowAfter(Arc<Verdict>),
    Hide,
}

impl Gate {
    pub fn new(filter: Filter) -> Self {
        let everything = filter.matches_everything();
        Self { filter, everything, passed: VecDeque::new(), held: VecDeque::new() }
    }

    /// Gives the verdict back if it is to be shown.
    pub fn verdict(&mut self, verdict: Arc<Verdict>) -> Option<Arc<Verdict>> {
        if self.everything {
            return Some(verdict);
        }
        if self.filter.matches(&verdict) {
            remember(&mut self.passed, verdict.id, MOST_PASSED);
            return Some(verdict);
        }
        if self.filter.matches_place(&verdict) {
            remember(&mut self.held, verdict, MOST_HELD);
        }
        None
    }

    pub fn amendment(&mut self, amendment: &Amendment) -> Passage {
        if self.everything || self.passed.binary_search(&amendment.of).is_ok() {
            return Passage::Show;
        }
        if !self.filter.matches_cause(amendment.explanation.cause.code()) {
            return Passage::Hide;
        }
        let found = self.held.binary_search_by_key(&amendment.of, |verdict| verdict.id);
        match found.ok().and_then(|index| self.held.remove(index)) {
            Some(verdict) => Passage::ShowAfter(verdict),
            None => Passage::Hide,
        }
    }
}

fn remember<T>(items: &mut VecDeque<T>, item: T, most: usize) {
    if items.len() >= most {
        items.pop_front();
    }
    items.push_back(item);
}

const MOST_PASSED: usize = 65_536;
const MOST_HELD: usize = 1_024;

/// Everything `--cause` takes.
pub fn cause_codes() -> impl Iterator<Item = &'static str> {
    catalogue_codes().chain([UNEXPLAINED])
}

/// Every cause there is a page of.
pub fn catalogue_codes() -> impl Iterator<Item = &'static str> {
    Cause::ALL.iter().map(|(code, _)| *code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::samples;

    fn only(change: impl FnOnce(&mut Filter)) -> Filter {
        let mut filter = Filter::default();
        change(&mut filter);
        filter
    }

    fn matched(filter: &Filter) -> [bool; 3] {
        [samples::explained(), samples::received(), samples::unexplained()]
            .map(|verdict| filter.matches(&verdict))
    }

    fn on_port(text: &str) -> [bool; 3] {
        matched(&only(|filter| filter.ports.push(text.parse().unwrap())))
    }

    fn on_host(text: &str) -> [bool; 3] {
        matched(&only(|filter| filter.hosts.push(text.parse().unwrap())))
    }

    #[test]
    fn no_filter_matches_everything() {
        assert_eq!(matched(&Filter::default()), [true, true, true]);
    }

    #[test]
    fn a_namespace_is_known_by_inode_or_name() {
        let inode = Namespace::Inode(NetNs(4_026_532_202));
        assert_eq!(matched(&only(|filter| filter.netns.push(inode))), [false, true, false]);
        let name = Namespace::Name("shop".into());
        assert_eq!(matched(&only(|filter| filter.netns.push(name))), [true, false, false]);
    }

    #[test]
    fn a_port_matches_either_end() {
        assert_eq!(on_port("80"), [true, true, true]);
        assert_eq!(on_port("40000"), [true, true, true]);
        assert_eq!(on_port("39999-40001"), [true, true, true]);
        assert_eq!(on_port("81-39999"), [false, false, false]);
    }

    #[test]
    fn an_address_matches_either_end_or_the_service() {
        assert_eq!(on_host("10.0.0.9"), [true, true, false]);
        assert_eq!(on_host("10.96.0.0/16"), [false, true, false]);
        assert_eq!(on_host("0.0.0.0/0"), [true, true, false]);
        assert_eq!(on_host("fd00::/8"), [false, false, true]);
        assert_eq!(on_host("::/0"), [false, false, true]);
        assert_eq!(on_host("fd00::1"), [false, false, true]);
        assert_eq!(on_host("::ffff:10.0.0.9"), [true, true, false]);
        assert_eq!(on_host("::ffff:10.0.0.0/104"), [true, true, false]);
    }

    #[test]
    fn a_mapped_address_in_a_flow_is_the_ipv4_address() {
        let mut verdict = samples::explained();
        verdict.flow.remote.addr = "::ffff:192.0.2.7".parse().unwrap();
        assert!(
            only(|filter| filter.hosts.push("192.0.2.0/24".parse().unwrap())).matches(&verdict)
        );
    }

    #[test]
    fn a_cause_or_the_lack_of_one() {
        let causes = |code: &str| matched(&only(|filter| filter.causes.push(code.into())));
        assert_eq!(causes("no-listener"), [true, true, false]);
        assert_eq!(causes(UNEXPLAINED), [false, false, true]);
        assert_eq!(causes("conntrack-expired"), [false, false, false]);
    }

    #[test]
    fn a_direction() {
        let sent = only(|filter| filter.direction = Some(Direction::Sent));
        assert_eq!(matched(&sent), [true, false, true]);
    }

    #[test]
    fn values_of_a_kind_widen_and_kinds_narrow() {
        let mut filter =
            only(|filter| filter.ports = vec!["81".parse().unwrap(), "80".parse().unwrap()]);
        assert_eq!(matched(&filter), [true, true, true]);
        filter.direction = Some(Direction::Received);
        assert_eq!(matched(&filter), [false, true, false]);
    }

    #[test]
    fn ports_in_other_forms_are_refused() {
        for text in ["", "http", "-80", "80-", "+80", "65536", "90-80", "80-90-100", " 80", "80,81"]
        {
            assert!(text.parse::<Ports>().is_err(), "{text}");
        }
    }

    #[test]
    fn hosts_in_other_forms_are_refused() {
        for text in [
            "",
            "localhost",
            "10.0.0",
            "10.0.0.1/33",
            "10.0.0.1/",
            "10.0.0.1/+8",
            "fd00::/129",
            "[::1]",
            "10.0.0.1:80",
        ] {
            assert!(text.parse::<Net>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_amendment_follows_its_verdict() {
        let mut gate = Gate::new(only(|filter| filter.causes.push("no-listener".into())));
        assert!(gate.verdict(Arc::new(samples::explained())).is_some());
        assert!(matches!(gate.amendment(&samples::amendment()), Passage::Show));
    }

    #[test]
    fn an_amendment_brings_the_verdict_that_has_its_cause_now() {
        let mut gate = Gate::new(only(|filter| filter.causes.push("not-yet-listening".into())));
        assert!(gate.verdict(Arc::new(samples::explained())).is_none());
        let Passage::ShowAfter(verdict) = gate.amendment(&samples::amendment()) else { panic!() };
        assert_eq!(verdict.id, 17);
        assert!(matches!(gate.amendment(&samples::amendment()), Passage::Hide), "once");
    }

    #[test]
    fn an_amendment_of_a_hidden_verdict_is_hidden() {
        let mut gate = Gate::new(only(|filter| filter.direction = Some(Direction::Received)));
        assert!(gate.verdict(Arc::new(samples::explained())).is_none());
        assert!(matches!(gate.amendment(&samples::amendment()), Passage::Hide));
    }
}
