//! The kernel's own TCP counters of one network namespace.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;

/// `Tcp` of `/proc/net/snmp` and `TcpExt` of `/proc/net/netstat`, by name.
#[derive(Clone, PartialEq, Eq)]
pub struct Counters(BTreeMap<String, i64>);

impl Counters {
    /// Of the namespace the calling thread is in.
    pub(crate) fn here() -> Self {
        let mut counters = BTreeMap::new();
        for (file, group) in [("snmp", "Tcp:"), ("netstat", "TcpExt:")] {
            counters.extend(read(file, group));
        }
        Self(counters)
    }

    pub fn get(&self, name: &str) -> i64 {
        *self.0.get(name).unwrap_or_else(|| panic!("this kernel has no counter {name}"))
    }

    /// What has been counted since `before`.
    pub fn since(&self, before: &Self) -> Growth {
        let growth = self
            .0
            .iter()
            .map(|(name, value)| (name.clone(), value - before.0.get(name).unwrap_or(&0)));
        Growth(growth.filter(|(_, grown)| *grown != 0).collect())
    }
}

fn read(file: &str, group: &str) -> Vec<(String, i64)> {
    // /proc/net is a link to the main thread's namespace; ours is the thread's.
    let path = format!("/proc/thread-self/net/{file}");
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {path}: {error}"));
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(group));
    let (Some(names), Some(values)) = (lines.next(), lines.next()) else {
        panic!("no {group} in {path}")
    };
    let values = values.split_whitespace().filter_map(|value| value.parse().ok());
    names.split_whitespace().map(str::to_owned).zip(values).collect()
}

/// Counters that moved, and by how much.
#[derive(Clone, PartialEq, Eq)]
pub struct Growth(BTreeMap<String, i64>);

impl Growth {
    pub fn of(&self, name: &str) -> i64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// These counters moved by exactly this much; what is not named does not matter.
    pub fn is(&self, expected: &[(&str, i64)]) {
        for (name, grown) in expected {
            assert_eq!(
                self.of(name),
                *grown,
                "{name} did not grow as expected; what moved: {self}"
            );
        }
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, grown)| write!(f, "{name} {grown:+}  "))
    }
}
