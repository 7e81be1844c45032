//! Who removes many conntrack entries at once?
//!
//! proto: 5.10: net/netfilter/nf_conntrack_core.c: static void nf_ct_iterate_cleanup(int (*iter)(struct nf_conn *i, void *data), void *data, u32 portid, int report)
//! proto: 5.19: net/netfilter/nf_conntrack_core.c: static void nf_ct_iterate_cleanup(int (*iter)(struct nf_conn *i, void *data), const struct nf_ct_iter_data *iter_data)
//!
//! It sleeps, so it runs in process context only: flushes and modules that are unloaded in their caller's; addresses
//! that go and namespaces that end, in a worker's.

use aya_ebpf::macros::{kprobe, kretprobe};
use aya_ebpf::programs::{ProbeContext, RetProbeContext};

use crate::removing::{self, MANY};

#[kprobe(function = "nf_ct_iterate_cleanup")]
fn conntrack_cleanup_begins_kprobe(_ctx: ProbeContext) -> i32 {
    removing::begin(MANY);
    0
}

#[kretprobe(function = "nf_ct_iterate_cleanup")]
fn conntrack_cleanup_ends_kprobe(_ctx: RetProbeContext) -> i32 {
    removing::end();
    0
}
