use std::time::Duration;

use tcpwatch_common::wire::{self, UNKNOWN, socket_flag};

use crate::event::Conversation;

/// `None` where the socket holds no conversation, or (TIME_WAIT) no longer knows of it.
pub(super) fn conversation(
    told: &wire::Conversation,
    socket: &wire::Socket,
) -> Option<Box<Conversation>> {
    // The kernel counts the FIN with the data (net/ipv4/tcp_input.c, `tcp_rcv_nxt_update`).
    let fin = u32::from(socket.flags & socket_flag::PEER_ENDED != 0);
    Some(Box::new(Conversation {
        received_ago: span(told.received_ago)?,
        sent_ago: span(told.sent_ago)?,
        heard_ago: span(told.heard_ago)?,
        transmitted_ago: span(told.transmitted_ago)?,
        received: told.received.saturating_sub(fin),
        sent: told.sent,
        snd_una: told.snd_una,
        snd_nxt: told.snd_nxt,
    }))
}

/// Milliseconds.
pub(super) fn span(ms: u32) -> Option<Duration> {
    (ms != UNKNOWN).then(|| Duration::from_millis(ms.into()))
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_fin_is_no_data() {
        let (told, socket) = (sample::conversation(), sample::listener());
        assert_eq!(conversation(&told, &socket).unwrap().received, 120);
        let flags = socket.flags | socket_flag::PEER_ENDED;
        let ended = wire::Socket { flags, ..socket };
        let talk = conversation(&told, &ended).unwrap();
        assert_eq!((talk.received, talk.sent, talk.unacknowledged()), (119, 4096, 10));
        assert_eq!(talk.idle(), Duration::from_mins(1));
    }

    #[test]
    fn who_keeps_no_times_keeps_no_conversation() {
        let told = wire::Conversation { received_ago: UNKNOWN, ..sample::conversation() };
        assert_eq!(conversation(&told, &sample::listener()), None);
    }
}
