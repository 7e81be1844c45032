//! What came too late, to the wrong handshake, or from a port still in use elsewhere, and was answered with a RST.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use harness::network::PORT;
use harness::patience::idle;
use harness::remote::End as Far;
use harness::segment::Segment;
use harness::socket::{
    End, TcpEntry, accept, end_of, linger_zero, local, pending_error, say, talk, vanish,
    wait_for_unread,
};
use harness::watch::sees_all_of;
use harness::{Expected, Host, Ip, Remote, Watch, at, wait_for};
use nix::errno::Errno;

use crate::scenario::scenarios;

scenarios! {
    both a_request_right_behind_a_close_was_written_after_it;
    both a_request_behind_a_close_after_a_pause_is_a_keep_alive_race;
    both a_request_that_crosses_a_close_after_a_pause_is_a_keep_alive_race;
    both data_that_crosses_a_close_right_after_the_answer_is_no_race;
    both data_for_a_socket_shut_down_both_ways_was_written_after_that;
    both the_second_segment_behind_a_close_meets_the_listener;
    both the_second_segment_behind_a_close_meets_nobody;
    both data_behind_an_abort_meets_the_listener;
    both a_port_that_the_server_still_knows_is_a_port_reuse;
    both a_port_whose_last_connection_is_still_closing_is_a_port_reuse;
    both a_second_syn_during_a_handshake_is_a_port_reuse;
    both a_wrong_ack_to_a_listener_is_told_where_handshakes_are_seen;
    both a_wrong_ack_when_both_ends_dial_is_a_bad_handshake_ack;
    both an_ack_that_is_no_valid_cookie_is_told_while_cookies_are_in_use;
    both many_closed_ports_from_one_source_are_a_scan;
}

/// No pause worth the name: whoever writes so soon has not looked.
fn a_request_right_behind_a_close_was_written_after_it(ip: Ip) {
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (_listener, mut client, server) = connected(&host);
    server_closes(&host, &mut client, server);
    say(&mut client, "too late");
    assert_eq!(pending_error(&client), Errno::EPIPE);

    host.namespace.counters().since(&before).is(&[("OutRsts", 1), ("EstabResets", 1)]);
    let late = |e: Expected| {
        e.because("peer-wrote-after-close")
            .fact("ended", "closed")
            .fact("peer_knew", true)
            .fact("bytes", 8)
            .errno("EPIPE", libc::EPIPE)
    };
    let (server, client) = (host.address(), local(&client));
    let sent = Expected::sent(&host.namespace, server, client).mechanism("segment-to-time-wait");
    watch.expect_joined(&late(sent), &late(Expected::received(&host.namespace, client, server)));
    one_reset_within(watch, &host);
}

/// The server's idle timer closes; the client's pool hands the connection out all the same.
pub(crate) fn a_request_behind_a_close_after_a_pause_is_a_keep_alive_race(ip: Ip) {
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (_listener, mut client, mut server) = connected(&host);
    talk(&mut client, &mut server);
    talk(&mut server, &mut client);
    idle(PAUSE);
    server_closes(&host, &mut client, server);
    say(&mut client, "one more request");
    assert_eq!(pending_error(&client), Errno::EPIPE);

    host.namespace.counters().since(&before).is(&[("OutRsts", 1), ("EstabResets", 1)]);
    let (server, client) = (host.address(), local(&client));
    let race = |e: Expected| {
        e.because("keep-alive-race").fact("closed_here", true).fact("request", "behind")
    };
    let sent = Expected::sent(&host.namespace, server, client).mechanism("segment-to-time-wait");
    watch.expect_joined(&race(sent), &race(Expected::received(&host.namespace, client, server)));
    one_reset_within(watch, &host);
}

/// Only the server is on this host: how long the connection was idle, its own socket tells.
fn a_request_that_crosses_a_close_after_a_pause_is_a_keep_alive_race(ip: Ip) {
    let host = Host::alone(ip);
    let remote = Remote::beside(ip, &host.namespace);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (_listener, mut far, server) = served(&host, &remote);
    idle(PAUSE);
    crosses_the_close(&mut far, server);

    host.namespace.counters().since(&before).is(&[
        ("OutRsts", 1),
        ("EstabResets", 0),
        ("TCPAbortOnData", 1),
    ]);
    let sent = Expected::sent(&host.namespace, far.peer, far.local).mechanism("data-after-close");
    watch.expect(
        &sent.because("keep-alive-race").fact("closed_here", true).fact("request", "crossed"),
    );
    one_reset(watch, &host);
}

