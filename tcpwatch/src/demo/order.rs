//! What an actor can be told to do: one line of JSON each, answered by one line.

use std::net::SocketAddrV4;

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Order {
    /// Listen; `backlog` as in listen(2).
    Listen { address: SocketAddrV4, backlog: i32 },
    /// Leave every handshake open until the client's first data. What a long way does in life, this does here: many
    /// handshakes are under way at the same time.
    HoldHandshakes,
    /// Let handshakes end as usual.
    LetHandshakesEnd,
    /// Accept so many connections, and hold them.
    Accept { count: usize },
    /// Dial so many times, one after the other, and hold what is connected. The answer: how many are.
    Dial { to: SocketAddrV4, count: usize },
    /// Send a request on every connection held.
    Say,
    /// Read a request on every connection held, and answer it.
    Reply,
    /// Read an answer on every connection held.
    Hear,
    /// Wait until so many of the connections held have been reset, and drop these.
    AwaitResets { count: usize },
    /// Close every connection held.
    HangUp,
}

/// A number where the order asks for one, else 0; or why it could not be done.
pub(super) type Answer = Result<usize, String>;
