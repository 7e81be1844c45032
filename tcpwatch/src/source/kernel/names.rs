//! What are pods and containers called, as far as this host's own files tell? No API server is asked.
//!
//! The kubelet names a folder of logs for each pod, and a link for each container; Docker, Podman and CRI-O keep names
//! in files of theirs. Nothing here fails: what cannot be read has no name.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::{capabilities, clock, procfs};
use crate::event::{NamedPod, Owner, PodName, Time, Workload};

/// Names by uid and by id, read again when one is missing.
#[derive(Debug)]
pub struct Names {
    /// Where the host's own files are.
    roots: Vec<PathBuf>,
    /// All processes of this host can be looked at.
    sees_all: bool,
    listed: Option<Time>,
    /// By uid.
    pods: HashMap<String, PodFolder>,
    /// By id.
    containers: HashMap<String, Named>,
}

#[derive(Debug)]
struct PodFolder {
    name: PodName,
    folder: PathBuf,
}

/// A container with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    container: String,
    /// With its uid, where the file tells it.
    pod: Option<(PodName, Option<String>)>,
}

impl Names {
    /// With `host_root` the host's files are there; else at `/`, or where the first process has its own `/`.
    pub fn new(host_root: Option<PathBuf>) -> Self {
        let roots = host_root.map_or_else(procfs::roots, |root| vec![root]);
        let sees_all = procfs::shows_all() && capabilities::see_all_files();
        Self { roots, sees_all, listed: None, pods: HashMap::new(), containers: HashMap::new() }
    }

    /// Who a process is, with the names of its pod and its container. `None`: it is gone.
    pub fn owner(&mut self, pid: u32) -> Option<Owner> {
        let mut owner = procfs::owner(pid)?;
        self.complete(&mut owner);
        Some(owner)
    }

    /// The pod that all of these processes are in. Others that cannot be seen may be elsewhere: then nobody can tell.
    pub fn pod_of(&mut self, pids: &[u32]) -> Option<NamedPod> {
        if !self.sees_all {
            return None;
        }
        let mut cgroups = pids.iter().filter_map(|pid| procfs::cgroup(*pid));
        let mut uids = cgroups.by_ref().map(|path| Workload::of(&path).pod.map(|pod| pod.uid));
        let uid = uids.next()??;
        let all = uids.all(|other| other.as_ref() == Some(&uid));
        all.then(|| NamedPod { name: self.pod(&uid), uid })
    }

    fn complete(&mut self, owner: &mut Owner) {
        let workload = owner.workload();
        let uid = workload.pod.map(|pod| pod.uid);
        if let Some(uid) = &uid {
            owner.pod = self.pod(uid);
        }
        let Some(container) = workload.container else { return };
        let named = self.container(&container.id).filter(|named| named.may_be_in(uid.as_deref()));
        let only = || self.only_container(uid.as_deref()?);
        owner.container = named.as_ref().map(|named| named.container.clone()).or_else(only);
        let pod = named.and_then(|named| named.pod).map(|(name, _)| name);
        owner.pod = owner.pod.take().or(pod);
    }

    fn pod(&mut self, uid: &str) -> Option<PodName> {
        if !self.pods.contains_key(uid) {
            self.list();
        }
        Some(self.pods.get(uid)?.name.clone())
    }

    fn container(&mut self, id: &str) -> Option<Named> {
        if !self.containers.contains_key(id) {
            self.list();
            if let Some(named) = self.roots.iter().find_map(|root| docker(root, id)) {
                self.containers.insert(id.to_owned(), named);
            }
        }
        self.containers.get(id).cloned()
    }

    /// The folder of a pod's logs has a folder for each of its containers: which is which shows where there is one.
    fn only_container(&self, uid: &str) -> Option<String> {
        let folder = &self.pods.get(uid)?.folder;
        let mut names = names_in(folder).filter(|name| folder.join(name).is_dir());
        let name = names.next()?;
        names.next().is_none().then_some(name)
    }

    /// Reads everything anew, but not all the time: what has no name may never get one.
    fn list(&mut self) {
        let now = clock::now();
        if self.listed.is_some_and(|listed| now.since(listed) < LIST_AGAIN) {
            return;
        }
        self.listed = Some(now);
        let roots = &self.roots;
        self.pods = roots.iter().flat_map(|root| pod_folders(&root.join(POD_LOGS))).collect();
        let links = roots.iter().flat_map(|root| links(&root.join(CONTAINER_LOGS)));
        self.containers = roots.iter().flat_map(|root| stored(root)).chain(links).collect();
    }
}

