//! A network namespace (include/net/net_namespace.h, `struct net`).

use super::layout::field;
use super::memory::{Memory, Probe};

/// As hooks of netfilter are given it.
#[derive(Clone, Copy)]
pub(crate) struct Net(Memory<Probe>);

impl Net {
    #[inline(always)]
    pub(crate) fn new(memory: Memory<Probe>) -> Self {
        Self(memory)
    }

    /// Its inode number.
    #[inline(always)]
    pub(crate) fn inode(self) -> Option<u32> {
        self.0.get(field!(netns_inode))
    }
}
