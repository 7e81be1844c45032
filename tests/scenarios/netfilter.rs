//! Firewall rules that answer with a reset, and conntrack that does not translate: resets behind which TCP is not to be
//! looked for.

use std::net::SocketAddr;

use harness::network::PORT;
use harness::segment::Segment;
use harness::socket::{End, accept, end_of, local, queue_positions, say, talk};
use harness::watch::{sees_all_of, way_of};
use harness::{
    Backends, Dnat, Expected, Ip, Namespace, Need, Pair, Service, Switched, Sysctl, Unloaded,
    Watch, at, wait_for,
};

use crate::scenario::scenarios;

scenarios! {
    both a_rule_that_rejects_what_comes_in_refuses_a_connection needs [Need::RejectRule];
    both a_rule_that_rejects_what_goes_out_refuses_its_own_host needs [Need::RejectRule];
    both a_rule_that_speaks_for_a_host_elsewhere_is_told_or_at_least_doubted needs [Need::RejectRule];
    both a_rule_of_a_router_refuses_what_it_translates needs [Need::RejectRule, NFT];
    both a_rule_that_comes_under_a_living_connection_resets_one_end needs [Need::RejectRule];
    both a_rule_of_a_bridge_refuses_what_passes needs [Need::BridgeReject];
    both a_rule_whose_code_is_loaded_later_is_seen needs [Need::RejectRule, Need::OwnMachine];
    both of_two_rules_that_can_reject_none_is_named needs [Need::RejectRule];
    both a_rule_of_iptables_nft_is_named needs [Need::IptablesReject("nft")];
    both a_rule_of_iptables_legacy_is_not_named needs [Need::IptablesReject("legacy")];
    both a_rule_that_drops_is_no_reset needs [Need::Nftables];
    both a_rule_that_rejects_by_icmp_is_no_reset needs [Need::Nftables];
    both an_answer_outside_the_window_reaches_the_client_untranslated needs [NFT, Need::ConntrackTimeout];
    both a_liberal_conntrack_translates_what_is_outside_the_window needs [NFT, Need::ConntrackTimeout];
    both a_full_table_takes_the_entry_of_a_handshake needs [NFT, Need::ConntrackTool, Need::OwnMachine];
}

const NFT: Need = Need::Dnat(Dnat::Nftables);

/// Modules that send resets for rules, each before what it depends on.
const REJECTING: &[&str] = &[
    "nft_reject_bridge",
    "nft_reject_inet",
    "nft_reject_ipv4",
    "nft_reject_ipv6",
    "nft_reject",
    "ipt_REJECT",
    "ip6t_REJECT",
    "nf_reject_ipv4",
    "nf_reject_ipv6",
];

/// A rule of the server's own host refuses a SYN with a reset, in spite of the listener.
fn a_rule_that_rejects_what_comes_in_refuses_a_connection(ip: Ip) {
    let pair = Pair::joined(ip);
    let watch = Watch::on(&[&pair.client, &pair.server]);
    let before = [pair.client.counters(), pair.server.counters()];

    let _listener = pair.server.listen(pair.address());
    let handle = rejects(&pair.server, "input", "comment \"not from here\"");
    let client = pair.client.dial(pair.address()).refused();

    pair.client.counters().since(&before[0]).is(&[("OutRsts", 0), ("AttemptFails", 1)]);
    pair.server.counters().since(&before[1]).is(&[("OutRsts", 0), ("AttemptFails", 0)]);
    let by_rule = |expected: Expected| {
        expected
            .refused()
            .fact("hook", "input")
            .fact("input", "eth0")
            .fact("packet", "syn")
            .fact("table", "guard")
            .fact("chain", "input")
            .fact("handle", handle)
            .fact("comment", "not from here")
    };
    let [sent, received] = ends(&pair.server, pair.address(), &pair.client, client);
    told(
        &watch,
        by_rule(sent),
        by_rule(received),
        received_blindly(&pair.client, client, pair.address()),
    );
    sends_nothing(watch, &[&pair.client, &pair.server]);
}

