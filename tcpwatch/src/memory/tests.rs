//! What the tests of several rooms need.

use crate::event::{AcceptQueue, Endpoint, Event, Listener, ListenerChange, NetNs, Owner, Time};

pub(crate) fn listener(local: Endpoint) -> Listener {
    Listener {
        local,
        v6only: false,
        accept_queue: AcceptQueue { len: 0, limit: 128 },
        socket: None,
        inode: None,
        cgroup: None,
    }
}

pub(crate) fn owner(pid: u32, command: &str) -> Owner {
    Owner { pid, command: command.into(), cgroup: None }
}

pub(crate) fn change(ms: u64, local: Endpoint) -> ListenerChange {
    ListenerChange {
        time: Time(ms * 1_000_000),
        netns: NetNs(1),
        listener: listener(local),
        owner: Some(owner(77, "nginx")),
        exit: None,
    }
}

pub(crate) fn listener_opened(ms: u64) -> Event {
    Event::ListenerOpened(change(ms, Endpoint::new([0, 0, 0, 0], 80)))
}
