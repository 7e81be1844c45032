use tcpwatch_common::wire::{self, socket_flag, socket_kind};

use super::Malformed;
use crate::event::{AcceptQueue, Socket, SocketId, SocketKind, TcpState};

/// `None` where the hook was given no socket.
pub(super) fn socket(socket: &wire::Socket) -> Result<Option<Socket>, Malformed> {
    let kind = match socket.kind {
        socket_kind::NONE => return Ok(None),
        socket_kind::FULL => SocketKind::Full,
        socket_kind::TIME_WAIT => SocketKind::TimeWait,
        socket_kind::REQUEST => SocketKind::Request,
        other => return Err(Malformed::UnknownSocketKind(other)),
    };
    let state = TcpState::from_kernel(socket.state);
    let listens = state == TcpState::Listen;
    Ok(Some(Socket {
        id: SocketId(socket.id),
        kind,
        state,
        substate: (kind == SocketKind::TimeWait).then(|| TcpState::from_kernel(socket.substate)),
        owned: socket.flags & socket_flag::OWNED != 0,
        dead: socket.flags & socket_flag::DEAD != 0,
        peer_ended: socket.flags & socket_flag::PEER_ENDED != 0,
        keepalive: socket.flags & socket_flag::KEEPALIVE != 0,
        linger_zero: socket.flags & socket_flag::LINGER_ZERO != 0,
        inode: present(socket.inode),
        cgroup: present(socket.cgroup),
        accept_queue: listens.then(|| accept_queue(socket)),
        syn_queue_len: listens.then_some(socket.syn_len),
    }))
}

/// Where a record cannot be without a socket.
pub(super) fn required(wire: &wire::Socket) -> Result<Socket, Malformed> {
    socket(wire)?.ok_or(Malformed::UnknownSocketKind(socket_kind::NONE))
}

pub(super) fn accept_queue(socket: &wire::Socket) -> AcceptQueue {
    AcceptQueue { len: socket.accept_len, limit: socket.accept_limit }
}

/// The wire's 0 for "unknown".
pub(super) fn present(number: u64) -> Option<u64> {
    (number != 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_listener_has_queues_and_no_one_else_has() {
        let listener = socket(&sample::listener()).unwrap().unwrap();
        assert_eq!(listener.accept_queue, Some(AcceptQueue { len: 3, limit: 2 }));
        assert_eq!(listener.syn_queue_len, Some(5));
        assert_eq!(listener.inode, Some(4711));
        assert!(listener.owned && !listener.dead && !listener.linger_zero);
        let connection = wire::Socket { state: 1, ..sample::listener() };
        assert_eq!(socket(&connection).unwrap().unwrap().accept_queue, None);
    }

    #[test]
    fn a_time_wait_socket_tells_its_substate() {
        let record = wire::Socket {
            kind: socket_kind::TIME_WAIT,
            state: 6,
            substate: 5,
            ..sample::listener()
        };
        assert_eq!(socket(&record).unwrap().unwrap().substate, Some(TcpState::FinWait2));
    }

    #[test]
    fn no_socket_is_none_and_a_strange_one_is_malformed() {
        let none = wire::Socket { kind: socket_kind::NONE, ..sample::listener() };
        assert_eq!(socket(&none), Ok(None));
        assert_eq!(required(&none), Err(Malformed::UnknownSocketKind(0)));
        let strange = wire::Socket { kind: 9, ..none };
        assert_eq!(socket(&strange), Err(Malformed::UnknownSocketKind(9)));
    }
}
