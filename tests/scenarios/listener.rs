//! Connection refused: nothing listens there, any more, elsewhere, or not yet.

use std::net::SocketAddr;
use std::time::Duration;

use harness::network::PORT;
use harness::patience::idle;
use harness::socket::{Listen, listen_on};
use harness::{Expected, Helper, Host, Ip, Watch, at};
use nix::errno::Errno;

use crate::scenario::scenarios;

scenarios! {
    both a_port_that_never_listened_refuses;
    both a_server_on_loopback_only_refuses_on_the_other_address;
    v4 a_server_for_ipv6_only_refuses_ipv4;
    both a_server_that_closed_its_listener_refuses;
    both a_listen_that_fails_leaves_no_listener;
    both a_server_that_exited_refuses;
    both a_server_that_was_killed_refuses;
    both a_server_that_starts_three_seconds_late_refuses_and_is_found_later;
    both the_same_port_in_three_namespaces_is_three_stories;
}

/// A client dials a port where nothing has listened since tcpwatch began. The connection is refused.
pub(crate) fn a_port_that_never_listened_refuses(ip: Ip) {
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let client = host.namespace.dial(host.address()).refused();

    host.namespace.counters().since(&before).is(&[
        ("OutRsts", 1),
        ("AttemptFails", 1),
        ("EstabResets", 0),
    ]);
    let [sent, received] = refused(&host, host.address(), client).map(|e| e.because("no-listener"));
    watch.expect_joined(&sent, &received);
    one_reset(watch, &host);
}

/// A server listens on loopback only, and is dialled on another address of the same host. The connection is refused;
/// the port is open, on the wrong address.
fn a_server_on_loopback_only_refuses_on_the_other_address(ip: Ip) {
    let host = Host::alone(ip);
    let dialled = at(host.second_address(), PORT);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let _server = Helper::listens(&host.namespace, "admin-api", host.address());
    let client = host.namespace.dial(dialled).refused();

    host.namespace.counters().since(&before).is(&[("OutRsts", 1), ("AttemptFails", 1)]);
    let elsewhere =
        |e: Expected| e.because("no-listener").evidence(dialled.ip()).evidence(ip.loopback());
    let [sent, received] = refused(&host, dialled, client).map(elsewhere);
    watch.expect_joined(&sent, &received);
    one_reset(watch, &host);
}

/// A server listens on IPv6 only (IPV6_V6ONLY), and is dialled over IPv4. The connection is refused; the port is open,
/// in the wrong family.
fn a_server_for_ipv6_only_refuses_ipv4(_: Ip) {
    let host = Host::alone(Ip::V4);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let v6_only = Listen { v6_only: true, ..Listen::default() };
    let _server = host.namespace.listen_with(at(Ip::V6.any(), PORT), &v6_only);
    let client = host.namespace.dial(host.address()).refused();

    host.namespace.counters().since(&before).is(&[("OutRsts", 1), ("AttemptFails", 1)]);
    let elsewhere = |e: Expected| e.because("no-listener").evidence(Ip::V6.any());
    let [sent, received] = refused(&host, host.address(), client).map(elsewhere);
    watch.expect_joined(&sent, &received);
    one_reset(watch, &host);
}

/// A server closes its listener and lives on. The next client is refused, and is told by whom.
fn a_server_that_closed_its_listener_refuses(ip: Ip) {
    let mut lives_on = None;
    let closes = |mut server: Helper| {
        server.closes();
        lives_on = Some(server);
    };
    after_the_server(ip, closes, |expected| expected.fact("how", "close"));
}

/// Of two sockets bound to one address only one gets to listen; the other's attempt is no listener.
fn a_listen_that_fails_leaves_no_listener(ip: Ip) {
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (server, late) =
        (host.namespace.bound(host.address()), host.namespace.bound(host.address()));
    listen_on(&server).expect("the first may listen");
    assert_eq!(listen_on(&late), Err(Errno::EADDRINUSE));
    drop(server);
    let client = host.namespace.dial(host.address()).refused();

    host.namespace.counters().since(&before).is(&[("OutRsts", 1), ("AttemptFails", 1)]);
    let closed = |e: Expected| e.because("listener-closed").fact("how", "close");
    let [sent, received] = refused(&host, host.address(), client).map(closed);
    watch.expect_joined(&sent, &received);
    one_reset(watch, &host);
}

