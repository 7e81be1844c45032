//! Where the fields lie that the hooks read: declared once, resolved from the running kernel's BTF.
//!
//! The loader walks [`FIELDS`] and [`ARGUMENTS`], fills one `[u32; N]` each and freezes them as the read-only
//! globals `OFFSETS` and `ARGUMENTS` of the BPF object, so the verifier sees constants and folds absent
//! fields away. Absent is [`ABSENT`], never 0.

/// This kernel has no such field (or no such argument).
pub const ABSENT: u32 = u32::MAX;

/// One row of the table: a field of the kernel and how the hooks will load it.
pub struct Field {
    /// The name in [`Offsets`].
    pub name: &'static str,
    /// BTF path: struct, then members; `[n]` indexes an array.
    pub path: &'static str,
    /// What is loaded there; the loader refuses a field of another width.
    pub width: Width,
}

/// How many bytes a hook loads at an offset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Width {
    /// Whole bytes: 1, 2, 4, 8 or 16.
    Bytes(u32),
    /// A single bit: the value is a bit offset from the start of the struct.
    Bit,
    /// An embedded struct that is only stepped over: any size.
    Inside,
}

macro_rules! offsets {
    ($($name:ident: $width:expr, $path:literal;)*) => {
        /// Byte offsets of the fields (bit offsets where the width is [`Width::Bit`]); `ABSENT` when missing.
        #[repr(C)]
        #[derive(Clone, Copy)]
        pub struct Offsets { $(#[doc = $path] pub $name: u32,)* }

        impl Offsets {
            /// No field is known.
            pub const UNRESOLVED: Self = Self { $($name: ABSENT,)* };
        }

        /// The table, in the order of the struct.
        pub const FIELDS: &[Field] = &[$(Field { name: stringify!($name), path: $path, width: $width },)*];
    };
}

use Width::{Bit, Bytes, Inside};

offsets! {
    // struct sock_common: shared by full, request and timewait sockets (include/net/sock.h).
    family: Bytes(2), "sock_common.skc_family";
    state: Bytes(1), "sock_common.skc_state";
    v6only: Bit, "sock_common.skc_ipv6only";
    local_port: Bytes(2), "sock_common.skc_num";
    remote_port: Bytes(2), "sock_common.skc_dport";
    local_v4: Bytes(4), "sock_common.skc_rcv_saddr";
    remote_v4: Bytes(4), "sock_common.skc_daddr";
    local_v6: Bytes(16), "sock_common.skc_v6_rcv_saddr";
    remote_v6: Bytes(16), "sock_common.skc_v6_daddr";
    net: Bytes(8), "sock_common.skc_net.net";
    flags: Bytes(8), "sock_common.skc_flags";
    // struct net (include/net/net_namespace.h).
    netns_inode: Bytes(4), "net.ns.inum";
    // struct sock: full sockets only.
    accept_len: Bytes(4), "sock.sk_ack_backlog";
    accept_limit: Bytes(4), "sock.sk_max_ack_backlog";
    // IPPROTO_TCP, or IPPROTO_MPTCP whose sockets pass the same tracepoint.
    protocol: Bytes(2), "sock.sk_protocol";
    socket: Bytes(8), "sock.sk_socket";
    // `struct file`, whose count of references says whether it is being closed; renamed in 6.13.
    socket_file: Bytes(8), "socket.file";
    file_count: Bytes(8), "file.f_count";
    file_ref: Bytes(8), "file.f_ref";
    lock_owned: Bytes(4), "sock.sk_lock.owned";
    linger_time: Bytes(8), "sock.sk_lingertime";
    // The latest packet of the receive queue; the queue itself where there is none.
    receive_queue: Inside, "sock.sk_receive_queue";
    receive_queue_last: Bytes(8), "sock.sk_receive_queue.prev";
    reuseport: Bytes(8), "sock.sk_reuseport_cb";
    // 6.18 and later keep the inode number here; before, it is reached through the socket.
    inode: Bytes(8), "sock.sk_ino";
    cgroup: Bytes(8), "sock.sk_cgrp_data.cgroup";
    cgroup_kn: Bytes(8), "cgroup.kn";
    kernfs_id: Bytes(8), "kernfs_node.id";
    socket_inode: Inside, "socket_alloc.vfs_inode";
    inode_number: Bytes(8), "inode.i_ino";
    // struct inet_sock, inet_connection_sock and tcp_sock. Closing gives an unbound port back and clears
    // `skc_num` before the RST is sent (net/ipv4/inet_hashtables.c, `__inet_put_port`); the source port stays.
    source_port: Bytes(2), "inet_sock.inet_sport";
    syn_len: Bytes(4), "inet_connection_sock.icsk_accept_queue.qlen";
    retransmits: Bytes(1), "inet_connection_sock.icsk_retransmits";
    probes: Bytes(1), "inet_connection_sock.icsk_probes_out";
    user_timeout: Bytes(4), "inet_connection_sock.icsk_user_timeout";
    rcv_nxt: Bytes(4), "tcp_sock.rcv_nxt";
    copied_seq: Bytes(4), "tcp_sock.copied_seq";
    snd_una: Bytes(4), "tcp_sock.snd_una";
    snd_nxt: Bytes(4), "tcp_sock.snd_nxt";
    write_seq: Bytes(4), "tcp_sock.write_seq";
    last_ack: Bytes(4), "tcp_sock.rcv_tstamp";
    linger2: Bytes(4), "tcp_sock.linger2";
    // Absent where the kernel is built without MPTCP.
    is_mptcp: Bytes(1), "tcp_sock.is_mptcp";
    // struct proto: what all TCP sockets of the host share.
    proto: Bytes(8), "sock_common.skc_prot";
    memory_allocated: Bytes(8), "proto.memory_allocated";
    memory_limits: Bytes(8), "proto.sysctl_mem";
    bytes_received: Bytes(8), "tcp_sock.bytes_received";
    bytes_sent: Bytes(8), "tcp_sock.bytes_sent";
    // In ticks.
    data_received_at: Bytes(4), "inet_connection_sock.icsk_ack.lrcvtime";
    data_sent_at: Bytes(4), "tcp_sock.lsndtime";
    heard_at: Bytes(4), "tcp_sock.rcv_tstamp";
    // In nanoseconds.
    transmitted_at: Bytes(8), "tcp_sock.tcp_wstamp_ns";
    // A listener keeps there when its SYN queue last overflowed (include/net/tcp.h, `tcp_synq_overflow`).
    cookies_at: Bytes(4), "tcp_sock.rx_opt.ts_recent_stamp";
    tw_substate: Bytes(1), "inet_timewait_sock.tw_substate";
    tw_snd_nxt: Bytes(4), "sock_common.skc_tw_snd_nxt";
    // In seconds: when the peer's timestamp was last kept. 6.14 brought the time it was made, in milliseconds.
    tw_heard_at: Bytes(4), "tcp_timewait_sock.tw_ts_recent_stamp";
    tw_made_at: Bytes(4), "inet_timewait_sock.tw_entry_stamp";
    // struct tcp_request_sock: a handshake that is not complete (include/linux/tcp.h).
    request_sent: Bytes(4), "tcp_request_sock.snt_isn";
    request_expects: Bytes(4), "tcp_request_sock.rcv_nxt";
    // struct sk_buff.
    skb_head: Bytes(8), "sk_buff.head";
    skb_len: Bytes(4), "sk_buff.len";
    skb_protocol: Bytes(2), "sk_buff.protocol";
    skb_transport: Bytes(2), "sk_buff.transport_header";
    skb_network: Bytes(2), "sk_buff.network_header";
    skb_dev: Bytes(8), "sk_buff.dev";
    skb_dst: Bytes(8), "sk_buff._skb_refdst";
    skb_nfct: Bytes(8), "sk_buff._nfct";
    dev_net: Bytes(8), "net_device.nd_net.net";
    dev_name: Bytes(16), "net_device.name";
    dst_dev: Bytes(8), "dst_entry.dev";
    route_type: Bytes(2), "rtable.rt_type";
    route6_flags: Bytes(4), "rt6_info.rt6i_flags";
    // struct nf_conn (include/net/netfilter/nf_conntrack.h).
    ct_status: Bytes(8), "nf_conn.status";
    ct_timeout: Bytes(4), "nf_conn.timeout";
    ct_net: Bytes(8), "nf_conn.ct_net.net";
    ct_original: Inside, "nf_conn.tuplehash[0].tuple";
    ct_reply: Inside, "nf_conn.tuplehash[1].tuple";
    ct_tcp_state: Bytes(1), "nf_conn.proto.tcp.state";
    ct_zone: Bytes(2), "nf_conn.zone.id";
    tuple_source: Bytes(16), "nf_conntrack_tuple.src.u3";
    tuple_source_port: Bytes(2), "nf_conntrack_tuple.src.u.all";
    tuple_family: Bytes(2), "nf_conntrack_tuple.src.l3num";
    tuple_destination: Bytes(16), "nf_conntrack_tuple.dst.u3";
    tuple_destination_port: Bytes(2), "nf_conntrack_tuple.dst.u.all";
    tuple_protocol: Bytes(1), "nf_conntrack_tuple.dst.protonum";
    // struct task_struct.
    task_flags: Bytes(4), "task_struct.flags";
    task_exit_code: Bytes(4), "task_struct.exit_code";
    task_signal: Bytes(8), "task_struct.signal";
    signal_oom_mm: Bytes(8), "signal_struct.oom_mm";
    task_nsproxy: Bytes(8), "task_struct.nsproxy";
    nsproxy_net: Bytes(8), "nsproxy.net_ns";
    // struct pid (include/linux/pid.h): the numbers of one task, one for each pid namespace it is seen from.
    task_pid: Bytes(8), "task_struct.thread_pid";
    pid_level: Bytes(4), "pid.level";
    pid_numbers: Inside, "pid.numbers";
    upid_number: Bytes(4), "upid.nr";
}

/// One row: an argument whose position, or a value or size whose number, differs between kernels.
pub enum Query {
    /// Index of the parameter of `function` whose type is `enum name`.
    EnumParameter { function: &'static str, name: &'static str },
    /// Index of the parameter of `function` that points to `struct name`.
    StructParameter { function: &'static str, name: &'static str },
    /// The same for the arguments of a BTF tracepoint (without the hidden first one).
    TracepointEnumParameter { tracepoint: &'static str, name: &'static str },
    /// How many arguments the function takes: behind them an exit hook finds the return value.
    FunctionArity { function: &'static str },
    /// How many arguments the tracepoint passes.
    TracepointArity { tracepoint: &'static str },
    /// The number behind an enumerator.
    EnumValue { name: &'static str, value: &'static str },
    /// How many bytes `struct name` takes: the step from one element of an array to the next.
    StructSize { name: &'static str },
}

macro_rules! arguments {
    ($($(#[doc = $doc:literal])* $name:ident: $query:expr;)*) => {
        /// Argument positions, enum numbers and sizes of the running kernel; `ABSENT` when it has none.
        #[repr(C)]
        #[derive(Clone, Copy)]
        pub struct Arguments { $($(#[doc = $doc])* pub $name: u32,)* }

        impl Arguments {
            /// Nothing is known.
            pub const UNRESOLVED: Self = Self { $($name: ABSENT,)* };
        }

        /// The queries, in the order of the struct.
        pub const ARGUMENTS: &[(&str, Query)] = &[$((stringify!($name), $query),)*];
    };
}

arguments! {
    /// `tcp_v4_send_reset`: index of the reset reason (6.10 and later).
    send_reset_reason: Query::EnumParameter { function: "tcp_v4_send_reset", name: "sk_rst_reason" };
    /// `tcp_send_active_reset`: index of the reset reason; four signatures are in the wild.
    active_reset_reason: Query::EnumParameter { function: "tcp_send_active_reset", name: "sk_rst_reason" };
    /// Tracepoint `tcp_send_reset`: index of the reset reason.
    tp_send_reset_reason: Query::TracepointEnumParameter { tracepoint: "tcp_send_reset", name: "sk_rst_reason" };
    /// `tcp_reset`: index of the packet (5.10 has none).
    tcp_reset_packet: Query::StructParameter { function: "tcp_reset", name: "sk_buff" };
    /// `tcp_check_req`: index of the handshake.
    check_req_request: Query::StructParameter { function: "tcp_check_req", name: "request_sock" };
    /// `inet_csk_listen_start`: argument count (the second, `backlog`, went in 6.0).
    listen_start_arity: Query::FunctionArity { function: "inet_csk_listen_start" };
    /// Tracepoint `kfree_skb`: index of the drop reason.
    tp_kfree_skb_reason: Query::TracepointEnumParameter { tracepoint: "kfree_skb", name: "skb_drop_reason" };
    /// Tracepoint `kfree_skb`: argument count (the fourth, from 6.11, is the receiving socket).
    tp_kfree_skb_arity: Query::TracepointArity { tracepoint: "kfree_skb" };
    /// `SKB_DROP_REASON_TCP_LISTEN_OVERFLOW`.
    drop_listen_overflow: Query::EnumValue { name: "skb_drop_reason", value: "SKB_DROP_REASON_TCP_LISTEN_OVERFLOW" };
    /// `struct upid`: one number of a task.
    upid_size: Query::StructSize { name: "upid" };
}

// The loader overwrites both structs as arrays of words.
const _: () = assert!(size_of::<Offsets>() == 4 * FIELDS.len());
const _: () = assert!(size_of::<Arguments>() == 4 * ARGUMENTS.len());
