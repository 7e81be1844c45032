//! Which network namespaces are there, and how is something read inside one?
//!
//! A namespace is alive for us while a process lives in it or a name in `/run/netns` refers to it. Sockets and open
//! files keep one alive too, but nobody can be found in it then. Threads that left their process's namespace are not
//! looked for.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::procfs;
use crate::event::NetNs;

/// A network namespace and the ways into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub netns: NetNs,
    /// The name under `/run/netns` or `/run/docker/netns`.
    pub name: Option<String>,
    /// The lowest pid that lives in it.
    pub pid: Option<u32>,
    /// All that live in it, ascending, where all were looked for.
    pub(super) pids: Vec<u32>,
    /// The file behind the name.
    pub(super) file: Option<PathBuf>,
}

impl Place {
    fn nowhere(netns: NetNs) -> Self {
        Self { netns, name: None, pid: None, pids: Vec::new(), file: None }
    }

    /// Where a process lives. `None`: it is gone.
    pub fn of_process(pid: u32) -> Option<Self> {
        Some(Self { pid: Some(pid), ..Self::nowhere(inode_of_link(&link(pid))?) })
    }

    /// Whether the name or the process still refers to this namespace.
    pub fn is_there(&self) -> bool {
        self.ways().any(|way| inode(&way) == Some(self.netns))
    }

    /// Files that lead into it.
    fn ways(&self) -> impl Iterator<Item = PathBuf> {
        self.file.clone().into_iter().chain(self.pid.map(link))
    }

    /// Runs `work` in this namespace and returns its answer.
    ///
    /// A foreign namespace is entered by a thread made for it that ends with the work, so that no thread is ever seen
    /// in the wrong namespace; the file that led there is closed before `work` begins. Sockets that `work` returns
    /// keep the namespace alive.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        if own() == Some(self.netns) {
            return Ok(work());
        }
        let enter_and_work = || {
            self.move_into()?;
            Ok(work())
        };
        thread::scope(|scope| {
            let thread = thread::Builder::new().name("netns".to_owned());
            let thread = thread.spawn_scoped(scope, enter_and_work)?;
            thread.join().unwrap_or_else(|_| Err(io::Error::other("the reading thread panicked")))
        })
    }

    /// Moves the calling thread, for good.
    pub fn move_into(&self) -> io::Result<()> {
        let file = self.open()?;
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
        Ok(())
    }

    /// The first way that still leads to this very namespace: names and pids are reused.
    fn open(&self) -> io::Result<File> {
        let mut failure = io::Error::from(io::ErrorKind::NotFound);
        for way in self.ways() {
            match File::open(way).and_then(|file| Ok((file.metadata()?.ino(), file))) {
                Ok((inode, file)) if inode == u64::from(self.netns.0) => return Ok(file),
                Ok(_) => {}
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

/// The calling thread's.
pub fn own() -> Option<NetNs> {
    inode_of_link(Path::new("/proc/thread-self/ns/net"))
}

/// All that can be seen, through processes and names.
pub fn all() -> BTreeMap<NetNs, Place> {
    let mut found = named();
    for pid in procfs::pids() {
        if let Some(netns) = inode_of_link(&link(pid)) {
            let place = found.entry(netns).or_insert_with(|| Place::nowhere(netns));
            place.pid.get_or_insert(pid);
            place.pids.push(pid);
        }
    }
    found
}

/// Those that have a name, here or on the host.
pub fn named() -> BTreeMap<NetNs, Place> {
    let mut found = BTreeMap::new();
    let Ok(nsfs) = fs::metadata("/proc/self/ns/net").map(|own| own.dev()) else { return found };
    for directory in directories() {
        for place in named_in(&directory, nsfs) {
            found.entry(place.netns).or_insert(place);
        }
    }
    found
}

fn named_in(directory: &Path, nsfs: u64) -> impl Iterator<Item = Place> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(move |entry| named_place(entry.path(), nsfs))
}

/// A name is a bind mount: until it is mounted, and after it is unmounted, the file is an ordinary one.
fn named_place(file: PathBuf, nsfs: u64) -> Option<Place> {
    let metadata = fs::metadata(&file).ok().filter(|metadata| metadata.dev() == nsfs)?;
    let netns = NetNs(u32::try_from(metadata.ino()).ok()?);
    let name = file.file_name()?.to_string_lossy().into_owned();
    Some(Place { name: Some(name), file: Some(file), ..Place::nowhere(netns) })
}

fn directories() -> Vec<PathBuf> {
    procfs::roots().iter().flat_map(|root| NAMES.map(|names| root.join(names))).collect()
}

/// The namespace a file of nsfs stands for.
fn inode(way: &Path) -> Option<NetNs> {
    if way.starts_with("/proc") && way.ends_with("ns/net") {
        return inode_of_link(way);
    }
    fs::metadata(way).ok()?.ino().try_into().ok().map(NetNs)
}

fn link(pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/ns/net"))
}

/// Reading the link costs half of what following it does.
fn inode_of_link(link: &Path) -> Option<NetNs> {
    procfs::linked_inode(link, "net")?.try_into().ok().map(NetNs)
}

/// `ip netns`, CNI and CRI-O use the first; Docker the second.
const NAMES: [&str; 2] = ["run/netns", "run/docker/netns"];

#[cfg(test)]
mod tests {
    use std::process;

    use super::*;

    #[test]
    fn our_own_namespace_is_among_them() {
        let place = all().remove(&own().unwrap()).unwrap();
        assert!(place.is_there());
        assert!(place.pid.is_some_and(|pid| pid <= process::id()));
    }

    #[test]
    fn our_own_namespace_needs_no_privilege_to_enter() {
        let place = Place::nowhere(own().unwrap());
        assert_eq!(place.enter(own).unwrap(), own());
    }

    #[test]
    fn a_namespace_that_is_gone_is_not_found() {
        let place = Place { pid: Some(u32::MAX), ..Place::nowhere(NetNs(1)) };
        assert!(!place.is_there());
        assert_eq!(place.enter(|| ()).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_process_that_lives_elsewhere_is_no_way_in() {
        let place = Place { pid: Some(process::id()), ..Place::nowhere(NetNs(1)) };
        assert!(place.enter(|| ()).is_err());
    }

    #[test]
    fn an_ordinary_file_is_no_name() {
        let file = std::env::current_exe().unwrap();
        assert_eq!(named_place(file, 0), None);
    }
}
