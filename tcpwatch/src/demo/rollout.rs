//! Two pods and a client whose load balancer is out of step with both: the old server has gone while it is still
//! dialled, the new one is dialled before it listens.

use std::net::SocketAddrV4;
use std::thread;

use anyhow::ensure;

use super::link::Net;
use super::log::Log;
use super::order::Order;
use super::stage::{Actor, Stage};
use super::{Act, MOMENT, Script, net};

pub(super) const SCRIPT: Script = Script {
    title: "demo rollout: clients are sent to a server that has stopped, and to one that does not listen yet",
    set,
    expects: &[
        ("listener-closed", BOTH_ENDS),
        ("no-listener", BOTH_ENDS),
        ("not-yet-listening", 1),
    ],
    look_at:
        "who closed the port, how, and how long before; and the amendment, which turns \"nobody
          listens there\" into \"you came too early\". A preStop sleep cures the first, a readiness
          probe the second.",
};

struct Scene {
    client: Actor,
    v1: Actor,
    v2: Actor,
    /// They keep the namespaces, like the pause container of a pod.
    _pods: [Actor; 2],
}

fn set(stage: &mut Stage) -> anyhow::Result<Act> {
    let client = stage.hire("demo-client")?;
    let pods = [stage.hire("demo-pod-v1")?, stage.hire("demo-pod-v2")?];
    stage.cable((&client, net([192, 0, 2, 1], 30)), (&pods[0], OLD))?;
    stage.cable((&client, net([192, 0, 2, 5], 30)), (&pods[1], NEW))?;
    let v1 = stage.hire_beside("demo-app-v1", &pods[0])?;
    let v2 = stage.hire_beside("demo-app-v2", &pods[1])?;
    let mut scene = Scene { client, v1, v2, _pods: pods };
    Ok(Box::new(move |log| scene.happens(log)))
}

impl Scene {
    fn happens(&mut self, log: &mut Log) -> anyhow::Result<()> {
        log.step(format!("demo-app-v1 listens on {}, demo-client is served", at(OLD)))?;
        listen(&mut self.v1, OLD)?;
        serve(&mut self.client, &mut self.v1, OLD)?;
        log.step(
            "demo-app-v1 gets SIGTERM and ends at once; the load balancer has not heard of it",
        )?;
        self.v1.terminate()?;
        self.is_refused(log, OLD)?;
        log.step("the load balancer switches to pod v2, whose demo-app-v2 is still starting")?;
        self.is_refused(log, NEW)?;
        log.step(format!("demo-app-v2 listens on {} at last", at(NEW)))?;
        listen(&mut self.v2, NEW)?;
        serve(&mut self.client, &mut self.v2, NEW)?;
        Ok(log.step("demo-client is served again")?)
    }

    fn is_refused(&mut self, log: &mut Log, whom: Net) -> anyhow::Result<()> {
        thread::sleep(MOMENT);
        let connected = self.client.does(Order::Dial { to: at(whom), count: 1 })?;
        ensure!(connected == 0, "{} took a connection although nobody listens", at(whom));
        log.step(format!("demo-client -> {}: Connection refused", at(whom)))?;
        thread::sleep(MOMENT);
        Ok(())
    }
}

fn listen(app: &mut Actor, own: Net) -> anyhow::Result<usize> {
    app.does(Order::Listen { address: at(own), backlog: 128 })
}

/// The client closes first, and nothing is left unread: no reset.
fn serve(client: &mut Actor, app: &mut Actor, own: Net) -> anyhow::Result<()> {
    client.does(Order::Dial { to: at(own), count: 1 })?;
    app.does(Order::Accept { count: 1 })?;
    client.does(Order::Say)?;
    app.does(Order::Reply)?;
    client.does(Order::Hear)?;
    client.does(Order::HangUp)?;
    app.does(Order::HangUp)?;
    Ok(())
}

const fn at(own: Net) -> SocketAddrV4 {
    SocketAddrV4::new(own.address, 80)
}

/// From the blocks for documentation (RFC 5737): no host has them.
const OLD: Net = net([192, 0, 2, 2], 30);
const NEW: Net = net([192, 0, 2, 6], 30);

/// Of one reset.
const BOTH_ENDS: usize = 2;
