//! A process of its own, for incidents in which a *process* closes, exits or is killed. It is this same program, started
//! again with a role in its environment, led over pipes, and gone when the pipe closes.

use std::env;
use std::ffi::CString;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::thread;

use crate::namespace::Namespace;
use crate::socket::{accept, linger_zero, wait_for_unread};

/// Set for helpers: `NAME ADDRESS`.
const ROLE: &str = "TCPWATCH_SCENARIO_HELPER";

/// A server process that listens on one address.
pub struct Helper {
    command: String,
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Helper {
    /// Starts a server that calls itself `command`, and waits until it listens.
    pub fn listens(namespace: &Namespace, command: &str, address: SocketAddr) -> Self {
        let start = || {
            Command::new("/proc/self/exe")
                .env(ROLE, format!("{command} {address}"))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
        };
        let mut child = namespace.enter(start).expect("this program can be started again");
        let orders = child.stdin.take().expect("stdin is a pipe");
        let answers = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        let mut helper = Self { command: command.to_owned(), child, orders, answers };
        helper.hear("listening");
        helper
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn command(&self) -> &str {
        &self.command
    }

    /// Closes the listener and lives on.
    pub fn closes(&mut self) {
        self.does("close");
    }

    /// Accepts a connection and holds it.
    pub fn accepts(&mut self) {
        self.does("accept");
    }

    /// Waits until the connection it holds has bytes to read, and does not read them.
    pub fn leaves_unread(&mut self) {
        self.does("leave-unread");
    }

    /// From now on it is busy on all processors, with things of its own.
    pub fn is_busy(&mut self) {
        self.does("be-busy");
    }

    /// Closes the connection it holds and lives on.
    pub fn hangs_up(&mut self) {
        self.does("hang-up");
    }

    /// From now on `close()` of the connection it holds is a RST.
    pub fn lingers_zero(&mut self) {
        self.does("linger-zero");
    }

    /// Takes memory until the kernel's OOM killer ends it.
    pub fn eats_all_memory(mut self) {
        writeln!(self.orders, "eat").expect("the helper still listens to us");
        let ended = self.child.wait().expect("a child can be waited for");
        assert_eq!(ended.signal(), Some(libc::SIGKILL));
    }

    /// Ends by itself, with this status.
    pub fn exits(mut self, status: u8) {
        writeln!(self.orders, "exit {status}").expect("the helper still listens to us");
        let ended = self.child.wait().expect("a child can be waited for");
        assert_eq!(ended.code(), Some(status.into()));
    }

    /// Dies by SIGKILL.
    pub fn is_killed(mut self) {
        self.child.kill().expect("a child can be killed");
        let ended = self.child.wait().expect("a child can be waited for");
        assert_eq!(ended.signal(), Some(libc::SIGKILL));
    }

    fn does(&mut self, order: &str) {
        writeln!(self.orders, "{order}").expect("the helper still listens to us");
        self.hear("done");
    }

    fn hear(&mut self, expected: &str) {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the helper's stdout is a pipe");
        assert_eq!(line.trim(), expected, "from helper {}", self.command);
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Plays the helper's role when there is one: the first thing a program that uses [`Helper`] must do.
pub fn play_role() -> Option<ExitCode> {
    let role = env::var(ROLE).ok()?;
    let (command, address) = role.split_once(' ')?;
    let server = Server::start(command, address.parse().ok()?);
    Some(ExitCode::from(server.serve()))
}

/// The helper's side.
struct Server {
    listener: Option<TcpListener>,
    connections: Vec<TcpStream>,
}

impl Server {
    fn start(command: &str, address: SocketAddr) -> Self {
        let name = CString::new(command).expect("a command has no zero byte");
        nix::sys::prctl::set_name(&name).expect("a process may name itself");
        let listener = TcpListener::bind(address).expect("the address is free in this namespace");
        Self { listener: Some(listener), connections: Vec::new() }
    }

    /// Obeys until told to exit, or until whoever gives the orders is gone.
    fn serve(mut self) -> u8 {
        answer("listening");
        for order in io::stdin().lines().map_while(Result::ok) {
            if let Some(status) = order.strip_prefix("exit ") {
                // Not by returning: that would close everything before the end.
                std::process::exit(status.parse().unwrap_or(1));
            }
            self.obey(&order);
            answer("done");
        }
        0
    }

    fn obey(&mut self, order: &str) {
        match order {
            "close" => self.listener = None,
            "accept" => self.connections.extend(self.listener.as_ref().map(accept)),
            "leave-unread" => self.connections.iter().for_each(wait_for_unread),
            "hang-up" => self.connections.clear(),
            "linger-zero" => self.connections.iter().for_each(linger_zero),
            "be-busy" => be_busy(),
            "eat" => eat(),
            _ => panic!("unknown order {order}"),
        }
    }
}

/// A thread for each processor, which gives way to everybody else and sends to itself: on the way what has come for
/// others is received as well.
fn be_busy() {
    for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
        thread::spawn(|| {
            // SAFETY: the call takes a number and touches no memory of ours.
            unsafe { libc::nice(19) };
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
            let own = socket.local_addr().expect("a socket that is bound has an address");
            socket.set_nonblocking(true).expect("a socket can be told not to wait");
            loop {
                let _ = socket.send_to(&[0; 64], own);
                let _ = socket.recv(&mut [0; 64]);
            }
        });
    }
}

/// Page by page, each one written to: untouched memory is not there.
fn eat() -> ! {
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    loop {
        eaten.push(vec![1; 1 << 20]);
    }
}

fn answer(line: &str) {
    // Nobody there to hear it: the loop above ends next.
    let _ = writeln!(io::stdout(), "{line}");
}
