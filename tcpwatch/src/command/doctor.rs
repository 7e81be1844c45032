//! `tcpwatch doctor`: what can be seen here, and what will produce resets.

use std::io::{self, Write};

use anyhow::{Context, bail};

use super::stdout::Stdout;
use super::view::WIDTH;
use super::{CANNOT_WRITE, GateNotMet, netns};
use crate::cli::{Doctor, Output};
use crate::doctor::{self, Facts, Finding};
use crate::event::NetNs;
use crate::filter::Namespace;
use crate::sink::{Paint, doctor as page, json_line};
use crate::source;

pub(super) fn run(args: &Doctor) -> anyhow::Result<()> {
    let wanted = args.netns.iter().map(netns::look_up).collect::<Result<Vec<_>, _>>()?;
    let (btf, host_root) = (args.btf.clone(), args.host_root.clone());
    let options = source::Options { btf, host_root, avoid: Vec::new() };
    let facts = source::examine(&options);
    // One namespace may be wrong for what is set in another: all are judged before some are shown.
    let findings = found_in(&wanted, doctor::findings(&facts));
    let facts = restricted(facts, &wanted)?;
    show(&facts, &findings, args.output).context(CANNOT_WRITE)?;
    if findings.is_empty() { Ok(()) } else { Err(GateNotMet.into()) }
}

/// The facts of these namespaces; none given means all.
fn restricted(mut facts: Facts, wanted: &[Namespace]) -> anyhow::Result<Facts> {
    if wanted.is_empty() {
        return Ok(facts);
    }
    facts.namespaces.retain(|here| is_wanted(wanted, here.netns, here.name.as_deref()));
    if facts.namespaces.is_empty() {
        bail!(
            "no such network namespace is here. `tcpwatch doctor` without --netns shows all of them"
        );
    }
    Ok(facts)
}

/// Findings of these namespaces; none given means all.
fn found_in(wanted: &[Namespace], mut findings: Vec<Finding>) -> Vec<Finding> {
    if wanted.is_empty() {
        return findings;
    }
    for finding in &mut findings {
        finding.places.retain(|place| is_wanted(wanted, place.netns, place.name.as_deref()));
    }
    findings.retain(|finding| !finding.places.is_empty());
    findings
}

fn is_wanted(wanted: &[Namespace], netns: NetNs, name: Option<&str>) -> bool {
    wanted.iter().any(|wanted| wanted.is(netns, name))
}

fn show(facts: &Facts, findings: &[Finding], output: Output) -> io::Result<()> {
    let mut to = Stdout::open()?;
    let width = to.columns().unwrap_or(WIDTH);
    let text = match output {
        Output::Text => page::text(facts, findings, Paint::for_output(&io::stdout()), width),
        Output::Json => json_line(&page::object(facts, findings)),
    };
    to.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::samples;

    fn two() -> Facts {
        let other = doctor::Namespace { netns: NetNs(2), name: None, ..samples::clean() };
        samples::facts(vec![samples::clean(), other])
    }

    #[test]
    fn namespaces_can_be_chosen() {
        let count = |wanted: &[Namespace]| restricted(two(), wanted).unwrap().namespaces.len();
        assert_eq!(count(&[]), 2);
        assert_eq!(count(&[Namespace::Inode(NetNs(2))]), 1);
        assert_eq!(count(&[Namespace::Name("web".into())]), 1);
    }

    /// A router, and one whose keepalive it would forget.
    fn router_and_patient() -> Facts {
        let router = samples::with(&[
            ("net.ipv4.ip_forward", "1"),
            ("net.netfilter.nf_conntrack_tcp_timeout_established", "86400"),
        ]);
        let patient = samples::with(&[("net.ipv4.tcp_keepalive_time", "90000")]);
        let patient = doctor::Namespace { netns: NetNs(2), name: None, ..patient };
        samples::facts(vec![router, patient])
    }

    #[test]
    fn a_chosen_namespace_has_the_findings_it_has_among_all() {
        let all = doctor::findings(&router_and_patient());
        let codes: Vec<_> = all.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, ["conntrack-timeout-below-keepalive"]);
        let found = |wanted: &[Namespace]| found_in(wanted, all.clone());
        assert_eq!(found(&[]), all);
        assert_eq!(found(&[Namespace::Name("web".into())]), all);
        assert_eq!(found(&[Namespace::Inode(NetNs(2))]), []);
    }

    #[test]
    fn a_namespace_that_is_not_there_is_an_error_with_a_next_step() {
        let error = restricted(two(), &[Namespace::Inode(NetNs(3))]).unwrap_err().to_string();
        assert!(error.contains("without --netns shows all"), "{error}");
    }
}
