//! When does conntrack look for an entry it can do without?
//!
//! proto: 5.10: net/netfilter/nf_conntrack_core.c: static noinline int early_drop(struct net *net, unsigned int hash)
//! proto: 5.14: net/netfilter/nf_conntrack_core.c: static noinline bool early_drop(struct net *net, unsigned int hash)
//!
//! Only while the table is full, once for each new connection; what it removes dies before it returns.

use aya_ebpf::macros::{kprobe, kretprobe};
use aya_ebpf::programs::{ProbeContext, RetProbeContext};

use crate::evicting;

#[kprobe(function = "early_drop")]
fn conntrack_eviction_begins_kprobe(_ctx: ProbeContext) -> i32 {
    evicting::begin();
    0
}

#[kretprobe(function = "early_drop")]
fn conntrack_eviction_ends_kprobe(_ctx: RetProbeContext) -> i32 {
    evicting::end();
    0
}
