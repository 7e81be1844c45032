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
    /// The module that holds the function, unless it is built in: attached when it comes.
    pub(super) module: Option<&'static str>,
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

impl Hook {
    /// The modules that hold its functions, each with one of them.
    pub(super) fn modules(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let parts = self.ways.iter().flat_map(|way| way.parts);
        parts.filter_map(|part| Some((part.module?, part.target)))
    }

    /// Its programs run for little else than what they tell. Others run for each connection or each dropped packet and
    /// leave at once: when one of those is passed over, it is a fact of ours once in a million.
    pub(super) fn is_cold(&self, way: Way) -> bool {
        match self.fact {
            Fact::AcceptQueueOverflowed | Fact::ConntrackDestroyed => false,
            Fact::Listeners => way != Way::Tracepoint,
            _ => true,
        }
    }
}

pub(super) const HOOKS: &[Hook] = &[
    Hook {
        fact: Fact::RstSent,
        name: "tcp_v4_send_reset, tcp_v6_send_reset",
        ways: &[
            // Where it tells all resets (it gives reasons since then) it is truer than the functions, which decide by
            // signatures too (TCP-MD5, TCP-AO) whether they answer at all: it stands behind that.
            Attachment {
                way: Way::Tracepoint,
                needs: Need::Argument("tp_send_reset_reason"),
                parts: &[part("rst_sent_tracepoint", "tcp_send_reset")],
                limits: &[],
            },
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
                    unless: Need::TheImpossible,
                    sentence: "resets in answer to segments without a socket (closed port, TIME_WAIT) are \
                               not seen",
                }],
            },
        ],
        helpers: &[],
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
                    part("listener_opened_fexit", "inet_csk_listen_start"),
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
                parts: &[conntrack("conntrack_destroyed_fentry", "nf_ct_destroy")],
                limits: &[],
            },
            Attachment {
                way: Way::Kprobe,
                needs: Need::Nothing,
                parts: &[conntrack("conntrack_destroyed_kprobe", "nf_ct_destroy")],
                limits: &[],
            },
            // Its name before 5.17.
            Attachment {
                way: Way::Kprobe,
                needs: Need::Nothing,
                parts: &[conntrack("conntrack_destroyed_early_kprobe", "destroy_conntrack")],
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
            // What begins must end, here too.
            Helper {
                how: Attachment {
                    way: Way::Kprobe,
                    needs: Need::Nothing,
                    parts: &[
                        part("conntrack_eviction_begins_kprobe", "early_drop"),
                        part("conntrack_eviction_ends_kprobe", "early_drop"),
                    ],
                    limits: &[],
                },
                without_it: "an entry dropped for want of room is known by the table's counters only",
            },
        ],
        without_it: "connections that lose their conntrack entry, and with it their translation, are not \
                     explained",
    },
    Hook {
        fact: Fact::PacketRejected,
        name: "nf_send_reset, nf_send_reset6",
        ways: &[
            // Only where they are built in, as above.
            Attachment {
                way: Way::Fentry,
                needs: Need::Nothing,
                parts: &[
                    reject_v4("packet_rejected_v4_fentry", "nf_send_reset"),
                    reject_v6("packet_rejected_v6_fentry", "nf_send_reset6"),
                    Part {
                        if_absent: NO_LINK_LAYER,
                        ..reject_v4("packet_rejected_link_v4_fentry", "nf_reject_skb_v4_tcp_reset")
                    },
                    Part {
                        if_absent: NO_LINK_LAYER,
                        ..reject_v6("packet_rejected_link_v6_fentry", "nf_reject_skb_v6_tcp_reset")
                    },
                ],
                limits: &[],
            },
            Attachment {
                way: Way::Kprobe,
                needs: Need::Nothing,
                parts: &[
                    reject_v4("packet_rejected_v4_kprobe", "nf_send_reset"),
                    reject_v6("packet_rejected_v6_kprobe", "nf_send_reset6"),
                    Part {
                        if_absent: NO_LINK_LAYER,
                        ..reject_v4("packet_rejected_link_v4_kprobe", "nf_reject_skb_v4_tcp_reset")
                    },
                    Part {
                        if_absent: NO_LINK_LAYER,
                        ..reject_v6("packet_rejected_link_v6_kprobe", "nf_reject_skb_v6_tcp_reset")
                    },
                ],
                limits: &[],
            },
        ],
        helpers: &[],
        without_it: "resets sent by firewall rules (reject with tcp reset) are not seen: one received here may come \
                     from a rule of this very host",
    },
    Hook {
        fact: Fact::ConntrackInvalid,
        name: "nf_ct_l4proto_log_invalid",
        ways: &[Attachment {
            way: Way::Kprobe,
            needs: Need::Nothing,
            parts: &[conntrack("conntrack_invalid_kprobe", "nf_ct_l4proto_log_invalid")],
            limits: &[],
        }],
        helpers: &[],
        without_it: "packets that conntrack finds invalid, and so does not translate, are not seen",
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

/// Before 5.11 bridges had code of their own.
const NO_LINK_LAYER: &str = "resets sent by rules of bridges are not seen";

const fn part(program: &'static str, target: &'static str) -> Part {
    Part { program, target, module: None, if_absent: "" }
}

/// A kernel may come without IPv6.
const fn v6(program: &'static str, target: &'static str) -> Part {
    let if_absent = "IPv6 is not seen: this kernel has it not, or as a module";
    Part { if_absent, ..part(program, target) }
}

const fn conntrack(program: &'static str, target: &'static str) -> Part {
    Part { module: Some("nf_conntrack"), ..part(program, target) }
}

const fn reject_v4(program: &'static str, target: &'static str) -> Part {
    Part { module: Some("nf_reject_ipv4"), ..part(program, target) }
}

const fn reject_v6(program: &'static str, target: &'static str) -> Part {
    Part { module: Some("nf_reject_ipv6"), ..part(program, target) }
}