/// The packet never leaves, and the reset never comes in: both ends are in the client's namespace.
fn a_rule_that_rejects_what_goes_out_refuses_its_own_host(ip: Ip) {
    let pair = Pair::joined(ip);
    let watch = Watch::on(&[&pair.client, &pair.server]);
    let before = pair.client.counters();

    let _listener = pair.server.listen(pair.address());
    let handle = rejects(&pair.client, "output", "");
    let client = pair.client.dial(pair.address()).refused();

    pair.client.counters().since(&before).is(&[("OutRsts", 0), ("AttemptFails", 1)]);
    let by_rule = |expected: Expected| {
        expected.refused().fact("hook", "output").fact("output", "eth0").fact("handle", handle)
    };
    let [sent, received] = ends(&pair.client, pair.address(), &pair.client, client);
    told(
        &watch,
        by_rule(sent),
        by_rule(received),
        received_blindly(&pair.client, client, pair.address()),
    );
    sends_nothing(watch, &[&pair.client, &pair.server]);
}

/// What is dialled is not of this host, so but for the rule the refusal would be the peer's.
fn a_rule_that_speaks_for_a_host_elsewhere_is_told_or_at_least_doubted(ip: Ip) {
    let pair = Pair::joined(ip);
    let elsewhere = at(ip.address(200, 1), PORT);
    pair.client.ip(&format!("route add {} via {}", elsewhere.ip(), pair.address().ip()));
    let watch = Watch::settled_on(&[&pair.client]);
    let before = pair.client.counters();

    rejects(&pair.client, "output", "");
    let client = pair.client.dial(elsewhere).refused();

    pair.client.counters().since(&before).is(&[("OutRsts", 0), ("AttemptFails", 1)]);
    let [sent, received] = ends(&pair.client, elsewhere, &pair.client, client);
    let blind = received_blindly(&pair.client, client, elsewhere).because("peer-refused");
    told(&watch, sent.refused(), received.refused(), blind.fact("rules_are_seen", false));
    sends_nothing(watch, &[&pair.client]);
}

/// The rule sees the back end's address, the client the service's.
fn a_rule_of_a_router_refuses_what_it_translates(ip: Ip) {
    let service = Service::new(ip, Backends::One, Dnat::Nftables);
    let watch = Watch::on(&service.namespaces());
    let before = service.counters();

    let _listeners = service.listen();
    let handle = rejects(&service.router, "forward", "");
    let client = service.client.dial(service.address()).refused();

    for (now, before) in service.counters().iter().zip(&before) {
        now.since(before).is(&[("OutRsts", 0)]);
    }
    let by_rule = |expected: Expected| {
        expected
            .refused()
            .fact("hook", "forward")
            .fact("input", "client")
            .fact("output", "a")
            .fact("handle", handle)
    };
    let sent = Expected::sent(&service.router, service.backend_address(0), client);
    let received = Expected::received(&service.client, client, service.address());
    let blind = received_blindly(&service.client, client, service.address());
    told(&watch, by_rule(because(sent)), by_rule(because(received)), blind);
    sends_nothing(watch, &service.namespaces());
}

