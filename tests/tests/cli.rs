//! The command line where it needs neither root nor a kernel: what is wrong is said, and exit codes are kept.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;

const FAILURE: i32 = 1;
const USAGE: i32 = 2;

#[test]
fn an_unknown_cause_is_a_usage_error_that_names_it() {
    let output = tcpwatch(&["rst", "--cause", "gremlins"]);
    assert_eq!(output.status.code(), Some(USAGE), "{}", complaint(&output));
    assert!(complaint(&output).contains("gremlins"), "{}", complaint(&output));
}

#[test]
fn an_unknown_code_is_a_usage_error_that_suggests_the_nearest() {
    let output = tcpwatch(&["causes", "conntrack-expire"]);
    assert_eq!(output.status.code(), Some(USAGE), "{}", complaint(&output));
    let said = complaint(&output);
    assert!(
        said.contains("near it: conntrack-expired, ") && !said.contains("no-listener"),
        "{said}"
    );
}

#[test]
fn a_log_line_is_explained_without_rights() {
    let output =
        tcpwatch(&["why", "dial tcp 10.0.0.5:8080: connect: connection refused", "-o", "json"]);
    assert!(output.status.success(), "{}", complaint(&output));
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one object");
    assert_eq!(said["symptom"], "refused");
    assert_eq!(said["command"], "sudo tcpwatch rst --explain --host 10.0.0.5 --port 8080");
}

#[test]
fn a_log_line_that_is_not_known_is_a_failure_that_says_where_the_known_are() {
    let output = tcpwatch(&["why", "password reset for user 104"]);
    assert_eq!(output.status.code(), Some(FAILURE));
    assert!(complaint(&output).contains("not known here"), "{}", complaint(&output));
    assert_eq!(complaint(&output).trim_end().lines().count(), 1, "{}", complaint(&output));
    assert!(complaint(&output).contains("tcpwatch why --known"), "{}", complaint(&output));
}

#[test]
fn the_words_that_are_known_are_listed_when_asked_for() {
    let output = tcpwatch(&["why", "--known"]);
    assert!(output.status.success(), "{}", complaint(&output));
    let listed = String::from_utf8_lossy(&output.stdout);
    assert!(listed.contains("\n  ECONNRESET, Connection reset by peer, errno 104\n"), "{listed}");
}

#[test]
fn nothing_is_watched_where_no_reset_is_part_of_it() {
    let output = tcpwatch(&["why", "--live", "no route to host"]);
    assert_eq!(output.status.code(), Some(FAILURE));
    assert!(complaint(&output).contains("Leave out --live"), "{}", complaint(&output));
}

#[test]
fn a_duration_that_is_none_is_a_usage_error_that_names_it() {
    let output = tcpwatch(&["rst", "--for", "a-while"]);
    assert_eq!(output.status.code(), Some(USAGE), "{}", complaint(&output));
    assert!(complaint(&output).contains("a-while"), "{}", complaint(&output));
}

#[test]
fn an_unknown_verb_is_a_usage_error() {
    let output = tcpwatch(&["explode"]);
    assert_eq!(output.status.code(), Some(USAGE), "{}", complaint(&output));
}

#[test]
fn help_goes_to_standard_output_and_is_no_error() {
    let output = tcpwatch(&["--help"]);
    assert!(output.status.success(), "{}", complaint(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("rst"));
    assert_eq!(complaint(&output), "");
}

#[test]
fn a_format_for_programs_does_not_go_to_a_terminal() {
    // `script` gives its command a terminal.
    let line = format!("{} export --to pcapng -", binary().display());
    let output = Command::new("script").args(["-qefc", &line, "/dev/null"]).output();
    let output = output.expect("script can be started: it is in every base system");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(FAILURE), "{said}");
    assert!(said.contains("not for terminals. Give a file with --out"), "{said}");
}

fn tcpwatch(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).output().expect("tcpwatch can be started")
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The binary `TCPWATCH` names; else it is built. Cargo offers binaries to tests of their own package only.
fn binary() -> &'static PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| env::var_os("TCPWATCH").map_or_else(build, PathBuf::from))
}

fn build() -> PathBuf {
    // This test lies in TARGET/PROFILE/deps.
    let test = env::current_exe().expect("a test knows where it is");
    let profile = test.ancestors().nth(2).expect("cargo puts tests two folders deep");
    let target = profile.parent().expect("and the profile into the target folder");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--package", "tcpwatch", "--bin", "tcpwatch"]);
    let built = cargo.arg("--target-dir").arg(target).status().expect("cargo can be started");
    assert!(built.success(), "tcpwatch does not build");
    target.join("debug/tcpwatch")
}
