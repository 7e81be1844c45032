//! Resets whose cause cannot be known from here: the mechanism is told, what is missing too, and no cause is made up.

use harness::network::PORT;
use harness::segment::Segment;
use harness::{Expected, Host, Ip, Watch, at, wait_for};

use crate::scenario::scenarios;

scenarios! {
    both a_lone_ack_to_a_listener_is_not_explained;
    both a_lone_ack_to_a_closed_port_is_not_explained;
}

/// An ACK of no connection comes to a listener, which answers with a RST. It looks like a connection whose server was
/// replaced, or whose handshake was dropped; here it is a scan.
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

/// An ACK of no connection comes to a port where nothing listens, and is answered with a RST: a scan.
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

fn one_reset(watch: Watch, host: &Host) {
    let report = watch.finish();
    report.has_sent(&host.namespace, 1);
    report.accounts_for(&host.namespace, 1);
}
