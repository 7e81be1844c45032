//! The router forgets a translated connection; its next segment goes to the wrong back end, or back untranslated.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use harness::patience::idle;
use harness::socket::{End, accept, end_of, local, say, talk};
use harness::watch::way_of;
use harness::{Backends, Dnat, Expected, Ip, Need, Service, Watch};

use crate::scenario::scenarios;

scenarios! {
    both a_flush_sends_a_living_connection_to_the_other_back_end needs [NFT, TOOL];
    both a_deleted_entry_sends_a_living_connection_to_the_other_back_end needs [NFT, TOOL];
    both an_idle_connection_outlives_its_entry needs [NFT, Need::ConntrackTimeout];
    both a_flush_behind_iptables_nft needs [Need::Dnat(Dnat::IptablesNft), TOOL];
    both a_flush_behind_iptables_legacy needs [Need::Dnat(Dnat::IptablesLegacy), TOOL];
    both after_a_flush_the_server_speaks_first_and_the_client_does_not_know_it needs [NFT, TOOL];
    both after_a_flush_with_one_back_end_a_client_that_speaks_first_lives_on needs [NFT, TOOL];
}

pub(crate) const NFT: Need = Need::Dnat(Dnat::Nftables);
pub(crate) const TOOL: Need = Need::ConntrackTool;

/// A router translates a service address to two back ends in turn (nftables). A client is connected to back end a when
/// somebody empties the conntrack table. The client's next segment is taken for a new connection and translated to b,
/// which knows nothing of it and answers with a RST.
pub(crate) fn a_flush_sends_a_living_connection_to_the_other_back_end(ip: Ip) {
    flushed_behind(ip, Dnat::Nftables);
}

/// The same flush behind rules made by iptables-nft, the way kube-proxy makes them.
fn a_flush_behind_iptables_nft(ip: Ip) {
    flushed_behind(ip, Dnat::IptablesNft);
}

/// The same flush behind rules made by iptables-legacy, the way kube-proxy makes them.
fn a_flush_behind_iptables_legacy(ip: Ip) {
    flushed_behind(ip, Dnat::IptablesLegacy);
}

fn flushed_behind(ip: Ip, dnat: Dnat) {
    let service = Service::new(ip, Backends::Two, dnat);
    removed_by_hand(&service, "conntrack -F", || true);
}

/// One conntrack entry is deleted by its tuple instead of the whole table; the connection was alive all the same, and
/// its next segment is translated to the other back end, which answers with a RST.
fn a_deleted_entry_sends_a_living_connection_to_the_other_back_end(ip: Ip) {
    let service = Service::new(ip, Backends::Two, Dnat::Nftables);
    let entry = format!("-f ipv{} -p tcp --orig-dst {}", ip.digit(), service.address().ip());
    // It deletes through its second netlink socket, whose number is random: a message names that number only.
    let named = || way_of("conntrack_destroyed").as_deref() != Some("netlink");
    removed_by_hand(&service, &format!("conntrack -D {entry}"), named);
}

/// Connected to a, the entry removed by `command`, the next words of the client land on b. `named`: tcpwatch can
/// know who did it.
fn removed_by_hand(service: &Service, command: &str, named: impl Fn() -> bool) {
    let watch = Watch::on(&service.namespaces());
    let listeners = service.listen();
    let before = service.counters();

    let mut flow = Flow::through(service, &listeners);
    flow.is_alive();
    let remover = service.router.run(command);
    let client = flow.is_lost();

    one_reset_from_b(service, &before);
    let [sent, received] = misdirected(service, client, "conntrack-flushed");
    let by_name = |expected: Expected| {
        if named() { expected.fact("pid", remover.pid).evidence("conntrack") } else { expected }
    };
    watch.expect_joined(&by_name(sent), &by_name(received));
    accounts_close(watch, service);
}

/// A client connected through a service address says nothing for longer than nf_conntrack_tcp_timeout_established. The
/// router forgets the connection; the client's next segment is taken for a new one and goes to the other back end,
/// which answers with a RST.
fn an_idle_connection_outlives_its_entry(ip: Ip) {
    let timeout = 2;
    let service = Service::new(ip, Backends::Two, Dnat::Nftables);
    service.router.set("net.netfilter.nf_conntrack_tcp_timeout_established", timeout);
    let watch = Watch::on(&service.namespaces());
    let listeners = service.listen();
    let before = service.counters();

    let mut flow = Flow::through(&service, &listeners);
    flow.is_alive();
    // To look at the table would already remove what has expired, and nobody looks in the real incident.
    idle(Duration::from_secs(timeout + 1));
    let client = flow.is_lost();

    one_reset_from_b(&service, &before);
    let [sent, received] = misdirected(&service, client, "conntrack-expired");
    let quoted = |expected: Expected| {
        expected.quotes("nf_conntrack_tcp_timeout_established").quotes(timeout)
    };
    watch.expect_joined(&quoted(sent), &quoted(received));
    accounts_close(watch, &service);
}