/// The server is not told: its end stays open.
fn a_rule_that_comes_under_a_living_connection_resets_one_end(ip: Ip) {
    let pair = Pair::joined(ip);
    let watch = Watch::on(&[&pair.client, &pair.server]);
    let before = [pair.client.counters(), pair.server.counters()];

    let listener = pair.server.listen(pair.address());
    let mut stream = pair.client.connect(pair.address());
    let mut server = accept(&listener);
    talk(&mut stream, &mut server);
    let handle = rejects(&pair.server, "input", "");
    let client = local(&stream);
    say(&mut stream, "are you there?");
    assert_eq!(end_of(&mut stream), End::RESET);

    pair.client.counters().since(&before[0]).is(&[("OutRsts", 0), ("EstabResets", 1)]);
    pair.server.counters().since(&before[1]).is(&[("OutRsts", 0), ("EstabResets", 0)]);
    let by_rule = |expected: Expected| {
        expected.reset().fact("hook", "input").fact("packet", "segment").fact("handle", handle)
    };
    let [sent, received] = ends(&pair.server, pair.address(), &pair.client, client);
    told(
        &watch,
        by_rule(sent),
        by_rule(received),
        received_blindly(&pair.client, client, pair.address()),
    );
    sends_nothing(watch, &[&pair.client, &pair.server]);
    // Else the server's end would speak to a wall until it gives up, and keep its namespace alive.
    pair.server.nft("delete table inet guard\n");
}

/// The reset is made below IP, by code of its own.
fn a_rule_of_a_bridge_refuses_what_passes(ip: Ip) {
    let net = Switched::joined(ip);
    let watch = Watch::on(&[&net.client, &net.switch, &net.server]);
    let before = net.client.counters();

    let _listener = net.server.listen(net.address());
    let handle = rejects_in(&net.switch, "bridge", "prerouting", "");
    let client = net.client.dial(net.address()).refused();

    net.client.counters().since(&before).is(&[("OutRsts", 0), ("AttemptFails", 1)]);
    let by_rule = |expected: Expected| {
        expected
            .refused()
            .fact("hook", "link_layer")
            .fact("family", "bridge")
            .fact("handle", handle)
    };
    let [sent, received] = ends(&net.switch, net.address(), &net.client, client);
    let blind = received_blindly(&net.client, client, net.address());
    // Before 5.11 the bridge's own code cannot be hooked, and that is said.
    let seen = sees_all_of("packet_rejected");
    told_if(seen, &watch, by_rule(sent), by_rule(received), blind);
    sends_nothing(watch, &[&net.client, &net.switch, &net.server]);
}

/// As on a host without such rules, until the first is made.
fn a_rule_whose_code_is_loaded_later_is_seen(ip: Ip) {
    let pair = Pair::joined(ip);
    let code = Unloaded::all_of(REJECTING);
    let is_module = code.is_something();
    let watch = Watch::on(&[&pair.client, &pair.server]);
    if is_module {
        watch.expect_coverage("packet_rejected", "idle", |row| row["idle"] == true);
    }
    code.load();
    watch.expect_coverage("packet_rejected", "attached", |row| row["way"].is_string());

    let _listener = pair.server.listen(pair.address());
    let handle = rejects(&pair.server, "input", "");
    let client = pair.client.dial(pair.address()).refused();

    let by_rule = |expected: Expected| expected.refused().fact("handle", handle);
    let [sent, received] = ends(&pair.server, pair.address(), &pair.client, client);
    watch.expect_joined(&by_rule(sent), &by_rule(received));
    sends_nothing(watch, &[&pair.client, &pair.server]);
}

/// Two rules of the same hook reject with a reset; which of them did cannot be told.
fn of_two_rules_that_can_reject_none_is_named(ip: Ip) {
    let pair = Pair::joined(ip);
    let watch = Watch::on(&[&pair.client, &pair.server]);

    let _listener = pair.server.listen(pair.address());
    rejects(&pair.server, "input", "");
    pair.server.nft("add rule inet guard input tcp dport 9 reject with tcp reset\n");
    let client = pair.client.dial(pair.address()).refused();

    let by_some_rule = |expected: Expected| {
        expected
            .refused()
            .fact("hook", "input")
            .fact("rule", serde_json::Value::Null)
            .fact("candidates", 2)
    };
    let [sent, received] = ends(&pair.server, pair.address(), &pair.client, client);
    let blind = received_blindly(&pair.client, client, pair.address());
    told(&watch, by_some_rule(sent), by_some_rule(received), blind);
    sends_nothing(watch, &[&pair.client, &pair.server]);
}

