use super::{Header, Task, Tuple};

/// A conntrack entry died while its connection was alive (`nf_ct_destroy`, net/netfilter/nf_conntrack_core.c).
#[repr(C)]
#[derive(Clone, Copy)]
#[cfg_attr(
    feature = "decode",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct ConntrackDestroyed {
    pub header: Header,
    pub original: Tuple,
    pub reply: Tuple,
    /// `bpf_jiffies64()` at the hook: with the time it also tells the kernel's HZ.
    pub jiffies: u64,
    /// `nf_conn.timeout`: low 32 bits of the jiffy at which the entry expires; deletion leaves it alone.
    pub timeout: u32,
    /// `nf_conn.status` bits (include/uapi/linux/netfilter/nf_conntrack_common.h).
    pub status: u32,
    /// `enum tcp_conntrack`: 1 SYN_SENT, 2 SYN_RECV, 3 ESTABLISHED, …
    pub tcp_state: u8,
    /// 1 when it was removed for want of room, within `early_drop`.
    pub evicted: u8,
    /// `nf_conn.zone.id`: equal tuples of different zones are different connections.
    pub zone: u16,
    pub pad: [u8; 4],
    /// Who removed it, when a task was about to remove this entry or many; all zero otherwise: then whoever was
    /// running had nothing to do with it, or nobody can tell.
    pub task: Task,
}

const _: () = assert!(size_of::<ConntrackDestroyed>() == 152);
