//! `tcpwatch doctor` finds what will produce resets, says where and by which value, and is silent on what kernels come
//! with.

use std::net::TcpStream;

use harness::doctor::{Capability, Doctor};
use harness::network::PORT;
use harness::socket::{Listen, accept_all, accept_queue};
use harness::{Host, Ip, Namespace, Need, Watch, wait_for};

use crate::scenario::scenarios;

scenarios! {
    v4 a_fresh_namespace_has_no_findings;
    v4 resets_for_full_accept_queues_are_found;
    both an_accept_queue_is_found_as_long_as_it_is_full;
    v4 a_lowered_somaxconn_is_found_when_it_caps_somebody;
    v4 conntrack_that_forgets_before_keepalive_speaks_is_found needs [ConntrackTimeout];
    v4 a_rule_that_refuses_with_a_reset_is_found needs [RejectRule];
    v4 kube_proxy_is_known_by_its_chains needs [Nftables];
    v4 what_it_says_can_be_seen_is_what_rst_sees;
    v4 without_privileges_it_tells_what_it_can;
    v4 a_namespace_that_is_not_there_is_a_failure;
}

use Need::{ConntrackTimeout, Nftables, RejectRule};

fn a_fresh_namespace_has_no_findings(_: Ip) {
    let fresh = Namespace::new("fresh");
    let doctor = Doctor::of(&fresh);
    doctor.finds_nothing();
    doctor.demand(doctor.namespace()["entered"] == true, "expected it to be looked at");
    let (code, words) = Doctor::in_words(&["--netns", fresh.name()]);
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains("Findings\n  none"), "{words}");
}

fn resets_for_full_accept_queues_are_found(_: Ip) {
    let host = Namespace::new("host");
    host.set("net.ipv4.tcp_abort_on_overflow", 1);
    Doctor::of(&host)
        .finds("abort-on-overflow", "warning", &host)
        .with("net.ipv4.tcp_abort_on_overflow", 1, "")
        .leads_to("accept-queue-overflow");
    let (code, words) = Doctor::in_words(&["--netns", host.name()]);
    assert_eq!(code, Some(3), "{words}");
    let place = format!("  where   {} (net:[{}])\n", host.name(), host.inode());
    assert!(words.contains(&place), "{words}");
    host.set("net.ipv4.tcp_abort_on_overflow", 0);
    Doctor::of(&host).finds_nothing();
}

/// A server has stopped calling accept(): the queue is full, and is not any more when it goes on.
fn an_accept_queue_is_found_as_long_as_it_is_full(ip: Ip) {
    let host = Host::alone(ip);
    let server = host.namespace.listen_with(host.address(), &Listen { backlog: 1, v6_only: false });
    Doctor::of(&host.namespace).finds_nothing();
    let waiting: Vec<TcpStream> = (0..2).map(|_| host.namespace.connect(host.address())).collect();
    let full = || Some(accept_queue(&server)).filter(|(len, limit)| len > limit);
    let (len, limit) = wait_for("a full accept queue", full);
    Doctor::of(&host.namespace)
        .finds("accept-queue-full", "critical", &host.namespace)
        .with("accept_queue", len.into(), "connections")
        .with("limit", limit.into(), "connections")
        .leads_to("accept-queue-overflow");
    let served = accept_all(&server);
    assert_eq!(served.len(), waiting.len());
    Doctor::of(&host.namespace).finds_nothing();
}

fn a_lowered_somaxconn_is_found_when_it_caps_somebody(ip: Ip) {
    let host = Host::alone(ip);
    host.namespace.set("net.core.somaxconn", 16);
    Doctor::of(&host.namespace).finds_nothing();
    let _server =
        host.namespace.listen_with(host.address(), &Listen { backlog: 100, v6_only: false });
    Doctor::of(&host.namespace).finds("backlog-capped", "note", &host.namespace).with(
        "net.core.somaxconn",
        16,
        "connections",
    );
}

fn conntrack_that_forgets_before_keepalive_speaks_is_found(_: Ip) {
    let router = Namespace::new("router");
    router.set("net.netfilter.nf_conntrack_tcp_timeout_established", 300);
    Doctor::of(&router)
        .finds("conntrack-timeout-below-keepalive", "warning", &router)
        .with("net.netfilter.nf_conntrack_tcp_timeout_established", 300, "s")
        .with("net.ipv4.tcp_keepalive_time", 7200, "s")
        .leads_to("conntrack-expired");
    router.set("net.ipv4.tcp_keepalive_time", 60);
    Doctor::of(&router).finds_nothing();
}

fn a_rule_that_refuses_with_a_reset_is_found(_: Ip) {
    let host = Namespace::new("host");
    host.nft(&format!(
        "add table inet guard\n\
         add chain inet guard input {{ type filter hook input priority 0; }}\n\
         add rule inet guard input tcp dport {PORT} reject with tcp reset\n"
    ));
    let doctor = Doctor::of(&host);
    doctor
        .finds("reject-rules", "note", &host)
        .with("rules", 1, "rules")
        .leads_to("rejected-by-rule");
}

fn kube_proxy_is_known_by_its_chains(_: Ip) {
    let node = Namespace::new("node");
    node.nft("add table ip nat\nadd chain ip nat KUBE-SVC-NPX46M4PTMTKRN6Y\n");
    let doctor = Doctor::of(&node);
    doctor.finds_nothing();
    let found = &doctor.namespace()["proxies"]["found"];
    doctor.demand(found[0]["mode"] == "iptables", "expected kube-proxy in iptables mode");
    let sign = "chain ip nat KUBE-SVC-NPX46M4PTMTKRN6Y";
    doctor.demand(found[0]["sign"] == sign, "expected the chain by which it is known");
}

fn what_it_says_can_be_seen_is_what_rst_sees(_: Ip) {
    let host = Namespace::new("host");
    let watch = Watch::on(&[&host]);
    let doctor = Doctor::of(&host);
    let hooks = doctor.report()["sight"]["hooks"].as_array().expect("hooks are listed");
    doctor.demand(hooks.len() > 5, "expected a row for each hook");
    for hook in hooks {
        let fact = hook["fact"].as_str().expect("a fact has a name");
        let way = &hook["way"];
        watch.expect_coverage(fact, &format!("to be seen by {way}"), |row| row["way"] == *way);
    }
    watch.finish();
}

fn without_privileges_it_tells_what_it_can(_: Ip) {
    let host = Namespace::new("host");
    let lost = &[Capability::Bpf, Capability::Perfmon, Capability::SysAdmin];
    let doctor = Doctor::without(lost, &host);
    doctor.finds_nothing();
    let sight = &doctor.report()["sight"];
    let refused = sight["refused"].as_str().unwrap_or_default();
    doctor.demand(refused.starts_with("CAP_BPF is missing"), "expected the missing capability");
    let held = |name: &str| {
        let mut all = sight["capabilities"].as_array().into_iter().flatten();
        all.any(|capability| capability["name"] == name && capability["held"] == true)
    };
    doctor.demand(held("CAP_NET_ADMIN") && !held("CAP_BPF"), "expected to know what is held");
    doctor.demand(doctor.namespace()["entered"] == false, "expected it not to be entered");
}

fn a_namespace_that_is_not_there_is_a_failure(_: Ip) {
    let (code, words) = Doctor::in_words(&["--netns", "no-such-namespace"]);
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("no such network namespace"), "{words}");
}
