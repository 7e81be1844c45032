//! `tcpwatch doctor` on one namespace, and what it says.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

use serde_json::Value;

use crate::namespace::Namespace;
use crate::watch::program;

/// A capability, by its number in include/uapi/linux/capability.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    SysAdmin = 21,
    Perfmon = 38,
    Bpf = 39,
}

/// What doctor said, and how it ended.
pub struct Doctor {
    code: Option<i32>,
    report: Value,
    complaint: String,
}

impl Doctor {
    /// Looks at this namespace.
    pub fn of(namespace: &Namespace) -> Self {
        Self::without(&[], namespace)
    }

    /// The same, without some of what root may do.
    pub fn without(capabilities: &'static [Capability], namespace: &Namespace) -> Self {
        let mut command = Command::new(program());
        command.args(["doctor", "-o", "json", "--netns", &namespace.inode().to_string()]);
        let renounce = || capabilities.iter().try_for_each(|capability| drop_for_good(*capability));
        // SAFETY: between fork and exec the closure makes system calls only, and touches no lock or heap.
        unsafe { command.pre_exec(renounce) };
        let output = command.output().expect("tcpwatch can be started");
        let report = serde_json::from_slice(&output.stdout);
        let report = report.unwrap_or_else(|error| panic!("{error} in {}", told(&output)));
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        Self { code: output.status.code(), report, complaint }
    }

    /// What it says to people, and its exit code.
    pub fn in_words(options: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(program()).arg("doctor").args(options).output();
        let output = output.expect("tcpwatch can be started");
        (output.status.code(), told(&output))
    }

    /// Nothing, and the exit code says so.
    pub fn finds_nothing(&self) {
        self.demand(self.code == Some(0), "expected exit code 0");
        let findings = self.report["findings"].as_array().map(Vec::len);
        self.demand(findings == Some(0), "expected no finding");
    }

    /// This, in that namespace and nowhere else; the exit code says that there is something.
    pub fn finds(&self, code: &str, severity: &str, namespace: &Namespace) -> Found<'_> {
        self.demand(self.code == Some(3), "expected exit code 3");
        let mut findings = self.report["findings"].as_array().into_iter().flatten();
        let found = findings.find(|finding| finding["code"] == code);
        let finding = found.unwrap_or_else(|| panic!("it did not find {code}\n{}", self.story()));
        self.demand(finding["severity"] == severity, &format!("expected {code} to be {severity}"));
        let places = finding["places"].as_array().map_or(&[][..], Vec::as_slice);
        let here = places.len() == 1 && places[0]["netns"] == namespace.inode();
        self.demand(here, &format!("expected {code} in {namespace} only"));
        Found { finding, doctor: self }
    }

    /// All of it.
    pub fn report(&self) -> &Value {
        &self.report
    }

    /// The one namespace it looked at.
    pub fn namespace(&self) -> &Value {
        &self.report["namespaces"][0]
    }

    pub fn demand(&self, holds: bool, what: &str) {
        assert!(holds, "{what}\n{}", self.story());
    }

    fn story(&self) -> String {
        let report = serde_json::to_string_pretty(&self.report).unwrap_or_default();
        format!("exit code {:?}\n{report}\non stderr:\n{}", self.code, self.complaint)
    }
}

/// One finding.
pub struct Found<'a> {
    finding: &'a Value,
    doctor: &'a Doctor,
}

impl Found<'_> {
    /// With this live value, in this unit.
    pub fn with(self, name: &str, value: u64, unit: &str) -> Self {
        let mut values = self.finding["values"].as_array().into_iter().flatten();
        let there = values.any(|v| v["name"] == name && v["value"] == value && v["unit"] == unit);
        self.doctor.demand(there, &format!("expected {name} to be {value} {unit}"));
        self
    }

    pub fn leads_to(self, cause: &str) -> Self {
        let mut causes = self.finding["leads_to"].as_array().into_iter().flatten();
        let there = causes.any(|known| known == cause);
        self.doctor.demand(there, &format!("expected it to lead to {cause}"));
        self
    }
}

/// What is not in the bounding set is not gained by root's exec either (capabilities(7)).
fn drop_for_good(capability: Capability) -> io::Result<()> {
    // SAFETY: the call takes a number and no pointer.
    let result =
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability as libc::c_ulong, 0, 0, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn told(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}
