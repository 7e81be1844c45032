//! One boot in QEMU: the guest's lines as they come, a hard timeout, and nothing left running.

use super::kernel::Kernel;
use super::protocol::{Transcript, clean};
use anyhow::{Context, Result};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// After its last line the guest powers off; after a panic it resets, which ends QEMU. Neither takes longer.
const GRACE: Duration = Duration::from_secs(20);

/// How a boot ended.
pub(crate) struct Boot {
    pub(crate) transcript: Transcript,
    pub(crate) timed_out: bool,
    pub(crate) took: Duration,
}

impl Boot {
    /// Why there is no result.
    pub(crate) fn why(&self) -> String {
        match &self.transcript.panic {
            Some(panic) => panic.clone(),
            None if self.timed_out => {
                format!("after {} s it was still running", self.took.as_secs())
            }
            None => "it stopped".to_owned(),
        }
    }
}

/// What is booted.
pub(crate) struct Machine<'a> {
    pub(crate) kernel: &'a Kernel,
    pub(crate) initramfs: &'a Path,
    /// On the kernel's command line, after our own.
    pub(crate) parameters: &'a str,
    /// Where the second serial port goes, if the machine is to have one.
    pub(crate) serial: Option<&'a Path>,
}

/// Boots and follows the guest until it is off, or time is up.
pub(crate) fn boot(machine: &Machine<'_>, timeout: Duration) -> Result<Boot> {
    let (start, kernel) = (Instant::now(), machine.kernel);
    let qemu = Qemu::start(machine)?;
    let mut transcript = Transcript::default();
    let mut deadline = start + timeout;
    let timed_out = loop {
        match qemu.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                println!("[{}] {line}", kernel.name);
                transcript.see(&line);
            }
            Err(RecvTimeoutError::Disconnected) => break false,
            Err(RecvTimeoutError::Timeout) => break !is_over(&transcript),
        }
        if is_over(&transcript) {
            deadline = deadline.min(Instant::now() + GRACE);
        }
    };
    Ok(Boot { transcript, timed_out, took: start.elapsed() })
}

fn is_over(transcript: &Transcript) -> bool {
    transcript.is_finished() || transcript.panic.is_some()
}

/// A running emulator; dropping it ends it.
struct Qemu {
    child: Child,
    lines: Receiver<String>,
}

impl Qemu {
    fn start(machine: &Machine<'_>) -> Result<Self> {
        let mut command = command(machine);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start qemu-system-x86_64; run `cargo xtask setup`")?;
        let console = child.stdout.take().context("QEMU has no output")?;
        Ok(Self { child, lines: follow(console) })
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // Both fail only when it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(machine: &Machine<'_>) -> Command {
    let Machine { kernel, initramfs, parameters, serial } = machine;
    let mut qemu = Command::new("qemu-system-x86_64");
    // Emulated even where the host has KVM: the same machine everywhere.
    qemu.args(["-accel", "tcg,thread=multi", "-smp", "2", "-m", "1024"]);
    // QEMU 7.2 emulates cmpxchg16b wrongly: with it 6.12 dies in the slab allocator in a third of all boots.
    qemu.args(["-cpu", "max,-cx16"]);
    qemu.args([
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-serial",
        "stdio",
    ]);
    if let Some(file) = serial {
        qemu.arg("-serial").arg(format!("file:{}", file.display()));
    }
    qemu.arg("-kernel").arg(&kernel.vmlinuz).arg("-initrd").arg(initramfs);
    qemu.arg("-append").arg(format!("console=ttyS0 quiet panic=-1 mitigations=off {parameters}"));
    qemu
}

/// Lines of the console. The channel closes when QEMU ends.
fn follow(console: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let texts =
            BufReader::new(console).split(b'\n').map_while(Result::ok).map(|line| clean(&line));
        for text in texts.filter(|text| !text.is_empty()) {
            if sender.send(text).is_err() {
                break;
            }
        }
    });
    lines
}
