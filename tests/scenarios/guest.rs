//! Life as PID 1 of a virtual machine without a distribution: mounts, modules, the run, power off.
//!
//! PID 1 itself only reaps; the scenarios run in a child, so that whatever they do, the host gets its last line.
//! That line and the others that begin with `TCPWATCH-VM-` are read from the console by `cargo xtask vm`.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use libtest_mimic::Arguments;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::prctl::set_name;
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::{Pid, sync};

use harness::module;

use crate::{delivery, runner};

/// Tells the child of PID 1 what it is.
const RUNNER: &str = "TCPWATCH_GUEST_RUNNER";

/// File system and where it goes, in this order.
const MOUNTS: &[(&str, &str)] = &[
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("tmpfs", "/run"),
    ("tmpfs", "/tmp"),
    ("cgroup2", "/sys/fs/cgroup"),
];

/// Never returns: PID 1 must not end.
pub(crate) fn be_init() -> ! {
    mount_all();
    insert_modules();
    println!("TCPWATCH-VM-BEGIN");
    if !run_child() {
        println!("\nTCPWATCH-VM-RESULT fail 0 1 0");
    }
    power_off()
}

/// Is this the child that runs the scenarios?
pub(crate) fn is_runner() -> bool {
    env::var_os(RUNNER).is_some()
}

/// The child's part: all scenarios that match `TCPWATCH_FILTER`, one after the other.
pub(crate) fn run() -> ExitCode {
    // The kernel names a process after its file, which is `/proc/self/exe` here. A name nobody reads can fail to be set.
    let _ = set_name(c"scenarios");
    let filter = env::var("TCPWATCH_FILTER").ok().filter(|filter| !filter.is_empty());
    let color = Some(libtest_mimic::ColorSetting::Never);
    let arguments = Arguments { filter, color, test_threads: Some(1), ..Arguments::default() };
    let done = runner::run(&arguments);
    if let Err(error) = delivery::deliver() {
        println!("\ncannot deliver the recordings: {error}");
        return ExitCode::FAILURE;
    }
    let result = if done.has_failed() { "fail" } else { "ok" };
    println!(
        "TCPWATCH-VM-RESULT {result} {} {} {}",
        done.num_passed, done.num_failed, done.num_ignored
    );
    ExitCode::SUCCESS
}

fn mount_all() {
    for (kind, target) in MOUNTS {
        let mounted = fs::create_dir_all(target)
            .map_err(|error| error.to_string())
            .and_then(|()| mount_one(kind, target).map_err(|error| error.to_string()));
        if let Err(error) = mounted {
            println!("cannot mount {kind} on {target}: {error}");
        }
    }
    link_var_run();
}

fn mount_one(kind: &str, target: &str) -> nix::Result<()> {
    match mount(Some(kind), target, Some(kind), MsFlags::empty(), None::<&str>) {
        // The kernel itself may have mounted devtmpfs.
        Err(Errno::EBUSY) => Ok(()),
        other => other,
    }
}

/// Some builds of `ip` and iptables still say `/var/run`.
fn link_var_run() {
    let _ = fs::remove_dir("/var/run");
    let _ = fs::create_dir_all("/var");
    let _ = std::os::unix::fs::symlink("/run", "/var/run");
}

/// In the order of the list, which puts dependencies first.
fn insert_modules() {
    let order = fs::read_to_string("/modules/order").unwrap_or_default();
    for path in order.lines().filter(|line| !line.is_empty()) {
        if let Err(error) = module::insert(Path::new(path)) {
            println!("cannot insert {path}: {error}");
        }
    }
}

/// Starts the scenarios and reaps until they end. Did they get to print their result?
fn run_child() -> bool {
    let tcpwatch = env::var_os("TCPWATCH").unwrap_or("/bin/tcpwatch".into());
    let child = Command::new("/proc/self/exe")
        .env(RUNNER, "1")
        .env("TCPWATCH", tcpwatch)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .spawn();
    match child {
        Ok(child) => reap_until(i32::try_from(child.id()).map_or(Pid::from_raw(-1), Pid::from_raw)),
        Err(error) => {
            println!("cannot start the scenarios: {error}");
            false
        }
    }
}

fn reap_until(runner: Pid) -> bool {
    loop {
        match wait() {
            Ok(WaitStatus::Exited(pid, status)) if pid == runner => return status == 0,
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == runner => {
                println!("the scenarios were killed by {signal}");
                return false;
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => {
                println!("lost sight of the scenarios: {error}");
                return false;
            }
        }
    }
}

fn power_off() -> ! {
    sync();
    let Err(error) = reboot(RebootMode::RB_POWER_OFF);
    println!("cannot power off: {error}");
    loop {
        nix::unistd::pause();
    }
}
