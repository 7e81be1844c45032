//! The accept queue is full when a handshake ends.

use std::net::{SocketAddr, TcpListener, TcpStream};

use harness::network::PORT;
use harness::socket::{
    End, Listen, TcpEntry, accept_all, accept_queue, defer_accept, end_of, local, say, talk,
};
use harness::{Expected, Host, Ip, Watch, at, wait_for};

use crate::scenario::scenarios;

scenarios! {
    both with_abort_on_overflow_the_client_is_reset_at_once;
    both without_abort_the_reset_comes_late_and_is_still_explained;
    both an_overflow_that_is_accepted_in_time_resets_nobody;
    v4 an_ipv4_client_of_an_ipv6_listener_is_one_reset_with_ipv4_addresses;
}

/// The knob that makes the kernel answer an overflow with a RST.
const ABORT: &str = "net.ipv4.tcp_abort_on_overflow";

/// A server has stopped calling accept() and its queue is full when the last ACK of one more handshake comes. With
/// tcp_abort_on_overflow=1 the kernel answers that ACK with a RST: the client, connected for a moment, is reset.
pub(crate) fn with_abort_on_overflow_the_client_is_reset_at_once(ip: Ip) {
    let host = Host::alone(ip);
    host.namespace.set(ABORT, 1);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let mut server = Crowded::listens(&host, host.address());
    let mut last = server.client_whose_handshake_is_open();
    let queue = server.fills_up();
    say(&mut last, "this ends the handshake");
    assert_eq!(end_of(&mut last), End::RESET);

    let grown = host.namespace.counters().since(&before);
    grown.is(&[
        ("OutRsts", 1),
        ("ListenOverflows", 1),
        ("ListenDrops", 1),
        ("EmbryonicRsts", 1),
        ("EstabResets", 1),
    ]);
    watch.expect_joined(
        &overflow_sent(&host, host.address(), local(&last))
            .fact("len", queue.0)
            .fact("limit", queue.1),
        &overflow_received(&host, local(&last), host.address()),
    );
    let report = watch.finish();
    report.has_sent(&host.namespace, 1);
    report.accounts_for(&host.namespace, 1);
}

/// The founding incident: who had to go.
pub(crate) fn resets_a_client(host: &Host) -> SocketAddr {
    host.namespace.set(ABORT, 1);
    let mut server = Crowded::listens(host, host.address());
    let mut last = server.client_whose_handshake_is_open();
    server.fills_up();
    say(&mut last, "this ends the handshake");
    assert_eq!(end_of(&mut last), End::RESET);
    local(&last)
}

/// A server has stopped calling accept() and its queue is full. With tcp_abort_on_overflow=0 the last ACK of one more
/// handshake is dropped without a word. The client believes it is connected for as long as the kernel remembers its
/// request; only then the listener, which knows nothing of it, answers its data with a RST.
fn without_abort_the_reset_comes_late_and_is_still_explained(ip: Ip) {
    let host = Host::alone(ip);
    host.namespace.set(ABORT, 0);
    host.namespace.set("net.ipv4.tcp_synack_retries", 1);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let mut server = Crowded::listens(&host, host.address());
    let mut last = server.client_whose_handshake_is_open();
    server.fills_up();
    say(&mut last, "this should end the handshake");
    assert_eq!(end_of(&mut last), End::RESET);

    let grown = host.namespace.counters().since(&before);
    grown.is(&[("OutRsts", 1), ("EmbryonicRsts", 0), ("EstabResets", 1)]);
    assert!(grown.of("ListenOverflows") >= 1, "the overflow came before the reset: {grown}");
    watch.expect_joined(
        &overflow_sent(&host, host.address(), local(&last)),
        &overflow_received(&host, local(&last), host.address()),
    );
    watch.finish().accounts_for(&host.namespace, 1);
}

