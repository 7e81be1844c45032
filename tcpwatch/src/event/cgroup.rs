//! What a cgroup path says about a process: container, pod, systemd unit.
//!
//! A layout that is not known gives nothing rather than something wrong: an id counts only where the runtime that
//! makes such paths would have put it.

/// Where a process belongs, as far as its cgroup path says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// The innermost container.
    pub container: Option<Container>,
    /// The innermost pod; its container is looked for inside it.
    pub pod: Option<Pod>,
    /// The innermost systemd unit with processes, except the scope of the container itself. Of units around a pod
    /// nothing is said: they are those of the kubelet or the runtime.
    pub unit: Option<String>,
    /// The slice that unit is in.
    pub slice: Option<String>,
}

/// A container, as its runtime calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// `None`: below a pod's cgroup ids may stand alone.
    pub runtime: Option<Runtime>,
    /// 64 hexadecimal digits.
    pub id: String,
}

/// Who made a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    Docker,
    Containerd,
    CriO,
    Podman,
}

/// A pod, as the kubelet names its cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// A UUID; the 32 hexadecimal digits of a hash for a pod that the kubelet has from a file.
    pub uid: String,
    pub qos: Qos,
}

/// How Kubernetes ranks a pod when memory is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qos {
    Guaranteed,
    Burstable,
    BestEffort,
}

impl Runtime {
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Containerd => "containerd",
            Self::CriO => "cri-o",
            Self::Podman => "podman",
        }
    }
}

impl Qos {
    pub fn name(self) -> &'static str {
        match self {
            Self::Guaranteed => "guaranteed",
            Self::Burstable => "burstable",
            Self::BestEffort => "besteffort",
        }
    }
}

impl Workload {
    /// Of a path below the cgroup root, of version 1 or 2. What lies above the root of our own cgroup namespace is
    /// shown as `..`.
    pub fn of(path: &str) -> Self {
        let mut found = Self::default();
        let mut parents = Vec::new();
        for part in path.split('/').filter(|part| !part.is_empty() && *part != "..") {
            found.enter(&parents, part);
            parents.push(part);
        }
        found
    }

    /// Nothing in the path was understood.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }

    /// Pod and container as a path of the simplest layout that says the same. `None`: it has neither.
    pub fn path(&self) -> Option<String> {
        let pod = self.pod.as_ref().map(Pod::path);
        let container = self.container.as_ref().map(Container::name);
        let parts: Vec<_> = [pod, container].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| format!("/{}", parts.join("/")))
    }

    fn enter(&mut self, parents: &[&str], part: &str) {
        if let Some((slice, runtime, id)) = runc_with_systemd_name(part) {
            self.enter(parents, slice);
            self.container = Some(Container { runtime: Some(runtime), id: id.to_owned() });
        } else if let Some(pod) = pod_slice(part).or_else(|| pod_folder(parents, part)) {
            *self = Self { pod: Some(pod), ..Self::default() };
        } else if let Some(container) = container(parents, part) {
            self.container = Some(container);
        } else {
            self.enter_unit(part);
        }
    }

    /// systemd puts units into slices only, but for the unit of itself.
    fn enter_unit(&mut self, part: &str) {
        // What could be taken for a file of the kernel's is escaped (systemd, src/basic/cgroup-util.c, `cg_escape`).
        let name = part.strip_prefix('_').unwrap_or(part);
        if name.strip_suffix(".slice").is_some() {
            (self.slice, self.unit) = (Some(name.to_owned()), None);
        } else if (self.slice.is_some() && is_unit(name)) || name == "init.scope" {
            self.unit = Some(name.to_owned());
        }
    }
}

impl Pod {
    fn path(&self) -> String {
        match self.qos {
            Qos::Guaranteed => format!("kubepods/pod{}", self.uid),
            qos => format!("kubepods/{}/pod{}", qos.name(), self.uid),
        }
    }
}

impl Container {
    fn name(&self) -> String {
        let prefix = match self.runtime {
            None => return self.id.clone(),
            Some(Runtime::Docker) => "docker",
            Some(Runtime::Containerd) => "cri-containerd",
            Some(Runtime::CriO) => "crio",
            Some(Runtime::Podman) => "libpod",
        };
        format!("{prefix}-{}", self.id)
    }
}

/// Unit types that have processes.
fn is_unit(name: &str) -> bool {
    [".service", ".scope", ".socket", ".mount", ".swap"].iter().any(|kind| name.ends_with(kind))
}

