//! A running tcpwatch: started on some namespaces, ready before the incident begins, heard line by line.

use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, pipe2};
use serde_json::Value;

use crate::namespace::Namespace;
use crate::patience::{PATIENCE, idle, wait_for};
use crate::privileges::{Capability, restrict};
use crate::recording;
use crate::report::Report;
use crate::tally;
use crate::verdict::{Expected, Verdict};

/// tcpwatch at work.
pub struct Watch {
    child: Child,
    heard: Arc<Heard>,
    ears: Vec<JoinHandle<()>>,
    /// The namespaces, for people who read a failure.
    scene: String,
}

impl Watch {
    /// Starts tcpwatch on the whole machine: for namespaces that do not exist yet. Others may be heard as well.
    pub fn everywhere() -> Self {
        Self::on(&[])
    }

    /// Starts tcpwatch on these namespaces and waits until it sees.
    pub fn on(namespaces: &[&Namespace]) -> Self {
        Self::with(namespaces, &[])
    }

    /// The same, and lets pass what a reset may take on its way: one that arrives sooner may have left unseen, and is not
    /// said to come from elsewhere.
    pub fn settled_on(namespaces: &[&Namespace]) -> Self {
        let watch = Self::on(namespaces);
        idle(TRANSIT);
        watch
    }

    /// The same as [`Watch::on`], with further options.
    pub fn with(namespaces: &[&Namespace], options: &[&str]) -> Self {
        let mut command = Command::new(program());
        command.args(["rst", "-o", "json"]).args(options);
        restricted_to(namespaces, &mut command);
        as_asked_for(&mut command);
        Self::start(command, namespaces)
    }

    /// `tcpwatch record`, which shows nothing.
    pub fn recording(options: &[&str]) -> Self {
        let mut command = Command::new(program());
        command.arg("record").args(options);
        Self::start(command, &[])
    }

    /// Started by nobody, with these capabilities and no other. Makes no recording: nobody owns no folder.
    pub fn as_nobody(namespaces: &[&Namespace], capabilities: &[Capability]) -> Self {
        let mut command = Command::new(program());
        command.args(["rst", "-o", "json"]);
        restricted_to(namespaces, &mut command);
        avoiding(&mut command);
        restrict(&mut command, capabilities);
        Self::start(command, namespaces)
    }

    /// `tcpwatch top` on these namespaces.
    pub fn top(namespaces: &[&Namespace], options: &[&str]) -> Self {
        let mut command = Command::new(program());
        command.arg("top").args(options);
        restricted_to(namespaces, &mut command);
        as_asked_for(&mut command);
        Self::start(command, namespaces)
    }

    fn start(mut command: Command, namespaces: &[&Namespace]) -> Self {
        let (ready, signal) = pipe2(OFlag::O_CLOEXEC).expect("a pipe can be made");
        tell_when_ready(&mut command, &signal);
        let mut child = command.spawn().expect("tcpwatch can be started (TCPWATCH names it)");
        drop(signal);
        let heard = Arc::new(Heard::default());
        let ears = vec![hear_stdout(&mut child, &heard), hear_stderr(&mut child, &heard)];
        let scene = indented(namespaces);
        let mut watch = Self { child, heard, ears, scene };
        watch.wait_until_ready(ready);
        watch
    }

    /// Waits for the verdict on one reset. What it says must be what is expected, the first time.
    pub fn expect(&self, expected: &Expected) -> Verdict {
        let about =
            |line: &Value| Verdict::from_line(line).filter(|verdict| expected.is_about(verdict));
        let Some(verdict) = self.heard.first(about) else {
            self.fail(&format!("tcpwatch did not give {expected}"))
        };
        let unmet = expected.unmet_by(&verdict);
        if !unmet.is_empty() {
            self.fail(&format!(
                "expected {expected}\nmissing: {}\nit says: {}",
                unmet.join(", "),
                verdict.0
            ));
        }
        verdict
    }

    /// Waits for both ends of one reset, told as one.
    pub fn expect_joined(&self, sent: &Expected, received: &Expected) -> Verdict {
        let (sent, received) = (self.expect(sent), self.expect(received));
        if received.joined() != sent.id() && sent.joined() != received.id() {
            self.fail(&format!(
                "these are two ends of one reset, not joined:\n{}\n{}",
                sent.0, received.0
            ));
        }
        sent
    }

    /// Waits for a declaration that says this of a fact.
    pub fn expect_coverage(&self, fact: &str, what: &str, says: impl Fn(&Value) -> bool) {
        let declares = |line: &Value| {
            let mut hooks = line["hooks"].as_array().into_iter().flatten();
            hooks.any(|hook| hook["fact"] == fact && says(hook)).then_some(())
        };
        if self.heard.first(declares).is_none() {
            self.fail(&format!("tcpwatch did not declare {fact} {what}"));
        }
    }

