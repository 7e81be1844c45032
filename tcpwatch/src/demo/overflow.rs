//! A server that has stopped calling `accept()`, and more clients than its accept queue holds: once the kernel drops
//! the last ACK of their handshakes and resets them late, once it resets them at once.

use std::net::SocketAddrV4;
use std::thread;

use super::link::Net;
use super::log::Log;
use super::order::Order;
use super::stage::{Actor, Stage};
use super::{Act, MOMENT, Script, net};

pub(super) const SCRIPT: Script = Script {
    title: "demo overflow: clients meet a full accept queue",
    set,
    expects: &[("accept-queue-overflow", 2 * BOTH_ENDS)],
    look_at: "the queue in the evidence, and who set its limit; and how late the first reset came:
          by default the kernel waits for a minute, in which the client believes itself connected.",
};

struct Scene {
    client: Actor,
    server: Actor,
}

fn set(stage: &mut Stage) -> anyhow::Result<Act> {
    let mut scene =
        Scene { client: stage.hire("demo-client")?, server: stage.hire("demo-server")? };
    stage.cable((&scene.client, CLIENT), (&scene.server, SERVER))?;
    scene.server.set(RETRIES, 0)?;
    scene.server.set(ABORT, 0)?;
    stage.note(format!(
        "demo-server: listen({BACKLOG}) and no accept(), so {SEATS} clients may wait"
    ));
    stage.note(format!(
        "{RETRIES} = 0 there: an open handshake is forgotten after 1 s (by default 63 s)"
    ));
    Ok(Box::new(move |log| scene.happens(log)))
}

impl Scene {
    fn happens(&mut self, log: &mut Log) -> anyhow::Result<()> {
        self.server.does(Order::Listen { address: ADDRESS, backlog: BACKLOG })?;
        self.crowd(
            log,
            "the last ACK of one handshake finds the queue full and is dropped in silence",
        )?;
        log.step("demo-server wakes up, serves those who waited, and stalls again")?;
        self.serve()?;
        log.step(format!("{ABORT} = 1 in demo-server"))?;
        self.server.set(ABORT, 1)?;
        self.crowd(
            log,
            "the last ACK of one handshake finds the queue full and is answered with a RST",
        )
    }

    /// One client more than fit.
    fn crowd(&mut self, log: &mut Log, what_of_the_last: &str) -> anyhow::Result<()> {
        self.client.does(Order::Dial { to: ADDRESS, count: EARLY })?;
        self.server.does(Order::HoldHandshakes)?;
        self.client.does(Order::Dial { to: ADDRESS, count: AT_ONCE })?;
        self.server.does(Order::LetHandshakesEnd)?;
        log.step(format!(
            "{EARLY} clients wait in the accept queue, {AT_ONCE} more are connecting at the same time"
        ))?;
        log.step(format!("all send a request; {SEATS} fit, {what_of_the_last}"))?;
        self.client.does(Order::Say)?;
        self.client.does(Order::AwaitResets { count: 1 })?;
        log.step("demo-client: Connection reset by peer")?;
        thread::sleep(MOMENT);
        Ok(())
    }

    /// Leaves nothing unread and nobody waiting, so that closing is no reset.
    fn serve(&mut self) -> anyhow::Result<()> {
        self.server.does(Order::Accept { count: SEATS })?;
        self.server.does(Order::Reply)?;
        self.client.does(Order::Hear)?;
        self.client.does(Order::HangUp)?;
        self.server.does(Order::HangUp)?;
        Ok(())
    }
}

/// From the blocks for documentation (RFC 5737): no host has them.
const CLIENT: Net = net([192, 0, 2, 1], 30);
const SERVER: Net = net([192, 0, 2, 2], 30);
const ADDRESS: SocketAddrV4 = SocketAddrV4::new(SERVER.address, 80);

/// One more than this many may wait (include/net/sock.h, `sk_acceptq_is_full`). It is also how many handshakes may be
/// open before the kernel falls back to SYN cookies (`inet_csk_reqsk_queue_is_full`), which we do not want to show.
const BACKLOG: i32 = 4;
const EARLY: usize = 3;
const AT_ONCE: usize = 3;
/// One too many.
const SEATS: usize = EARLY + AT_ONCE - 1;
/// Of one reset.
const BOTH_ENDS: usize = 2;

const ABORT: &str = "net.ipv4.tcp_abort_on_overflow";
const RETRIES: &str = "net.ipv4.tcp_synack_retries";