/// A REJECT rule of iptables-nft refuses a SYN with a reset; nftables lists it in the table filter.
fn a_rule_of_iptables_nft_is_named(ip: Ip) {
    by_iptables(ip, "nft", |expected| expected.fact("table", "filter").fact("chain", "INPUT"));
}

/// What iptables-legacy keeps, nftables does not list.
fn a_rule_of_iptables_legacy_is_not_named(ip: Ip) {
    by_iptables(ip, "legacy", |expected| expected.fact("rule", serde_json::Value::Null));
}

fn by_iptables(ip: Ip, variant: &'static str, rule: impl Fn(Expected) -> Expected) {
    let pair = Pair::joined(ip);
    let watch = Watch::on(&[&pair.client, &pair.server]);
    let before = pair.server.counters();

    let _listener = pair.server.listen(pair.address());
    Need::iptables_reject(&pair.server, ip, variant).unwrap_or_else(|error| panic!("{error}"));
    let client = pair.client.dial(pair.address()).refused();

    pair.server.counters().since(&before).is(&[("OutRsts", 0)]);
    let by_rule = |expected: Expected| rule(expected.refused().fact("hook", "input"));
    let [sent, received] = ends(&pair.server, pair.address(), &pair.client, client);
    told(
        &watch,
        by_rule(sent),
        by_rule(received),
        received_blindly(&pair.client, client, pair.address()),
    );
    sends_nothing(watch, &[&pair.client, &pair.server]);
}

/// A rule drops a segment of a living connection: nobody is told anything.
fn a_rule_that_drops_is_no_reset(ip: Ip) {
    let pair = Pair::joined(ip);
    let watch = Watch::on(&[&pair.client, &pair.server]);
    let before = [pair.client.counters(), pair.server.counters()];

    let listener = pair.server.listen(pair.address());
    let mut stream = pair.client.connect(pair.address());
    let mut server = accept(&listener);
    talk(&mut stream, &mut server);
    pair.server.nft(&rule("input", "counter drop"));
    say(&mut stream, "are you there?");
    wait_for("a dropped packet", || has_counted(&pair.server).then_some(()));

    pair.client.counters().since(&before[0]).is(&[("OutRsts", 0), ("EstabResets", 0)]);
    pair.server.counters().since(&before[1]).is(&[("OutRsts", 0), ("EstabResets", 0)]);
    watch.finish().is_silent();
}

/// A rule answers a SYN by ICMP: the client is refused, and no reset was sent.
fn a_rule_that_rejects_by_icmp_is_no_reset(ip: Ip) {
    let pair = Pair::joined(ip);
    let watch = Watch::on(&[&pair.client, &pair.server]);
    let before = [pair.client.counters(), pair.server.counters()];

    let _listener = pair.server.listen(pair.address());
    pair.server.nft(&rule("input", "reject with icmpx type port-unreachable"));
    pair.client.dial(pair.address()).refused();

    pair.client.counters().since(&before[0]).is(&[("OutRsts", 0)]);
    pair.server.counters().since(&before[1]).is(&[("OutRsts", 0)]);
    watch.finish().is_silent();
}

