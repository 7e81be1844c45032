//! Whoever has the address now is not who the connection was made with.

use std::net::TcpStream;

use harness::need::{LOSE_NO_MORE, lose_port};
use harness::network::PORT;
use harness::socket::{End, accept, end_of, local, say, talk};
use harness::{Backends, Dnat, Expected, Helper, Ip, Need, Pair, Service, Watch, wait_for};

use crate::scenario::scenarios;

scenarios! {
    both a_new_pod_with_the_old_address_resets_the_connections_of_the_old_one needs [Need::Dnat(Dnat::Nftables)];
    both a_restarted_server_resets_a_client_that_missed_the_end needs [Need::Nftables];
    both a_server_that_restarts_before_its_client_connects_resets_nobody;
}

/// A back end goes away and a new pod gets its address. The router still knows the connection and translates it as
/// ever, so conntrack is not to blame: the new pod has never heard of the connection and answers its next segment with
/// a RST.
fn a_new_pod_with_the_old_address_resets_the_connections_of_the_old_one(ip: Ip) {
    let service = Service::new(ip, Backends::One, Dnat::Nftables);
    let watch = Watch::everywhere();
    let before = service.client.counters();

    let mut listeners = service.listen();
    let mut client = service.client.connect(service.address());
    let mut server = accept(&listeners[0]);
    talk(&mut client, &mut server);
    service.unplug_a();
    drop((server, listeners.pop()));
    let pod = service.replace_a();
    let _listener = pod.listen(service.backend_address(0));
    say(&mut client, "are you there?");
    assert_eq!(end_of(&mut client), End::RESET);

    service.client.counters().since(&before).is(&[("OutRsts", 0), ("EstabResets", 1)]);
    assert_eq!(pod.counters().get("OutRsts"), 1);
    watch.expect_joined(
        &Expected::sent(&pod, service.backend_address(0), local(&client))
            .because("pod-ip-reuse")
            .mechanism("ack-to-listener")
            .reset(),
        &Expected::received(&service.client, local(&client), service.address())
            .because("pod-ip-reuse")
            .reset(),
    );
    let report = watch.finish();
    report.has_sent(&pod, 1);
    report.accounts_for(&pod, 1);
}

/// A server is killed with a request unread, and the RST of its death gets lost on the way. A new one takes the port;
/// the client, which missed the end, sends another request and is reset by the listener of the new process.
fn a_restarted_server_resets_a_client_that_missed_the_end(ip: Ip) {
    let lab = Pair::joined(ip);
    let watch = Watch::on(&[&lab.client, &lab.server]);
    let before = lab.server.counters();

    let mut old = Helper::listens(&lab.server, "orders-old", lab.address());
    let mut client = lab.client.connect(lab.address());
    old.accepts();
    say(&mut client, "a request");
    old.leaves_unread();
    lab.client.nft(&lose_port(ip, PORT));
    old.is_killed();
    wait_for("the old server's socket to go", || socket_is_gone(&lab, &client).then_some(()));
    lab.client.nft(LOSE_NO_MORE);
    let new = Helper::listens(&lab.server, "orders-new", lab.address());
    say(&mut client, "another request");
    assert_eq!(end_of(&mut client), End::RESET);

    lab.server.counters().since(&before).is(&[("OutRsts", 2), ("TCPAbortOnClose", 1)]);
    let (server, client) = (lab.address(), local(&client));
    watch.expect_joined(
        &restarted(Expected::sent(&lab.server, server, client), &new).mechanism("ack-to-listener"),
        &restarted(Expected::received(&lab.client, client, server), &new),
    );
    let report = watch.finish();
    report.has_sent(&lab.server, 2);
    report.accounts_for(&lab.server, 2);
}

/// Look-alike: a server restarts while nobody is connected through it. Nobody is reset, nothing is said.
fn a_server_that_restarts_before_its_client_connects_resets_nobody(ip: Ip) {
    let lab = Pair::joined(ip);
    let watch = Watch::on(&[&lab.client, &lab.server]);
    let before = lab.server.counters();

    Helper::listens(&lab.server, "orders-old", lab.address()).exits(0);
    let mut new = Helper::listens(&lab.server, "orders-new", lab.address());
    let mut client = lab.client.connect(lab.address());
    new.accepts();
    say(&mut client, "a request");
    new.leaves_unread();

    lab.server.counters().since(&before).is(&[("OutRsts", 0)]);
    watch.finish().is_silent();
}

fn restarted(expected: Expected, new: &Helper) -> Expected {
    expected.because("server-restarted").reset().evidence(new.command())
}

fn socket_is_gone(lab: &Pair, client: &TcpStream) -> bool {
    lab.server.socket_state(lab.address(), local(client)).is_none()
}
