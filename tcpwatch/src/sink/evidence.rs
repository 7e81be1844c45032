//! Evidence as lines of text, as every format for people tells it.

use super::clock::Span;
use super::escape::Clean;
use crate::event::Time;
use crate::explain::verdict::Evidence;

/// `conntrack, 701 ms before: entry deleted`: one line, whatever names are in it. Without the time of the reset there
/// is no age to tell.
pub(super) fn line(evidence: &Evidence, reset: Option<Time>) -> String {
    let text = Clean(&evidence.text);
    match evidence.at.zip(reset) {
        Some((at, reset)) => format!("{}, {}: {text}", evidence.source, age(reset, at)),
        None => format!("{}: {text}", evidence.source),
    }
}

/// How long before the reset, or after.
pub(super) fn age(reset: Time, at: Time) -> String {
    let span = Span(reset.distance(at));
    if at <= reset { format!("{span} before") } else { format!("{span} after") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_bears_its_age() {
        let reset = Time(100_000_000_000);
        assert_eq!(age(reset, Time(87_700_000_000)), "12.3 s before");
        assert_eq!(age(reset, Time(100_040_000_000)), "40 ms after");
    }

    #[test]
    fn a_line_stays_one_line() {
        let reset = Some(Time(100_000_000_000));
        assert_eq!(line(&Evidence::new("tcp", "a\nb"), reset), r"tcp: a\nb");
        let aged = Evidence::at("conntrack", Time(99_299_000_000), "entry deleted by x\u{1b}[2J");
        assert_eq!(line(&aged, reset), r"conntrack, 701 ms before: entry deleted by x\u{1b}[2J");
        assert_eq!(line(&aged, None), r"conntrack: entry deleted by x\u{1b}[2J");
    }
}
