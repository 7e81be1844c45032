//! This host gives a connection up of its own accord: why, and who did it.

use std::fs;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process;
use std::time::Duration;

use harness::need::destroy;
use harness::patience::idle;
use harness::socket::{
    End, TcpEntry, accept, dissolve, end_of, keepalive, local, no_wait_for_the_peer, say,
};
use harness::{Counters, Expected, Helper, Host, Ip, MemoryLimit, Need, Pair, Watch, wait_for};

use crate::scenario::scenarios;

scenarios! {
    both a_server_that_hangs_up_on_a_request_it_has_not_read;
    both a_server_that_exits_with_a_request_unread;
    both a_server_that_hangs_up_with_linger_zero;
    both a_server_that_is_killed_with_linger_zero;
    both a_server_that_does_not_wait_for_its_peer_to_close;
    both a_server_that_is_killed_with_a_request_unread;
    both a_server_that_is_killed_with_everything_read_resets_nobody;
    both a_server_that_eats_all_its_memory_is_killed_with_a_request_unread needs [Need::MemoryLimit];
    both a_server_that_closes_its_listener_on_waiting_clients;
    both a_server_that_is_killed_before_it_accepts;
    both a_program_that_dissolves_its_connection;
    both a_peer_that_answers_no_probe;
    both a_peer_that_answers_no_probe_within_the_user_timeout;
    both a_socket_that_an_operator_destroys needs [Need::SocketDestroy];
    both a_host_with_too_many_orphans needs [Need::OwnMachine];
}

/// A server closes a connection without reading the request that has come: the kernel sends a RST, so that the client
/// knows that its data was not taken.
fn a_server_that_hangs_up_on_a_request_it_has_not_read(ip: Ip) {
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (mut client, mut server) = served(&host);
    unread_request(&mut client, &mut server);
    server.hangs_up();
    assert_eq!(end_of(&mut client), End::RESET);

    aborts(&host, &before, &[("OutRsts", 1), ("EstabResets", 2), ("TCPAbortOnClose", 1)]);
    let closed = |e: Expected| by(e.fact("how", "close"), &server).fact("unread", REQUEST.len());
    both_ends(&watch, &host, &client, "close-with-unread-data", |e| {
        closed(e.because("closed-with-unread-data"))
    });
    one_reset(watch, &host);
}

/// A server exits while a request it has not read waits in its socket: the end of the process closes the socket, and
/// the kernel sends a RST.
fn a_server_that_exits_with_a_request_unread(ip: Ip) {
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (mut client, mut server) = served(&host);
    unread_request(&mut client, &mut server);
    let pid = server.pid();
    server.exits(3);
    assert_eq!(end_of(&mut client), End::RESET);

    aborts(&host, &before, &[("OutRsts", 1), ("EstabResets", 2), ("TCPAbortOnClose", 1)]);
    both_ends(&watch, &host, &client, "close-with-unread-data", |e| {
        e.because("closed-with-unread-data").fact("exit", 3).fact("pid", pid)
    });
    one_reset(watch, &host);
}

/// A server closes a connection with SO_LINGER set to zero: instead of a FIN the client gets a RST.
fn a_server_that_hangs_up_with_linger_zero(ip: Ip) {
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (mut client, mut server) = served(&host);
    server.lingers_zero();
    server.hangs_up();
    assert_eq!(end_of(&mut client), End::RESET);

    aborts(&host, &before, &[("OutRsts", 1), ("EstabResets", 2), ("TCPAbortOnData", 1)]);
    both_ends(&watch, &host, &client, "close-with-linger-zero", |e| {
        by(e.because("linger-zero").fact("option", "so-linger").fact("how", "close"), &server)
    });
    one_reset(watch, &host);
}

/// Any end would have been a reset; this one was a kill.
fn a_server_that_is_killed_with_linger_zero(ip: Ip) {
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (mut client, mut server) = served(&host);
    server.lingers_zero();
    let pid = server.pid();
    server.is_killed();
    assert_eq!(end_of(&mut client), End::RESET);

    aborts(&host, &before, &[("OutRsts", 1), ("EstabResets", 2), ("TCPAbortOnData", 1)]);
    both_ends(&watch, &host, &client, "close-with-linger-zero", |e| {
        e.because("process-killed").fact("signal", 9).fact("left", "so-linger").fact("pid", pid)
    });
    one_reset(watch, &host);
}

