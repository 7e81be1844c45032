//! Which hooks are there, in how many ways can each be attached, and what is lost without it?
//!
//! Ways stand best first; the first that works is kept. That a way exists says nothing about a kernel: only
//! attaching does.

use crate::event::{Fact, Way};

/// One row: a fact, and the ways to learn it.
pub(super) struct Hook {
    pub(super) fact: Fact,
    /// What one greps the kernel for.
    pub(super) name: &'static str,
    pub(super) ways: &'static [Attachment],
    /// What makes the facts truer, whichever way tells them.
    pub(super) helpers: &'static [Helper],
    /// The module that may hold the function: attached when it comes.
    pub(super) module: Option<&'static str>,
    /// What can no longer be told when no way works.
    pub(super) without_it: &'static str,
}

/// One way: all of its programs, or none.
pub(super) struct Attachment {
    pub(super) way: Way,
    pub(super) needs: Need,
    pub(super) parts: &'static [Part],
    pub(super) limits: &'static [Limit],
}

/// Programs that tell nothing themselves and see nothing more: without them a fact lacks a detail.
pub(super) struct Helper {
    pub(super) how: Attachment,
    /// The detail.
    pub(super) without_it: &'static str,
}

/// One program at one place.
pub(super) struct Part {
    pub(super) program: &'static str,
    /// Function or tracepoint.
    pub(super) target: &'static str,
    /// What is not seen where this kernel has no such place; empty: then the way does not work.
    pub(super) if_absent: &'static str,
}

/// What a way cannot see.
pub(super) struct Limit {
    /// Unless the kernel has this.
    pub(super) unless: Need,
    pub(super) sentence: &'static str,
}