/// The founding incident, with a timeout in seconds: who was connected.
pub(crate) fn outlives_its_entry(service: &Service, timeout: u64) -> SocketAddr {
    service.router.set("net.netfilter.nf_conntrack_tcp_timeout_established", timeout);
    let listeners = service.listen();
    let mut flow = Flow::through(service, &listeners);
    flow.is_alive();
    idle(Duration::from_secs(timeout + 1));
    flow.is_lost()
}

/// The conntrack table is emptied, and the server speaks first. What it says is no longer translated back: it comes
/// from an address the client never dialled, and the client answers with a RST.
fn after_a_flush_the_server_speaks_first_and_the_client_does_not_know_it(ip: Ip) {
    let service = Service::new(ip, Backends::One, Dnat::Nftables);
    let watch = Watch::on(&service.namespaces());
    let listeners = service.listen();
    let before = service.counters();

    let mut flow = Flow::through(&service, &listeners);
    flow.is_alive();
    service.router.run("conntrack -F");
    say(&mut flow.server, "are you there?");
    assert_eq!(end_of(&mut flow.server), End::RESET);

    let [in_client, in_router, in_a] = growths(&service, &before);
    in_client.is(&[("OutRsts", 1)]);
    in_router.is(&[("OutRsts", 0)]);
    in_a.is(&[("OutRsts", 0), ("EstabResets", 1)]);
    let (client, a) = (local(&flow.client), service.backend_address(0));
    watch.expect_joined(
        &Expected::sent(&service.client, client, a)
            .because("conntrack-flushed")
            .mechanism("segment-to-no-socket")
            .reset()
            .evidence(service.address().ip()),
        &Expected::received(&service.backends[0], a, client).because("conntrack-flushed").reset(),
    );
    let report = watch.finish();
    report.has_sent(&service.client, 1);
    report.accounts_for(&service.client, 1);
}

/// Look-alike: the conntrack table is emptied, but the service has one back end only. The translation of the next
/// segment comes out the same, so nothing happens and nothing is said.
fn after_a_flush_with_one_back_end_a_client_that_speaks_first_lives_on(ip: Ip) {
    let service = Service::new(ip, Backends::One, Dnat::Nftables);
    let watch = Watch::on(&service.namespaces());
    let listeners = service.listen();
    let before = service.counters();

    let mut flow = Flow::through(&service, &listeners);
    flow.is_alive();
    service.router.run("conntrack -F");
    flow.is_alive();

    let growths: [_; 3] = growths(&service, &before);
    for growth in growths {
        growth.is(&[("OutRsts", 0), ("EstabResets", 0)]);
    }
    watch.finish().is_silent();
}

/// A connection from the client to back end a.
struct Flow {
    client: TcpStream,
    server: TcpStream,
}

impl Flow {
    fn through(service: &Service, listeners: &[TcpListener]) -> Self {
        let client = service.client.connect(service.address());
        Self { client, server: accept(&listeners[0]) }
    }

    fn is_alive(&mut self) {
        talk(&mut self.client, &mut self.server);
        talk(&mut self.server, &mut self.client);
    }

    /// The next words of the client are its last; where it was.
    fn is_lost(&mut self) -> SocketAddr {
        let client = local(&self.client);
        say(&mut self.client, "are you there?");
        assert_eq!(end_of(&mut self.client), End::RESET);
        client
    }
}

/// What both ends of a misdirected connection must say: b which sent the reset, the client which got it.
fn misdirected(service: &Service, client: SocketAddr, cause: &'static str) -> [Expected; 2] {
    let sent = Expected::sent(&service.backends[1], service.backend_address(1), client)
        .mechanism("ack-to-listener");
    let received = Expected::received(&service.client, client, service.address());
    [sent, received].map(|expected| {
        expected
            .because(cause)
            .reset()
            .evidence(service.address().ip())
            .evidence(service.backend_address(0).ip())
            .evidence(service.backend_address(1).ip())
    })
}

fn one_reset_from_b(service: &Service, before: &[harness::Counters]) {
    let [in_client, in_router, in_a, in_b] = growths(service, before);
    in_client.is(&[("OutRsts", 0), ("EstabResets", 1)]);
    in_router.is(&[("OutRsts", 0)]);
    in_a.is(&[("OutRsts", 0), ("EstabResets", 0)]);
    in_b.is(&[("OutRsts", 1)]);
}

fn accounts_close(watch: Watch, service: &Service) {
    let report = watch.finish();
    report.has_sent(&service.backends[1], 1);
    report.accounts_for(&service.backends[1], 1);
    report.accounts_for(&service.client, 0);
}

fn growths<const N: usize>(
    service: &Service,
    before: &[harness::Counters],
) -> [harness::counters::Growth; N] {
    let growths: Vec<_> =
        service.counters().iter().zip(before).map(|(now, before)| now.since(before)).collect();
    growths.try_into().unwrap_or_else(|_| panic!("this service has not {N} namespaces"))
}
