//! What was not seen, and would have decided? The honest end of a case without a cause.

use super::case::Case;
use super::mechanism::Mechanism;
use crate::event::Fact;
use crate::memory::Seen;

/// What would have explained this reset, each as a sentence; never empty.
pub fn missing(case: &Case<'_>) -> Vec<String> {
    match case.mechanism() {
        Mechanism::AckToListener => ack_to_listener(case),
        Mechanism::SegmentToNoSocket => vec![
            absent(case, &case.lost_translation(), Fact::ConntrackDestroyed, "no conntrack entry of this connection died"),
            absent(case, &case.invalid_packet(), Fact::ConntrackInvalid, "conntrack found no fault with this segment"),
            "the end of the socket this segment was meant for: this host was not seen to reset that connection, and what closes in order is not watched".into(),
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
        Mechanism::DataAfterClose => vec![data_after_close(case).into()],
        Mechanism::SegmentToTimeWait => vec!["what is left of the connection tells neither of data nor of a new connection that came too late".into()],
        Mechanism::BadAckToSyn => vec![bad_ack_to_syn(case).into()],
        Mechanism::BadHandshakeAck => vec!["the number the handshake asked for: what the ACK brought does not differ, or it is not known".into()],
        Mechanism::SynDuringHandshake => vec!["why a segment that is more than a SYN came in the middle of a handshake".into()],
        Mechanism::FromPeer => sender(case),
        other => vec![format!("a rule for \"{other}\": this version names the mechanism only")],
    }
}

fn ack_to_listener(case: &Case<'_>) -> Vec<String> {
    let overflow = case.overflow_of_connection();
    let mut lines = vec![
        absent(
            case,
            &overflow,
            Fact::AcceptQueueOverflowed,
            "no dropped handshake of this connection",
        ),
        absent(
            case,
            &case.lost_translation(),
            Fact::ConntrackDestroyed,
            "no conntrack entry of this connection died",
        ),
    ];
    // Seen would be told as another mechanism, and not seen decides nothing.
    if let blind @ Seen::Blind = case.ack_refused() {
        lines.push(absent(case, &blind, Fact::HandshakeAckRefused, ""));
    }
    lines.push("the beginning of this connection: made before this run, on another host, or never (a scan)".into());
    lines
}

/// Not seen, or not to be seen: two different sentences.
fn absent<T>(case: &Case<'_>, seen: &Seen<T>, fact: Fact, sentence: &str) -> String {
    match seen {
        Seen::Yes(_) => format!("{fact}: seen, but they do not fit this reset"),
        Seen::No => format!("{sentence} in the {:.0} s watched", case.watched().as_secs_f64()),
        Seen::Blind => unseen(case, fact),
    }
}

fn unseen(case: &Case<'_>, fact: Fact) -> String {
    match case.blind_spot(fact) {
        Some(blind) => format!("{fact}: {blind}"),
        None if case.namespace().is_none() => {
            format!("{fact}: this network namespace was gone before it could be looked at")
        }
        None => format!("{fact}: events were lost, so not having seen one proves nothing"),
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

fn data_after_close(case: &Case<'_>) -> &'static str {
    let ended = case.reply().and_then(|rst| rst.socket).is_some_and(|socket| socket.peer_ended);
    if ended {
        "why the peer sent more after its own end: no orderly TCP does"
    } else {
        "why a segment without data was refused: a socket with TCP_LINGER2 below zero does so when its FIN is acknowledged"
    }
}

fn bad_ack_to_syn(case: &Case<'_>) -> &'static str {
    let syn_ack = case.reply().is_some_and(|rst| rst.segment.flags.syn());
    if syn_ack {
        "whose SYN it was that this SYN+ACK acknowledges: an older one from this port, or one that a device sent in its name"
    } else {
        "what was wrong with the answer to our SYN: its acknowledgement fits, so its timestamp did not (PAWS)"
    }
}

/// Whoever sent it, it cannot be laid at somebody else's door.
fn sender(case: &Case<'_>) -> Vec<String> {
    if case.is_here(case.flow().remote.addr) {
        let sentence = "the sender: its address is one of this host's, but no TCP was seen to send this reset (a REJECT rule here, or a program that writes packets itself)";
        return vec![sentence.into()];
    }
    let mut lines: Vec<_> = case.unseen_senders().map(|fact| unseen(case, fact)).collect();
    if !case.would_know_sender() {
        lines.push("the sender: one of this host's own resets, translated on the way, would not be known again (too many at a time, or an old recording)".into());
    }
    lines
}