/// Something of this kernel.
#[derive(Clone, Copy)]
pub(super) enum Need {
    Nothing,
    /// What no kernel has.
    TheImpossible,
    /// A name in `tcpwatch_common::offsets::ARGUMENTS`.
    Argument(&'static str),
}

pub(super) const HOOKS: &[Hook] = &[
    Hook {
        fact: Fact::RstSent,
        name: "tcp_v4_send_reset, tcp_v6_send_reset",
        ways: &[
            Attachment {
                way: Way::Fentry,
                needs: Need::Nothing,
                parts: &[
                    part("rst_sent_v4_fentry", "tcp_v4_send_reset"),
                    v6("rst_sent_v6_fentry", "tcp_v6_send_reset"),
                ],
                limits: &[],
            },
            Attachment {
                way: Way::Kprobe,
                needs: Need::Nothing,
                parts: &[
                    part("rst_sent_v4_kprobe", "tcp_v4_send_reset"),
                    v6("rst_sent_v6_kprobe", "tcp_v6_send_reset"),
                ],
                limits: &[],
            },
            Attachment {
                way: Way::Tracepoint,
                needs: Need::Nothing,
                parts: &[part("rst_sent_tracepoint", "tcp_send_reset")],
                limits: &[Limit {
                    unless: Need::Argument("tp_send_reset_reason"),
                    sentence: "resets in answer to segments without a socket (closed port, TIME_WAIT) are \
                               not seen",
                }],
            },
        ],
        helpers: &[],
        module: None,
        without_it: "no reset in answer to a segment is seen: closed ports, overflows, lost connections",
    },
    Hook {
        fact: Fact::ConnectionAborted,
        name: "tcp_send_active_reset",
        ways: &[
            Attachment {
                way: Way::Fentry,
                needs: Need::Nothing,
                parts: &[part("connection_aborted_fentry", "tcp_send_active_reset")],
                limits: &[],
            },
            Attachment {
                way: Way::Kprobe,
                needs: Need::Nothing,
                parts: &[part("connection_aborted_kprobe", "tcp_send_active_reset")],
                limits: &[],
            },
            Attachment {
                way: Way::Tracepoint,
                needs: Need::Nothing,
                parts: &[part("connection_aborted_tracepoint", "tcp_send_reset")],
                limits: &[],
            },
        ],
        helpers: &[],
        module: None,
        without_it: "no connection that this host gives up is seen: unread data, linger, killed processes",
    },
    Hook {
        fact: Fact::RstReceived,
        name: "tcp_reset",
        ways: &[
            Attachment {
                way: Way::Fentry,
                needs: Need::Nothing,
                parts: &[part("rst_received_fentry", "tcp_reset")],
                limits: &[Limit {
                    unless: Need::Argument("tcp_reset_packet"),
                    sentence: NO_PACKET,
                }],
            },
            Attachment {
                way: Way::Kprobe,
                needs: Need::Nothing,
                parts: &[part("rst_received_kprobe", "tcp_reset")],
                limits: &[Limit {
                    unless: Need::Argument("tcp_reset_packet"),
                    sentence: NO_PACKET,
                }],
            },
            Attachment {
                way: Way::Tracepoint,
                needs: Need::Nothing,
                parts: &[part("rst_received_tracepoint", "tcp_receive_reset")],
                limits: &[Limit { unless: Need::TheImpossible, sentence: NO_PACKET }],
            },
        ],
        helpers: &[],
        module: None,
        without_it: "no reset from a peer is seen",
    },
    Hook {
        fact: Fact::AcceptQueueOverflowed,
        name: "tcp_v4_syn_recv_sock, tcp_v6_syn_recv_sock",
        ways: &[
            Attachment {
                way: Way::Fentry,
                needs: Need::Nothing,
                parts: &[
                    part("accept_queue_overflowed_v4_fentry", "tcp_v4_syn_recv_sock"),
                    v6("accept_queue_overflowed_v6_fentry", "tcp_v6_syn_recv_sock"),
                ],
                limits: &[],
            },
            Attachment {
                way: Way::Kprobe,
                needs: Need::Nothing,
                parts: &[
                    part("accept_queue_overflowed_v4_kprobe", "tcp_v4_syn_recv_sock"),
                    v6("accept_queue_overflowed_v6_kprobe", "tcp_v6_syn_recv_sock"),
                ],
                limits: &[],
            },
            Attachment {
                way: Way::Tracepoint,
                needs: Need::Argument("drop_listen_overflow"),
                parts: &[part("accept_queue_overflowed_tracepoint", "kfree_skb")],
                // Not seen: connections that came in on a SYN cookie, dropped as NO_SOCKET
                // (net/ipv4/syncookies.c, `cookie_v4_check`). That does not blind us to the causes of resets: as
                // long as the cookie is good, data of such a connection is dropped or accepted, never answered
                // with a RST.
                limits: &[],
            },
        ],
        helpers: &[],
        module: None,
        without_it: "an overflowing accept queue is not seen, so the resets it leads to are unexplained",
    },
    Hook {
        fact: Fact::HandshakeAckRefused,
        name: "tcp_check_req",
        ways: &[
            Attachment {
                way: Way::Fentry,
                needs: Need::Argument("check_req_request"),
                parts: &[part("handshake_spoiled_fentry", "tcp_check_req")],
                limits: &[],
            },
            Attachment {
                way: Way::Kprobe,
                needs: Need::Argument("check_req_request"),
                parts: &[part("handshake_spoiled_kprobe", "tcp_check_req")],
                limits: &[],
            },
        ],
        helpers: &[],
        module: None,
        without_it: "a handshake that its client resets is not seen; a wrong last ACK looks like any \
                     segment without connection",
    },
    Hook {
        fact: Fact::Listeners,
        name: "inet_csk_listen_start, inet_csk_listen_stop",
        ways: &[
            Attachment {
                way: Way::Fentry,
                needs: Need::Nothing,
                parts: &[
                    part("listener_opened_fentry", "inet_csk_listen_start"),
                    part("listener_closed_fentry", "inet_csk_listen_stop"),
                ],
                limits: &[],
            },
            Attachment {
                way: Way::Kprobe,
                needs: Need::Nothing,
                parts: &[
                    part("listener_opened_kprobe", "inet_csk_listen_start"),
                    part("listener_closed_kprobe", "inet_csk_listen_stop"),
                ],
                limits: &[],
            },
            Attachment {
                way: Way::Tracepoint,
                needs: Need::Nothing,
                parts: &[part("listener_changed_tracepoint", "inet_sock_set_state")],
                limits: &[],
            },
        ],
        helpers: &[],
        module: None,
        without_it: "listeners are known only as they were at the start; who opened or closed one is not",
    },
    Hook {
        fact: Fact::ConntrackDestroyed,
        name: "nf_ct_destroy",
        ways: &[
            // Only where conntrack is built in: functions of a module are in its own BTF.
            Attachment {
                way: Way::Fentry,
                needs: Need::Nothing,
                parts: &[part("conntrack_destroyed_fentry", "nf_ct_destroy")],
                limits: &[],
            },
            Attachment {
                way: Way::Kprobe,
                needs: Need::Nothing,
                parts: &[part("conntrack_destroyed_kprobe", "nf_ct_destroy")],
                limits: &[],
            },
            // Its name before 5.17.
            Attachment {
                way: Way::Kprobe,
                needs: Need::Nothing,
                parts: &[part("conntrack_destroyed_early_kprobe", "destroy_conntrack")],
                limits: &[],
            },
        ],
        helpers: &[
            // Its parts stand and fall together: what begins must end.
            Helper {
                how: Attachment {
                    way: Way::Kprobe,
                    needs: Need::Nothing,
                    parts: &[
                        part("conntrack_cleanup_begins_kprobe", "nf_ct_iterate_cleanup"),
                        part("conntrack_cleanup_ends_kprobe", "nf_ct_iterate_cleanup"),
                    ],
                    limits: &[],
                },
                without_it: "who flushes a conntrack table is not known",
            },
            Helper {
                how: Attachment {
                    way: Way::Kprobe,
                    needs: Need::Nothing,
                    parts: &[part("conntrack_deleted_kprobe", "nf_ct_delete")],
                    limits: &[],
                },
                without_it: "who deletes a single conntrack entry is not known",
            },
        ],
        module: Some("nf_conntrack"),
        without_it: "connections that lose their conntrack entry, and with it their translation, are not \
                     explained",
    },
];

/// For conntrack messages: they number who asked, and cannot wait for us.
pub(super) const ENDED: Helper = Helper {
    how: Attachment {
        way: Way::Tracepoint,
        needs: Need::Nothing,
        parts: &[part("process_ended_tracepoint", "sched_process_exit")],
        limits: &[],
    },
    without_it: "who removes conntrack entries is known only if it lives on",
};

const NO_PACKET: &str = "the packet is not seen: data after shutdown looks like a reset from the peer, and \
                         the TTL is unknown";

const fn part(program: &'static str, target: &'static str) -> Part {
    Part { program, target, if_absent: "" }
}

/// A kernel may come without IPv6.
const fn v6(program: &'static str, target: &'static str) -> Part {
    Part { program, target, if_absent: "IPv6 is not seen: this kernel has it not, or as a module" }
}
