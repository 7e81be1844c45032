//! Connection refused: nothing listens there, any more, elsewhere, or not yet.

use std::net::SocketAddr;
use std::time::Duration;

use harness::patience::idle;
use harness::{Expected, Helper, Host, Ip, Watch};

use crate::scenario::scenarios;

scenarios! {
    both a_port_that_never_listened_refuses;
    both a_server_on_loopback_only_refuses_on_the_other_address;
    both a_server_that_closed_its_listener_refuses;
    both a_server_that_exited_refuses;
    both a_server_that_was_killed_refuses;
    both a_server_that_starts_three_seconds_late_refuses_and_is_found_later;
}

fn a_port_that_never_listened_refuses(ip: Ip) {
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let client = host.namespace.dial(host.address()).refused();

    host.namespace.counters().since(&before).is(&[("OutRsts", 1), ("AttemptFails", 1), ("EstabResets", 0)]);
    watch.expect_joined(
        &refused_by(&host, host.address(), client).because("no-listener").evidence(host.address()),
        &refused_to(&host, client, host.address()).because("no-listener"),
    );
    one_reset(watch, &host);
}

fn a_server_on_loopback_only_refuses_on_the_other_address(ip: Ip) {
    let host = Host::alone(ip);
    let dialled = SocketAddr::new(host.second_address(), host.address().port());
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let _server = Helper::listens(&host.namespace, "admin-api", host.address());
    let client = host.namespace.dial(dialled).refused();

    host.namespace.counters().since(&before).is(&[("OutRsts", 1), ("AttemptFails", 1)]);
    watch.expect_joined(
        &refused_by(&host, dialled, client).because("no-listener").evidence(dialled.ip()).evidence(host.address().ip()),
        &refused_to(&host, client, dialled).because("no-listener"),
    );
    one_reset(watch, &host);
}

fn a_server_that_closed_its_listener_refuses(ip: Ip) {
    a_server_goes(ip, |mut server| {
        server.closes();
        Some(server)
    });
}

fn a_server_that_exited_refuses(ip: Ip) {
    a_server_goes(ip, |server| {
        server.exits(3);
        None
    });
}

fn a_server_that_was_killed_refuses(ip: Ip) {
    let expected = a_server_goes(ip, |server| {
        server.is_killed();
        None
    });
    assert_eq!(expected, "orders-api");
}

fn a_server_that_starts_three_seconds_late_refuses_and_is_found_later(ip: Ip) {
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    let client = host.namespace.dial(host.address()).refused();
    idle(Duration::from_secs(3));
    let server = Helper::listens(&host.namespace, "slow-start", host.address());
    drop(host.namespace.connect(host.address()));

    host.namespace.counters().since(&before).is(&[("OutRsts", 1), ("AttemptFails", 1)]);
    let verdict = watch.expect(&refused_by(&host, host.address(), client).because("no-listener"));
    let amendment = watch.expect_amendment(&verdict, "not-yet-listening");
    assert!(amendment.to_string().contains(server.command()), "who opened the port at last: {amendment}");
    one_reset(watch, &host);
}