/// Look-alike: the same overflow without abort, but the server catches up before the kernel forgets the client. Nobody
/// is reset, nothing is said.
fn an_overflow_that_is_accepted_in_time_resets_nobody(ip: Ip) {
    let host = Host::alone(ip);
    host.namespace.set(ABORT, 0);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let mut server = Crowded::listens(&host, host.address());
    let mut last = server.client_whose_handshake_is_open();
    server.fills_up();
    say(&mut last, "ping");
    wait_for("an overflow", || (overflows(&host) > before.get("ListenOverflows")).then_some(()));
    let mut accepted = accept_all(&server.listener);
    let mut served =
        wait_for("the last client to be let in", || accept_all(&server.listener).pop());
    talk(&mut served, &mut last);

    accepted.push(served);
    host.namespace.counters().since(&before).is(&[("OutRsts", 0), ("EstabResets", 0)]);
    let report = watch.finish();
    report.is_silent();
    report.accounts_for(&host.namespace, 0);
}

/// An IPv4 client meets the full accept queue of a dual-stack listener, which runs through the IPv6 functions of the
/// kernel too. It is one reset, not two, and its addresses are those the client knows.
fn an_ipv4_client_of_an_ipv6_listener_is_one_reset_with_ipv4_addresses(_: Ip) {
    let host = Host::alone(Ip::V4);
    host.namespace.set(ABORT, 1);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let mut server = Crowded::listens(&host, at(Ip::V6.any(), PORT));
    let mut last = server.client_whose_handshake_is_open();
    let queue = server.fills_up();
    say(&mut last, "this ends the handshake");
    assert_eq!(end_of(&mut last), End::RESET);

    host.namespace.counters().since(&before).is(&[("OutRsts", 1), ("ListenOverflows", 1)]);
    watch.expect_joined(
        &overflow_sent(&host, host.address(), local(&last)).fact("len", queue.0),
        &overflow_received(&host, local(&last), host.address()),
    );
    let report = watch.finish();
    report.has_sent(&host.namespace, 1);
    report.accounts_for(&host.namespace, 1);
}

/// A server that has stopped calling `accept()`, with the clients that wait for it.
struct Crowded<'a> {
    host: &'a Host,
    listener: TcpListener,
    waiting: Vec<TcpStream>,
}

impl<'a> Crowded<'a> {
    fn listens(host: &'a Host, address: SocketAddr) -> Self {
        let listener = host.namespace.listen_with(address, &Listen { backlog: 1, v6_only: false });
        Self { host, listener, waiting: Vec::new() }
    }

    /// Its last ACK is held back until it sends data (TCP_DEFER_ACCEPT): it is connected, the server does not know yet.
    fn client_whose_handshake_is_open(&mut self) -> TcpStream {
        defer_accept(&self.listener, 60);
        let client = self.host.namespace.connect(self.host.address());
        wait_for("the request socket", || {
            self.host.namespace.sockets().iter().any(is_request).then_some(())
        });
        defer_accept(&self.listener, 0);
        client
    }

    /// Other clients come until the accept queue is full.
    fn fills_up(&mut self) -> (u32, u32) {
        loop {
            let (len, limit) = accept_queue(&self.listener);
            if len > limit {
                return (len, limit);
            }
            self.waiting.push(self.host.namespace.connect(self.host.address()));
            wait_for("one more in the queue", || {
                (accept_queue(&self.listener).0 > len).then_some(())
            });
        }
    }
}

fn is_request(entry: &TcpEntry) -> bool {
    entry.state == TcpEntry::SYN_RECV
}

fn overflows(host: &Host) -> i64 {
    host.namespace.counters().get("ListenOverflows")
}

fn overflow_sent(host: &Host, server: SocketAddr, client: SocketAddr) -> Expected {
    Expected::sent(&host.namespace, server, client).because("accept-queue-overflow").reset()
}

fn overflow_received(host: &Host, client: SocketAddr, server: SocketAddr) -> Expected {
    Expected::received(&host.namespace, client, server).because("accept-queue-overflow").reset()
}
