//! A running `tcpwatch demo`: what it says, how it ends, and what is left of it.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::patience::wait_for;

/// A demo at work.
pub struct Demo {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: Option<JoinHandle<String>>,
    said: String,
}

impl Demo {
    pub fn starts(arguments: &[&str]) -> Self {
        let program = env::var_os("TCPWATCH").expect("TCPWATCH names the tcpwatch binary");
        let mut command = Command::new(program);
        command.arg("demo").args(arguments).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        // Nobody else would end it when this test program is killed.
        let die_with_us = || Ok(set_pdeathsig(Signal::SIGKILL)?);
        // SAFETY: between fork and exec the closure makes one system call and touches no lock or heap.
        unsafe { command.pre_exec(die_with_us) };
        let mut child = command.spawn().expect("tcpwatch can be started");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        let stderr = child.stderr.take().map(|stderr| thread::spawn(|| everything(stderr)));
        Self { child, stdout, stderr, said: String::new() }
    }

    /// Listens until it says this.
    pub fn says(&mut self, words: &str) {
        while !self.said.contains(words) {
            let heard = self.stdout.read_line(&mut self.said).expect("tcpwatch says text");
            assert!(heard > 0, "it never said `{words}`, but:\n{}", self.said);
        }
    }

    pub fn gets(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().expect("a pid is a small number"));
        kill(pid, signal).expect("the demo still runs");
    }

    /// Listens to the end, and looks whether it has left anything.
    pub fn ends(mut self) -> Ended {
        self.stdout.read_to_string(&mut self.said).expect("tcpwatch says text");
        let child = &mut self.child;
        let status =
            wait_for("the demo to end", || child.try_wait().expect("a child can be waited for"));
        let complaint = self.stderr.take().and_then(|ear| ear.join().ok()).unwrap_or_default();
        let ended = Ended { code: status.code(), said: self.said.clone(), complaint };
        ended.has_left_nothing();
        ended
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A demo that is over.
pub struct Ended {
    /// `None`: killed.
    pub code: Option<i32>,
    pub said: String,
    pub complaint: String,
}

impl Ended {
    /// However its lines were broken.
    pub fn has_said(&self, words: &str) {
        let spaced = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            spaced(&self.said).contains(&spaced(words)),
            "it never said `{words}`, but:\n{self}"
        );
    }

    pub fn has_complained(&self, words: &str) {
        assert!(self.complaint.contains(words), "it never complained of `{words}`, but:\n{self}");
    }

    pub fn has_ended_with(&self, code: Option<i32>) {
        assert_eq!(self.code, code, "{self}");
    }

    /// Processes end, and by them their namespaces, with the cables in these; no mount keeps a namespace either.
    fn has_left_nothing(&self) {
        for member in self.said.lines().filter_map(Member::parse) {
            wait_for("the end of what a demo made", || (!member.lives()).then_some(()));
            let mounts = fs::read_to_string("/proc/self/mountinfo").expect("/proc is mounted");
            assert!(!mounts.contains(member.netns), "{} is mounted:\n{mounts}", member.netns);
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit code {:?}\n{}on stderr:\n{}", self.code, self.said, self.complaint)
    }
}

/// A process as the demo introduces it: `  demo-client     pid 4711    net:[4026532177]  192.0.2.2`.
struct Member<'a> {
    name: &'a str,
    pid: &'a str,
    netns: &'a str,
}

impl<'a> Member<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.strip_prefix("  ")?.split_whitespace();
        let name = words.next()?;
        let pid = words.next().filter(|word| *word == "pid").and_then(|_| words.next())?;
        Some(Self { name, pid, netns: words.next()? })
    }

    /// The number may be somebody else's by now; a process that has ended keeps it until it was waited for.
    fn lives(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        let rest = stat.split_once(&format!("({}) ", self.name));
        rest.is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
    }
}

fn everything(mut stderr: ChildStderr) -> String {
    let mut text = String::new();
    let _ = stderr.read_to_string(&mut text);
    text
}
