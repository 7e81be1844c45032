//! What a packet's comment says: the explanation, as one would read it beside the packet.

use std::fmt::Write;

use crate::event::{Acknowledged, Time};
use crate::explain::verdict::{Amendment, Explanation, Finding, Verdict};
use crate::sink::clock::Span;
use crate::sink::{Clean, evidence};

/// Why this reset happened, with the proof and what to do; or what would have told.
pub(super) fn of_verdict(verdict: &Verdict) -> String {
    let mut text = format!("#{}", verdict.id);
    if let Some(other) = verdict.joined {
        _ = write!(text, ", the other end of #{other}");
    }
    if let Some(peer) = &verdict.peer {
        _ = write!(text, " on {}", Clean(&peer.host.hostname));
    }
    match &verdict.finding {
        Finding::Explained(best) => write_explanation(&mut text, best, verdict.evidence_time()),
        Finding::Unexplained { missing } => {
            _ = write!(text, ": unexplained: {}", verdict.mechanism.sentence());
            for (index, item) in missing.iter().enumerate() {
                _ = write!(text, "\n{} not seen: {}", index + 1, Clean(item));
            }
        }
    }
    if verdict.rst.ack == Acknowledged::Unseen {
        text.push_str(
            "\nthe packet: whether and what it acknowledged was not seen; written without ACK",
        );
    }
    text
}

/// What became known later.
pub(super) fn of_amendment(amendment: &Amendment, verdict: &Verdict) -> String {
    let later = Span(amendment.time.since(verdict.time));
    let mut text = format!("#{} amended {later} later", verdict.id);
    write_explanation(&mut text, &amendment.explanation, verdict.time);
    text
}

fn write_explanation(text: &mut String, explanation: &Explanation, reset: Time) {
    let Explanation { certainty, cause } = explanation;
    _ = write!(text, ": {} ({certainty}): {}", cause.code(), Clean(cause));
    for (index, line) in cause.evidence().iter().enumerate() {
        _ = write!(text, "\n{} {}", index + 1, evidence::line(line, Some(reset)));
    }
    let remedy = cause.remedy();
    _ = write!(text, "\nnow: {}\nfix: {}", Clean(remedy.now), Clean(remedy.fix));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::story::{Story, expired};
    use crate::sink::samples;

    #[test]
    fn an_explanation_with_its_proof() {
        assert_eq!(
            of_verdict(&samples::explained()),
            "\
#17: no-listener (observed): nothing listens on 10.0.0.1:80; the port is open on 127.0.0.1:80 only
1 tcp: SYN to 10.0.0.1:80 found no socket
2 listener: port 80 is open on 127.0.0.1:80 only
now: the server takes connections from its own host only; see whether that is meant
fix: bind what is dialled: 0.0.0.0 and [::] (no IPV6_V6ONLY), not loopback or one family"
        );
    }

    #[test]
    fn without_a_cause_it_says_what_was_not_seen() {
        assert_eq!(
            of_verdict(&samples::unexplained()),
            "\
#19: unexplained: a segment without connection reached a LISTEN socket
1 not seen: no dropped handshake of this connection in the 31 s watched
2 not seen: the beginning of this connection"
        );
    }

    #[test]
    fn evidence_bears_its_age() {
        let (client, service) = ("10.0.0.9:40000", "10.96.0.1:80");
        let story = Story::new().finds("0.0.0.0:80");
        let story = story.loses_entry(client, service, "10.0.0.2:80", expired()).after(60_000);
        let verdict = story.data_meets_listener("10.0.0.1:80", client, 5).verdicts().remove(0);
        let said = of_verdict(&verdict);
        assert!(said.starts_with("#1: conntrack-expired (inferred): "), "{said}");
        assert!(said.contains("\n2 conntrack, 60.0 s before: entry removed, "), "{said}");
    }

    #[test]
    fn the_other_end_may_be_another_host() {
        let said = of_verdict(&samples::received_elsewhere());
        assert!(said.starts_with("#18, the other end of #17 on node1: no-listener"), "{said}");
    }

    #[test]
    fn an_amendment_says_how_much_later() {
        let said = of_amendment(&samples::amendment(), &samples::explained());
        let head =
            "#17 amended 3.0 s later: not-yet-listening (observed): 0.0.0.0:80 opened 3.000 s";
        assert!(said.starts_with(head), "{said}");
    }

    #[test]
    fn what_the_packet_could_not_be_given_is_said() {
        let mut verdict = samples::received();
        verdict.rst.ack = Acknowledged::Unseen;
        let said = of_verdict(&verdict);
        assert!(said.starts_with("#18, the other end of #17: no-listener"), "{said}");
        assert!(said.ends_with("was not seen; written without ACK"), "{said}");
    }
}
