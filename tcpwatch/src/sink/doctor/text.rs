//! Three parts for people: what can be seen, this host, findings.

use std::io::{self, Write};

use crate::doctor::{Facts, Fill, Finding, Listening, LockedMemory, Namespace, Severity, Sight};
use crate::event::HookCoverage;
use crate::sink::Clean;
use crate::sink::paint::{Ink, Paint};
use crate::sink::wrap::wrap;

/// The facts, and what was found in them. `width`: columns.
pub fn write(
    facts: &Facts,
    findings: &[Finding],
    paint: Paint,
    width: usize,
    to: &mut impl Write,
) -> io::Result<()> {
    let mut page = Page { paint, width: width.max(NARROWEST), text: String::new() };
    let host = &facts.host;
    page.line(&format!(
        "tcpwatch {} on {}, Linux {}",
        Clean(&host.version),
        Clean(&host.hostname),
        Clean(&host.kernel)
    ));
    page.sight(&facts.sight);
    page.heading("This host");
    page.namespaces(&facts.namespaces);
    page.findings(facts, findings);
    to.write_all(page.text.as_bytes())
}

/// Text that grows.
struct Page {
    paint: Paint,
    width: usize,
    text: String,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn heading(&mut self, heading: &str) {
        self.line("");
        let heading = self.paint.with(Ink::Heading, heading).to_string();
        self.line(&heading);
    }

    /// A label, and beside it what may come from outside, wrapped.
    fn item(&mut self, label: &str, text: &str) {
        let room = self.width - MARGIN;
        for (index, line) in wrap(Clean(text).to_string(), room).iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            let painted = self.paint.with(Ink::Faint, format!("{label:<LABEL$}"));
            self.line(&format!("  {painted}{line}"));
        }
    }

    fn sight(&mut self, sight: &Sight) {
        self.heading("What can be seen");
        self.item("types", &types(sight));
        self.item("lockdown", lockdown(sight.lockdown));
        self.item("memory", &memory(sight.memory));
        self.capabilities(sight);
        if let Some(refused) = &sight.refused {
            self.item("hooks", &format!("none: {refused}"));
        }
        sight.hooks.iter().for_each(|hook| self.hook(hook));
    }

    fn capabilities(&mut self, sight: &Sight) {
        let held = sight.capabilities.iter().filter(|capability| capability.held);
        let held: Vec<_> = held.map(|capability| capability.name).collect();
        let none = held.is_empty().then_some("none of the capabilities that matter");
        self.item("held", &none.map_or_else(|| held.join(" "), str::to_owned));
        for missing in sight.capabilities.iter().filter(|capability| !capability.held) {
            self.item("missing", &format!("{}. {}", missing.name, missing.purpose));
        }
    }

    fn hook(&mut self, hook: &HookCoverage) {
        match hook.way {
            Some(way) => self.item("seen", &format!("{}: {} by {way}", hook.fact, hook.hook)),
            None if hook.idle => self.item("waits", &format!("{}: {}", hook.fact, hook.hook)),
            None => self.item("not seen", &format!("{}: {}", hook.fact, hook.hook)),
        }
        for reason in &hook.failed {
            self.item("", &format!("- {reason}"));
        }
        if !hook.blind.is_empty() {
            self.item("blind", &hook.blind);
        }
    }

    /// Namespaces of which the same is to be said stand together.
    fn namespaces(&mut self, namespaces: &[Namespace]) {
        let mut groups: Vec<(Vec<String>, Vec<Item>)> = Vec::new();
        for namespace in namespaces {
            let items = items(namespace);
            match groups.iter_mut().find(|(_, others)| *others == items) {
                Some((names, _)) => names.push(namespace.to_string()),
                None => groups.push((vec![namespace.to_string()], items)),
            }
        }
        for (names, items) in groups {
            let names = Clean(some_of(&names)).to_string();
            self.line(&names);
            items.iter().for_each(|(label, text)| self.item(label, text));
        }
    }

    fn findings(&mut self, facts: &Facts, findings: &[Finding]) {
        self.heading("Findings");
        if findings.is_empty() {
            self.line("  none: nothing was found here that will produce resets");
        }
        match facts.namespaces.iter().filter(|namespace| !namespace.entered).count() {
            0 => {}
            count => self
                .line(&format!("  not looked at: network namespaces that tell nothing: {count}")),
        }
        for finding in findings {
            self.finding(finding);
        }
    }

    fn finding(&mut self, finding: &Finding) {
        let ink =
            if finding.severity == Severity::Critical { Ink::Cause } else { Ink::Unexplained };
        let severity = self.paint.with(ink, finding.severity.name());
        let head = format!("{severity}: {}", finding.code);
        self.line(&head);
        self.item("what", &finding.sentence);
        self.item("where", &places(finding));
        self.item("effect", finding.effect);
        if !finding.leads_to.is_empty() {
            self.item("cause", &finding.leads_to.join(", "));
        }
        self.item("fix", &finding.fix);
        self.item("do not", finding.do_not);
    }
}