/// kubernetes#74839: conntrack finds a segment of the server invalid and lets it pass; the client has no connection with
/// that address, and refuses. Its reset passes too, and ends the server's side.
fn an_answer_outside_the_window_reaches_the_client_untranslated(ip: Ip) {
    let service = Service::new(ip, Backends::One, Dnat::Nftables);
    let watch = Watch::on(&service.namespaces());
    let listeners = service.listen();
    let before = service.counters();

    let mut stream = service.client.connect(service.address());
    let mut server = accept(&listeners[0]);
    talk(&mut stream, &mut server);
    let (client, a) = (local(&stream), service.backend_address(0));
    let stray = outside_the_window(&server, a, client);
    stray.send(&service.backends[0]);
    assert_eq!(end_of(&mut server), End::RESET);

    let growths: Vec<_> =
        service.counters().iter().zip(&before).map(|(now, before)| now.since(before)).collect();
    growths[0].is(&[("OutRsts", 1), ("EstabResets", 0)]);
    growths[1].is(&[("OutRsts", 0)]);
    growths[2].is(&[("OutRsts", 0), ("EstabResets", 1)]);
    let sent = Expected::sent(&service.client, client, a).mechanism("segment-to-no-socket").reset();
    let received = Expected::received(&service.backends[0], a, client).reset();
    if way_of("conntrack_invalid").is_some() {
        let invalid = |expected: Expected| {
            expected
                .because("conntrack-invalid")
                .fact("seq", stray.seq)
                .fact("be_liberal", "0")
                .evidence(service.address())
        };
        watch.expect_joined(&invalid(sent), &invalid(received));
    } else {
        // What would have decided is named.
        let honest =
            |expected: Expected| expected.unexplained().lacks("packets invalid to conntrack");
        watch.expect_joined(&honest(sent), &honest(received));
    }
    let report = watch.finish();
    report.has_sent(&service.client, 1);
    report.accounts_for(&service.client, 1);
}

/// Look-alike: the same segment is translated, and the client's socket knows what to do with it.
fn a_liberal_conntrack_translates_what_is_outside_the_window(ip: Ip) {
    let service = Service::new(ip, Backends::One, Dnat::Nftables);
    service.router.set("net.netfilter.nf_conntrack_tcp_be_liberal", 1);
    let watch = Watch::on(&service.namespaces());
    let listeners = service.listen();
    let before = service.counters();

    let mut stream = service.client.connect(service.address());
    let mut server = accept(&listeners[0]);
    talk(&mut stream, &mut server);
    outside_the_window(&server, service.backend_address(0), local(&stream))
        .send(&service.backends[0]);
    talk(&mut stream, &mut server);
    talk(&mut server, &mut stream);

    for (now, before) in service.counters().iter().zip(&before) {
        now.since(before).is(&[("OutRsts", 0), ("EstabResets", 0)]);
    }
    watch.finish().is_silent();
}

/// The last ACK of the handshake is held back, so the entry is not assured; room is wanted, and it is taken. The client's
/// first words then go to the other back end.
fn a_full_table_takes_the_entry_of_a_handshake(ip: Ip) {
    let service = Service::new(ip, Backends::Two, Dnat::Nftables);
    let _buckets = Sysctl::of_the_machine("/sys/module/nf_conntrack/parameters/hashsize", 512);
    let watch = Watch::on(&service.namespaces());
    let _listeners = service.listen();
    service.client.nft(&rule("output", "tcp flags & (syn | ack) == ack drop"));
    service.router.run("conntrack -F");
    let mut stream = service.client.connect(service.address());

    let limit = Sysctl::of_the_machine("/proc/sys/net/netfilter/nf_conntrack_max", 1);
    fill_until_evicted(&service);
    drop(limit);
    service.client.nft("delete table inet guard\n");
    let client = local(&stream);
    say(&mut stream, "are you there?");
    assert_eq!(end_of(&mut stream), End::RESET);

    let evicted = |expected: Expected| {
        expected
            .because("conntrack-evicted")
            .reset()
            .fact("shown_by", "removal")
            .evidence(service.address().ip())
            .evidence(service.backend_address(0).ip())
    };
    let sent = Expected::sent(&service.backends[1], service.backend_address(1), client);
    let received = Expected::received(&service.client, client, service.address());
    watch.expect_joined(&evicted(sent.mechanism("ack-to-listener")), &evicted(received));
    let report = watch.finish();
    report.has_sent(&service.backends[1], 1);
    report.accounts_for(&service.backends[1], 1);
}

