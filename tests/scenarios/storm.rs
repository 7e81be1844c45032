//! Very many resets at once: whatever is folded or aggregated, the account must close.

use harness::{Host, Ip, Watch};

use crate::scenario::scenarios;

scenarios! {
    both ten_thousand_refusals_are_all_accounted_for;
}

const REFUSALS: u16 = 10_000;

fn ten_thousand_refusals_are_all_accounted_for(ip: Ip) {
    let host = Host::alone(ip);
    let watch = Watch::on(&[&host.namespace]);
    let before = host.namespace.counters();

    host.namespace.is_refused_often(host.address(), REFUSALS);

    let refusals = i64::from(REFUSALS);
    host.namespace
        .counters()
        .since(&before)
        .is(&[("OutRsts", refusals), ("AttemptFails", refusals)]);
    let report = watch.finish();
    report.accounts_for(&host.namespace, refusals);
    report.has_judged_at_least(REFUSALS.into());
}