/// A label and a text.
type Item = (&'static str, String);

fn items(namespace: &Namespace) -> Vec<Item> {
    if !namespace.entered {
        let why = "it cannot be entered, or tells nothing: be root, or have CAP_SYS_ADMIN";
        return vec![("unknown", why.into())];
    }
    let items = [
        ("proxy", proxy(namespace)),
        ("conntrack", conntrack(namespace)),
        ("listeners", listeners(namespace)),
        ("settings", settings(namespace)),
        ("reject", rejections(namespace)),
    ];
    items.into_iter().filter(|(_, text)| !text.is_empty()).collect()
}

fn types(sight: &Sight) -> String {
    let path = &sight.types.path;
    match sight.types.bytes {
        Some(bytes) => format!("BTF at {path}, {} KiB", bytes / 1024),
        None => format!("{path} cannot be read: without BTF no hook can be placed"),
    }
}

fn lockdown(mode: &str) -> &'static str {
    match mode {
        "none" => "none",
        "integrity" => "integrity: some ways of attaching are refused",
        "confidentiality" => "confidentiality: kernel memory is kept from every program",
        _ => "not shown here (securityfs is not mounted, or the kernel has none)",
    }
}

fn memory(memory: LockedMemory) -> String {
    let needed = format!("{} MiB for maps", memory.needed >> 20);
    let limit = memory.limit.map_or("unlimited".to_owned(), |bytes| format!("{} KiB", bytes >> 10));
    match memory.counted {
        Some(false) => format!("{needed}, which this kernel does not count against RLIMIT_MEMLOCK"),
        Some(true) => format!(
            "{needed}, which this kernel counts against RLIMIT_MEMLOCK (now {limit}; raised when needed, with CAP_SYS_RESOURCE)"
        ),
        None => format!(
            "{needed}; whether they count against RLIMIT_MEMLOCK (now {limit}) is not known"
        ),
    }
}

fn proxy(namespace: &Namespace) -> String {
    let found = namespace.proxies.found.iter().map(ToString::to_string);
    let unknown = namespace.proxies.unknown.iter().map(|why| format!("unknown: {why}"));
    let all: Vec<_> = found.chain(unknown).collect();
    if all.is_empty() { "none".into() } else { all.join("; ") }
}

fn conntrack(namespace: &Namespace) -> String {
    let Some(fill) = namespace.conntrack else { return "not loaded".into() };
    let Fill { entries, limit } = fill;
    let percent = fill.percent().map_or(String::new(), |percent| format!(" ({percent} %)"));
    let timeout = value(namespace, "net.netfilter.nf_conntrack_tcp_timeout_established");
    let keepalive = value(namespace, "net.ipv4.tcp_keepalive_time");
    let liberal = value(namespace, "net.netfilter.nf_conntrack_tcp_be_liberal");
    format!(
        "{entries} of {limit} entries{percent}; idle connections kept {timeout} s, keepalive after {keepalive} s; \
         be_liberal {liberal}"
    )
}

fn listeners(namespace: &Namespace) -> String {
    let fill = |l: &&Listening| u64::from(l.queue.len) * 1000 / (u64::from(l.queue.limit) + 1);
    let overflows = namespace.listen_overflows.unwrap_or(0);
    match namespace.listeners.iter().max_by_key(fill) {
        None => "none".into(),
        Some(fullest) => format!(
            "{}; fullest accept queue {} of {fullest}; overflows so far {overflows}",
            namespace.listeners.len(),
            fullest.queue
        ),
    }
}

fn settings(namespace: &Namespace) -> String {
    let value = |name: &&str| {
        format!("{} {}", name.rsplit('.').next().unwrap_or(name), value(namespace, name))
    };
    let strict = &namespace.strict_devices;
    let strict = if strict.is_empty() { "none".into() } else { strict.join(", ") };
    format!(
        "{}; strict rp_filter on {strict}",
        SETTINGS.iter().map(value).collect::<Vec<_>>().join(", ")
    )
}

/// Nothing where there is no such rule.
fn rejections(namespace: &Namespace) -> String {
    let rejections = &namespace.rejections;
    match (rejections.rules.len(), rejections.complete) {
        (0, true) => String::new(),
        (count, true) => format!("rules that refuse with a RST: {count}"),
        (count, false) => {
            format!("rules that refuse with a RST: {count}, and not all rules could be listed")
        }
    }
}

fn value<'a>(namespace: &'a Namespace, sysctl: &str) -> &'a str {
    namespace.sysctls.get(sysctl).map_or("?", String::as_str)
}

fn places(finding: &Finding) -> String {
    some_of(&finding.places.iter().map(|place| place.called.clone()).collect::<Vec<_>>())
}

