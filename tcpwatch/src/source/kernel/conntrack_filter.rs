//! Which deaths are worth a copy, decided in the kernel?
//!
//! Every connection through conntrack ends in a DESTROY message, each DNS query too. This classic socket filter lets
//! pass what [`super::ctnetlink::parse`] would keep: TCP, in a state from SYN_SENT to CLOSE_WAIT. What it cannot
//! tell passes, and is looked at here.

use socket2::SockFilter;

use super::ctnetlink::{
    CTA_PROTO_NUM, CTA_PROTOINFO, CTA_PROTOINFO_TCP, CTA_PROTOINFO_TCP_STATE, CTA_TUPLE_ORIG,
    CTA_TUPLE_PROTO, IPPROTO_TCP, NFGENMSG,
};

/// The program. Attribute look-ups are kernel extensions (net/core/filter.c, `bpf_skb_get_nlattr`,
/// `bpf_skb_get_nlattr_nest`): A = where to look, X = the type; then A = where it was found, 0 = nowhere.
pub(super) fn program() -> Vec<SockFilter> {
    let protocol = [CTA_TUPLE_ORIG, CTA_TUPLE_PROTO, CTA_PROTO_NUM];
    let state = [CTA_PROTOINFO, CTA_PROTOINFO_TCP, CTA_PROTOINFO_TCP_STATE];
    let mut program = Vec::new();
    load(&mut program, protocol);
    jump(&mut program, JUMP_EQUAL, IPPROTO_TCP.into(), Next, Refuse);
    load(&mut program, state);
    jump(&mut program, JUMP_EQUAL, 0, Refuse, Next);
    jump(&mut program, JUMP_GREATER, CLOSE_WAIT, Refuse, Pass);
    debug_assert_eq!(program.len(), PASS);
    program.push(SockFilter::new(RETURN, 0, 0, u32::MAX));
    program.push(SockFilter::new(RETURN, 0, 0, 0));
    program
}

/// A = the first byte of the attribute at this path; passes when there is none.
fn load(program: &mut Vec<SockFilter>, path: [u16; 3]) {
    let lookups = [NLATTR, NLATTR_NEST, NLATTR_NEST];
    program.push(SockFilter::new(LOAD_IMMEDIATE, 0, 0, ATTRIBUTES));
    for (kind, lookup) in path.into_iter().zip(lookups) {
        program.push(SockFilter::new(LOAD_X_IMMEDIATE, 0, 0, kind.into()));
        program.push(SockFilter::new(LOAD_WORD, 0, 0, lookup));
        jump(program, JUMP_EQUAL, 0, Pass, Next);
    }
    program.push(SockFilter::new(A_TO_X, 0, 0, 0));
    program.push(SockFilter::new(LOAD_BYTE_AT_X, 0, 0, NLA_HEADER));
}

/// Where a jump leads.
#[derive(Clone, Copy)]
enum Target {
    Next,
    Pass,
    Refuse,
}
use Target::{Next, Pass, Refuse};

fn jump(program: &mut Vec<SockFilter>, code: u16, k: u32, when: Target, otherwise: Target) {
    let here = program.len();
    program.push(SockFilter::new(code, when.from(here), otherwise.from(here), k));
}

impl Target {
    /// Jumps are counted from the next instruction.
    fn from(self, here: usize) -> u8 {
        let target = match self {
            Self::Next => here + 1,
            Self::Pass => PASS,
            Self::Refuse => PASS + 1,
        };
        u8::try_from(target - here - 1).unwrap_or(u8::MAX)
    }
}

/// Index of the instruction that lets pass; the refusing one follows.
const PASS: usize = 27;
/// Behind `struct nlmsghdr` and `struct nfgenmsg`.
#[expect(clippy::cast_possible_truncation, reason = "20")]
const ATTRIBUTES: u32 = (16 + NFGENMSG) as u32;
const NLA_HEADER: u32 = 4;
/// `TCP_CONNTRACK_CLOSE_WAIT`.
const CLOSE_WAIT: u32 = 5;
// include/uapi/linux/filter.h: SKF_AD_OFF + SKF_AD_NLATTR, … + SKF_AD_NLATTR_NEST.
const NLATTR: u32 = 0xffff_f000 + 12;
const NLATTR_NEST: u32 = 0xffff_f000 + 16;
// include/uapi/linux/bpf_common.h.
const LOAD_IMMEDIATE: u16 = 0x00;
const LOAD_X_IMMEDIATE: u16 = 0x01;
const RETURN: u16 = 0x06;
const A_TO_X: u16 = 0x07;
const JUMP_EQUAL: u16 = 0x15;
const LOAD_WORD: u16 = 0x20;
const JUMP_GREATER: u16 = 0x25;
const LOAD_BYTE_AT_X: u16 = 0x50;

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use socket2::SockRef;

    use super::*;
    use crate::source::kernel::ctnetlink::samples::{EXPIRED, FLUSHED, REFUSED, bytes, udp};

    /// A filter sees the bytes of any socket alike.
    fn passes(message: &[u8]) -> bool {
        let (sender, receiver) = UnixDatagram::pair().unwrap();
        SockRef::from(&receiver).attach_filter(&program()).unwrap();
        receiver.set_nonblocking(true).unwrap();
        sender.send(message).unwrap();
        receiver.recv(&mut [0; 1024]).is_ok_and(|len| len == message.len())
    }

    #[test]
    fn deaths_of_live_connections_pass() {
        assert!(passes(&bytes(FLUSHED)));
        assert!(passes(&bytes(EXPIRED)));
    }

    #[test]
    fn other_deaths_do_not() {
        assert!(!passes(&bytes(REFUSED)), "in CLOSE");
        assert!(!passes(&udp()));
    }

    #[test]
    fn what_has_no_state_passes() {
        let mut old = bytes(EXPIRED);
        old.truncate(old.len() - 16);
        old[0] -= 16;
        assert!(passes(&old));
    }

    #[test]
    fn jumps_lead_to_the_verdicts() {
        assert_eq!(program().len(), PASS + 2);
    }
}