/// The client writes while the server's FIN is on its way, right after the answer: nothing was kept alive.
fn data_that_crosses_a_close_right_after_the_answer_is_no_race(ip: Ip) {
    let host = Host::alone(ip);
    let remote = Remote::beside(ip, &host.namespace);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (_listener, mut far, server) = served(&host, &remote);
    crosses_the_close(&mut far, server);

    host.namespace.counters().since(&before).is(&[("OutRsts", 1), ("TCPAbortOnData", 1)]);
    let sent = Expected::sent(&host.namespace, far.peer, far.local).mechanism("data-after-close");
    watch.expect(
        &sent
            .because("peer-wrote-after-close")
            .fact("ended", "closed")
            .fact("peer_knew", false)
            .fact("bytes", 12),
    );
    one_reset(watch, &host);
}

/// The server shuts a connection down both ways and keeps the socket; the client writes to it.
fn data_for_a_socket_shut_down_both_ways_was_written_after_that(ip: Ip) {
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (_listener, mut client, server) = connected(&host);
    server.shutdown(Shutdown::Both).expect("a connection can be shut down");
    host_is_in(&host, &client, TcpEntry::FIN_WAIT2);
    say(&mut client, "too late");
    assert_eq!(pending_error(&client), Errno::EPIPE);

    host.namespace.counters().since(&before).is(&[
        ("OutRsts", 1),
        ("EstabResets", 1),
        ("TCPAbortOnData", 1),
    ]);
    let late = |e: Expected| e.because("peer-wrote-after-close").fact("ended", "shutdown");
    let (address, client) = (host.address(), local(&client));
    let sent = Expected::sent(&host.namespace, address, client).mechanism("data-after-close");
    watch.expect_joined(&late(sent), &late(Expected::received(&host.namespace, client, address)));
    one_reset_within(watch, &host);
}

/// The same with a listener that stays: the second segment meets it.
fn the_second_segment_behind_a_close_meets_the_listener(ip: Ip) {
    second_segment(ip, true, "ack-to-listener");
}

/// The server closes a connection and its listener; the client's first segment after that removes what was left of the
/// connection, and the second finds no socket.
fn the_second_segment_behind_a_close_meets_nobody(ip: Ip) {
    second_segment(ip, false, "segment-to-no-socket");
}

/// The first one is refused for what is left of the connection, and removes it.
fn second_segment(ip: Ip, keep_listening: bool, mechanism: &'static str) {
    let host = Host::alone(ip);
    let remote = Remote::beside(ip, &host.namespace);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (listener, mut far, server) = served(&host, &remote);
    let _listener = Some(listener).filter(|_| keep_listening);
    drop(server);
    far.hears_fin();
    far.says(Segment::ACK, b"");
    far.says(Segment::ACK, b"one");
    far.hears_rst();
    far.says(Segment::ACK, b"two");
    far.hears_rst();

    host.namespace.counters().since(&before).is(&[("OutRsts", 2), ("EstabResets", 0)]);
    let sent = |mechanism| {
        let sent = Expected::sent(&host.namespace, far.peer, far.local).mechanism(mechanism);
        sent.because("peer-wrote-after-close").fact("bytes", 3)
    };
    watch.expect(&sent("segment-to-time-wait").fact("ended", "closed"));
    watch.expect(&sent(mechanism).fact("ended", "refused"));
    resets(watch, &host, [2, 0]);
}

/// The server aborts a connection; what its client had sent meanwhile meets the listener, and is refused too.
fn data_behind_an_abort_meets_the_listener(ip: Ip) {
    let host = Host::alone(ip);
    let remote = Remote::beside(ip, &host.namespace);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (_listener, mut far, server) = served(&host, &remote);
    linger_zero(&server);
    drop(server);
    far.hears_rst();
    far.says(Segment::ACK, b"on its way");
    far.hears_rst();

    host.namespace.counters().since(&before).is(&[("OutRsts", 2)]);
    let sent = Expected::sent(&host.namespace, far.peer, far.local).mechanism("ack-to-listener");
    watch.expect(&sent.because("peer-wrote-after-close").fact("ended", "aborted"));
    resets(watch, &host, [2, 0]);
}

/// The client's host loses its connection without a word, and dials again from the same port.
fn a_port_that_the_server_still_knows_is_a_port_reuse(ip: Ip) {
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (_listener, client, mut server) = connected(&host);
    let from = local(&client);
    vanish(client);
    let again = host.namespace.dial_from(from.port(), host.address()).connected();
    assert_eq!(end_of(&mut server), End::RESET);

    // One for the connection that went without a word, one for what the server still had of it.
    host.namespace.counters().since(&before).is(&[
        ("OutRsts", 1),
        ("EstabResets", 2),
        ("TCPChallengeACK", 1),
        ("TCPSYNChallenge", 1),
    ]);
    let reuse = |e: Expected| e.because("port-reuse").fact("older", "at-server");
    let sent = Expected::sent(&host.namespace, local(&again), host.address());
    watch.expect_joined(
        &reuse(sent.mechanism("bad-ack-to-syn")),
        &reuse(Expected::received(&host.namespace, host.address(), local(&again)).reset()),
    );
    one_reset_within(watch, &host);
}

