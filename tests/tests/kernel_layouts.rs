//! Do we find every field, parameter and number in every kernel we know? One golden per kernel:
//! `tests/kernels/<version>/layout.txt`. `BLESS=1` rewrites them; read the difference.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Result};
use tcpwatch::btf::{Btf, BtfError, Field};
use tcpwatch::source::Layout;
use tcpwatch_common::offsets::{ABSENT, ARGUMENTS, FIELDS as DECLARED};

#[test]
fn linux_5_10_is_laid_out_as_stored() -> Result<()> {
    check("5.10")
}

#[test]
fn linux_6_1_is_laid_out_as_stored() -> Result<()> {
    check("6.1")
}

#[test]
fn linux_6_12_is_laid_out_as_stored() -> Result<()> {
    check("6.12")
}

#[test]
fn linux_6_18_is_laid_out_as_stored() -> Result<()> {
    check("6.18")
}

#[test]
fn linux_7_2_is_laid_out_as_stored() -> Result<()> {
    check("7.2")
}

#[test]
fn every_stored_kernel_is_checked() -> Result<()> {
    let mut stored = Vec::new();
    for entry in fs::read_dir(kernels())? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            stored.push(entry.file_name().into_string().unwrap_or_default());
        }
    }
    stored.sort();
    assert_eq!(stored, ["5.10", "6.1", "6.12", "6.18", "7.2"]);
    Ok(())
}

fn check(version: &str) -> Result<()> {
    let folder = kernels().join(version);
    let found = layout(&load(&folder)?);
    let golden = folder.join("layout.txt");
    if env::var_os("BLESS").is_some() {
        fs::write(&golden, &found)?;
    }
    let stored = fs::read_to_string(&golden)
        .with_context(|| format!("{} is missing: BLESS=1 writes it", golden.display()))?;
    assert!(
        stored == found,
        "Linux {version} is read differently now:\n{}",
        changes(&stored, &found)
    );
    Ok(())
}

fn kernels() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels")
}

/// vmlinux, and the conntrack module where it has types of its own.
fn load(folder: &Path) -> Result<Btf> {
    let vmlinux = Btf::parse(fs::read(folder.join("vmlinux.btf"))?)?;
    match fs::read(folder.join("nf_conntrack.btf")) {
        Ok(module) => Ok(Btf::parse_split(module, &vmlinux)?),
        Err(_) => Ok(vmlinux),
    }
}

/// One line per question.
fn layout(btf: &Btf) -> String {
    let mut text = String::from("# field · byte offset (.bit) · bits\n");
    for path in FIELDS {
        line(&mut text, path, btf.member(path).map(place));
    }
    text.push_str("\n# function\n");
    for name in FUNCTIONS {
        line(&mut text, name, btf.function(name).map(|prototype| prototype.to_string()));
    }
    text.push_str("\n# tracepoint\n");
    for name in TRACEPOINTS {
        line(&mut text, name, btf.tracepoint(name).map(|prototype| prototype.to_string()));
    }
    text.push_str("\n# enum\n");
    for (name, value) in VALUES {
        line(&mut text, &format!("{name}.{value}"), number(btf, name, value));
    }
    text.push_str("\n# as the hooks get it (tcpwatch_common::offsets)\n");
    let layout = Layout::resolve(btf);
    let fields = DECLARED.iter().map(|field| field.name).zip(layout.offsets);
    let arguments = ARGUMENTS.iter().map(|(name, _)| *name).zip(layout.arguments);
    for (name, value) in fields.chain(arguments) {
        line(&mut text, name, Ok(told(value)));
    }
    for problem in &layout.problems {
        line(&mut text, "problem", Ok(problem.clone()));
    }
    text
}

fn told(value: u32) -> String {
    if value == ABSENT { "-".to_owned() } else { value.to_string() }
}

fn line(text: &mut String, question: &str, answer: Result<String, BtfError>) {
    let answer = match answer {
        Ok(answer) => answer,
        Err(BtfError::NoSuchType(_) | BtfError::NoSuchMember { .. }) => "-".to_owned(),
        Err(other) => other.to_string(),
    };
    writeln!(text, "{question:<50} {answer}").expect("a string has room");
}

