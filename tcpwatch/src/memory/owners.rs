//! Who holds a socket inode?

use std::collections::HashMap;

use crate::event::{Owner, OwnerFound};

/// Look-ups that came back, by inode. Inodes are reused late, and the latest look-up counts.
#[derive(Default)]
pub struct Owners {
    by_inode: HashMap<u64, Option<Owner>>,
}

impl Owners {
    pub fn found(&mut self, found: &OwnerFound) {
        if self.by_inode.len() >= CAPACITY {
            self.by_inode.clear();
        }
        self.by_inode.insert(found.inode, found.owner.clone());
    }

    pub fn of(&self, inode: u64) -> Option<&Owner> {
        self.by_inode.get(&inode)?.as_ref()
    }
}

/// Look-ups answer a question asked milliseconds ago; there is no need to keep them for long.
const CAPACITY: usize = 16_384;
