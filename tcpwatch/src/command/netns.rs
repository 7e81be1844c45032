//! Which network namespace does the user mean?

use std::os::unix::fs::MetadataExt;

use anyhow::{Context, anyhow};

use crate::cli::Netns;
use crate::event::NetNs;
use crate::filter::Namespace;

/// The namespace of a process is looked up once: the process may end, its namespace stays the one that was meant.
pub(super) fn look_up(netns: &Netns) -> anyhow::Result<Namespace> {
    match netns {
        Netns::Is(namespace) => Ok(namespace.clone()),
        Netns::OfProcess(pid) => inode_of(*pid).map(Namespace::Inode),
    }
}

fn inode_of(pid: u32) -> anyhow::Result<NetNs> {
    let path = format!("/proc/{pid}/ns/net");
    let inode = std::fs::metadata(&path).map_err(|error| {
        anyhow!("cannot see the network namespace of process {pid}: {error}. Check that it runs, and be root")
    })?;
    Ok(NetNs(u32::try_from(inode.ino()).context("namespace inode number out of range")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_a_namespace() {
        let own = inode_of(std::process::id()).unwrap();
        assert_eq!(look_up(&Netns::OfProcess(std::process::id())).unwrap(), Namespace::Inode(own));
        let error = inode_of(u32::MAX).unwrap_err();
        assert!(error.to_string().starts_with("cannot see the network namespace of process"));
    }
}
