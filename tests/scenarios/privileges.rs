//! tcpwatch without root: exactly the capabilities that README.md names, and no other.

use std::process;

use harness::privileges::Capability::{
    self, Bpf, DacReadSearch, NetAdmin, Perfmon, SysAdmin, SysPtrace,
};
use harness::privileges::{NOBODY, set_of};
use harness::socket::{End, end_of, local, say};
use harness::{Host, Ip, Watch};

use crate::overflow::{ABORT, Crowded, overflow_sent};
use crate::scenario::scenarios;

scenarios! {
    v4 nobody_with_the_documented_capabilities_sees_everything;
}

/// README.md, "Privileges".
const DOCUMENTED: [Capability; 6] = [Bpf, Perfmon, SysAdmin, SysPtrace, DacReadSearch, NetAdmin];

/// A server of root's, in a namespace of its own, listens before tcpwatch comes. The user nobody, with the documented
/// capabilities and no way to more, explains its overflow, names its process, and its account closes.
fn nobody_with_the_documented_capabilities_sees_everything(ip: Ip) {
    let host = Host::alone(ip);
    host.namespace.set(ABORT, 1);
    let mut server = Crowded::listens(&host, host.address());
    let watch = Watch::as_nobody(&[&host.namespace], &DOCUMENTED);
    let user = NOBODY.to_string();
    assert!(watch.status("Uid").split_whitespace().all(|uid| uid == user), "it runs as nobody");
    let held = watch.status("CapEff");
    assert_eq!(u64::from_str_radix(&held, 16), Ok(set_of(&DOCUMENTED)), "and holds {held}");

    let mut last = server.client_whose_handshake_is_open();
    server.fills_up();
    say(&mut last, "this ends the handshake");
    assert_eq!(end_of(&mut last), End::RESET);

    let sent = overflow_sent(&host, host.address(), local(&last));
    watch.expect(&sent.held_by(process::id()));
    watch.finish().accounts_for(&host.namespace, 1);
}
