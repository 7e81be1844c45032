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
        Mechanism::NeverAccepted => vec![absent(case, &case.emptied_listener(), Fact::Listeners, "no end of the listener in whose queue it waited")],
        Mechanism::CloseWithUnreadData => vec!["unread data: all that was received had been read, and the kernel found some all the same".into()],
        Mechanism::Destroyed => vec!["who: the kernel destroyed it in somebody's name, or for a socket of its own (SMC)".into()],
        Mechanism::Disconnected => vec!["who: the kernel dissolved the connection in somebody's name".into()],
        Mechanism::FinWait2Timeout => vec!["why the peer kept its end open: this host had closed its own, and waited net.ipv4.tcp_fin_timeout".into()],
        Mechanism::MptcpSubflow => vec!["why MPTCP gave up this subflow: the connection above it is not watched".into()],
        Mechanism::OtherAbort => vec!["the place in the kernel: state, lock and file of the socket fit none we know, or more than one".into()],
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
