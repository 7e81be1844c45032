use tcpwatch_common::wire;

use super::{
    Malformed,
    flow::address,
    socket::{accept_queue, present},
    task::{exit, task},
};
use crate::event::{Endpoint, Listener, ListenerChange, NetNs, Owner, SocketId, Time};

/// Opened or closed: the kind said which.
pub(super) fn decode(record: &wire::Listener) -> Result<ListenerChange, Malformed> {
    Ok(ListenerChange {
        time: Time(record.header.time),
        netns: NetNs(record.header.netns),
        listener: Listener {
            local: Endpoint::new(address(record.version, record.local)?, record.port),
            v6only: record.v6only != 0,
            accept_queue: accept_queue(&record.socket),
            socket: Some(SocketId(record.socket.id)),
            inode: present(record.socket.inode),
            cgroup: present(record.socket.cgroup),
        },
        owner: Some(Owner::from(&task(&record.task))),
        exit: exit(&record.task),
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::event::Exit;

    #[test]
    fn who_opened_what() {
        let change = decode(&sample::listener_opened()).unwrap();
        assert_eq!(change.listener.local.to_string(), "[::]:8080");
        assert!(!change.listener.v6only);
        assert_eq!(change.listener.accept_queue.limit, 2);
        assert_eq!(change.listener.inode, Some(4711));
        assert_eq!(change.owner.unwrap().command, "nginx");
        assert_eq!(change.exit, None);
    }

    #[test]
    fn closed_by_the_end_of_its_process() {
        let mut record = sample::listener_opened();
        (record.task.flags, record.task.exit_code) = (4, 9);
        assert_eq!(decode(&record).unwrap().exit, Some(Exit::Signal(9)));
    }
}