/// It has closed its end, which the client acknowledged, and does not wait for the client's.
fn a_server_that_does_not_wait_for_its_peer_to_close(ip: Ip) {
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (client, server) = connected(&host);
    no_wait_for_the_peer(&server);
    server.shutdown(Shutdown::Write).expect("a connection can be closed in one direction");
    let state = || host.namespace.socket_state(host.address(), local(&client));
    let acknowledged = || state() == Some(TcpEntry::FIN_WAIT2);
    wait_for("the FIN to be acknowledged", || acknowledged().then_some(()));
    drop(server);

    aborts(&host, &before, &[("OutRsts", 1), ("EstabResets", 1), ("TCPAbortOnLinger", 1)]);
    let (server, client) = (host.address(), local(&client));
    let asked = |e: Expected| e.because("linger-zero").fact("option", "tcp-linger2");
    let sent = Expected::sent(&host.namespace, server, client);
    let received = Expected::received(&host.namespace, client, server).errno("EPIPE", libc::EPIPE);
    watch.expect_joined(
        &asked(sent).mechanism("close-with-negative-linger2").held_by(process::id()),
        &asked(received),
    );
    one_reset(watch, &host);
}

/// A server is killed by SIGKILL while a request it has not read waits in its socket: the kernel sends a RST.
fn a_server_that_is_killed_with_a_request_unread(ip: Ip) {
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (mut client, mut server) = served(&host);
    unread_request(&mut client, &mut server);
    let pid = server.pid();
    server.is_killed();
    assert_eq!(end_of(&mut client), End::RESET);

    aborts(&host, &before, &[("OutRsts", 1), ("EstabResets", 2), ("TCPAbortOnClose", 1)]);
    both_ends(&watch, &host, &client, "close-with-unread-data", |e| {
        let killed = e.because("process-killed").fact("signal", 9).fact("oom_victim", false);
        killed.fact("unread", REQUEST.len()).fact("pid", pid).fact("command", SERVER)
    });
    one_reset(watch, &host);
}

/// An orderly end, as far as TCP goes: a FIN, and nothing to explain.
fn a_server_that_is_killed_with_everything_read_resets_nobody(ip: Ip) {
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (mut client, server) = served(&host);
    server.is_killed();
    assert_eq!(end_of(&mut client), End::Closed);

    aborts(&host, &before, &[("OutRsts", 0), ("EstabResets", 0)]);
    let report = watch.finish();
    report.is_silent();
    report.accounts_for(&host.namespace, 0);
}

/// A server runs into the memory limit of its cgroup and is killed for it, with a request unread: the kernel sends a
/// RST.
fn a_server_that_eats_all_its_memory_is_killed_with_a_request_unread(ip: Ip) {
    let host = Host::alone(ip);
    let limit = MemoryLimit::of(64 << 20).unwrap_or_else(|error| panic!("{error}"));
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (mut client, mut server) = served(&host);
    unread_request(&mut client, &mut server);
    limit.holds(server.pid());
    let pid = server.pid();
    server.eats_all_memory();
    assert_eq!(end_of(&mut client), End::RESET);

    aborts(&host, &before, &[("OutRsts", 1), ("EstabResets", 2), ("TCPAbortOnClose", 1)]);
    both_ends(&watch, &host, &client, "close-with-unread-data", |e| {
        e.because("process-killed").fact("oom_victim", true).fact("pid", pid)
    });
    one_reset(watch, &host);
}

/// A client is connected and waits in the accept queue when the server closes its listener: the kernel resets it, and
/// nobody ever accepted it.
fn a_server_that_closes_its_listener_on_waiting_clients(ip: Ip) {
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let mut server = Helper::listens(&host.namespace, SERVER, host.address());
    let mut clients = two_waiting(&host);
    server.closes();
    for client in &mut clients {
        assert_eq!(end_of(client), End::RESET);
    }

    aborts(&host, &before, &[("OutRsts", 2), ("EstabResets", 4), ("TCPAbortOnClose", 0)]);
    for client in &clients {
        both_ends(&watch, &host, client, "never-accepted", |e| {
            let closed = e.because("listener-closed-with-queue").fact("how", "close");
            by(closed, &server).fact("waiting", 2)
        });
    }
    resets(watch, &host, 2);
}