impl Named {
    /// A name is not taken from another pod's container.
    fn may_be_in(&self, uid: Option<&str>) -> bool {
        let own = self.pod.as_ref().and_then(|(_, uid)| uid.as_deref());
        own.is_none() || uid.is_none() || own == uid
    }

    /// What runtimes call a container that the kubelet has made: `k8s_CONTAINER_POD_NAMESPACE_UID_ATTEMPT`
    /// (pkg/kubelet/dockershim/naming.go; CRI-O, internal/factory/container).
    fn of(name: &str) -> Self {
        let words: Vec<_> = name.split('_').collect();
        match words[..] {
            ["k8s", container, pod, namespace, uid, _] => {
                let pod = PodName { namespace: namespace.to_owned(), name: pod.to_owned() };
                Self { container: container.to_owned(), pod: Some((pod, Some(uid.to_owned()))) }
            }
            _ => Self { container: name.to_owned(), pod: None },
        }
    }
}

fn names_in(folder: &Path) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

/// `NAMESPACE_POD_UID` (kubernetes, pkg/kubelet/kuberuntime/helpers.go, `BuildPodLogsDirectory`): no name has a `_`.
fn pod_folders(logs: &Path) -> impl Iterator<Item = (String, PodFolder)> + use<> {
    let logs = logs.to_owned();
    names_in(&logs).filter_map(move |folder| {
        let words: Vec<_> = folder.split('_').collect();
        let [namespace, name, uid] = words[..] else { return None };
        let name = PodName { namespace: namespace.to_owned(), name: name.to_owned() };
        Some((uid.to_owned(), PodFolder { name, folder: logs.join(&folder) }))
    })
}

/// `POD_NAMESPACE_CONTAINER-ID.log` (pkg/kubelet/kuberuntime/legacy.go, `legacyLogSymlink`), for every runtime.
fn links(logs: &Path) -> impl Iterator<Item = (String, Named)> + use<> {
    names_in(logs).filter_map(|link| {
        let (head, id) = link.strip_suffix(".log")?.rsplit_once('-')?;
        let words: Vec<_> = head.split('_').collect();
        let [name, namespace, container] = words[..] else { return None };
        let pod = PodName { namespace: namespace.to_owned(), name: name.to_owned() };
        let named = Named { container: container.to_owned(), pod: Some((pod, None)) };
        Some((id.to_owned(), named))
    })
}

fn docker(root: &Path, id: &str) -> Option<Named> {
    let config = fs::read(root.join(DOCKER).join(id).join("config.v2.json")).ok()?;
    let config: Value = serde_json::from_slice(&config).ok()?;
    Some(Named::of(config["Name"].as_str()?.trim_start_matches('/')))
}

/// Containers of Podman and CRI-O.
fn stored(root: &Path) -> Vec<(String, Named)> {
    let list = fs::read(root.join(STORAGE)).unwrap_or_default();
    let list: Value = serde_json::from_slice(&list).unwrap_or_default();
    let named = |entry: &Value| {
        Some((entry["id"].as_str()?.to_owned(), Named::of(entry["names"][0].as_str()?)))
    };
    list.as_array().into_iter().flatten().filter_map(named).collect()
}

const POD_LOGS: &str = "var/log/pods";
const CONTAINER_LOGS: &str = "var/log/containers";
const DOCKER: &str = "var/lib/docker/containers";
const STORAGE: &str = "var/lib/containers/storage/overlay-containers/containers.json";

