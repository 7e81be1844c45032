//! Resets that were sent elsewhere: by a host of which there are only packets.

use std::net::TcpStream;
use std::time::Duration;

use harness::patience::idle;
use harness::remote::End as Far;
use harness::segment::Segment;
use harness::socket::{
    End, TcpEntry, accept, accept_queue, end_of, local, pending_error, say, wait_for_unread,
};
use harness::watch::sees_all_of;
use harness::{Expected, Host, Ip, Remote, Watch, wait_for};
use nix::errno::Errno;

use crate::scenario::scenarios;

scenarios! {
    both a_host_elsewhere_that_refuses_is_named;
    both a_reset_from_elsewhere_is_the_peers;
    both a_request_behind_the_close_of_a_server_elsewhere_is_a_keep_alive_race;
    both a_write_right_behind_the_close_of_a_peer_elsewhere_was_written_after_it;
    both a_reset_behind_an_acknowledged_close_is_the_peers;
    both a_contact_without_a_word_is_a_probe;
    both a_contact_that_was_never_accepted_is_a_probe;
    both a_handshake_reset_by_its_client_is_a_probe_where_it_is_seen;
    both a_reset_with_another_hop_count_is_suspected_where_packets_are_seen;
}

/// A host elsewhere answers a SYN with a reset.
fn a_host_elsewhere_that_refuses_is_named(ip: Ip) {
    let host = Host::alone(ip);
    let remote = Remote::beside(ip, &host.namespace);
    let watch = Watch::settled_on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (dialled, far) = remote.answers(&host.namespace, |far| {
        far.seq = 0;
        far.says(Segment::RST | Segment::ACK, b"");
    });
    dialled.refused();

    host.namespace.counters().since(&before).is(&[("OutRsts", 0), ("AttemptFails", 1)]);
    let received = Expected::received(&host.namespace, far.peer, far.local);
    watch.expect(&received.because("peer-refused").refused().evidence(far.local.ip()));
    no_reset_sent(watch, &host);
}

/// A host elsewhere resets a connection in the middle of a question, of its own accord.
fn a_reset_from_elsewhere_is_the_peers(ip: Ip) {
    let host = Host::alone(ip);
    let remote = Remote::beside(ip, &host.namespace);
    let watch = Watch::settled_on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (mut client, mut far) = remote.is_dialled(&host.namespace);
    say(&mut client, "a question");
    far.hears_data();
    far.says(Segment::RST | Segment::ACK, b"");
    assert_eq!(end_of(&mut client), End::RESET);

    host.namespace.counters().since(&before).is(&[("OutRsts", 0), ("EstabResets", 1)]);
    let received = Expected::received(&host.namespace, far.peer, far.local);
    let form = if sees_all_of("rst_received") { "own-accord" } else { "unseen" };
    watch.expect(&received.because("peer-reset").reset().fact("form", form));
    no_reset_sent(watch, &host);
}

/// A server elsewhere closes an idle connection; the client here sends its next request behind that, and is reset.
fn a_request_behind_the_close_of_a_server_elsewhere_is_a_keep_alive_race(ip: Ip) {
    let host = Host::alone(ip);
    let remote = Remote::beside(ip, &host.namespace);
    let watch = Watch::settled_on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (mut client, mut far) = asked_and_answered(&host, &remote);
    idle(PAUSE);
    writes_behind_the_close(&host, &mut client, &mut far);
    assert_eq!(pending_error(&client), Errno::EPIPE);

    host.namespace.counters().since(&before).is(&[("OutRsts", 0), ("EstabResets", 1)]);
    let received = Expected::received(&host.namespace, far.peer, far.local);
    watch.expect(
        &received
            .because("keep-alive-race")
            .errno("EPIPE", libc::EPIPE)
            .fact("closed_here", false)
            .fact("request", "behind"),
    );
    no_reset_sent(watch, &host);
}

/// The same as a keep-alive race, without the pause before the close: nothing was kept alive.
fn a_write_right_behind_the_close_of_a_peer_elsewhere_was_written_after_it(ip: Ip) {
    let host = Host::alone(ip);
    let remote = Remote::beside(ip, &host.namespace);
    let watch = Watch::settled_on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (mut client, mut far) = asked_and_answered(&host, &remote);
    writes_behind_the_close(&host, &mut client, &mut far);
    assert_eq!(pending_error(&client), Errno::EPIPE);

    host.namespace.counters().since(&before).is(&[("OutRsts", 0), ("EstabResets", 1)]);
    let received = Expected::received(&host.namespace, far.peer, far.local);
    let answered = sees_all_of("rst_received");
    let late = received.because("wrote-after-peer-close").fact("answered", answered);
    watch.expect(&late.fact("unacknowledged", 16));
    no_reset_sent(watch, &host);
}

/// It ended its side, took all that was written, and gave up later by itself.
fn a_reset_behind_an_acknowledged_close_is_the_peers(ip: Ip) {
    let host = Host::alone(ip);
    let remote = Remote::beside(ip, &host.namespace);
    let watch = Watch::settled_on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (client, mut far) = asked_and_answered(&host, &remote);
    ends(&host, &mut far);
    far.says(Segment::RST | Segment::ACK, b"");
    assert_eq!(pending_error(&client), Errno::EPIPE);

    host.namespace.counters().since(&before).is(&[("OutRsts", 0), ("EstabResets", 1)]);
    let received = Expected::received(&host.namespace, far.peer, far.local);
    watch.expect(&received.because("peer-reset").fact("state", "CLOSE_WAIT"));
    no_reset_sent(watch, &host);
}

