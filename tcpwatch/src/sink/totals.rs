//! The account of a run as text: ours against the kernel's.

use std::io::{self, Write};
use std::time::Duration;

use super::Summary;
use super::escape::Clean;
use super::paint::{Ink, Paint};
use crate::explain::verdict::{NamespaceTotals, Skew};

/// Writes the block that ends every text output.
pub(super) fn write_totals(
    out: &mut Vec<u8>,
    summary: &Summary<'_>,
    paint: Paint,
) -> io::Result<()> {
    let totals = summary.totals;
    let heading = paint.with(Ink::Heading, "totals");
    let (explained, unexplained, lost) = (totals.explained, totals.unexplained, totals.lost);
    write!(out, "{heading}    {explained} explained, {unexplained} unexplained, {lost} lost")?;
    if summary.hidden > 0 {
        write!(out, "; {} not shown (filters, --count)", summary.hidden)?;
    }
    writeln!(out)?;
    write_causes(out, summary)?;
    totals.namespaces.iter().try_for_each(|namespace| write_namespace(out, namespace))?;
    totals.skews.iter().try_for_each(|skew| write_skew(out, skew))?;
    summary
        .cpu
        .map_or(Ok(()), |cpu| writeln!(out, "  cpu     {:.3} s of our own", cpu.as_secs_f64()))
}

fn write_causes(out: &mut Vec<u8>, summary: &Summary<'_>) -> io::Result<()> {
    let mut causes: Vec<_> = summary.totals.causes.iter().collect();
    causes.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    causes.into_iter().try_for_each(|(code, count)| writeln!(out, "  cause   {code}: {count}"))
}

fn write_namespace(out: &mut Vec<u8>, namespace: &NamespaceTotals) -> io::Result<()> {
    writeln!(out, "  netns   {}", account(namespace))
}

/// One namespace: ours against the kernel's.
pub(super) fn account(namespace: &NamespaceTotals) -> String {
    let (netns, sent) = (namespace.netns, namespace.sent);
    let netns = match &namespace.name {
        Some(name) => format!("{} ({netns})", Clean(name)),
        None => netns.to_string(),
    };
    let netns = match &namespace.host {
        Some(host) => format!("{} {netns}", Clean(host)),
        None => netns,
    };
    match (namespace.out_rsts, namespace.difference) {
        (Some(kernel), Some(difference)) => {
            format!("{netns}: {sent} sent, kernel OutRsts {kernel}, difference {difference}")
        }
        _ => format!(
            "{netns}: {sent} sent, kernel OutRsts not known (it was gone, or read only once)"
        ),
    }
}

fn write_skew(out: &mut Vec<u8>, skew: &Skew) -> io::Result<()> {
    let (host, reference) = (Clean(&skew.host), Clean(&skew.reference));
    let (apart, resets) = (apart(skew.ahead_ns.unsigned_abs()), skew.resets);
    let way = if skew.ahead_ns < 0 { "behind" } else { "ahead of" };
    writeln!(
        out,
        "  clocks  {host} is {apart} {way} {reference}, by {resets} resets seen at both ends"
    )
}

/// A span in which tenths of a millisecond count.
fn apart(nanos: u64) -> String {
    let span = Duration::from_nanos(nanos);
    if span < Duration::from_secs(1) {
        format!("{:.1} ms", span.as_secs_f64() * 1e3)
    } else {
        format!("{:.3} s", span.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::samples;

    #[test]
    fn several_hosts_are_called_by_name_and_their_clocks_compared() {
        let mut totals = samples::totals();
        totals.namespaces[0].host = Some("web-1".into());
        let skew = |ahead_ns| Skew {
            host: "db-1".into(),
            reference: "web-1".into(),
            ahead_ns,
            resets: 34,
        };
        totals.skews = vec![skew(-11_980_000), skew(2_000_400_000)];
        let mut out = Vec::new();
        write_totals(&mut out, &samples::summary(&totals), Paint::PLAIN).unwrap();
        let text = String::from_utf8(out).unwrap();
        for line in [
            "  netns   web-1 shop (net:[4026532201]): 400 sent",
            "  clocks  db-1 is 12.0 ms behind web-1, by 34 resets seen at both ends\n",
            "  clocks  db-1 is 2.000 s ahead of web-1, by 34 resets seen at both ends\n",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn the_account_is_complete() {
        let mut out = Vec::new();
        let totals = samples::totals();
        write_totals(&mut out, &samples::summary(&totals), Paint::PLAIN).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\
totals    412 explained, 3 unexplained, 24 lost; 5 not shown (filters, --count)
  cause   no-listener: 400
  cause   accept-queue-overflow: 6
  cause   conntrack-expired: 6
  netns   shop (net:[4026532201]): 400 sent, kernel OutRsts 402, difference 2
  netns   net:[4026532202]: 12 sent, kernel OutRsts not known (it was gone, or read only once)
  cpu     0.213 s of our own
"
        );
    }
}
