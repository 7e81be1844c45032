//! What was not seen, and would have decided? The honest end of a case without a cause.

use super::case::Case;
use super::mechanism::Mechanism;
use crate::event::Fact;
use crate::memory::Seen;

/// What would have explained this reset, each as a sentence; never empty.
pub fn missing(case: &Case<'_>) -> Vec<String> {
    match case.mechanism() {
        Mechanism::AckToListener => vec![
            absent(case, &case.overflow_of_connection(), Fact::AcceptQueueOverflowed, "no dropped handshake of this connection"),
            absent(case, &case.lost_translation(), Fact::ConntrackDestroyed, "no conntrack entry of this connection died"),
            "the beginning of this connection: made before this run, on another host, or never (a scan)".into(),
        ],
        Mechanism::SegmentToNoSocket => vec![
            absent(case, &case.lost_translation(), Fact::ConntrackDestroyed, "no conntrack entry of this connection died"),
            absent(case, &case.invalid_packet(), Fact::ConntrackInvalid, "conntrack found no fault with this segment"),
            "the end of the socket this segment was meant for: closed sockets are not remembered by this version".into(),
        ],
        Mechanism::SynToNoSocket => vec![no_socket(case)],
        Mechanism::HandshakeRefused => vec!["a full accept queue: the handshake failed for another reason (memory, route)".into()],
        other => vec![format!("a rule for \"{other}\": this version names the mechanism only")],
    }
}

/// Not seen, or not to be seen: two different sentences.
fn absent<T>(case: &Case<'_>, seen: &Seen<T>, fact: Fact, sentence: &str) -> String {
    match seen {
        Seen::Yes(_) => format!("{fact}: seen, but they do not fit this reset"),
        Seen::No => format!("{sentence} in the {:.0} s watched", case.watched().as_secs_f64()),
        Seen::Blind => match case.blind_spot(fact) {
            Some(blind) => format!("{fact}: {blind}"),
            None => format!("{fact}: events were lost, so not having seen one proves nothing"),
        },
    }
}

fn no_socket(case: &Case<'_>) -> String {
    match case.listener() {
        Seen::Yes(known) => format!(
            "why {} did not take it: bound to a device, or to another routing domain?",
            known.listener.local
        ),
        Seen::No => "the kernel's reason for refusing a port without listener".into(),
        Seen::Blind => {
            "the listeners of this namespace: their list is not complete, or changes were missed"
                .into()
        }
    }
}