/// Adds a rule that rejects connections to our port with a reset; its handle.
fn rejects(namespace: &Namespace, hook: &str, rest: &str) -> u64 {
    rejects_in(namespace, "inet", hook, rest)
}

fn rejects_in(namespace: &Namespace, family: &str, hook: &str, rest: &str) -> u64 {
    namespace.nft(&rule_in(family, hook, &format!("counter reject with tcp reset {rest}")));
    let listed = namespace.run(&format!("nft -a list table {family} guard")).stdout;
    let line = listed.lines().find(|line| line.contains("reject")).expect("the rule is listed");
    let handle = line.rsplit("# handle ").next().expect("nft -a shows handles");
    handle.trim().parse().expect("a handle is a number")
}

fn rule(hook: &str, what: &str) -> String {
    rule_in("inet", hook, what)
}

fn rule_in(family: &str, hook: &str, what: &str) -> String {
    format!(
        "add table {family} guard\n\
         add chain {family} guard {hook} {{ type filter hook {hook} priority 0; }}\n\
         add rule {family} guard {hook} tcp dport {PORT} {what}\n"
    )
}

fn has_counted(namespace: &Namespace) -> bool {
    let listed = namespace.run("nft list table inet guard").stdout;
    listed.contains("counter packets") && !listed.contains("counter packets 0 ")
}

/// Both ends of a reset that a rule in `of` sent to the client.
fn ends(of: &Namespace, dialled: SocketAddr, to: &Namespace, client: SocketAddr) -> [Expected; 2] {
    [Expected::sent(of, dialled, client), Expected::received(to, client, dialled)].map(because)
}

fn because(expected: Expected) -> Expected {
    expected.because("rejected-by-rule")
}

/// Where no hook sees rejections, only the receiving end is there, and nobody may be blamed for sure.
fn received_blindly(client: &Namespace, local: SocketAddr, remote: SocketAddr) -> Expected {
    Expected::received(client, local, remote).is_not_firm()
}

fn told(watch: &Watch, sent: Expected, received: Expected, blind: Expected) {
    told_if(way_of("packet_rejected").is_some(), watch, sent, received, blind);
}

#[expect(clippy::needless_pass_by_value, reason = "they are built where they are expected")]
fn told_if(seen: bool, watch: &Watch, sent: Expected, received: Expected, blind: Expected) {
    if seen {
        watch.expect_joined(&sent.mechanism("rejected"), &received);
    } else {
        watch.expect(&blind);
    }
}

/// What rules send is not in the kernel's account of resets, and so not in ours.
fn sends_nothing(watch: Watch, namespaces: &[&Namespace]) {
    let report = watch.finish();
    for namespace in namespaces {
        report.accounts_for(namespace, 0);
    }
}

/// What the server may well say, a quarter of a billion bytes too early.
fn outside_the_window(server: &std::net::TcpStream, from: SocketAddr, to: SocketAddr) -> Segment {
    let (next_to_send, next_to_receive) = queue_positions(server);
    Segment {
        from,
        to,
        seq: next_to_send.wrapping_add(1 << 28),
        ack: next_to_receive,
        flags: Segment::ACK,
        payload: b"x",
    }
}

/// Each SYN to nowhere wants an entry of its own, and is dropped with it for want of a route. The kernel looks for room
/// in a few of many buckets: it takes some before it looks in the right one.
fn fill_until_evicted(service: &Service) {
    let nowhere = at(service.ip.address(200, 1), 9);
    for port in 10_000..20_000 {
        let from = at(service.ip.address(1, 2), port);
        let syn = Segment { from, to: nowhere, seq: 1, ack: 0, flags: Segment::SYN, payload: b"" };
        syn.send(&service.client);
        if port % 16 == 0 && service.router.conntrack("early_drop") > 0 {
            return;
        }
    }
    panic!("no entry was taken by ten thousand attempts");
}