/// `kubepods-burstable-podUID.slice`: the kubelet with the systemd driver, which has other dashes for itself
/// (pkg/kubelet/cm/cgroup_manager_linux.go, `ToSystemd`). Around it may be a cgroup root of the user's choice.
fn pod_slice(part: &str) -> Option<Pod> {
    let (class, pod) = part.strip_suffix(".slice")?.rsplit_once('-')?;
    let uid = uid(&pod.strip_prefix("pod")?.replace('_', "-"))?;
    Some(Pod { uid, qos: qos(class.rsplit('-'))? })
}

/// `kubepods/burstable/podUID`: the kubelet with the cgroupfs driver.
fn pod_folder(parents: &[&str], part: &str) -> Option<Pod> {
    let uid = uid(part.strip_prefix("pod")?)?;
    Some(Pod { uid, qos: qos(parents.iter().rev().copied())? })
}

/// From the inside out.
fn qos<'a>(mut classes: impl Iterator<Item = &'a str>) -> Option<Qos> {
    let (qos, root) = match classes.next()? {
        "burstable" => (Qos::Burstable, classes.next()?),
        "besteffort" => (Qos::BestEffort, classes.next()?),
        root => (Qos::Guaranteed, root),
    };
    (root == "kubepods").then_some(qos)
}

fn container(parents: &[&str], part: &str) -> Option<Container> {
    let parent = parents.last().copied();
    if is_id(part) {
        let runtime = (parent == Some("docker")).then_some(Runtime::Docker);
        let in_pod = || {
            let (pod, around) = parents.split_last()?;
            pod_slice(pod).or_else(|| pod_folder(around, pod))
        };
        let known = runtime.is_some() || in_pod().is_some();
        return known.then(|| Container { runtime, id: part.to_owned() });
    }
    let name = part.strip_suffix(".scope").unwrap_or(part);
    let (prefix, id) = name.rsplit_once('-').filter(|(_, id)| is_id(id))?;
    Some(Container { runtime: Some(maker(prefix)?), id: id.to_owned() })
}

/// What runtimes write before an id. Those that watch a container (`crio-conmon`, `libpod-conmon`) are not in it.
fn maker(prefix: &str) -> Option<Runtime> {
    match prefix {
        "docker" => Some(Runtime::Docker),
        "cri-containerd" | "nerdctl" => Some(Runtime::Containerd),
        "crio" => Some(Runtime::CriO),
        "libpod" | "libpod-payload" => Some(Runtime::Podman),
        _ => None,
    }
}

/// `kubepods-podUID.slice:cri-containerd:ID`: a runtime that was told a name for systemd, and made a folder of it.
fn runc_with_systemd_name(part: &str) -> Option<(&str, Runtime, &str)> {
    let mut words = part.split(':');
    let (slice, prefix, id) = (words.next()?, words.next()?, words.next()?);
    let fits = words.next().is_none() && slice.strip_suffix(".slice").is_some() && is_id(id);
    Some((slice, maker(prefix)?, id)).filter(|_| fits)
}

