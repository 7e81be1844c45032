//! Three parts for people: what can be seen, this host, findings.

use crate::doctor::{Facts, Fill, Finding, Listening, LockedMemory, Namespace, Sight};
use crate::event::HookCoverage;
use crate::sink::sheet::Sheet;
use crate::sink::{Clean, Paint};

/// The facts, and what was found in them. `width`: columns.
pub fn text(facts: &Facts, findings: &[Finding], paint: Paint, width: usize) -> String {
    let mut sheet = Sheet::new(paint, width);
    let host = &facts.host;
    sheet.heading(format_args!(
        "What tcpwatch {} can see on {}, Linux {}",
        Clean(&host.version),
        Clean(&host.hostname),
        Clean(&host.kernel)
    ));
    sheet.list(sight(&facts.sight).into_iter().chain(hooks(&facts.sight)));
    for (names, items) in groups(&facts.namespaces) {
        sheet.heading(format_args!("In {}", Clean(some_of(&names))));
        sheet.list(items);
    }
    sheet.heading("Findings");
    sheet.paragraph(summary(facts, findings));
    for finding in findings {
        sheet.title(finding.severity.name(), finding.code);
        sheet.list(remedy(finding));
    }
    sheet.into_text()
}

fn sight(sight: &Sight) -> Vec<Item> {
    let held = sight.capabilities.iter().filter(|capability| capability.held);
    let held: Vec<_> = held.map(|capability| capability.name).collect();
    let held = if held.is_empty() { "none that matters".into() } else { held.join(" ") };
    let missing = sight.capabilities.iter().filter(|capability| !capability.held);
    let missing = missing.map(|lost| ("missing", format!("{}. {}", lost.name, lost.purpose)));
    let mut items = vec![
        ("types", types(sight)),
        ("lockdown", lockdown(sight.lockdown).into()),
        ("memory", memory(sight.memory)),
        ("held", held),
    ];
    items.extend(missing);
    items
}

fn hooks(sight: &Sight) -> Vec<Item> {
    let refused = sight.refused.iter().map(|why| ("no hook", why.clone()));
    refused.chain(sight.hooks.iter().flat_map(hook)).collect()
}

fn hook(hook: &HookCoverage) -> Vec<Item> {
    let mut items = vec![match hook.way {
        Some(way) => ("seen", format!("{}: {} by {way}", hook.fact, hook.hook)),
        None if hook.idle => ("waits", format!("{}: {}", hook.fact, hook.hook)),
        None => ("not seen", format!("{}: {}", hook.fact, hook.hook)),
    }];
    items.extend(hook.failed.iter().map(|reason| ("", format!("- {reason}"))));
    items.push(("blind", hook.blind.clone()));
    items
}

/// Namespaces of which the same is to be said stand together.
fn groups(namespaces: &[Namespace]) -> Vec<(Vec<String>, Vec<Item>)> {
    let mut groups: Vec<(Vec<String>, Vec<Item>)> = Vec::new();
    for namespace in namespaces {
        let items = items(namespace);
        match groups.iter_mut().find(|(_, others)| *others == items) {
            Some((names, _)) => names.push(namespace.to_string()),
            None => groups.push((vec![namespace.to_string()], items)),
        }
    }
    groups
}

fn summary(facts: &Facts, findings: &[Finding]) -> String {
    let found = match findings.len() {
        0 => "none: nothing was found here that will produce resets".into(),
        count => format!("{count}, worst first"),
    };
    match facts.namespaces.iter().filter(|namespace| !namespace.entered).count() {
        0 => found,
        count => format!("{found}; namespaces that could not be looked at: {count}"),
    }
}

fn remedy(finding: &Finding) -> Vec<Item> {
    vec![
        ("what", finding.sentence.clone()),
        ("where", places(finding)),
        ("effect", finding.effect.into()),
        ("cause", finding.leads_to.join(", ")),
        ("fix", finding.fix.clone()),
        ("do not", finding.do_not.into()),
    ]
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
    items.into()
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
    let settings = SETTINGS.iter().map(value).collect::<Vec<_>>().join(", ");
    format!("{settings}; strict rp_filter on {}", strict(namespace))
}

