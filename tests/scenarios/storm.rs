//! Very many resets at once: whatever is folded or aggregated, the account must close.

use harness::{Host, Ip, Watch};

use crate::scenario::scenarios;

scenarios! {
    both ten_thousand_refusals_are_all_accounted_for;
    both twenty_refusals_are_all_accounted_for;
}

/// A scan, or a client that tries again without a pause: every connect is answered, every answer is judged.
fn ten_thousand_refusals_are_all_accounted_for(ip: Ip) {
    refusals_are_accounted_for(ip, 10_000);
}

/// The same on a small scale: an impatient client dials a closed port twenty times without a pause. Short enough to be
/// recorded and read.
fn twenty_refusals_are_all_accounted_for(ip: Ip) {
    refusals_are_accounted_for(ip, 20);
}

fn refusals_are_accounted_for(ip: Ip, count: u16) {
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    host.namespace.is_refused_often(host.address(), count);

    let refusals = i64::from(count);
    host.namespace
        .counters()
        .since(&before)
        .is(&[("OutRsts", refusals), ("AttemptFails", refusals)]);
    let report = watch.finish();
    report.accounts_for(&host.namespace, refusals);
    report.has_judged_at_least(count.into());
}