fn is_id(text: &str) -> bool {
    text.len() == 64 && is_hex(text)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn uid(text: &str) -> Option<String> {
    let groups: Vec<_> = text.split('-').map(str::len).collect();
    let is_shaped = [&[8, 4, 4, 4, 12][..], &[32]].contains(&groups.as_slice());
    (is_shaped && is_hex(&text.replace('-', ""))).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f9c1de0a7b24568901f2e3d4c5b6a79880716253443526170cafe0123456789";
    const NODE: &str = "aaaabbbbccccddddeeeeffff0000111122223333444455556666777788889999";
    const UID: &str = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
    const HASH: &str = "6b1f0c2d3e4f5a69788796a5b4c3d2e1";

    /// `ID`, `NODE`, `UID`, `U_ID` (as systemd has it) and `HASH` stand for the real ones.
    fn parse(path: &str) -> Workload {
        let underscores = UID.replace('-', "_");
        let path = path.replace("NODE", NODE).replace("U_ID", &underscores).replace("UID", UID);
        Workload::of(&path.replace("HASH", HASH).replace("ID", ID))
    }

    /// The runtime of its container.
    fn in_container(path: &str) -> Option<&'static str> {
        let container = parse(path).container?;
        assert_eq!(container.id, ID, "{path}");
        Some(container.runtime.map_or("unknown", Runtime::name))
    }

    fn in_pod(path: &str) -> Option<Qos> {
        let pod = parse(path).pod?;
        assert!([UID, HASH].contains(&pod.uid.as_str()), "{path}: {}", pod.uid);
        Some(pod.qos)
    }

    #[test]
    fn containers_of_pods_in_every_layout() {
        use Qos::{BestEffort, Burstable, Guaranteed};
        use Runtime::{Containerd, CriO, Docker};
        #[rustfmt::skip]
        let paths = [
            // The systemd driver.
            ("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_ID.slice/cri-containerd-ID.scope", Burstable, Some(Containerd)),
            ("/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podU_ID.slice/cri-containerd-ID.scope", BestEffort, Some(Containerd)),
            ("/kubepods.slice/kubepods-podU_ID.slice/cri-containerd-ID.scope", Guaranteed, Some(Containerd)),
            ("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podHASH.slice/cri-containerd-ID.scope", Burstable, Some(Containerd)),
            ("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_ID.slice/crio-ID.scope", Burstable, Some(CriO)),
            ("/kubepods.slice/kubepods-podU_ID.slice/crio-ID.scope/container", Guaranteed, Some(CriO)),
            ("/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podU_ID.slice/docker-ID.scope", BestEffort, Some(Docker)),
            // The cgroupfs driver.
            ("/kubepods/burstable/podUID/ID", Burstable, None),
            ("/kubepods/besteffort/podUID/ID", BestEffort, None),
            ("/kubepods/podUID/ID", Guaranteed, None),
            ("/kubepods/burstable/podHASH/ID", Burstable, None),
            ("/kubepods/burstable/podUID/crio-ID", Burstable, Some(CriO)),
            // One driver of the kubelet's, another of the runtime's.
            ("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_ID.slice/ID", Burstable, None),
            ("/system.slice/containerd.service/kubepods-burstable-podU_ID.slice:cri-containerd:ID", Burstable, Some(Containerd)),
            ("/kubepods-podU_ID.slice:cri-containerd:ID", Guaranteed, Some(Containerd)),
            // Nodes that are containers themselves, and cgroup roots of the user's choice.
            ("/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-podU_ID.slice/cri-containerd-ID.scope", Burstable, Some(Containerd)),
            ("/system.slice/docker-NODE.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podU_ID.slice/cri-containerd-ID.scope", Guaranteed, Some(Containerd)),
            ("/docker/NODE/kubelet/kubepods/besteffort/podUID/ID", BestEffort, None),
            ("/docker/NODE/kubepods/burstable/podUID/ID", Burstable, None),
            // As seen from another cgroup namespace.
            ("/../../kubepods-burstable.slice/kubepods-burstable-podU_ID.slice/cri-containerd-ID.scope", Burstable, Some(Containerd)),
            // A whole system inside.
            ("/kubepods.slice/kubepods-podU_ID.slice/cri-containerd-ID.scope/system.slice/nginx.service", Guaranteed, Some(Containerd)),
        ];
        for (path, qos, runtime) in paths {
            assert_eq!(
                (in_pod(path), in_container(path)),
                (Some(qos), Some(runtime.map_or("unknown", Runtime::name))),
                "{path}"
            );
            says_the_same(path);
        }
    }

    #[test]
    fn containers_without_a_pod() {
        use Runtime::{Containerd, CriO, Docker, Podman};
        for (path, runtime) in [
            ("/docker/ID", Docker),
            ("/system.slice/docker-ID.scope", Docker),
            ("/system.slice/docker-ID.scope/init.scope", Docker),
            ("/docker/NODE/docker/ID", Docker),
            ("/user.slice/user-1000.slice/user@1000.service/user.slice/docker-ID.scope", Docker),
            ("/system.slice/nerdctl-ID.scope", Containerd),
            ("/system.slice:docker:ID", Docker),
            ("/../crio-ID.scope", CriO),
            ("/machine.slice/libpod-ID.scope", Podman),
            ("/machine.slice/libpod-ID.scope/container", Podman),
            ("/libpod_parent/libpod-ID", Podman),
            ("/machine.slice/machine-libpod_pod_NODE.slice/libpod-ID.scope", Podman),
            (
                "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container",
                Podman,
            ),
            ("/system.slice/web.service/libpod-payload-ID", Podman),
        ] {
            assert_eq!(in_container(path), Some(runtime.name()), "{path}");
            assert_eq!(in_pod(path), None, "{path}");
            says_the_same(path);
        }
    }

    /// The simple path has the same pod and container.
    fn says_the_same(path: &str) {
        let (found, simple) = (parse(path), parse(path).path().unwrap());
        let again = Workload::of(&simple);
        assert_eq!((again.pod, again.container), (found.pod, found.container), "{path}: {simple}");
    }

    #[test]
    fn look_alikes_are_no_containers() {
        for path in [
            // Those that watch over one.
            "/machine.slice/libpod-conmon-ID.scope",
            "/kubepods.slice/kubepods-podU_ID.slice/crio-conmon-ID.scope",
            // An id where nobody says whose it is.
            "/ID",
            "/custom/ID",
            "/system.slice/ID",
            "/docker/buildkit/ID",
            "/kubepods/ID",
            "/kubepods/burstable/ID",
            "/somebody-ID.scope",
            "/docker-buildx-ID.scope",
            // No id: too short, too long, in capitals, not hexadecimal.
            "/docker/0123456789ab",
            "/docker/ID0",
            "/docker/ABCDEF",
            "/system.slice/docker-web.scope",
            "/system.slice/docker.service",
            "/system.slice/docker.socket",
            "/system.slice/containerd.service",
            "/system.slice/cri-containerd-3f9c.scope",
            "/system.slice:docker:ID:more",
            "/system.slice:docker:web",
            "/lxc.payload.web",
            "/machine.slice/machine-web.scope/payload",
            "/",
            "",
            "garbage",
            "//::/../..",
        ] {
            assert_eq!(parse(path).container, None, "{path}");
        }
        let capitals = format!("/docker/{}", ID.to_uppercase());
        assert_eq!(Workload::of(&capitals).container, None);
    }

    #[test]
    fn look_alikes_are_no_pods() {
        for path in [
            "/kubepods.slice",
            "/kubepods.slice/kubepods-burstable.slice",
            "/podUID",
            "/system.slice/podUID",
            "/burstable/podUID",
            "/kubepods/other/podUID",
            "/mykubepods/podUID/ID",
            "/kubepods/podU_ID",
            "/kubepods/pod-UID",
            "/kubepods/podweb",
            "/kubepods/pod",
            "/kubepods/pod0a1b2c3d-4e5f-6071-8293",
            "/kubepods-podUID.slice",
            "/mykubepods-podU_ID.slice",
            "/burstable-podU_ID.slice",
            "/kubepods-guaranteed-podU_ID.slice",
            "/kubepods-podU_ID.service",
            "/kubepods-podU_ID",
            "/machine.slice/machine-libpod_pod_NODE.slice/libpod-ID.scope",
        ] {
            assert_eq!(in_pod(path), None, "{path}");
        }
    }

    #[test]
    fn units_and_their_slices() {
        for (path, unit, slice) in [
            ("/system.slice/nginx.service", Some("nginx.service"), Some("system.slice")),
            (
                "/system.slice/system-getty.slice/getty@tty1.service",
                Some("getty@tty1.service"),
                Some("system-getty.slice"),
            ),
            ("/system.slice/nginx.service/workers", Some("nginx.service"), Some("system.slice")),
            (
                "/user.slice/user-1000.slice/session-3.scope",
                Some("session-3.scope"),
                Some("user-1000.slice"),
            ),
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/app-firefox.scope",
                Some("app-firefox.scope"),
                Some("app.slice"),
            ),
            (
                "/user.slice/user-1000.slice/user@1000.service/init.scope",
                Some("init.scope"),
                Some("user-1000.slice"),
            ),
            ("/system.slice/__odd.service", Some("_odd.service"), Some("system.slice")),
            (
                "/system.slice/web.service/libpod-payload-ID",
                Some("web.service"),
                Some("system.slice"),
            ),
            ("/system.slice/docker-ID.scope", None, Some("system.slice")),
            ("/init.scope", Some("init.scope"), None),
            ("/user.slice", None, Some("user.slice")),
            ("/nginx.service", None, None),
            (
                "/system.slice/containerd.service/kubepods-podU_ID.slice:cri-containerd:ID",
                None,
                None,
            ),
            ("/system/nginx", None, None),
        ] {
            let found = parse(path);
            assert_eq!((found.unit.as_deref(), found.slice.as_deref()), (unit, slice), "{path}");
        }
    }

    #[test]
    fn what_is_outside_a_pod_is_not_its_container() {
        let node = parse("/docker/NODE/kubepods/podUID");
        assert!(node.pod.is_some() && node.container.is_none());
        assert!(parse("/foreign/layout").is_unknown() && !parse("/docker/ID").is_unknown());
    }
}