/// A client dials from the port of its last connection, which the server still keeps in TIME_WAIT, by a number behind what it
/// has seen.
fn a_port_whose_last_connection_is_still_closing_is_a_port_reuse(ip: Ip) {
    let host = Host::alone(ip);
    let remote = Remote::beside(ip, &host.namespace);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (_listener, mut far, server) = served(&host, &remote);
    drop(server);
    far.hears_fin();
    far.says(Segment::ACK, b"");
    host_is_left_with_time_wait(&host, &far);
    far.seq = far.seq.wrapping_add(100);
    far.says(Segment::SYN, b"");
    far.hears_rst();

    host.namespace.counters().since(&before).is(&[("OutRsts", 1)]);
    let sent =
        Expected::sent(&host.namespace, far.peer, far.local).mechanism("segment-to-time-wait");
    watch.expect(&sent.because("port-reuse").fact("older", "closing").refused());
    one_reset(watch, &host);
}

/// A SYN with another number comes in the middle of a handshake between the same ports.
fn a_second_syn_during_a_handshake_is_a_port_reuse(ip: Ip) {
    let host = Host::alone(ip);
    let remote = Remote::beside(ip, &host.namespace);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let _listener = host.namespace.listen(remote.neighbour());
    let mut far = remote.knocks(remote.neighbour(), CLIENT);
    far.hears("the SYN+ACK", |heard| heard.flags & Segment::SYN != 0);
    far.seq = far.seq.wrapping_add(99);
    far.says(Segment::SYN, b"");
    far.hears_rst();

    host.namespace.counters().since(&before).is(&[("OutRsts", 1), ("EmbryonicRsts", 1)]);
    let sent =
        Expected::sent(&host.namespace, far.peer, far.local).mechanism("syn-during-handshake");
    watch.expect(&sent.because("port-reuse").fact("older", "beginning").refused());
    one_reset(watch, &host);
}

/// Without the hook it looks like any segment that belongs to no connection, and is not explained.
fn a_wrong_ack_to_a_listener_is_told_where_handshakes_are_seen(ip: Ip) {
    let host = Host::alone(ip);
    let remote = Remote::beside(ip, &host.namespace);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let _listener = host.namespace.listen(remote.neighbour());
    let mut far = remote.knocks(remote.neighbour(), CLIENT);
    let syn_ack = far.hears("the SYN+ACK", |heard| heard.flags & Segment::SYN != 0);
    far.ack = far.ack.wrapping_add(1000);
    far.says(Segment::ACK, b"");
    far.hears_rst();

    host.namespace.counters().since(&before).is(&[("OutRsts", 1), ("EmbryonicRsts", 0)]);
    let sent = Expected::sent(&host.namespace, far.peer, far.local);
    let expected = syn_ack.seq.wrapping_add(1);
    if sees_all_of("handshake_ack_refused") {
        let sent = sent.mechanism("bad-handshake-ack").because("bad-handshake-ack");
        watch.expect(&sent.fact("expected", expected).fact("acknowledged", far.ack));
    } else {
        watch.expect(&sent.mechanism("ack-to-listener").unexplained());
    }
    one_reset(watch, &host);
}

/// Two SYNs cross: the socket itself holds the handshake, and sees a wrong ACK on every kernel.
fn a_wrong_ack_when_both_ends_dial_is_a_bad_handshake_ack(ip: Ip) {
    let host = Host::alone(ip);
    let remote = Remote::beside(ip, &host.namespace);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (_, far) = remote.answers(&host.namespace, |far| {
        far.says(Segment::SYN, b"");
        far.hears("a SYN+ACK", |heard| heard.flags == Segment::SYN | Segment::ACK);
        far.ack = far.ack.wrapping_add(1000);
        far.says(Segment::ACK, b"");
        far.hears_rst();
        far.ack = far.ack.wrapping_sub(1000);
        far.says(Segment::RST | Segment::ACK, b"");
    });

    host.namespace.counters().since(&before).is(&[("OutRsts", 1)]);
    let sent = Expected::sent(&host.namespace, far.peer, far.local).mechanism("bad-handshake-ack");
    watch.expect(&sent.because("bad-handshake-ack").fact("expected", far.ack));
    resets(watch, &host, [1, 1]);
}