    /// Waits for a line on stdout, JSON or text, of which this holds.
    pub fn expect_line(&self, what: &str, holds: impl Fn(&Value) -> bool) {
        if self.heard.first(|line| holds(line).then_some(())).is_none() {
            self.fail(&format!("tcpwatch did not say {what}"));
        }
    }

    /// What the kernel says of its process: a line of `/proc/PID/status`.
    pub fn status(&self, name: &str) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("tcpwatch still runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
        line.unwrap_or_else(|| self.fail(&format!("its status has no {name}"))).to_owned()
    }

    /// Waits for a later word on a verdict.
    pub fn expect_amendment(&self, of: &Verdict, code: &str) -> Value {
        let amends = |line: &Value| {
            let found = line["type"] == "amendment"
                && line["of"].as_u64() == of.id()
                && line["cause"] == code;
            found.then(|| line.clone())
        };
        let found = self.heard.first(amends);
        found.unwrap_or_else(|| self.fail(&format!("tcpwatch did not amend {} to {code}", of.0)))
    }

    /// Ctrl-C; everything it said from first to last.
    pub fn finish(mut self) -> Report {
        kill(self.pid(), Signal::SIGINT).expect("tcpwatch still runs");
        let status = self.wait();
        self.listen_to_the_end();
        if !status.success() {
            self.fail(&format!("after Ctrl-C tcpwatch ended with {status}"));
        }
        let lines = self.heard.lines().clone();
        Report::new(lines, self.story())
            .unwrap_or_else(|| self.fail("tcpwatch ended without totals"))
    }

    /// Ctrl-C; everything it said, however it ended.
    pub fn interrupt(self) -> Said {
        let _ = kill(self.pid(), Signal::SIGINT);
        self.ended()
    }

    /// SIGUSR1, which makes a flight recorder write.
    pub fn ask_to_write(&self) {
        kill(self.pid(), Signal::SIGUSR1).expect("tcpwatch still runs");
    }

    /// SIGKILL, at once.
    pub fn kill(self) -> Said {
        let _ = kill(self.pid(), Signal::SIGKILL);
        self.ended()
    }

    /// Waits until it ends by itself.
    pub fn ended(mut self) -> Said {
        let status = self.wait();
        self.listen_to_the_end();
        let stdout = self.heard.raw.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let stderr = self.heard.stderr.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Said { status, stdout, stderr }
    }

    /// Waits for a line on stderr that contains this.
    pub fn complains(&self, of: &str) {
        wait_for(&format!("a line on stderr about {of}"), || {
            let lines = self.heard.stderr.lock().unwrap_or_else(PoisonError::into_inner);
            lines.iter().any(|line| line.contains(of)).then_some(())
        });
    }

    fn wait_until_ready(&mut self, ready: OwnedFd) {
        let timeout =
            PollTimeout::try_from(PATIENCE).expect("patience fits into an int of milliseconds");
        let readable = poll(&mut [PollFd::new(ready.as_fd(), PollFlags::POLLIN)], timeout);
        let mut byte = [0; 1];
        // The end of the pipe without a byte: it died before it was ready.
        let said = readable.is_ok_and(|fds| fds > 0)
            && fs::File::from(ready).read(&mut byte).is_ok_and(|n| n > 0);
        if !said {
            let _ = self.child.kill();
            let status = self.wait();
            self.listen_to_the_end();
            self.fail(&format!("tcpwatch never said that it is ready; it ended with {status}"));
        }
    }

    fn wait(&mut self) -> ExitStatus {
        let child = &mut self.child;
        wait_for("tcpwatch to end", || child.try_wait().expect("a child can be waited for"))
    }

    fn listen_to_the_end(&mut self) {
        self.ears.drain(..).for_each(|ear| ear.join().expect("listening does not panic"));
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a pid is a small number"))
    }

    fn fail(&self, why: &str) -> ! {
        panic!("{why}\n{}", self.story());
    }

    fn story(&self) -> String {
        let lines = excerpt(&self.heard.lines());
        let stderr = indented(&self.heard.stderr.lock().unwrap_or_else(PoisonError::into_inner));
        format!("namespaces:\n{}tcpwatch said:\n{lines}on stderr:\n{stderr}", self.scene)
    }
}

/// As long as tcpwatch holds it possible, and some more.
const TRANSIT: Duration = Duration::from_millis(150);