fn place(field: Field) -> String {
    let (byte, bit, width) = (field.byte_offset(), field.bit_offset % 8, field.bit_width);
    if field.is_bitfield() { format!("{byte}.{bit} {width}") } else { format!("{byte} {width}") }
}

fn number(btf: &Btf, name: &str, value: &str) -> Result<String, BtfError> {
    let values = btf.enum_values(name)?;
    let found = values.iter().find(|(name, _)| name == value);
    Ok(found.map_or("-".to_owned(), |(_, number)| number.to_string()))
}

fn changes(stored: &str, found: &str) -> String {
    let lost = stored
        .lines()
        .filter(|line| !found.lines().any(|other| other == *line))
        .map(|line| format!("- {line}"));
    let new = found
        .lines()
        .filter(|line| !stored.lines().any(|other| other == *line))
        .map(|line| format!("+ {line}"));
    lost.chain(new).collect::<Vec<_>>().join("\n")
}

const FIELDS: &[&str] = &[
    "sock.__sk_common.skc_family",
    "sock.__sk_common.skc_state",
    "sock.__sk_common.skc_num",
    "sock.__sk_common.skc_dport",
    "sock.__sk_common.skc_daddr",
    "sock.__sk_common.skc_rcv_saddr",
    "sock.__sk_common.skc_v6_daddr",
    "sock.__sk_common.skc_v6_rcv_saddr",
    "sock.__sk_common.skc_net.net",
    "sock.__sk_common.skc_cookie",
    "sock.__sk_common.skc_bound_dev_if",
    "sock.__sk_common.skc_flags",
    "sock.__sk_common.skc_listener",
    "sock.__sk_common.skc_tw_rcv_nxt",
    "sock.__sk_common.skc_tw_snd_nxt",
    "sock.sk_err",
    "sock.sk_ack_backlog",
    "sock.sk_max_ack_backlog",
    "sock.sk_socket",
    "sock.sk_ino",
    "sock.sk_lingertime",
    "sock.sk_uid",
    "sock.sk_mark",
    "sock.sk_shutdown",
    "sock.sk_cgrp_data.cgroup",
    "sock.sk_cgrp_data.val",
    "inet_connection_sock.icsk_accept_queue.qlen",
    "inet_connection_sock.icsk_accept_queue.young",
    "inet_connection_sock.icsk_accept_queue.fastopenq.qlen",
    "inet_connection_sock.icsk_probes_out",
    "inet_connection_sock.icsk_user_timeout",
    "inet_connection_sock.icsk_retransmits",
    "tcp_sock.copied_seq",
    "tcp_sock.rcv_nxt",
    "tcp_sock.snd_una",
    "tcp_sock.snd_nxt",
    "tcp_sock.write_seq",
    "tcp_sock.bytes_received",
    "tcp_sock.bytes_acked",
    "tcp_sock.srtt_us",
    "tcp_sock.lsndtime",
    "tcp_sock.rcv_tstamp",
    "tcp_sock.linger2",
    "tcp_sock.repair",
    "tcp_sock.fastopen_rsk",
    "tcp_sock.is_mptcp",
    "request_sock.num_timeout",
    "request_sock.__req_common.skc_listener",
    "tcp_request_sock.snt_isn",
    "tcp_request_sock.rcv_isn",
    "inet_request_sock.acked",
    "inet_timewait_sock.tw_substate",
    "inet_timewait_sock.tw_mark",
    "tcp_timewait_sock.tw_ts_recent",
    "socket_alloc.vfs_inode.i_ino",
    "sk_buff.head",
    "sk_buff.transport_header",
    "sk_buff.network_header",
    "sk_buff.len",
    "sk_buff.dev",
    "sk_buff.protocol",
    "sk_buff.skb_iif",
    "sk_buff.mark",
    "sk_buff.tstamp",
    "sk_buff._nfct",
    "sk_buff._skb_refdst",
    "sk_buff.pkt_type",
    "sk_buff.cb[12]",
    "rtable.rt_type",
    "rt6_info.rt6i_flags",
    "net_device.ifindex",
    "net_device.name",
    "net.ns.inum",
    "net.ipv4.sysctl_tcp_abort_on_overflow",
    "nf_conn.tuplehash[0].tuple.src.u3",
    "nf_conn.tuplehash[1].tuple.src.u3",
    "nf_conn.tuplehash[1].tuple.src.u.all",
    "nf_conn.tuplehash[1].tuple.dst.u3",
    "nf_conn.tuplehash[1].tuple.dst.u.all",
    "nf_conn.tuplehash[0].tuple.src.l3num",
    "nf_conn.tuplehash[0].tuple.dst.protonum",
    "nf_conn.status",
    "nf_conn.timeout",
    "nf_conn.ct_net.net",
    "nf_conn.zone.id",
    "nf_conn.mark",
    "nf_conn.master",
    "nf_conn.ext",
    "nf_conn.proto.tcp.state",
    "nf_conn.proto.tcp.last_dir",
    "nf_conn.proto.tcp.last_index",
    "nf_conn.proto.tcp.last_win",
    "nf_conn.proto.tcp.retrans",
    "nf_conn.proto.tcp.seen[1].flags",
    "nf_ct_ext.offset",
    "nf_conn_tstamp.start",
    "nf_conn_tstamp.stop",
    "cgroup.kn",
    "kernfs_node.id",
    "task_struct.tgid",
    "task_struct.comm",
    "task_struct.flags",
    "task_struct.group_leader",
    "task_struct.signal",
    "task_struct.cred",
    "task_struct.exit_code",
    "cred.uid.val",
    "tcphdr.rst",
    "tcphdr.seq",
    "iphdr.saddr",
    "ipv6hdr.saddr",
];

