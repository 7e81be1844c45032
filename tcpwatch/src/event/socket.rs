use std::fmt;

use serde::{Deserialize, Serialize};

/// Kernel address of a sock: an identity among living sockets, reused soon after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SocketId(#[serde(with = "super::address")] pub u64);

/// What a hook read from the socket it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Socket {
    pub id: SocketId,
    pub kind: SocketKind,
    pub state: TcpState,
    /// For a TIME_WAIT socket: FIN_WAIT2 or TIME_WAIT.
    pub substate: Option<TcpState>,
    /// A file owns it. False: orphan, or never accepted.
    pub owned: bool,
    /// `SOCK_DEAD`: detached from its file.
    pub dead: bool,
    /// The peer's FIN has arrived.
    #[serde(default)]
    pub peer_ended: bool,
    /// TCP keepalive is on (`SO_KEEPALIVE`).
    pub keepalive: bool,
    /// `SO_LINGER` with a time of zero.
    pub linger_zero: bool,
    /// Socket inode number, as in `/proc/PID/fd`.
    pub inode: Option<u64>,
    /// Cgroup v2 id of the socket: the inode number of the cgroup's directory.
    pub cgroup: Option<u64>,
    /// Listeners only.
    pub accept_queue: Option<AcceptQueue>,
    /// Listeners only: request sockets that wait for the final ACK.
    pub syn_queue_len: Option<u32>,
}

/// What has become of the file through which a process holds a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SocketFile {
    #[default]
    Unknown,
    /// There is none: an orphan, never accepted, or a socket of the kernel's own.
    None,
    /// Somebody refers to it.
    Open,
    /// Its last reference is gone: it is being closed.
    Released,
}

/// Which of the structs behind `sock_common` it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SocketKind {
    Full,
    TimeWait,
    Request,
}

/// Connections that completed the handshake and wait for `accept()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AcceptQueue {
    /// Connections waiting.
    pub len: u32,
    /// `min(backlog, somaxconn)` at `listen()`.
    pub limit: u32,
}

impl AcceptQueue {
    /// The kernel lets one more in than the limit says (include/net/sock.h, `sk_acceptq_is_full`: `>`).
    pub fn is_full(self) -> bool {
        self.len > self.limit
    }
}

impl fmt::Display for AcceptQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.len, self.limit)
    }
}

/// States of include/net/tcp_states.h, in the kernel's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TcpState {
    Established,
    SynSent,
    SynRecv,
    #[serde(rename = "FIN_WAIT1")]
    FinWait1,
    #[serde(rename = "FIN_WAIT2")]
    FinWait2,
    TimeWait,
    Close,
    CloseWait,
    LastAck,
    Listen,
    Closing,
    NewSynRecv,
    /// A number this version does not know.
    Unknown,
}

impl TcpState {
    pub fn from_kernel(number: u8) -> Self {
        match number {
            1 => Self::Established,
            2 => Self::SynSent,
            3 => Self::SynRecv,
            4 => Self::FinWait1,
            5 => Self::FinWait2,
            6 => Self::TimeWait,
            7 => Self::Close,
            8 => Self::CloseWait,
            9 => Self::LastAck,
            10 => Self::Listen,
            11 => Self::Closing,
            12 => Self::NewSynRecv,
            _ => Self::Unknown,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Established => "ESTABLISHED",
            Self::SynSent => "SYN_SENT",
            Self::SynRecv => "SYN_RECV",
            Self::FinWait1 => "FIN_WAIT1",
            Self::FinWait2 => "FIN_WAIT2",
            Self::TimeWait => "TIME_WAIT",
            Self::Close => "CLOSE",
            Self::CloseWait => "CLOSE_WAIT",
            Self::LastAck => "LAST_ACK",
            Self::Listen => "LISTEN",
            Self::Closing => "CLOSING",
            Self::NewSynRecv => "NEW_SYN_RECV",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for TcpState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
