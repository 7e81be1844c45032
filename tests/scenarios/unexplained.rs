//! Resets whose cause cannot be known from here: the mechanism is told, what is missing too, and no cause is made up.

use std::net::TcpStream;

use harness::network::PORT;
use harness::segment::Segment;
use harness::socket::{End, TcpEntry, accept, end_of, local, pending_error, say};
use harness::{Expected, Host, Ip, Watch, at, wait_for};
use nix::errno::Errno;

use crate::scenario::scenarios;

scenarios! {
    both a_lone_ack_to_a_listener_is_not_explained;
    both a_lone_ack_to_a_closed_port_is_not_explained;
    both a_request_that_meets_an_orderly_close_is_not_explained;
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

/// The keep-alive race: the server closes an idle connection just before the client's next request.
fn a_request_that_meets_an_orderly_close_is_not_explained(ip: Ip) {
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (mut client, server) = connected(&host);
    drop(server);
    assert_eq!(end_of(&mut client), End::Closed);
    let closed =
        || host.namespace.socket_state(host.address(), local(&client)) == Some(TcpEntry::FIN_WAIT2);
    wait_for("the server's FIN to be acknowledged", || closed().then_some(()));
    say(&mut client, "a request too late");
    assert_eq!(pending_error(&client), Errno::EPIPE);

    host.namespace.counters().since(&before).is(&[("OutRsts", 1), ("EstabResets", 1)]);
    let (server, client) = (host.address(), local(&client));
    let sent = Expected::sent(&host.namespace, server, client).mechanism("segment-to-time-wait");
    let received = Expected::received(&host.namespace, client, server).errno("EPIPE", libc::EPIPE);
    watch.expect_joined(&sent.unexplained(), &received.unexplained());
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

fn one_reset(watch: Watch, host: &Host) {
    let report = watch.finish();
    report.has_sent(&host.namespace, 1);
    report.accounts_for(&host.namespace, 1);
}