const FUNCTIONS: &[&str] = &[
    "tcp_v4_syn_recv_sock",
    "tcp_v6_syn_recv_sock",
    "tcp_v4_send_reset",
    "tcp_v6_send_reset",
    "tcp_send_active_reset",
    "tcp_reset",
    "tcp_check_req",
    "tcp_timewait_state_process",
    "tcp_conn_request",
    "cookie_v4_check",
    "cookie_v6_check",
    "inet_csk_listen_start",
    "inet_csk_listen_stop",
    "inet_csk_accept",
    "__tcp_close",
    "tcp_abort",
    "tcp_out_of_resources",
    "tcp_keepalive_timer",
    "nf_conntrack_destroy",
    "nf_ct_destroy",
    "nf_ct_l4proto_log_invalid",
    "nf_send_reset",
    "nf_send_reset6",
];

const TRACEPOINTS: &[&str] = &[
    "tcp_send_reset",
    "tcp_receive_reset",
    "tcp_destroy_sock",
    "inet_sock_set_state",
    "inet_sk_error_report",
    "kfree_skb",
    "sched_process_exec",
    "sched_process_exit",
];

const VALUES: &[(&str, &str)] = &[
    ("sk_rst_reason", "SK_RST_REASON_NO_SOCKET"),
    ("sk_rst_reason", "SK_RST_REASON_TCP_FLAGS"),
    ("sk_rst_reason", "SK_RST_REASON_TCP_STATE"),
    ("sk_rst_reason", "SK_RST_REASON_INVALID_SYN"),
    ("skb_drop_reason", "SKB_DROP_REASON_NO_SOCKET"),
    ("skb_drop_reason", "SKB_DROP_REASON_TCP_LISTEN_OVERFLOW"),
    ("skb_drop_reason", "SKB_DROP_REASON_TCP_ABORT_ON_DATA"),
    ("nf_ct_ext_id", "NF_CT_EXT_TSTAMP"),
    ("tcp_conntrack", "TCP_CONNTRACK_ESTABLISHED"),
    ("tcp_conntrack", "TCP_CONNTRACK_TIME_WAIT"),
];
