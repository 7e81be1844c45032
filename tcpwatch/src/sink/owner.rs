//! An owner as an object for programs: who it is, and where it runs.

use serde::Serialize;

use super::Clock;
use crate::event::{self, NamedPod, Runtime, Workload};

/// Text that is not known says so: an empty field could be taken for a finding.
#[derive(Serialize)]
pub(super) struct Owner<'a> {
    pid: u32,
    command: &'a str,
    cgroup: &'a str,
    exe: &'a str,
    uid: Option<u32>,
    started: Option<String>,
    runs_in: &'static str,
    pod: Option<OwnersPod<'a>>,
    container: Option<Container<'a>>,
    unit: Option<String>,
    slice: Option<String>,
    gone: bool,
}

#[derive(Serialize)]
struct OwnersPod<'a> {
    namespace: &'a str,
    name: &'a str,
    uid: String,
    qos: &'static str,
}

/// The pod that a network namespace is of.
#[derive(Serialize)]
pub(super) struct Pod<'a> {
    namespace: &'a str,
    name: &'a str,
    uid: &'a str,
}

impl<'a> Pod<'a> {
    pub(super) fn of(pod: &'a NamedPod) -> Self {
        let name = pod.name.as_ref();
        Self {
            namespace: known(name.map(|pod| pod.namespace.as_str())),
            name: known(name.map(|pod| pod.name.as_str())),
            uid: &pod.uid,
        }
    }
}

#[derive(Serialize)]
struct Container<'a> {
    name: &'a str,
    id: String,
    runtime: &'static str,
}

impl<'a> Owner<'a> {
    pub(super) fn of(owner: &'a event::Owner, clock: &mut Clock) -> Self {
        let workload = owner.workload();
        Self {
            pid: owner.pid,
            command: &owner.command,
            cgroup: known(owner.cgroup.as_deref()),
            exe: known(owner.exe.as_deref()),
            uid: owner.uid,
            started: owner.started.map(|time| clock.at(time).rfc3339()),
            runs_in: runs_in(owner, &workload),
            pod: pod(owner, &workload),
            container: container(owner, &workload),
            unit: workload.unit,
            slice: workload.slice,
            gone: owner.gone,
        }
    }
}

/// The narrowest of the things that are known of.
fn runs_in(owner: &event::Owner, workload: &Workload) -> &'static str {
    if owner.pod.is_some() || workload.pod.is_some() {
        "pod"
    } else if owner.container.is_some() || workload.container.is_some() {
        "container"
    } else if workload.unit.is_some() {
        "unit"
    } else if workload.slice.is_some() {
        "slice"
    } else {
        UNKNOWN
    }
}

fn pod<'a>(owner: &'a event::Owner, workload: &Workload) -> Option<OwnersPod<'a>> {
    let (name, pod) = (owner.pod.as_ref(), workload.pod.as_ref());
    (name.is_some() || pod.is_some()).then(|| OwnersPod {
        namespace: known(name.map(|pod| pod.namespace.as_str())),
        name: known(name.map(|pod| pod.name.as_str())),
        uid: known(pod.map(|pod| pod.uid.as_str())).to_owned(),
        qos: pod.map_or(UNKNOWN, |pod| pod.qos.name()),
    })
}

fn container<'a>(owner: &'a event::Owner, workload: &Workload) -> Option<Container<'a>> {
    let (name, container) = (owner.container.as_deref(), workload.container.as_ref());
    (name.is_some() || container.is_some()).then(|| Container {
        name: known(name),
        id: known(container.map(|container| container.id.as_str())).to_owned(),
        runtime: container.and_then(|container| container.runtime).map_or(UNKNOWN, Runtime::name),
    })
}

fn known(text: Option<&str>) -> &str {
    text.unwrap_or(UNKNOWN)
}

const UNKNOWN: &str = "unknown";

#[cfg(test)]
mod tests {
    use serde_json::{Value, json, to_value};

    use super::*;
    use crate::event::{PodName, Time};

    const ID: &str = "3f9c1de0a7b24568901f2e3d4c5b6a79880716253443526170cafe0123456789";
    const UID: &str = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";

    fn object(owner: &event::Owner) -> Value {
        to_value(Owner::of(owner, &mut Clock::utc())).unwrap()
    }

    fn in_cgroup(path: &str) -> event::Owner {
        event::Owner { cgroup: Some(path.into()), ..event::Owner::named(77, "nginx") }
    }

    #[test]
    fn all_that_is_known_has_a_field() {
        let owner = event::Owner {
            exe: Some("/usr/sbin/nginx".into()),
            uid: Some(33),
            started: Some(Time(1_500_000_000)),
            pod: Some(PodName { namespace: "shop".into(), name: "web-0".into() }),
            container: Some("web".into()),
            ..in_cgroup(&format!("/kubepods/burstable/pod{UID}/crio-{ID}"))
        };
        let expected = json!({
            "pid": 77, "command": "nginx", "exe": "/usr/sbin/nginx", "uid": 33,
            "started": "1970-01-01T00:00:01.500000000Z",
            "cgroup": format!("/kubepods/burstable/pod{UID}/crio-{ID}"), "runs_in": "pod",
            "pod": { "namespace": "shop", "name": "web-0", "uid": UID, "qos": "burstable" },
            "container": { "name": "web", "id": ID, "runtime": "cri-o" },
            "unit": null, "slice": null, "gone": false,
        });
        assert_eq!(object(&owner), expected);
    }

    #[test]
    fn what_is_not_known_says_so() {
        let pod = object(&in_cgroup(&format!("/kubepods/pod{UID}/{ID}")));
        assert_eq!(pod["pod"]["name"], UNKNOWN);
        assert_eq!(pod["pod"]["namespace"], UNKNOWN);
        assert_eq!(pod["container"]["runtime"], UNKNOWN);
        assert_eq!(pod["exe"], UNKNOWN);
        let bare = object(&event::Owner::named(77, "nginx"));
        assert_eq!((&bare["cgroup"], &bare["runs_in"]), (&json!(UNKNOWN), &json!(UNKNOWN)));
        assert_eq!((&bare["pod"], &bare["container"]), (&Value::Null, &Value::Null));
    }

    #[test]
    fn the_narrowest_known_place_is_named() {
        for (path, place) in [
            (format!("/docker/{ID}"), "container"),
            ("/system.slice/nginx.service".into(), "unit"),
            ("/user.slice".into(), "slice"),
            ("/foreign/layout".into(), UNKNOWN),
        ] {
            assert_eq!(object(&in_cgroup(&path))["runs_in"], place, "{path}");
        }
    }
}
