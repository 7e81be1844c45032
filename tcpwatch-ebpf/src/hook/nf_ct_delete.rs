//! Who asks through netlink to delete one conntrack entry?
//!
//! proto: 5.10: net/netfilter/nf_conntrack_core.c: bool nf_ct_delete(struct nf_conn *ct, u32 portid, int report)
//!
//! Everybody deletes through it, but only netlink (`ctnetlink_del_conntrack`) hands over the port of a
//! requester, and it does so in the requester's own context. Its module may be loaded by the very request
//! that deletes, too late to be hooked; this function is there as long as conntrack is. Compilers split it in
//! two for callers in its own file; to others it is one.

use aya_ebpf::macros::kprobe;
use aya_ebpf::programs::ProbeContext;

use crate::read::{Context, NfConn};
use crate::removing;

#[kprobe(function = "nf_ct_delete")]
fn conntrack_deleted_kprobe(ctx: ProbeContext) -> i32 {
    called(&ctx);
    0
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the port is an u32")]
fn called<C: Context>(ctx: &C) -> Option<()> {
    let portid = ctx.raw(1) as u32;
    if portid != NOBODY {
        removing::begin(NfConn::new(ctx.pointer(0)?.probed()).id());
    }
    Some(())
}

/// The kernel removes by itself.
const NOBODY: u32 = 0;