/// A client is connected and waits in the accept queue when the server is killed: the end of the process closes the
/// listener, and the kernel resets the client.
fn a_server_that_is_killed_before_it_accepts(ip: Ip) {
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let server = Helper::listens(&host.namespace, SERVER, host.address());
    let mut clients = two_waiting(&host);
    let pid = server.pid();
    server.is_killed();
    for client in &mut clients {
        assert_eq!(end_of(client), End::RESET);
    }

    aborts(&host, &before, &[("OutRsts", 2), ("EstabResets", 4), ("TCPAbortOnClose", 0)]);
    for client in &clients {
        both_ends(&watch, &host, client, "never-accepted", |e| {
            let closed = e.because("listener-closed-with-queue").fact("signal", 9);
            closed.fact("waiting", 2).fact("pid", pid)
        });
    }
    resets(watch, &host, 2);
}

/// With a request unread, which would be another story if the socket were closed.
fn a_program_that_dissolves_its_connection(ip: Ip) {
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (mut client, server) = connected(&host);
    say(&mut client, REQUEST);
    harness::socket::wait_for_unread(&server);
    harness::socket::linger_zero(&server);
    dissolve(&server);
    assert_eq!(end_of(&mut client), End::RESET);
    drop(server);

    let abort_counters = [("TCPAbortOnClose", 0), ("TCPAbortOnData", 0)];
    aborts(&host, &before, &[("OutRsts", 1), ("EstabResets", 2)]);
    aborts(&host, &before, &abort_counters);
    both_ends(&watch, &host, &client, "disconnected", |e| {
        e.because("disconnected").fact("pid", process::id())
    });
    one_reset(watch, &host);
}

/// A peer goes silent without a word; keepalive asks it in vain until the kernel gives the connection up with a RST.
fn a_peer_that_answers_no_probe(ip: Ip) {
    silent_peer(ip, 2, 0, |e| e.fact("probes", 2).fact("user_timeout_ms", 0));
}

/// Nine probes are allowed; the time is up before.
fn a_peer_that_answers_no_probe_within_the_user_timeout(ip: Ip) {
    silent_peer(ip, 9, 1500, |e| e.fact("user_timeout_ms", 1500).quotes("1500 ms"));
}

/// Whatever the client sends gets lost: the server probes it in vain, and gives up. Its RST arrives.
fn silent_peer(ip: Ip, probes: u32, timeout: u32, tells: impl Fn(Expected) -> Expected) {
    let lab = Pair::joined(ip);
    let watch = Watch::on(&[&lab.client, &lab.server]);
    let before = lab.server.counters();

    let listener = lab.server.listen(lab.address());
    let mut client = lab.client.connect(lab.address());
    let server = accept(&listener);
    loses_what_it_sends(&lab);
    keepalive(&server, probes, timeout);
    assert_eq!(end_of(&mut client), End::RESET);

    let timed_out = [("OutRsts", 1), ("EstabResets", 1), ("TCPAbortOnTimeout", 1)];
    lab.server.counters().since(&before).is(&timed_out);
    let (address, client) = (lab.address(), local(&client));
    let silent = |e: Expected| tells(e.because("keepalive-timeout").fact("time_s", KEEPALIVE_TIME));
    let sent = Expected::sent(&lab.server, address, client).mechanism("keepalive-timeout");
    let received = Expected::received(&lab.client, client, address);
    watch.expect_joined(&silent(sent.reset()).held_by(process::id()), &silent(received.reset()));
    let report = watch.finish();
    report.has_sent(&lab.server, 1);
    report.accounts_for(&lab.server, 1);
}

/// Killer and owner are two processes.
fn a_socket_that_an_operator_destroys(ip: Ip) {
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let (mut client, server) = served(&host);
    let killer = host.namespace.run(&destroy(host.address(), local(&client)));
    assert_eq!(end_of(&mut client), End::RESET);

    aborts(&host, &before, &[("OutRsts", 1), ("EstabResets", 2), ("TCPAbortOnClose", 0)]);
    let destroyed =
        |e: Expected| e.because("admin-destroyed").fact("pid", killer.pid).fact("command", "ss");
    let (address, client) = (host.address(), local(&client));
    let sent = Expected::sent(&host.namespace, address, client).mechanism("destroyed");
    watch.expect_joined(
        &destroyed(sent.reset()).held_by(server.pid()),
        &destroyed(Expected::received(&host.namespace, client, address).reset()),
    );
    one_reset(watch, &host);
}

