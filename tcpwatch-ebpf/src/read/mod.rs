//! How is kernel memory read? One view per kernel struct, the same for every way of attaching.

mod context;
mod conversation;
pub(crate) mod layout;
mod memory;
mod net;
mod nf_conn;
mod request;
mod skb;
mod sock;
mod task;
mod tcp_header;

pub(crate) use context::Context;
pub(crate) use conversation::describe_conversation;
pub(crate) use layout::{argument, field};
pub(crate) use memory::{Probe, Read};
pub(crate) use net::Net;
pub(crate) use nf_conn::{CONFIRMED, NfConn};
pub(crate) use request::Request;
pub(crate) use skb::Skb;
pub(crate) use sock::{CLOSE, LISTEN, Queue, Sock, describe_maybe};
pub(crate) use task::{
    TaskStruct, describe_current, describe_nobody, is_exiting, is_oom_victim, is_user_task,
};
pub(crate) use tcp_header::TcpHeader;
