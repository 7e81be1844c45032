//! An actor: a process of its own, so that what tcpwatch says about owners is true. It is this same program, started
//! again under a name, led over pipes. It dies with whoever started it, and its network namespace with it.

use std::ffi::CString;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use nix::libc;
use nix::sched::{CloneFlags, unshare};
use nix::setsockopt_impl;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::socket::SetSockOpt;
use nix::sys::socket::sockopt::SetStruct;
use socket2::{Domain, Socket, Type};

use super::order::{Answer, Order};
use crate::source::kernel::netns::Place;

/// Plays until the orders end. `within`: a process whose network namespace to enter, in place of a new one.
pub fn play(name: &str, within: Option<u32>) -> anyhow::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    prctl::set_name(&CString::new(name)?)?;
    answer(&enter_stage(within).map(|()| 0).map_err(|error| format!("{error:#}")))?;
    let mut part = Part::default();
    for order in io::stdin().lines() {
        let order = serde_json::from_str(&order?)?;
        answer(&part.obey(order).map_err(|error| format!("{error:#}")))?;
    }
    Ok(())
}

fn enter_stage(within: Option<u32>) -> anyhow::Result<()> {
    match within {
        None => unshare(CloneFlags::CLONE_NEWNET)
            .context("cannot make a network namespace. Run it as root (sudo tcpwatch demo …)"),
        Some(pid) => Place::of_process(pid)
            .ok_or_else(|| anyhow!("process {pid} is gone"))?
            .move_into()
            .context("cannot enter a network namespace"),
    }
}

fn answer(answer: &Answer) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    Ok(io::stdout().write_all(&line)?)
}

/// The sockets of one actor.
#[derive(Default)]
struct Part {
    listener: Option<Socket>,
    connections: Vec<TcpStream>,
}

impl Part {
    fn obey(&mut self, order: Order) -> anyhow::Result<usize> {
        match order {
            Order::Listen { address, backlog } => self.listener = Some(listen(address, backlog)?),
            Order::HoldHandshakes => DeferAccept.set(self.listener()?, &HELD)?,
            Order::LetHandshakesEnd => DeferAccept.set(self.listener()?, &0)?,
            Order::Accept { count } => (0..count).try_for_each(|_| self.accept())?,
            Order::Dial { to, count } => return self.dial(to, count),
            Order::Say => self.each(|connection| connection.write_all(REQUEST))?,
            Order::Reply => self.each(|connection| {
                connection.read_exact(&mut REQUEST.to_vec())?;
                connection.write_all(REPLY)
            })?,
            Order::Hear => self.each(|connection| connection.read_exact(&mut REPLY.to_vec()))?,
            Order::AwaitResets { count } => self.await_resets(count)?,
            Order::HangUp => self.connections.clear(),
        }
        Ok(0)
    }

    fn listener(&self) -> anyhow::Result<&Socket> {
        self.listener.as_ref().context("nothing listens")
    }

    fn accept(&mut self) -> anyhow::Result<()> {
        let (connection, _) = self.listener()?.accept()?;
        self.hold(connection.into())
    }

    fn dial(&mut self, to: SocketAddrV4, count: usize) -> anyhow::Result<usize> {
        let mut connected = 0;
        for _ in 0..count {
            match TcpStream::connect_timeout(&SocketAddr::V4(to), PATIENCE) {
                Ok(connection) => self.hold(connection)?,
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
                Err(error) => return Err(error).context(format!("cannot connect to {to}")),
            }
            connected += 1;
        }
        Ok(connected)
    }

    fn hold(&mut self, connection: TcpStream) -> anyhow::Result<()> {
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.set_nodelay(true)?;
        self.connections.push(connection);
        Ok(())
    }

    fn each(&mut self, act: impl FnMut(&mut TcpStream) -> io::Result<()>) -> io::Result<()> {
        self.connections.iter_mut().try_for_each(act)
    }

    fn await_resets(&mut self, count: usize) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let whole = self.connections.len();
        loop {
            self.connections.retain(|connection| !was_reset(connection));
            if whole - self.connections.len() >= count {
                return Ok(());
            }
            anyhow::ensure!(Instant::now() < deadline, "no connection was reset");
            thread::sleep(NAP);
        }
    }
}

fn listen(address: SocketAddrV4, backlog: i32) -> anyhow::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    // For accept(), too (net/ipv4/inet_connection_sock.c, inet_csk_accept).
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.bind(&SocketAddr::V4(address).into())?;
    socket.listen(backlog)?;
    Ok(socket)
}

fn was_reset(connection: &TcpStream) -> bool {
    let error = connection.take_error().ok().flatten();
    error.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionReset)
}

/// Completes a handshake with its first data, or after so many seconds.
#[derive(Clone, Copy)]
struct DeferAccept;
setsockopt_impl!(DeferAccept, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, u32, SetStruct<u32>);

/// Seconds, longer than any demo.
const HELD: u32 = 60;
const REQUEST: &[u8] = b"GET / HTTP/1.0\r\n\r\n";
const REPLY: &[u8] = b"HTTP/1.0 200 OK\r\n\r\n";
/// For whatever the kernel has to do in between.
const PATIENCE: Duration = Duration::from_secs(20);
const NAP: Duration = Duration::from_millis(5);
