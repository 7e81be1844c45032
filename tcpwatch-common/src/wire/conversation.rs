/// How far a connection had come, read from its socket; not from a request socket.
///
/// Spans are in milliseconds before the record was made, [`UNKNOWN`] where the kernel keeps no such time.
#[repr(C)]
#[derive(Clone, Copy)]
#[cfg_attr(
    feature = "decode",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct Conversation {
    /// Data arrived last (`icsk_ack.lrcvtime`); before any has, the connection was made.
    pub received_ago: u32,
    /// Data was sent last (`tcp_sock.lsndtime`); before any was, the connection was made.
    pub sent_ago: u32,
    /// An acknowledgement arrived last (`tcp_sock.rcv_tstamp`). The only span a TIME_WAIT socket keeps, and
    /// before 6.14 only as whole seconds: there it is the acknowledgement of our FIN.
    pub heard_ago: u32,
    /// Any segment was sent last (`tcp_sock.tcp_wstamp_ns`): a FIN after the data. For a listener: a SYN+ACK with a
    /// cookie.
    pub transmitted_ago: u32,
    /// Bytes taken in order (`tcp_sock.bytes_received`), at most `u32::MAX`; a FIN counts as one.
    pub received: u32,
    /// Bytes of data sent, repetitions too (`tcp_sock.bytes_sent`), at most `u32::MAX`.
    pub sent: u32,
    /// The first sequence number that was not acknowledged.
    pub snd_una: u32,
    /// The next sequence number to be sent.
    pub snd_nxt: u32,
}

const _: () = assert!(size_of::<Conversation>() == 32);

/// The value of a span that is not known.
pub const UNKNOWN: u32 = u32::MAX;
