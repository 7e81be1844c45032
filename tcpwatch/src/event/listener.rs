use serde::{Deserialize, Serialize};

use super::{
    AcceptQueue, Endpoint, Exit, Flow, NetNs, Owner, PacketId, Segment, Socket, SocketId, Time,
};

/// A socket that listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Listener {
    /// Bound address and port; the unspecified address means any.
    pub local: Endpoint,
    /// An IPv6 socket that refuses IPv4 (`IPV6_V6ONLY`).
    pub v6only: bool,
    pub accept_queue: AcceptQueue,
    /// `None` when it comes from sock_diag, which shows no kernel address.
    pub socket: Option<SocketId>,
    pub inode: Option<u64>,
    /// Cgroup v2 id of the socket.
    pub cgroup: Option<u64>,
}

/// A listener was found, opened or closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ListenerChange {
    pub time: Time,
    pub netns: NetNs,
    pub listener: Listener,
    /// Who holds it (found), opened it, or closed it.
    pub owner: Option<Owner>,
    /// Closed by the end of its process.
    pub exit: Option<Exit>,
}

/// The last ACK of a handshake found the accept queue full.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AcceptQueueOverflowed {
    pub time: Time,
    pub netns: NetNs,
    pub flow: Flow,
    /// The listener; `None` when the way of attaching shows no socket.
    pub listener: Option<Socket>,
    /// The ACK that was dropped; it may carry data.
    pub segment: Segment,
    pub packet: PacketId,
}

impl AcceptQueueOverflowed {
    /// The queue as it was, where the hook shows it.
    pub fn queue(&self) -> Option<AcceptQueue> {
        self.listener?.accept_queue
    }
}