/// All that a tcpwatch said.
pub struct Said {
    pub status: ExitStatus,
    /// As it came, byte by byte.
    pub stdout: String,
    /// Line by line.
    pub stderr: Vec<String>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All lines, or both ends of very many.
fn excerpt(lines: &[Value]) -> String {
    const END: usize = 100;
    if lines.len() <= 2 * END {
        return indented(lines);
    }
    let (head, tail) = (&lines[..END], &lines[lines.len() - END..]);
    format!("{}  … {} more …\n{}", indented(head), lines.len() - 2 * END, indented(tail))
}

fn indented(lines: &[impl Display]) -> String {
    lines.iter().fold(String::new(), |text, line| format!("{text}  {line}\n"))
}

/// The way by which a fact is seen on this host. Waits for a run to declare it.
pub fn way_of(fact: &str) -> Option<String> {
    row_of(fact)?["way"].as_str().map(str::to_owned)
}

fn row_of(fact: &str) -> Option<&'static Value> {
    let hooks = wait_for("a declared coverage", coverage)["hooks"].as_array()?;
    hooks.iter().find(|hook| hook["fact"] == fact)
}

/// Nothing of this fact stays unseen on this host. Waits for a run to declare it.
pub fn sees_all_of(fact: &str) -> bool {
    row_of(fact).is_some_and(|row| !row["way"].is_null() && row["blind"].is_null())
}

/// What the hooks of this host turned out to be: the first coverage any run declared.
pub fn coverage() -> Option<&'static Value> {
    COVERAGE.get()
}

static COVERAGE: OnceLock<Value> = OnceLock::new();

/// The binary under test.
pub fn program() -> OsString {
    env::var_os("TCPWATCH").expect("TCPWATCH names the tcpwatch binary")
}

pub(crate) fn restricted_to(namespaces: &[&Namespace], command: &mut Command) {
    for namespace in namespaces {
        command.args(["--netns", &namespace.inode().to_string()]);
    }
}

/// What whoever runs the scenarios wants of every run.
fn as_asked_for(command: &mut Command) {
    avoiding(command);
    if let Some(file) = recording::take() {
        command.arg("--record").arg(file);
    }
}

fn avoiding(command: &mut Command) {
    if let Some(ways) = env::var_os("TCPWATCH_AVOID") {
        command.arg("--avoid").arg(ways);
    }
}

fn tell_when_ready(command: &mut Command, ready: &OwnedFd) {
    command.args(["--ready-fd", &ready.as_raw_fd().to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    hand_over(command, ready.as_raw_fd());
}

/// Lets a descriptor pass through exec, in this child only: others are started at the same time.
fn hand_over(command: &mut Command, fd: RawFd) {
    let keep_open = move || {
        // SAFETY: the caller keeps the descriptor open until the child is spawned.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
        // Nobody else would end it when this test program is killed.
        set_pdeathsig(Signal::SIGKILL)?;
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes two system calls and touches no lock or heap.
    unsafe { command.pre_exec(keep_open) };
}

/// Lines as they come, shared with the threads that listen.
#[derive(Default)]
struct Heard {
    lines: Mutex<Vec<Value>>,
    more: Condvar,
    /// Nothing more will come.
    ended: AtomicBool,
    stderr: Mutex<Vec<String>>,
    /// Stdout as it came.
    raw: Mutex<String>,
}

impl Heard {
    fn lines(&self) -> MutexGuard<'_, Vec<Value>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        // Under the lock, or who asks could miss it between its question and its sleep.
        let _lines = self.lines();
        self.ended.store(true, Ordering::Release);
        self.more.notify_all();
    }

    /// What is not JSON is kept as it is, for the story; nothing expected will match it.
    fn hear(&self, line: &str) {
        self.raw.lock().unwrap_or_else(PoisonError::into_inner).push_str(line);
        let value = serde_json::from_str(line);
        self.add(value.unwrap_or_else(|_| Value::String(format!("not JSON: {line}"))));
    }

    fn add(&self, line: Value) {
        if line["type"] == "coverage" {
            let _ = COVERAGE.set(line.clone());
        }
        tally::add(&line);
        self.lines().push(line);
        self.more.notify_all();
    }

    /// The first line that answers the question, now or soon.
    fn first<T>(&self, question: impl Fn(&Value) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = self.lines();
        let mut asked = 0;
        loop {
            if let Some(answer) = lines[asked..].iter().find_map(&question) {
                return Some(answer);
            }
            if self.ended.load(Ordering::Acquire) {
                return None;
            }
            asked = lines.len();
            let left = deadline.checked_duration_since(Instant::now())?;
            lines = self.more.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn hear_stdout(child: &mut Child, heard: &Arc<Heard>) -> JoinHandle<()> {
    let mut stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
    let heard = Arc::clone(heard);
    thread::spawn(move || {
        let mut bytes = Vec::new();
        while stdout.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
            heard.hear(&String::from_utf8_lossy(&bytes));
            bytes.clear();
        }
        heard.end();
    })
}

fn hear_stderr(child: &mut Child, heard: &Arc<Heard>) -> JoinHandle<()> {
    let stderr = BufReader::new(child.stderr.take().expect("stderr is a pipe"));
    let heard = Arc::clone(heard);
    thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            heard.stderr.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    })
}
