use std::fmt;

use serde::{Deserialize, Serialize};

use super::{NetNs, Time, Workload};

/// The task that was running at a hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Task {
    pub pid: u32,
    pub command: String,
    pub uid: u32,
    /// Set while it is exiting.
    pub exit: Option<Exit>,
    /// It is exiting, and the OOM killer had chosen it.
    #[serde(default)]
    pub oom_victim: bool,
    /// A thread of the kernel's own, which does things in somebody's name.
    #[serde(default)]
    pub kernel: bool,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// By itself, with this status.
    Status(u8),
    /// By a signal of this number.
    Signal(u8),
}

/// Who holds a socket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Owner {
    pub pid: u32,
    pub command: String,
    /// Path below the cgroup root.
    pub cgroup: Option<String>,
    /// The program, as it sees its own file; ` (deleted)` behind it where the file is another one by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe: Option<String>,
    /// The real user id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// When it was started, to a hundredth of a second: with the pid, which process it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Time>,
    /// The pod it runs in, where its name is to be found on this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodName>,
    /// The name of the container it runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// It was ending, or had ended, when it was seen last.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
}

/// What Kubernetes calls a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PodName {
    pub namespace: String,
    pub name: String,
}

/// A pod, with its name where that is to be found on this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NamedPod {
    pub uid: String,
    pub name: Option<PodName>,
}

impl Owner {
    /// Of whom nothing else is known.
    pub fn named(pid: u32, command: impl Into<String>) -> Self {
        Self { pid, command: command.into(), ..Self::default() }
    }

    /// What is not known yet is as it was when the same process was described before.
    pub fn completed_by(self, before: &Self) -> Self {
        let before = before.clone();
        Self {
            cgroup: self.cgroup.or(before.cgroup),
            exe: self.exe.or(before.exe),
            uid: self.uid.or(before.uid),
            started: self.started.or(before.started),
            pod: self.pod.or(before.pod),
            container: self.container.or(before.container),
            ..self
        }
    }

    /// Where it belongs, as far as its cgroup path says.
    pub fn workload(&self) -> Workload {
        self.cgroup.as_deref().map(Workload::of).unwrap_or_default()
    }

    /// Its name, and where it runs: `nginx[77] in pod shop/web-0 (container web)`. Of sessions and foreign layouts
    /// nothing is said.
    pub fn in_place(&self) -> impl fmt::Display {
        let gone = if self.gone { ", gone" } else { "" };
        fmt::from_fn(move |f| write!(f, "{self}{}{gone}", self.place()))
    }

    /// All that is known for sure beyond its name, as a sentence: `nginx[77] in nginx.service, /usr/sbin/nginx, gone`.
    pub fn described(&self) -> Option<String> {
        let exe = self.exe.as_ref().map_or_else(String::new, |exe| format!(", {exe}"));
        let (place, gone) = (self.place(), if self.gone { ", gone" } else { "" });
        let known = !(place.is_empty() && exe.is_empty());
        known.then(|| format!("{self}{place}{exe}{gone}"))
    }

    fn place(&self) -> String {
        match (self.pod_name(), self.container_name()) {
            (Some(pod), Some(container)) => format!(" in pod {pod} (container {container})"),
            (Some(pod), None) => format!(" in pod {pod}"),
            (None, Some(container)) => format!(" in container {container}"),
            (None, None) => self.service().map_or_else(String::new, |unit| format!(" in {unit}")),
        }
    }

    /// The name of its pod, or else the uid.
    pub fn pod_name(&self) -> Option<String> {
        let named = self.pod.as_ref().map(ToString::to_string);
        named.or_else(|| self.workload().pod.map(|pod| pod.uid))
    }

    /// The name of its container, or else the id, as short as runtimes show it.
    pub fn container_name(&self) -> Option<String> {
        let id = || Some(self.workload().container?.id[..SHORT_ID].to_owned());
        self.container.clone().or_else(id)
    }

    fn service(&self) -> Option<String> {
        self.workload().unit.filter(|unit| unit.ends_with(".service"))
    }
}

/// Digits of a container id that are shown.
const SHORT_ID: usize = 12;

impl From<&Task> for Owner {
    fn from(task: &Task) -> Self {
        let named = Self::named(task.pid, task.command.clone());
        Self { uid: Some(task.uid), gone: task.exit.is_some(), ..named }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.command, self.pid)
    }
}

/// The name, or else the uid.
impl fmt::Display for NamedPod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => name.fmt(f),
            None => f.write_str(&self.uid),
        }
    }
}

impl fmt::Display for PodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The process behind a socket inode was looked up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OwnerFound {
    pub time: Time,
    pub netns: NetNs,
    pub inode: u64,
    /// `None`: no process was found to hold it (any more).
    pub owner: Option<Owner>,
    /// Every process could be looked into: one that was not found is not there.
    #[serde(default)]
    pub all_seen: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f9c1de0a7b24568901f2e3d4c5b6a79880716253443526170cafe0123456789";
    const UID: &str = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";

    fn place(cgroup: &str) -> String {
        Owner { cgroup: Some(cgroup.into()), ..Owner::named(77, "nginx") }.place()
    }

    #[test]
    fn without_names_ids_are_told() {
        assert_eq!(place(&format!("/docker/{ID}")), " in container 3f9c1de0a7b2");
        let pod = format!("/kubepods/burstable/pod{UID}");
        assert_eq!(place(&pod), format!(" in pod {UID}"));
        assert_eq!(
            place(&format!("{pod}/{ID}")),
            format!(" in pod {UID} (container 3f9c1de0a7b2)")
        );
    }

    #[test]
    fn names_go_before_ids() {
        let pod = PodName { namespace: "shop".into(), name: "web-0".into() };
        let owner = Owner {
            cgroup: Some(format!("/kubepods/pod{UID}/{ID}")),
            pod: Some(pod),
            container: Some("web".into()),
            ..Owner::named(77, "nginx")
        };
        assert_eq!(owner.in_place().to_string(), "nginx[77] in pod shop/web-0 (container web)");
    }

    #[test]
    fn what_was_known_before_completes_and_never_replaces() {
        let before =
            Owner { cgroup: Some("/a".into()), uid: Some(33), ..Owner::named(77, "nginx") };
        let now = Owner { uid: Some(0), gone: true, ..Owner::named(77, "worker") };
        let completed = now.completed_by(&before);
        assert_eq!((completed.cgroup.as_deref(), completed.uid), (Some("/a"), Some(0)));
        assert_eq!(completed.in_place().to_string(), "worker[77], gone");
    }

    #[test]
    fn a_service_is_told_and_a_session_is_not() {
        assert_eq!(place("/system.slice/nginx.service"), " in nginx.service");
        assert_eq!(place("/user.slice/user-0.slice/session-3.scope"), "");
        assert_eq!(place("/foreign/layout"), "");
        assert_eq!(Owner::named(77, "nginx").place(), "");
    }

    #[test]
    fn an_owner_of_an_older_recording_is_read() {
        let owner: Owner =
            serde_json::from_str(r#"{"pid":1,"command":"a","cgroup":null}"#).unwrap();
        assert_eq!(owner, Owner::named(1, "a"));
    }
}
