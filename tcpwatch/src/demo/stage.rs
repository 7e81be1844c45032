//! Network namespaces with the processes that live in them, and the cables between.
//!
//! Nothing gets a name that could be left behind: a namespace lasts as long as a process in it, the processes die with
//! this one even when it is killed, and a cable dies with either of its ends.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::link::{self, LOOPBACK, Net, Port};
use super::order::{Answer, Order};
use crate::event::NetNs;
use crate::source::kernel::netns::Place;

/// All that was made, until it is dropped. To be built and kept by one thread: a process dies with the thread that
/// started it.
#[derive(Default)]
pub struct Stage {
    children: Vec<Child>,
    cast: Vec<Member>,
    notes: Vec<String>,
    cables: i32,
}

/// Who is who.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) pid: u32,
    pub(super) netns: NetNs,
    pub(super) addresses: Vec<Ipv4Addr>,
}

impl Stage {
    /// Starts a process in a network namespace of its own.
    pub(super) fn hire(&mut self, name: &'static str) -> anyhow::Result<Actor> {
        let actor = self.start(name, None)?;
        actor.within(|| link::up(LOOPBACK)).context("cannot bring lo up")?;
        Ok(actor)
    }

    /// Starts a process in the network namespace of another.
    pub(super) fn hire_beside(
        &mut self,
        name: &'static str,
        host: &Actor,
    ) -> anyhow::Result<Actor> {
        self.start(name, Some(host.pid))
    }

    /// Joins two namespaces, and waits until both ends carry.
    pub(super) fn cable(&mut self, one: (&Actor, Net), other: (&Actor, Net)) -> anyhow::Result<()> {
        let [(here, name), (there, other_name)] = [one, other].map(|end| self.plug(end));
        let [here, there] =
            [(here, &name), (there, &other_name)].map(|(index, name)| Port { name, index });
        one.0.within(|| link::cable(here, there, other.0.pid)).map_err(no_cable)?;
        for (end, port) in [(one, here), (other, there)] {
            let net = end.1;
            end.0.within(|| link::assign(port.index, net)).context("cannot assign an address")?;
            end.0.within(|| link::up(port.index)).context("cannot bring a cable up")?;
        }
        one.0.wait_until_it_carries(here.index)?;
        other.0.wait_until_it_carries(there.index)
    }

    /// Something to be said about the scene before it begins.
    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    pub(super) fn cast(&self) -> &[Member] {
        &self.cast
    }

    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Each namespace is called after the process it was made with.
    pub fn names(&self) -> BTreeMap<NetNs, String> {
        let mut names = BTreeMap::new();
        for member in &self.cast {
            names.entry(member.netns).or_insert_with(|| member.name.to_owned());
        }
        names
    }

    fn start(&mut self, name: &'static str, within: Option<u32>) -> anyhow::Result<Actor> {
        let mut child = command(name, within).spawn().context("cannot start this program again")?;
        let (pid, pipes) = (child.id(), child.stdin.take().zip(child.stdout.take()));
        self.children.push(child);
        let (orders, answers) = pipes.context("a process without pipes")?;
        let mut answers = BufReader::new(answers);
        hear(name, &mut answers)?;
        let place = Place::of_process(pid).ok_or_else(|| anyhow!("{name} is gone"))?;
        self.cast.push(Member { name, pid, netns: place.netns, addresses: Vec::new() });
        Ok(Actor { name, pid, place, orders, answers })
    }

    /// Index and name of a new end of a cable.
    fn plug(&mut self, (actor, net): (&Actor, Net)) -> (i32, String) {
        self.cables += 1;
        let member = self.cast.iter_mut().find(|member| member.pid == actor.pid);
        let port = member.map_or(0, |member| {
            member.addresses.push(net.address);
            member.addresses.len() - 1
        });
        (FIRST_INDEX + self.cables, format!("eth{port}"))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.children.iter_mut().for_each(|child| _ = child.kill());
        self.children.iter_mut().for_each(|child| _ = child.wait());
    }
}

/// A process that obeys.
pub(super) struct Actor {
    pub(super) name: &'static str,
    pid: u32,
    place: Place,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Actor {
    /// Gives an order and waits until it is done.
    pub(super) fn does(&mut self, order: Order) -> anyhow::Result<usize> {
        let mut line = serde_json::to_vec(&order)?;
        line.push(b'\n');
        self.orders.write_all(&line).map_err(|_| anyhow!("{} is gone", self.name))?;
        hear(self.name, &mut self.answers)
    }

    /// Does something in the namespace of this process.
    pub(super) fn within<T: Send>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send,
    ) -> io::Result<T> {
        self.place.enter(work)?
    }

    /// Sets a sysctl of its namespace: `net.ipv4.ip_forward`.
    pub(super) fn set(&self, sysctl: &str, value: u32) -> anyhow::Result<()> {
        let path = format!("/proc/sys/{}", sysctl.replace('.', "/"));
        let set = self.within(|| fs::write(&path, value.to_string()));
        set.with_context(|| {
            let name = self.name;
            format!(
                "cannot set {sysctl} in the namespace of {name}. In a container, run it privileged"
            )
        })
    }

    /// Ends it by SIGTERM, which it does not catch.
    pub(super) fn terminate(&mut self) -> anyhow::Result<()> {
        kill(Pid::from_raw(self.pid.cast_signed()), Signal::SIGTERM)?;
        let said = self.answers.read_line(&mut String::new())?;
        ensure!(said == 0, "{} answers although it was terminated", self.name);
        Ok(())
    }

    fn wait_until_it_carries(&self, index: i32) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self.within(|| link::carries(index)).context("cannot list cables")? {
            ensure!(Instant::now() < deadline, "a cable of {} does not carry", self.name);
            thread::sleep(NAP);
        }
        Ok(())
    }
}

/// Ctrl-C is for us alone: a process group of its own does not hear it.
fn command(name: &str, within: Option<u32>) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("tcpwatch").args(["demo-actor", name]);
    command.args(within.into_iter().flat_map(|pid| ["--within".into(), pid.to_string()]));
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

fn hear(name: &str, answers: &mut impl BufRead) -> anyhow::Result<usize> {
    let mut line = String::new();
    if answers.read_line(&mut line)? == 0 {
        bail!("{name} ended before the demo did");
    }
    let answer: Answer = serde_json::from_str(&line)?;
    answer.map_err(|error| anyhow!("{name}: {error}"))
}

fn no_cable(error: io::Error) -> anyhow::Error {
    let missing = error.raw_os_error() == Some(Errno::EOPNOTSUPP as i32);
    let sentence = if missing {
        "this kernel has no virtual cables. Load its module veth (modprobe veth), or build it with CONFIG_VETH"
    } else {
        "cannot lay a cable between two network namespaces"
    };
    anyhow::Error::from(error).context(sentence)
}

/// Above those that the kernel gives to `lo` and to what modules put into every namespace (`sit0`, `tunl0`).
const FIRST_INDEX: i32 = 1_000;
const PATIENCE: Duration = Duration::from_secs(20);
const NAP: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_without_cables_is_told_what_to_load() {
        let error = |errno| format!("{:#}", no_cable(io::Error::from(errno)));
        assert!(error(Errno::EOPNOTSUPP).contains("modprobe veth"));
        assert!(!error(Errno::EPERM).contains("modprobe veth"));
    }
}