/// With what such checks have dropped: answers that came another way, or forged addresses.
fn strict(namespace: &Namespace) -> String {
    let devices = &namespace.strict_devices;
    match namespace.reverse_path_drops.filter(|drops| *drops > 0) {
        _ if devices.is_empty() => "none".into(),
        None => some_of(devices),
        Some(drops) => format!("{} (packets dropped so far {drops})", some_of(devices)),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Process, findings, samples};
    use crate::event::NetNs;

    fn written(facts: &Facts, paint: Paint) -> String {
        text(facts, &findings(facts), paint, 100)
    }

    #[test]
    fn a_clean_host_is_told_on_one_page() {
        let expected = "\
What tcpwatch 0.1.0 can see on node1, Linux 6.18.0
  types     BTF at /sys/kernel/btf/vmlinux, 4882 KiB
  lockdown  integrity: some ways of attaching are refused
  memory    6 MiB for maps, which this kernel does not count against RLIMIT_MEMLOCK
  held      CAP_BPF
  missing   CAP_SYS_PTRACE. Without it less is seen.
  seen      resets sent: tcp_send_reset by tracepoint
  not seen  handshake ACKs refused: tcp_check_req
            - fentry tcp_check_req: this kernel does not permit it
  blind     a handshake that its client resets is not seen

In web (net:[4026531840])
  proxy      none
  conntrack  12 of 262144 entries (0 %); idle connections kept 432000 s, keepalive after 7200 s;
             be_liberal 0
  listeners  1; fullest accept queue 0/4096 of 10.0.0.1:80 (nginx[7]); overflows so far 0
  settings   somaxconn 4096, tcp_abort_on_overflow 0, tcp_tw_reuse 2, tcp_syncookies 1; strict
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
  1, worst first
warning: abort-on-overflow
  what    net.ipv4.tcp_abort_on_overflow is 1: a full accept queue resets its clients
  where   web (net:[4026531840])
";
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("  cause   accept-queue-overflow\n  fix     set net.ipv4"), "{text}");
    }

    #[test]
    fn what_strict_devices_have_dropped_is_told_beside_them() {
        let told = |devices: &[&str], drops| {
            let strict_devices = devices.iter().map(|&device| device.to_owned()).collect();
            strict(&Namespace { strict_devices, reverse_path_drops: drops, ..samples::clean() })
        };
        assert_eq!(told(&["eth0", "eth1"], Some(5)), "eth0, eth1 (packets dropped so far 5)");
        assert_eq!(told(&["a", "b", "c", "d", "e"], Some(0)), "a, b, c, d and 1 more");
        assert_eq!(told(&["eth0"], None), "eth0");
        assert_eq!(told(&[], Some(5)), "none");
    }

    #[test]
    fn many_namespaces_are_counted() {
        let sick = |netns| Namespace {
            netns: NetNs(netns),
            ..samples::with(&[("net.ipv4.tcp_tw_reuse", "1")])
        };
        let text = written(&samples::facts((1..=6).map(sick).collect()), Paint::PLAIN);
        let counted = "web (net:[1]), web (net:[2]), web (net:[3]), web (net:[4]) and 2 more\n";
        assert!(text.contains(&format!("In {counted}  proxy ")), "{text}");
        assert!(text.contains(&format!("  where   {counted}")), "{text}");
    }

    #[test]
    fn what_could_not_be_seen_is_said() {
        let mut facts = samples::facts(vec![Namespace::unknown(NetNs(5))]);
        facts.sight.refused = Some("CAP_BPF is missing".into());
        facts.sight.capabilities.iter_mut().for_each(|capability| capability.held = false);
        let text = written(&facts, Paint::PLAIN);
        assert!(text.contains("  no hook   CAP_BPF is missing\n"), "{text}");
        assert!(text.contains("  held      none that matters\n"), "{text}");
        assert!(text.contains("net:[5]\n  unknown  it cannot be entered,"), "{text}");
        assert!(text.ends_with("; namespaces that could not be looked at: 1\n"), "{text}");
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
        let process = Some(Process { pid: 1, command: "\u{1b}]0;x\u{7}".into(), pod: None });
        let namespace = Namespace { name: None, process, ..samples::clean() };
        let facts = samples::facts(vec![namespace]);
        let plain = written(&facts, Paint::PLAIN);
        assert!(!plain.contains('\u{1b}') && !plain.contains('\u{7}'), "{plain}");
        assert!(written(&facts, Paint::COLOURED).contains("\u{1b}[1mFindings"));
    }
}