/// A server exits with status 3. The next client is refused, and is told which process ended, and how.
fn a_server_that_exited_refuses(ip: Ip) {
    after_the_server(ip, |server| server.exits(3), |expected| expected.fact("exit", 3));
}

/// A server is killed by SIGKILL. The next client is refused, and is told which process ended, and by which signal.
pub(crate) fn a_server_that_was_killed_refuses(ip: Ip) {
    after_the_server(ip, Helper::is_killed, |expected| expected.fact("signal", 9));
}

/// A server listens, ends in some way, and is dialled: who it was and how it ended must be told.
fn after_the_server(ip: Ip, ends: impl FnOnce(Helper), tells_how: impl Fn(Expected) -> Expected) {
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let server = Helper::listens(&host.namespace, "orders-api", host.address());
    let pid = server.pid();
    ends(server);
    let client = host.namespace.dial(host.address()).refused();

    host.namespace.counters().since(&before).is(&[("OutRsts", 1), ("AttemptFails", 1)]);
    let closed =
        |e: Expected| e.because("listener-closed").fact("pid", pid).fact("command", "orders-api");
    let [sent, received] = refused(&host, host.address(), client).map(|e| tells_how(closed(e)));
    watch.expect_joined(&sent, &received);
    one_reset(watch, &host);
}

/// A client dials a server that is not up yet, and is refused. Three seconds later the server opens the port: the
/// verdict given before is amended.
fn a_server_that_starts_three_seconds_late_refuses_and_is_found_later(ip: Ip) {
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let client = host.namespace.dial(host.address()).refused();
    idle(Duration::from_secs(3));
    let server = Helper::listens(&host.namespace, "slow-start", host.address());
    drop(host.namespace.connect(host.address()));

    host.namespace.counters().since(&before).is(&[("OutRsts", 1), ("AttemptFails", 1)]);
    let [sent, _] = refused(&host, host.address(), client).map(|e| e.because("no-listener"));
    let verdict = watch.expect(&sent);
    let amendment = watch.expect_amendment(&verdict, "not-yet-listening");
    assert!(
        amendment.to_string().contains(server.command()),
        "who opened the port at last: {amendment}"
    );
    one_reset(watch, &host);
}

/// The same address and port in three unrelated network namespaces: in the first a server closes it, in the second one
/// serves, in the third nothing ever listened. What one closed explains nothing in the others.
fn the_same_port_in_three_namespaces_is_three_stories(ip: Ip) {
    let [closed, open, never] = [Host::alone(ip), Host::alone(ip), Host::alone(ip)];
    let watch = Watch::on(&[&closed.namespace, &open.namespace, &never.namespace]);
    let before = open.namespace.counters();

    let mut server = Helper::listens(&closed.namespace, "orders-api", closed.address());
    let mut neighbour = Helper::listens(&open.namespace, "neighbour", open.address());
    server.closes();
    let after_close = closed.namespace.dial(closed.address()).refused();
    let without_server = never.namespace.dial(never.address()).refused();
    let _served = open.namespace.connect(open.address());
    neighbour.accepts();

    open.namespace.counters().since(&before).is(&[("OutRsts", 0), ("AttemptFails", 0)]);
    let [sent, _] = refused(&closed, closed.address(), after_close);
    watch.expect(&sent.because("listener-closed").fact("pid", server.pid()));
    let [sent, _] = refused(&never, never.address(), without_server);
    watch.expect(&sent.because("no-listener"));
    let report = watch.finish();
    for (host, resets) in [(&closed, 1), (&open, 0), (&never, 1)] {
        report.accounts_for(&host.namespace, resets);
    }
}

/// Both ends of a refusal: the host that answered the SYN, and the client on the same host.
fn refused(host: &Host, server: SocketAddr, client: SocketAddr) -> [Expected; 2] {
    let sent = Expected::sent(&host.namespace, server, client).mechanism("syn-to-no-socket");
    [sent, Expected::received(&host.namespace, client, server)].map(Expected::refused)
}

fn one_reset(watch: Watch, host: &Host) {
    let report = watch.finish();
    report.has_sent(&host.namespace, 1);
    report.accounts_for(&host.namespace, 1);
}
