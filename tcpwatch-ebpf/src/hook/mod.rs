//! The hooks, one file per kernel event, named after the function. None knows another.

mod early_drop;
mod inet_csk_listen;
mod nf_ct_delete;
mod nf_ct_destroy;
mod nf_ct_iterate_cleanup;
mod nf_ct_l4proto_log_invalid;
mod nf_send_reset;
mod sched_process_exit;
mod syn_recv_sock;
mod tcp_check_req;
mod tcp_reset;
mod tcp_send_active_reset;
mod tcp_send_reset;
