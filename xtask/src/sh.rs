//! Starting other programs: what is started is shown when it fails, and root is reached by sudo.

use crate::counts::Counts;
use crate::paths;
use anyhow::{Context, Result, bail};
use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The cargo that runs us, in the root of the repository. It reads nothing from the terminal.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(paths::root()).stdin(Stdio::null());
    cargo
}

/// A command with arguments that are all known here.
pub(crate) fn cmd<I: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    args: impl IntoIterator<Item = I>,
) -> Command {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null());
    command
}

/// The same for a program that needs root: by sudo, unless we are root.
/// Environment variables go through `env`, because sudo drops those it is given.
pub(crate) fn as_root(variables: &[(&str, &OsStr)], program: &OsStr) -> Command {
    let mut command = if is_root() { Command::new("env") } else { Command::new("sudo") };
    if !is_root() {
        command.args(["--", "env"]);
    }
    for (name, value) in variables {
        let mut pair = std::ffi::OsString::from(name);
        pair.push("=");
        pair.push(value);
        command.arg(pair);
    }
    command.arg(program);
    command
}

/// Runs to the end; the output is the user's.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| cannot_start(command))?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// Runs to the end and returns what it wrote on standard output.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    Ok(String::from_utf8_lossy(&read_bytes(command)?).trim_end().to_owned())
}

/// Like [`read`], for output that is not text.
pub(crate) fn read_bytes(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.stderr(Stdio::piped()).output().with_context(|| cannot_start(command))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed ({}): {}", shown(command), output.status, said.trim_end());
    }
    Ok(output.stdout)
}

/// Runs to the end, shows every line of standard output and hands it to `see`. Returns success.
pub(crate) fn stream(command: &mut Command, mut see: impl FnMut(&str)) -> Result<bool> {
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| cannot_start(command))?;
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line.context("cannot read the output of a program we started")?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            see(&line);
        }
    }
    Ok(child.wait()?.success())
}

/// Runs tests that report as libtest does, and counts them.
pub(crate) fn counted(command: &mut Command) -> Result<Counts> {
    let mut counts = Counts::default();
    let ok = stream(command, |line| {
        counts += Counts::from_libtest_line(line).unwrap_or_default();
    })?;
    Ok(if ok { counts } else { counts.at_least_one_failed() })
}

/// Are we root?
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

/// Looks a program up in PATH and in the sbin folders, which a user's PATH often leaves out.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let sbin = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(sbin).map(|dir| dir.join(program)).find(|file| is_program(file))
}

/// The command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn is_program(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.mode() & 0o111 != 0)
}

fn cannot_start(command: &Command) -> String {
    let name = command.get_program().to_string_lossy();
    format!("cannot start {name}: is it installed? (`cargo xtask setup` installs what tests need)")
}