/// The first ones, and how many others there are.
fn some_of(names: &[String]) -> String {
    let named = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

const SETTINGS: [&str; 4] = [
    "net.core.somaxconn",
    "net.ipv4.tcp_abort_on_overflow",
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.tcp_syncookies",
];

/// Namespaces that are named; others are counted.
const NAMED: usize = 4;
/// Indent and label.
const MARGIN: usize = 2 + LABEL;
const LABEL: usize = 11;
const NARROWEST: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Process, findings, samples};
    use crate::event::NetNs;

    fn written(facts: &Facts, paint: Paint) -> String {
        let mut bytes = Vec::new();
        write(facts, &findings(facts), paint, 100, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_clean_host_is_told_on_one_page() {
        let expected = "\
tcpwatch 0.1.0 on node1, Linux 6.18.0

What can be seen
  types      BTF at /sys/kernel/btf/vmlinux, 4882 KiB
  lockdown   integrity: some ways of attaching are refused
  memory     6 MiB for maps, which this kernel does not count against RLIMIT_MEMLOCK
  held       CAP_BPF
  missing    CAP_SYS_PTRACE. Without it less is seen.
  seen       resets sent: tcp_send_reset by tracepoint
  not seen   handshake ACKs refused: tcp_check_req
             - fentry tcp_check_req: this kernel does not permit it
  blind      a handshake that its client resets is not seen

This host
web (net:[4026531840])
  proxy      none
  conntrack  12 of 262144 entries (0 %); idle connections kept 432000 s, keepalive after 7200 s;
             be_liberal 0
  listeners  1; fullest accept queue 0/4096 of 10.0.0.1:80 (nginx[7]); overflows so far 0
  settings   somaxconn 4096, tcp_abort_on_overflow 0, tcp_tw_reuse 2, tcp_syncookies ?; strict
             rp_filter on none

Findings
  none: nothing was found here that will produce resets
";
        assert_eq!(written(&samples::facts(vec![samples::clean()]), Paint::PLAIN), expected);
    }

    #[test]
    fn a_finding_says_value_namespace_cause_and_remedy() {
        let sick = samples::with(&[("net.ipv4.tcp_abort_on_overflow", "1")]);
        let text = written(&samples::facts(vec![sick]), Paint::PLAIN);
        let expected = "
Findings
warning: abort-on-overflow
  what       net.ipv4.tcp_abort_on_overflow is 1: a full accept queue resets its clients
  where      web (net:[4026531840])
";
        assert!(text.contains(expected), "{text}");
        assert!(
            text.contains("  cause      accept-queue-overflow\n  fix        set net.ipv4"),
            "{text}"
        );
    }

    #[test]
    fn many_namespaces_are_counted() {
        let sick = |netns| Namespace {
            netns: NetNs(netns),
            ..samples::with(&[("net.ipv4.tcp_tw_reuse", "1")])
        };
        let text = written(&samples::facts((1..=6).map(sick).collect()), Paint::PLAIN);
        let counted = "web (net:[1]), web (net:[2]), web (net:[3]), web (net:[4]) and 2 more\n";
        assert!(text.contains(&format!("This host\n{counted}  proxy ")), "{text}");
        assert!(text.contains(&format!("  where      {counted}")), "{text}");
    }

    #[test]
    fn what_could_not_be_seen_is_said() {
        let mut facts = samples::facts(vec![Namespace::unknown(NetNs(5))]);
        facts.sight.refused = Some("CAP_BPF is missing".into());
        facts.sight.capabilities.iter_mut().for_each(|capability| capability.held = false);
        let text = written(&facts, Paint::PLAIN);
        assert!(text.contains("  hooks      none: CAP_BPF is missing\n"), "{text}");
        assert!(text.contains("  held       none of the capabilities that matter\n"), "{text}");
        assert!(text.contains("net:[5]\n  unknown    it cannot be entered,"), "{text}");
        assert!(
            text.ends_with("not looked at: network namespaces that tell nothing: 1\n"),
            "{text}"
        );
    }

    #[test]
    fn rules_that_could_not_be_listed_are_said() {
        let text = written(&samples::all_wrong(), Paint::PLAIN);
        assert!(
            text.contains("  reject     rules that refuse with a RST: 1, and not all"),
            "{text}"
        );
        let proxy =
            "  proxy      iptables (chain KUBE-SERVICES); unknown: iptables-legacy is in use\n";
        assert!(text.contains(proxy), "{text}");
    }

    #[test]
    fn colour_is_for_terminals_and_names_command_none() {
        let process = Some(Process { pid: 1, command: "\u{1b}]0;x\u{7}".into() });
        let namespace = Namespace { name: None, process, ..samples::clean() };
        let facts = samples::facts(vec![namespace]);
        let plain = written(&facts, Paint::PLAIN);
        assert!(!plain.contains('\u{1b}') && !plain.contains('\u{7}'), "{plain}");
        assert!(written(&facts, Paint::COLOURED).contains("\u{1b}[1mFindings"));
    }
}
