//! The address belonged to somebody else when the connection was made.

use std::fmt;

use serde::Serialize;

use super::Explains;
use crate::event::{Endpoint, NetNs, Time};
use crate::explain::case::Case;
use crate::explain::mechanism::Mechanism;
use crate::explain::verdict::{Certainty, Evidence, Remedy};
use crate::memory::{Holder, Seen};

/// A new namespace got the address of one that had it before; old connections land in it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PodIpReuse {
    pub address: Endpoint,
    pub previous_netns: NetNs,
    pub new_netns: NetNs,
    /// Seconds before the reset at which the address was first seen in its new place (0 when only then).
    pub moved_ago_s: f64,
    #[serde(skip)]
    moved_at: Time,
}

impl Explains for PodIpReuse {
    const CODE: &'static str = "pod-ip-reuse";
    const MEANING: &'static str = "the address moved to another namespace under a living connection";

    /// The reuse of the address caused the reset when
    /// 1. a segment without connection arrived, carrying data or the end of a conversation (a lone ACK may be a scan),
    /// 2. the address had come to this namespace while we watched,
    /// 3. another namespace was seen to hold it before, and to hold it no more, and
    /// 4. the connection did not lose its translation, nor its handshake to a full queue, as far as we could see.
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)> {
        let segment = case.reply()?.segment;
        let stray = matches!(case.mechanism(), Mechanism::AckToListener | Mechanism::SegmentToNoSocket);
        if !stray || (segment.payload == 0 && !segment.flags.fin()) {
            return None;
        }
        let (previous, new) = succession(case)?;
        let rivals_absent = case.lost_translation().is_no() && matches!(case.overflow_of_connection(), Seen::No);
        rivals_absent.then(|| (Certainty::Inferred, describe(case, previous, new)))
    }

    fn evidence(&self) -> Vec<Evidence> {
        vec![
            Evidence::new("tcp", format!("data of an existing connection reached {}, which knows no such connection", self.address)),
            Evidence::at("namespace", self.moved_at, format!("{} seen with the address for the first time", self.new_netns)),
            Evidence::new("namespace", format!("{} had it before and has it no more", self.previous_netns)),
            Evidence::new("conntrack", "no entry of this connection was seen to die"),
        ]
    }

    fn remedy(&self) -> Remedy {
        Remedy {
            now: "the client must reconnect; it still talks to an instance that is gone".into(),
            fix: "close connections when the old instance stops (SIGTERM: drain, close); let addresses rest before they are given out again".into(),
            trade_off: "a rest for addresses needs a larger address pool".into(),
            do_not: "blame the new instance: it never knew the connection".into(),
        }
    }
}

impl fmt::Display for PodIpReuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} moved from {} to {} under a living connection",
            self.address.addr, self.previous_netns, self.new_netns
        )
    }
}

/// Conditions 2 and 3.
fn succession<'a>(case: &Case<'a>) -> Option<(&'a Holder, &'a Holder)> {
    let holders = case.holders();
    let new = holders.iter().rfind(|holder| holder.netns == case.netns() && holder.until.is_none())?;
    let mut others = holders.iter().filter(|holder| holder.netns != case.netns() && holder.since < new.since);
    let previous = others.rfind(|holder| holder.until.is_some())?;
    new.newcomer.then_some((previous, new))
}

fn describe(case: &Case<'_>, previous: &Holder, new: &Holder) -> PodIpReuse {
    PodIpReuse {
        address: case.flow().local,
        previous_netns: previous.netns,
        new_netns: new.netns,
        moved_ago_s: case.time().since(new.since).as_secs_f64(),
        moved_at: new.since.min(case.time()),
    }
}
