//! A network namespace of our own: made by `ip`, gone with the guard.

use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::process::{self, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fmt, io, panic, thread};

use nix::sched::{CloneFlags, setns};

use crate::counters::Counters;
use crate::socket::TcpEntry;

/// Where `ip netns` keeps its names.
const NAMES: &str = "/run/netns";
const PREFIX: &str = "tw-";

/// A network namespace with `lo` up.
pub struct Namespace {
    role: String,
    name: String,
    handle: File,
}

impl Namespace {
    /// `role` is for people who read a failure or a recording.
    pub fn new(role: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let (pid, number) = (process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let name = format!("{PREFIX}{pid}-{number}-{}", role.replace(' ', "-"));
        ip_batch(&[], &format!("netns add {name}"));
        let handle = File::open(format!("{NAMES}/{name}")).expect("`ip netns add` leaves a name");
        let namespace = Self { role: role.to_owned(), name, handle };
        namespace.enter(use_addresses_at_once);
        namespace.ip("link set lo up");
        namespace
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number by which the kernel and tcpwatch know it.
    pub fn inode(&self) -> u64 {
        self.handle.metadata().expect("an open file has metadata").ino()
    }

    /// Runs `inside` on a thread that lives in this namespace. Sockets made there stay in it.
    pub fn enter<T: Send>(&self, inside: impl FnOnce() -> T + Send) -> T {
        let visit = || {
            setns(&self.handle, CloneFlags::CLONE_NEWNET).expect("root may enter a namespace");
            inside()
        };
        thread::scope(|scope| scope.spawn(visit).join())
            .unwrap_or_else(|panic| panic::resume_unwind(panic))
    }

    /// Runs a tool in this namespace; it must succeed. Words are split at spaces.
    pub fn run(&self, command: &str) -> Finished {
        self.try_run(command).unwrap_or_else(|error| panic!("in {self}: {error}"))
    }

    /// The same, where failure is an answer.
    pub fn try_run(&self, command: &str) -> Result<Finished, String> {
        self.enter(|| finish(command, ""))
    }

    /// Gives nftables these commands.
    pub fn nft(&self, rules: &str) {
        self.try_nft(rules).unwrap_or_else(|error| panic!("in {self}: {error}"));
    }

    /// The same, where failure is an answer.
    pub fn try_nft(&self, rules: &str) -> Result<Finished, String> {
        self.enter(|| finish("nft -f -", rules))
    }

    /// Gives `ip` these commands, one per line.
    pub fn ip(&self, commands: &str) {
        ip_batch(&["-n", &self.name], commands);
    }

    /// Writes a sysctl of this namespace: `net.ipv4.tcp_syncookies`.
    pub fn set(&self, sysctl: &str, value: impl fmt::Display + Sync) {
        let path = format!("/proc/sys/{}", sysctl.replace('.', "/"));
        self.enter(|| fs::write(&path, value.to_string()))
            .unwrap_or_else(|error| panic!("cannot set {sysctl} to {value} in {self}: {error}"));
    }

    pub fn counters(&self) -> Counters {
        self.enter(Counters::here)
    }

    /// A counter of conntrack in this namespace, over all processors.
    pub fn conntrack(&self, counter: &str) -> u64 {
        self.enter(|| conntrack_here(counter))
            .unwrap_or_else(|| panic!("conntrack has no counter {counter} in {self}"))
    }

    /// TCP sockets of this namespace, as the kernel lists them.
    pub fn sockets(&self) -> Vec<TcpEntry> {
        self.enter(TcpEntry::all_here)
    }

    /// The state of one socket, `None` when there is none.
    pub fn socket_state(&self, local: SocketAddr, remote: SocketAddr) -> Option<u8> {
        let found =
            self.sockets().into_iter().find(|entry| entry.local == local && entry.remote == remote);
        found.map(|entry| entry.state)
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, inode {})", self.role, self.name, self.inode())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// A line of names, then one of hexadecimal numbers for each processor.
fn conntrack_here(counter: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/thread-self/net/stat/nf_conntrack").ok()?;
    let mut lines = text.lines();
    let column = lines.next()?.split_whitespace().position(|name| name == counter)?;
    lines.map(|line| u64::from_str_radix(line.split_whitespace().nth(column)?, 16).ok()).sum()
}

/// A tool that ran to its end with success.
pub struct Finished {
    pub pid: u32,
    pub stdout: String,
}

/// Removes what an earlier run left behind because it was killed.
pub fn sweep() {
    let names = fs::read_dir(NAMES).into_iter().flatten().flatten();
    for name in names.filter_map(|entry| entry.file_name().into_string().ok()) {
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if pid.is_some_and(|pid| {
            pid.parse::<u32>().is_ok() && fs::metadata(format!("/proc/{pid}")).is_err()
        }) {
            remove(&name);
        }
    }
}

/// Without the second that IPv6 spends on looking for duplicates: a router cannot ask for its neighbours before that.
fn use_addresses_at_once() {
    for devices in ["all", "default"] {
        // A host may lack IPv6.
        let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{devices}/accept_dad"), "0");
    }
}

fn remove(name: &str) {
    // Sockets still open keep the namespace itself alive; its name must go all the same.
    let _ = Command::new("ip").args(["netns", "del", name]).stderr(Stdio::null()).status();
}

/// Gives `ip` several commands at once; in an emulator every process costs.
pub(crate) fn ip_batch(options: &[&str], commands: &str) {
    let command = [&["ip"], options, &["-batch", "-"]].concat().join(" ");
    finish(&command, commands).unwrap_or_else(|error| panic!("{error}\n{commands}"));
}

fn finish(command: &str, input: &str) -> Result<Finished, String> {
    let (pid, output) =
        output(command, input).map_err(|error| format!("cannot run `{command}`: {error}"))?;
    if output.status.success() {
        return Ok(Finished { pid, stdout: String::from_utf8_lossy(&output.stdout).into_owned() });
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{command}`: {}: {}", output.status, complaint.trim().replace('\n', "; ")))
}

fn output(command: &str, input: &str) -> io::Result<(u32, Output)> {
    let mut words = command.split_whitespace();
    let program = words.next().unwrap_or_default();
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let pid = child.id();
    if let Some(mut stdin) = child.stdin.take() {
        // A tool that does not read its input says why on stderr.
        let _ = stdin.write_all(input.as_bytes());
    }
    Ok((pid, child.wait_with_output()?))
}
