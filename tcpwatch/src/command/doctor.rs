//! `tcpwatch doctor`: what can be seen here, and what will produce resets.

use std::io::{self, Write};

use anyhow::{Context, bail};

use super::stdout::Stdout;
use super::view::WIDTH;
use super::{CANNOT_WRITE, GateNotMet, netns};
use crate::cli::{Doctor, Output};
use crate::doctor::{self, Facts, Finding};
use crate::filter::Namespace;
use crate::sink::{Paint, doctor as page, json_line};
use crate::source;

pub(super) fn run(args: &Doctor) -> anyhow::Result<()> {
    let wanted = args.netns.iter().map(netns::look_up).collect::<Result<Vec<_>, _>>()?;
    let (btf, host_root) = (args.btf.clone(), args.host_root.clone());
    let options = source::Options { btf, host_root, avoid: Vec::new() };
    let facts = restricted(source::examine(&options), &wanted)?;
    let findings = doctor::findings(&facts);
    show(&facts, &findings, args.output).context(CANNOT_WRITE)?;
    if findings.is_empty() { Ok(()) } else { Err(GateNotMet.into()) }
}

/// The facts of these namespaces; none given means all.
fn restricted(mut facts: Facts, wanted: &[Namespace]) -> anyhow::Result<Facts> {
    if wanted.is_empty() {
        return Ok(facts);
    }
    facts
        .namespaces
        .retain(|here| wanted.iter().any(|wanted| wanted.is(here.netns, here.name.as_deref())));
    if facts.namespaces.is_empty() {
        bail!(
            "no such network namespace is here. `tcpwatch doctor` without --netns shows all of them"
        );
    }
    Ok(facts)
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
    use crate::event::NetNs;

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

    #[test]
    fn a_namespace_that_is_not_there_is_an_error_with_a_next_step() {
        let error = restricted(two(), &[Namespace::Inode(NetNs(3))]).unwrap_err().to_string();
        assert!(error.contains("without --netns shows all"), "{error}");
    }
}