/// One connection is closed while orphans are still welcome, and sends its FIN again and again; another is closed when
/// they are not.
fn a_host_with_too_many_orphans(ip: Ip) {
    let lab = Pair::joined(ip);
    let watch = Watch::on(&[&lab.client, &lab.server]);
    let before = lab.server.counters();

    let listener = lab.server.listen(lab.address());
    let [early, late] = [(), ()].map(|()| lab.client.connect(lab.address()));
    let [orphan, other] = [(), ()].map(|()| accept(&listener));
    loses_what_it_sends(&lab);
    drop(orphan);
    // The kernel counts orphans every tenth of a second.
    idle(Duration::from_millis(500));
    let limit = NoOrphans::allowed();
    drop(other);
    let given_up = || lab.server.counters().since(&before).of("TCPAbortOnMemory");
    wait_for("both to be given up", || (given_up() == 2).then_some(()));
    drop(limit);

    lab.server.counters().since(&before).is(&[("OutRsts", 2)]);
    for (client, when) in [(&early, "sending-again"), (&late, "closing")] {
        let sent = Expected::sent(&lab.server, lab.address(), local(client));
        let want_of_room = sent.because("out-of-memory-or-orphans").mechanism("out-of-memory");
        let no_memory = want_of_room.fact("memory_exceeded", false).quotes("tcp_max_orphans");
        watch.expect(&no_memory.fact("when", when));
    }
    let report = watch.finish();
    report.has_sent(&lab.server, 2);
    report.accounts_for(&lab.server, 2);
}

/// The limit of the whole host at zero, until the guard goes.
struct NoOrphans {
    before: String,
}

impl NoOrphans {
    fn allowed() -> Self {
        let before = fs::read_to_string(MAX_ORPHANS).expect("the first namespace shows it");
        fs::write(MAX_ORPHANS, "0").expect("root may set it");
        Self { before }
    }
}

impl Drop for NoOrphans {
    fn drop(&mut self) {
        let _ = fs::write(MAX_ORPHANS, &self.before);
    }
}

const MAX_ORPHANS: &str = "/proc/sys/net/ipv4/tcp_max_orphans";

/// What the client sends to the server from now on gets lost.
fn loses_what_it_sends(lab: &Pair) {
    lab.client.ip(&format!("route add blackhole {}", lab.address().ip()));
}

/// A client, and the server process that has accepted it.
fn served(host: &Host) -> (TcpStream, Helper) {
    let mut server = Helper::listens(&host.namespace, SERVER, host.address());
    let client = host.namespace.connect(host.address());
    server.accepts();
    (client, server)
}

fn unread_request(client: &mut TcpStream, server: &mut Helper) {
    say(client, REQUEST);
    server.leaves_unread();
}

/// Both ends in this process.
fn connected(host: &Host) -> (TcpStream, TcpStream) {
    let listener = host.namespace.listen(host.address());
    let client = host.namespace.connect(host.address());
    (client, accept(&listener))
}

/// Two clients that nobody accepts.
fn two_waiting(host: &Host) -> [TcpStream; 2] {
    let clients = [(), ()].map(|()| host.namespace.connect(host.address()));
    let established = |client: &TcpStream| {
        host.namespace.socket_state(host.address(), local(client)) == Some(TcpEntry::ESTABLISHED)
    };
    wait_for("both in the queue", || clients.iter().all(established).then_some(()));
    clients
}

/// The server gave the connection up, its client got the reset, and both ends are told alike.
fn both_ends(
    watch: &Watch,
    host: &Host,
    client: &TcpStream,
    mechanism: &'static str,
    tells: impl Fn(Expected) -> Expected,
) {
    let (server, client): (SocketAddr, SocketAddr) = (host.address(), local(client));
    let sent = Expected::sent(&host.namespace, server, client).mechanism(mechanism);
    let received = Expected::received(&host.namespace, client, server);
    watch.expect_joined(&tells(sent.reset()), &tells(received.reset()));
}

/// This server did it.
fn by(expected: Expected, server: &Helper) -> Expected {
    expected.fact("pid", server.pid()).fact("command", server.command().to_owned())
}

fn aborts(host: &Host, before: &Counters, expected: &[(&str, i64)]) {
    host.namespace.counters().since(before).is(expected);
}

fn one_reset(watch: Watch, host: &Host) {
    resets(watch, host, 1);
}

fn resets(watch: Watch, host: &Host, count: usize) {
    let report = watch.finish();
    report.has_sent(&host.namespace, count);
    report.accounts_for(&host.namespace, count.try_into().expect("a few"));
}

const SERVER: &str = "orders-api";

/// Seconds: what a namespace has when it is new (include/net/tcp.h, `TCP_KEEPALIVE_TIME`).
const KEEPALIVE_TIME: u32 = 7200;

const REQUEST: &str = "a request nobody reads";