/// A host elsewhere connects, is accepted, says nothing and resets: a health check, or a scan.
fn a_contact_without_a_word_is_a_probe(ip: Ip) {
    let host = Host::alone(ip);
    let remote = Remote::beside(ip, &host.namespace);
    let watch = Watch::settled_on(&[&host.namespace]);
    let before = host.namespace.counters();

    let listener = host.namespace.listen(remote.neighbour());
    let mut far = remote.dials(remote.neighbour(), CLIENT);
    let mut server = accept(&listener);
    far.says(Segment::RST | Segment::ACK, b"");
    assert_eq!(end_of(&mut server), End::RESET);

    host.namespace.counters().since(&before).is(&[("OutRsts", 0), ("EstabResets", 1)]);
    watch.expect(&probe(&host, &far, "connected").reset());
    no_reset_sent(watch, &host);
}

/// The application never learns of it: it was gone before accept().
fn a_contact_that_was_never_accepted_is_a_probe(ip: Ip) {
    let host = Host::alone(ip);
    let remote = Remote::beside(ip, &host.namespace);
    let watch = Watch::settled_on(&[&host.namespace]);
    let before = host.namespace.counters();

    let listener = host.namespace.listen(remote.neighbour());
    let mut far = remote.dials(remote.neighbour(), CLIENT);
    wait_for("a connection in the queue", || (accept_queue(&listener).0 == 1).then_some(()));
    far.says(Segment::RST | Segment::ACK, b"");
    let reset = || host.namespace.counters().since(&before).of("EstabResets") == 1;
    wait_for("the reset", || reset().then_some(()));

    host.namespace.counters().since(&before).is(&[("OutRsts", 0)]);
    watch.expect(&probe(&host, &far, "connected"));
    no_reset_sent(watch, &host);
}

/// Without the hook nothing is said: no connection was lost.
fn a_handshake_reset_by_its_client_is_a_probe_where_it_is_seen(ip: Ip) {
    let host = Host::alone(ip);
    let remote = Remote::beside(ip, &host.namespace);
    let watch = Watch::settled_on(&[&host.namespace]);
    let before = host.namespace.counters();

    let _listener = host.namespace.listen(remote.neighbour());
    let mut far = remote.knocks(remote.neighbour(), CLIENT);
    far.hears("the SYN+ACK", |heard| heard.flags & Segment::SYN != 0);
    far.ack = 0;
    far.says(Segment::RST, b"");
    let reset = || host.namespace.counters().since(&before).of("EmbryonicRsts") == 1;
    wait_for("the reset", || reset().then_some(()));

    host.namespace.counters().since(&before).is(&[("OutRsts", 0), ("AttemptFails", 1)]);
    if !sees_all_of("handshake_ack_refused") {
        return watch.finish().is_silent();
    }
    watch.expect(&probe(&host, &far, "half-open"));
    no_reset_sent(watch, &host);
}

/// Data came over six hops, the reset over none: a device between has spoken in the peer's name, perhaps.
fn a_reset_with_another_hop_count_is_suspected_where_packets_are_seen(ip: Ip) {
    let host = Host::alone(ip);
    let remote = Remote::beside(ip, &host.namespace);
    let watch = Watch::settled_on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (client, mut far) = remote.is_dialled(&host.namespace);
    far.says(Segment::ACK, b"half an answer");
    wait_for_unread(&client);
    let data = far.ttl;
    far.ttl = 64;
    far.says(Segment::RST | Segment::ACK, b"");
    assert_eq!(pending_error(&client), Errno::ECONNRESET);

    host.namespace.counters().since(&before).is(&[("OutRsts", 0), ("EstabResets", 1)]);
    let received = Expected::received(&host.namespace, far.peer, far.local).reset();
    if sees_all_of("rst_received") {
        let suspected = received.because("middlebox-suspected");
        watch.expect(&suspected.fact("rst_ttl", 64).fact("data_ttl", data));
    } else {
        watch.expect(&received.because("peer-reset"));
    }
    no_reset_sent(watch, &host);
}

/// Longer than it takes to tell a connection that is kept alive from one that is in use.
const PAUSE: Duration = Duration::from_millis(1_300);

/// The port of a client outside.
const CLIENT: u16 = 40_000;

/// A client here has asked a server elsewhere, and has read its answer.
fn asked_and_answered<'a>(host: &Host, remote: &'a Remote) -> (TcpStream, Far<'a>) {
    let (mut client, mut far) = remote.is_dialled(&host.namespace);
    say(&mut client, "a question");
    far.hears_data();
    far.says(Segment::ACK, b"an answer");
    let mut answer = [0; 9];
    std::io::Read::read_exact(&mut client, &mut answer).expect("the answer arrives");
    (client, far)
}

/// The server elsewhere ends its side; the client's kernel knows.
fn ends(host: &Host, far: &mut Far<'_>) {
    far.says(Segment::FIN | Segment::ACK, b"");
    let (client, server) = (far.peer, far.local);
    let ended = || host.namespace.socket_state(client, server) == Some(TcpEntry::CLOSE_WAIT);
    wait_for("the FIN to arrive", || ended().then_some(()));
}

fn writes_behind_the_close(host: &Host, client: &mut TcpStream, far: &mut Far<'_>) {
    ends(host, far);
    say(client, "one more request");
    let request = far.hears_data();
    far.seq = request.ack;
    far.refuses();
    assert_eq!(local(client), far.peer);
}

fn probe(host: &Host, far: &Far<'_>, how: &'static str) -> Expected {
    let received = Expected::received(&host.namespace, far.peer, far.local);
    received.because("probe").evidence(how)
}

fn no_reset_sent(watch: Watch, host: &Host) {
    let report = watch.finish();
    report.has_sent(&host.namespace, 0);
    report.has_received(&host.namespace, 1);
    report.accounts_for(&host.namespace, 0);
}
