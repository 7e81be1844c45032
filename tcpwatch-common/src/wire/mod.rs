//! The records that cross the ring buffers, one file each.
//!
//! Every record starts with a [`Header`]; padding is explicit so that no stale kernel memory leaves the
//! ring; no record is longer than [`MAX_RECORD`] bytes.

mod accept_queue_overflowed;
mod connection_aborted;
mod conntrack_destroyed;
mod conntrack_invalid;
mod conversation;
mod ended;
mod flow;
mod handshake_ack_refused;
mod header;
mod listener;
mod losses;
mod packet_rejected;
mod rst_received;
mod rst_sent;
mod segment;
mod socket;
mod task;

pub use accept_queue_overflowed::AcceptQueueOverflowed;
pub use connection_aborted::{ConnectionAborted, abort_flag, socket_file};
pub use conntrack_destroyed::ConntrackDestroyed;
pub use conntrack_invalid::ConntrackInvalid;
pub use conversation::{Conversation, UNKNOWN};
pub use ended::{Ended, OwnNumber};
pub use flow::{Address, Flow, Tuple};
pub use handshake_ack_refused::HandshakeAckRefused;
pub use header::{Header, kind, way};
pub use listener::Listener;
pub use losses::{LOSS_SLOTS, Losses};
pub use packet_rejected::{DeviceName, LINK_LAYER, PacketRejected};
pub use rst_received::RstReceived;
pub use rst_sent::RstSent;
pub use segment::Segment;
pub use socket::{Socket, socket_flag, socket_kind};
pub use task::Task;

/// Bytes: the longest record a ring carries.
pub const MAX_RECORD: usize = 160;

/// A kernel enum value that the hook was not given (older kernels pass no reset reason).
pub const NOT_GIVEN: i32 = -1;