/// With tcp_syncookies = 2 one client ends its handshake by the cookie, and another by a number that is none.
fn an_ack_that_is_no_valid_cookie_is_told_while_cookies_are_in_use(ip: Ip) {
    let host = Host::alone(ip);
    host.namespace.set("net.ipv4.tcp_syncookies", 2);
    let remote = Remote::beside(ip, &host.namespace);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let listener = host.namespace.listen(remote.neighbour());
    let _good = remote.dials(remote.neighbour(), CLIENT);
    let _server = accept(&listener);
    let mut bad = remote.knocks(remote.neighbour(), CLIENT + 1);
    bad.hears("the SYN+ACK", |heard| heard.flags & Segment::SYN != 0);
    bad.ack = bad.ack.wrapping_add(1 << 20);
    bad.says(Segment::ACK, b"");
    bad.hears_rst();

    host.namespace.counters().since(&before).is(&[
        ("OutRsts", 1),
        ("SyncookiesSent", 2),
        ("SyncookiesRecv", 1),
        ("SyncookiesFailed", 1),
    ]);
    let sent = Expected::sent(&host.namespace, bad.peer, bad.local).mechanism("ack-to-listener");
    watch.expect(&sent.because("syn-cookie-failed").fact("syncookies", 2));
    one_reset(watch, &host);
}

/// One client dials 24 closed ports in a row.
fn many_closed_ports_from_one_source_are_a_scan(ip: Ip) {
    const PORTS: u16 = 24;
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let tried: Vec<_> = (PORT..PORT + PORTS).map(|port| at(ip.loopback(), port)).collect();
    let clients: Vec<_> = tried.iter().map(|port| host.namespace.dial(*port).refused()).collect();

    let refused = i64::from(PORTS);
    host.namespace.counters().since(&before).is(&[("OutRsts", refused), ("AttemptFails", refused)]);
    let (port, client) = (tried[tried.len() - 1], clients[clients.len() - 1]);
    let scan = |e: Expected| e.because("scan").refused();
    let sent = Expected::sent(&host.namespace, port, client).mechanism("syn-to-no-socket");
    watch.expect_joined(&scan(sent), &scan(Expected::received(&host.namespace, client, port)));
    resets(watch, &host, [PORTS.into(), PORTS.into()]);
}

/// Longer than it takes to tell a connection that is kept alive from one that is in use.
const PAUSE: Duration = Duration::from_millis(1_300);

/// The port of a client outside.
const CLIENT: u16 = 40_000;

fn connected(host: &Host) -> (TcpListener, TcpStream, TcpStream) {
    let listener = host.namespace.listen(host.address());
    let client = host.namespace.connect(host.address());
    let server = accept(&listener);
    (listener, client, server)
}

/// The server closes in order, and the client knows.
fn server_closes(host: &Host, client: &mut TcpStream, server: TcpStream) {
    drop(server);
    assert_eq!(end_of(client), End::Closed);
    host_is_in(host, client, TcpEntry::FIN_WAIT2);
}

fn host_is_in(host: &Host, client: &TcpStream, state: u8) {
    let reached = || host.namespace.socket_state(host.address(), local(client)) == Some(state);
    wait_for("the server's FIN to be acknowledged", || reached().then_some(()));
}

fn host_is_left_with_time_wait(host: &Host, far: &Far<'_>) {
    let reached = || host.namespace.socket_state(far.peer, far.local) == Some(TcpEntry::FIN_WAIT2);
    wait_for("the FIN's acknowledgement to arrive", || reached().then_some(()));
}

/// A client outside is connected, has asked, and has its answer.
fn served<'a>(host: &Host, remote: &'a Remote) -> (TcpListener, Far<'a>, TcpStream) {
    let address = remote.neighbour();
    let listener = host.namespace.listen(address);
    let mut far = remote.dials(address, CLIENT);
    let mut server = accept(&listener);
    far.says(Segment::ACK, b"a question");
    wait_for_unread(&server);
    read(&mut server);
    say(&mut server, "an answer");
    far.hears_data();
    far.says(Segment::ACK, b"");
    (listener, far, server)
}

fn read(server: &mut TcpStream) {
    let mut question = [0; 10];
    std::io::Read::read_exact(server, &mut question).expect("it was there");
}

/// The next request was sent before the server's FIN arrived: it does not acknowledge that.
fn crosses_the_close(far: &mut Far<'_>, server: TcpStream) {
    let acknowledged = far.ack;
    drop(server);
    far.hears_fin();
    far.ack = acknowledged;
    far.says(Segment::ACK, b"next request");
    far.hears_rst();
}

/// One reset, and who took it is on this host as well.
fn one_reset_within(watch: Watch, host: &Host) {
    resets(watch, host, [1, 1]);
}

fn one_reset(watch: Watch, host: &Host) {
    resets(watch, host, [1, 0]);
}

/// So many sent and received.
fn resets(watch: Watch, host: &Host, [sent, received]: [usize; 2]) {
    let report = watch.finish();
    report.has_sent(&host.namespace, sent);
    report.has_received(&host.namespace, received);
    report.accounts_for(&host.namespace, i64::try_from(sent).expect("a count"));
}
