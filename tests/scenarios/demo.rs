//! `tcpwatch demo` makes its own incidents, explains them, and leaves nothing behind, however it ends.

use harness::demo::{Demo, Ended};
use harness::{Dnat, Ip, Need};
use nix::sys::signal::Signal;

use crate::scenario::scenarios;

scenarios! {
    v4 the_conntrack_demo_explains_what_it_made needs [NFT];
    v4 the_overflow_demo_explains_what_it_made;
    v4 the_rollout_demo_explains_what_it_made;
    v4 a_demo_that_is_interrupted_gives_account_and_leaves_nothing needs [NFT];
    v4 a_demo_that_is_killed_leaves_nothing needs [NFT];
    v4 a_demo_that_cannot_watch_says_why_and_leaves_nothing;
}

/// For what the kernel must have; the demo itself needs no tool.
const NFT: Need = Need::Dnat(Dnat::Nftables);

/// In the middle of the conntrack demo: everything is made, the incident is to come.
const IN_THE_MIDDLE: &str = "says nothing for 3 s";

fn the_conntrack_demo_explains_what_it_made(_: Ip) {
    let ended = Demo::starts(&["conntrack"]).ends();
    is_explained(&ended, &["conntrack-expired"], 2);
    ended.has_said("sent from netns demo-backend-b");
    ended.has_said("in demo-router: ");
    ended.has_said("demo-backend-b (net:[");
}

fn the_overflow_demo_explains_what_it_made(_: Ip) {
    let ended = Demo::starts(&["overflow"]).ends();
    is_explained(&ended, &["accept-queue-overflow"], 4);
    ended.has_said("last ACK was dropped, and");
    ended.has_said("last ACK was refused");
    ended.has_said("held by demo-server[");
}

fn the_rollout_demo_explains_what_it_made(_: Ip) {
    let ended = Demo::starts(&["rollout"]).ends();
    is_explained(&ended, &["listener-closed", "no-listener"], 4);
    ended.has_said("was killed by SIGTERM (signal 15)");
    ended.has_said(": not-yet-listening (observed)");
    ended.has_said("after the connection was refused [demo-app-v2[");
}

fn a_demo_that_is_interrupted_gives_account_and_leaves_nothing(_: Ip) {
    let mut demo = Demo::starts(&["conntrack"]);
    demo.says(IN_THE_MIDDLE);
    demo.gets(Signal::SIGINT);
    let ended = demo.ends();
    ended.has_ended_with(Some(1));
    ended.has_said("totals    ");
    ended.has_complained("interrupted before the demo could show conntrack-expired");
}

fn a_demo_that_is_killed_leaves_nothing(_: Ip) {
    let mut demo = Demo::starts(&["conntrack"]);
    demo.says(IN_THE_MIDDLE);
    demo.gets(Signal::SIGKILL);
    demo.ends().has_ended_with(None);
}

fn a_demo_that_cannot_watch_says_why_and_leaves_nothing(_: Ip) {
    let ended = Demo::starts(&["overflow", "--btf", "/proc/version"]).ends();
    ended.has_ended_with(Some(1));
    ended.has_said("demo-server");
    ended.has_complained("/proc/version is not the type information (BTF) of a kernel");
}

/// All ends of all resets, none of them lost or left open, in agreement with the kernel's counters.
fn is_explained(ended: &Ended, causes: &[&str], verdicts: usize) {
    ended.has_ended_with(Some(0));
    for cause in causes {
        ended.has_said(&format!("  cause     {cause} (observed): "));
    }
    ended.has_said("look at   ");
    let own: Vec<_> = ended.said.lines().filter(|line| line.starts_with("RST #")).collect();
    let resets = own.iter().filter(|line| !line.contains(" amended ")).count();
    assert_eq!(resets, verdicts, "{ended}");
    assert!(!ended.said.contains("cause     unexplained"), "{ended}");
    let accounts = ended.said.lines().filter(|line| line.starts_with("  netns   demo-"));
    let accounts: Vec<_> = accounts.collect();
    assert!(!accounts.is_empty(), "{ended}");
    assert!(accounts.iter().all(|line| line.ends_with("difference 0")), "{ended}");
}
