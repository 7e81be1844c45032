//! Resets whose cause cannot be known from here: the mechanism is told, what is missing too, and no cause is made up.

use std::net::TcpStream;

use harness::network::PORT;
use harness::segment::Segment;
use harness::socket::{
    End, accept, accept_queue, end_of, linger_zero, local, say, wait_for_unread,
};
use harness::{Expected, Host, Ip, Watch, at, wait_for};

use crate::scenario::scenarios;

scenarios! {
    both a_lone_ack_to_a_listener_is_not_explained;
    both a_lone_ack_to_a_closed_port_is_not_explained;
    both a_close_with_linger_zero_is_not_explained;
    both a_close_with_data_unread_is_not_explained;
    both a_listener_that_closes_on_waiting_clients_is_not_explained;
}

/// It looks like a connection whose server was replaced, or whose handshake was dropped; here it is a scan.
fn a_lone_ack_to_a_listener_is_not_explained(ip: Ip) {
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let _listener = host.namespace.listen(host.address());
    let scan = lone_ack(&host);
    scan.send(&host.namespace);
    host_has_sent_a_reset(&host, &before);

    host.namespace.counters().since(&before).is(&[("OutRsts", 1), ("EstabResets", 0)]);
    let sent = Expected::sent(&host.namespace, scan.to, scan.from);
    watch.expect(&sent.unexplained().mechanism("ack-to-listener"));
    one_reset(watch, &host);
}

fn a_lone_ack_to_a_closed_port_is_not_explained(ip: Ip) {
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let scan = lone_ack(&host);
    scan.send(&host.namespace);
    host_has_sent_a_reset(&host, &before);

    host.namespace.counters().since(&before).is(&[("OutRsts", 1), ("AttemptFails", 0)]);
    let sent = Expected::sent(&host.namespace, scan.to, scan.from);
    watch.expect(&sent.unexplained().mechanism("segment-to-no-socket"));
    one_reset(watch, &host);
}

fn a_close_with_linger_zero_is_not_explained(ip: Ip) {
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (mut client, server) = connected(&host);
    linger_zero(&server);
    drop(server);
    assert_eq!(end_of(&mut client), End::RESET);

    host.namespace.counters().since(&before).is(&[
        ("OutRsts", 1),
        ("EstabResets", 2),
        ("TCPAbortOnData", 1),
    ]);
    aborted(&watch, &host, &client, "close-with-linger-zero");
    one_reset(watch, &host);
}

fn a_close_with_data_unread_is_not_explained(ip: Ip) {
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (mut client, server) = connected(&host);
    say(&mut client, "a request nobody reads");
    wait_for_unread(&server);
    drop(server);
    assert_eq!(end_of(&mut client), End::RESET);

    host.namespace.counters().since(&before).is(&[
        ("OutRsts", 1),
        ("EstabResets", 2),
        ("TCPAbortOnClose", 1),
    ]);
    aborted(&watch, &host, &client, "close-with-unread-data");
    one_reset(watch, &host);
}

fn a_listener_that_closes_on_waiting_clients_is_not_explained(ip: Ip) {
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let listener = host.namespace.listen(host.address());
    let mut client = host.namespace.connect(host.address());
    wait_for("a client in the queue", || (accept_queue(&listener).0 == 1).then_some(()));
    drop(listener);
    assert_eq!(end_of(&mut client), End::RESET);

    host.namespace.counters().since(&before).is(&[("OutRsts", 1), ("EstabResets", 2)]);
    aborted(&watch, &host, &client, "never-accepted");
    one_reset(watch, &host);
}

/// An ACK of no connection, from a port nobody has.
fn lone_ack(host: &Host) -> Segment {
    let from = at(host.ip.loopback(), PORT + 1);
    Segment {
        from,
        to: host.address(),
        seq: 1_000_000,
        ack: 2_000_000,
        flags: Segment::ACK,
        payload: b"",
    }
}

fn host_has_sent_a_reset(host: &Host, before: &harness::Counters) {
    let sent = || host.namespace.counters().since(before).of("OutRsts") > 0;
    wait_for("the reset", || sent().then_some(()));
}

fn connected(host: &Host) -> (TcpStream, TcpStream) {
    let listener = host.namespace.listen(host.address());
    let client = host.namespace.connect(host.address());
    (client, accept(&listener))
}

/// The server gave the connection up of its own accord.
fn aborted(watch: &Watch, host: &Host, client: &TcpStream, mechanism: &'static str) {
    let (server, client) = (host.address(), local(client));
    let sent = Expected::sent(&host.namespace, server, client).mechanism(mechanism);
    let received = Expected::received(&host.namespace, client, server);
    watch.expect_joined(&sent.unexplained().reset(), &received.unexplained().reset());
}

fn one_reset(watch: Watch, host: &Host) {
    let report = watch.finish();
    report.has_sent(&host.namespace, 1);
    report.accounts_for(&host.namespace, 1);
}