/// On a node with hundreds of pods a listing takes a millisecond or two.
const LIST_AGAIN: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::{env, process};

    use super::*;

    const ID: &str = "3f9c1de0a7b24568901f2e3d4c5b6a79880716253443526170cafe0123456789";
    const OTHER: &str = "aaaabbbbccccddddeeeeffff0000111122223333444455556666777788889999";
    const UID: &str = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";

    /// A host's files, gone with the guard.
    struct Host(PathBuf);

    impl Host {
        fn new() -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let root = env::temp_dir().join(format!("tcpwatch-names-{}-{number}", process::id()));
            fs::create_dir(&root).unwrap();
            Self(root)
        }

        fn folder(self, path: &str) -> Self {
            fs::create_dir_all(self.0.join(path)).unwrap();
            self
        }

        fn file(self, path: &str, content: &str) -> Self {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
            self
        }

        /// What pod and container of this path are called.
        fn names(&self, cgroup: &str) -> (Option<String>, Option<String>) {
            let mut owner = Owner { cgroup: Some(cgroup.into()), ..Owner::named(77, "nginx") };
            Names::new(Some(self.0.clone())).complete(&mut owner);
            (owner.pod.map(|pod| pod.to_string()), owner.container)
        }
    }

    impl Drop for Host {
        fn drop(&mut self) {
            _ = fs::remove_dir_all(&self.0);
        }
    }

    fn in_pod(id: &str) -> String {
        format!("/kubepods/burstable/pod{UID}/{id}")
    }

    fn both(pod: &str, container: &str) -> (Option<String>, Option<String>) {
        (Some(pod.into()), Some(container.into()))
    }

    #[test]
    fn the_kubelets_logs_name_pod_and_container() {
        let pod = format!("var/log/pods/shop_web-0_{UID}");
        let host = Host::new().folder(&format!("{pod}/web")).folder(&format!("{pod}/sidecar"));
        assert_eq!(host.names(&in_pod(ID)), (Some("shop/web-0".into()), None), "which of the two?");
        let host = host.file(&format!("var/log/containers/web-0_shop_side-car-{ID}.log"), "");
        assert_eq!(host.names(&in_pod(ID)), both("shop/web-0", "side-car"));
    }

    #[test]
    fn the_only_container_of_a_pod_needs_no_link() {
        let host = Host::new().folder(&format!("var/log/pods/shop_web-0_{UID}/web"));
        assert_eq!(host.names(&in_pod(ID)), both("shop/web-0", "web"));
        assert_eq!(host.names(&format!("/docker/{ID}")), (None, None), "in no pod");
    }

    #[test]
    fn runtimes_tell_what_the_kubelet_called_it() {
        let name = format!("k8s_web_web-0_shop_{UID}_3");
        let docker = Host::new().file(
            &format!("var/lib/docker/containers/{ID}/config.v2.json"),
            &format!(r#"{{"ID":"{ID}","Name":"/{name}"}}"#),
        );
        let stored = Host::new().file(
            "var/lib/containers/storage/overlay-containers/containers.json",
            &format!(r#"[{{"id":"{OTHER}"}},{{"id":"{ID}","names":["{name}"]}}]"#),
        );
        for host in [&docker, &stored] {
            assert_eq!(host.names(&in_pod(ID)), both("shop/web-0", "web"));
            assert_eq!(host.names(&format!("/docker/{ID}")), both("shop/web-0", "web"));
            assert_eq!(host.names(&in_pod(OTHER)), (None, None));
        }
    }

    #[test]
    fn a_container_without_kubernetes_has_its_own_name() {
        let host = Host::new().file(
            &format!("var/lib/docker/containers/{ID}/config.v2.json"),
            r#"{"Name":"/shop_web_1"}"#,
        );
        let name = (None, Some("shop_web_1".to_owned()));
        assert_eq!(host.names(&format!("/system.slice/docker-{ID}.scope")), name);
    }

    #[test]
    fn a_name_from_another_pod_is_not_taken() {
        let other = UID.replace('0', "1");
        let host = Host::new().file(
            &format!("var/lib/docker/containers/{ID}/config.v2.json"),
            &format!(r#"{{"Name":"/k8s_web_web-0_shop_{other}_0"}}"#),
        );
        assert_eq!(host.names(&in_pod(ID)), (None, None));
    }

    #[test]
    fn strange_files_name_nothing() {
        let host = Host::new()
            .folder("var/log/pods/lost+found")
            .folder(&format!("var/log/pods/web-0_{UID}"))
            .file(&format!("var/log/containers/web-{ID}.log"), "")
            .file(&format!("var/log/containers/{ID}.log"), "")
            .file(&format!("var/lib/docker/containers/{ID}/config.v2.json"), "{")
            .file("var/lib/containers/storage/overlay-containers/containers.json", "{}");
        assert_eq!(host.names(&in_pod(ID)), (None, None));
        assert_eq!(Host::new().names("/foreign/layout"), (None, None));
    }

    #[test]
    fn our_own_process_is_in_no_pod_without_such_a_cgroup() {
        let mut names = Names::new(Some(PathBuf::from("/nowhere")));
        let in_pod =
            procfs::cgroup(process::id()).is_some_and(|path| Workload::of(&path).pod.is_some());
        assert_eq!(names.pod_of(&[process::id()]).is_some(), in_pod);
        assert_eq!(names.pod_of(&[]), None);
        assert_eq!(names.owner(u32::MAX), None);
    }
}
