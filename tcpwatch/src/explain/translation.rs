//! Did this connection lose its address translation in mid-flight?
//!
//! A conntrack entry that dies under a living connection takes the translation with it. What comes next shows
//! which way the next segment went:
//! * the client spoke: the segment is taken up as new and translated anew, to another back end, whose listener
//!   knows nothing of it; or, with no rule left, it reaches the service address itself;
//! * the server spoke: its segment reaches the client with the back end's own address, for which the client has
//!   no socket.

use std::time::Duration;

use serde::Serialize;

use super::case::Case;
use super::verdict::{Certainty, Evidence};
use crate::event::{
    ConntrackDestroyed, ConntrackState, Endpoint, Flow, RstSent, TcpState, Time, Tuple,
};

/// A translation that was lost, and where it led the next segment.
#[derive(Clone, Copy)]
pub struct LostTranslation<'a> {
    /// The entry that carried the conversation.
    pub entry: &'a ConntrackDestroyed,
    /// The entry that took the segment up instead; killed by the reset, so it is seen to die as well.
    pub pickup: Option<&'a ConntrackDestroyed>,
    pub course: Course,
}

/// Which way the segment went astray.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Course {
    /// From the client to a back end that does not know it.
    ToStranger,
    /// From the back end to the client, untranslated.
    Untranslated,
}

impl<'a> LostTranslation<'a> {
    /// A translation was lost when:
    /// 1. an entry that had seen both directions died before the segment came,
    /// 2. it translated the destination, and
    /// 3. the segment went astray: to another back end than before (or to the service address itself), or from the old
    ///    back end straight to the client. A SYN does neither; a SYN+ACK only the latter, and then the entry need not
    ///    have seen an answer before.
    /// 4. It was not that the entry lived and conntrack found the segment invalid.
    pub(super) fn of(case: &Case<'a>) -> Option<Self> {
        let rst = case.reply().filter(|rst| !rst.segment.flags.syn() || rst.segment.flags.ack())?;
        if case.invalid_packet().yes().is_some() {
            return None;
        }
        Self::to_stranger(case, rst).or_else(|| Self::untranslated(case, rst))
    }

    /// Condition 3, the client spoke.
    fn to_stranger(case: &Case<'a>, rst: &RstSent) -> Option<Self> {
        let met_other = met_other_socket(rst.socket.map(|socket| socket.state));
        if met_other || rst.segment.flags.syn() {
            return None;
        }
        let fits = |death: &&ConntrackDestroyed| went_to_stranger(death, rst.flow);
        let mut deaths = died_before(case, rst.flow.remote).filter(|death| death.seen_reply);
        let entry = deaths.next().filter(fits)?;
        let alone = deaths.filter(fits).all(|other| is_of_one_zone(entry, other));
        let pickup = pickup(case, entry, rst.flow.local);
        let lost = Self { entry, pickup, course: Course::ToStranger };
        lost.is_of(case, alone).then_some(lost)
    }

    /// Condition 3, the server spoke.
    fn untranslated(case: &Case<'a>, rst: &RstSent) -> Option<Self> {
        let answers_first = rst.segment.flags.syn();
        let mut fits = died_before(case, rst.flow.local)
            .filter(|death| death.seen_reply || answers_first)
            .filter(|death| rst.socket.is_none() && came_untranslated(death, rst.flow));
        let entry = fits.next()?;
        let alone = fits.all(|other| is_of_one_zone(entry, other));
        alone.then_some(Self { entry, pickup: None, course: Course::Untranslated })
    }

    /// The lost entry and the segment share the client's address and port. That names one connection when the take-up
    /// or the client's own socket bear it out; without them the address must be one client's alone, and the loss
    /// recent, since ports are used again; and `alone`: no other zone lost such an entry.
    fn is_of(&self, case: &Case<'_>, alone: bool) -> bool {
        let Tuple { source: client, destination: service } = self.entry.entry.original;
        let proven = self.pickup.is_some() || case.was_received(client, service);
        let recent = case.time().since(self.entry.time) <= PORT_REUSE;
        proven || (recent && alone && !case.is_ambiguous(client.addr))
    }

    /// The connection had no other entry after this one: its port cannot have been used again since, or else conntrack
    /// was not seen to find fault with the segment, as only a living entry gives it reason to.
    fn is_last(&self, case: &Case<'_>) -> bool {
        case.time().since(self.entry.time) < TIME_WAIT || case.invalid_packet().is_no()
    }
}

/// How long a port rests before it is used with the same peer again (include/net/tcp.h, `TCP_TIMEWAIT_LEN`).
const TIME_WAIT: Duration = Duration::from_mins(1);

/// How long a client's port is taken for the same connection's, with nothing else to tell.
const PORT_REUSE: Duration = Duration::from_hours(1);

/// The same as evidence: what the operator needs of it, without borrowing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Translation {
    pub client: Endpoint,
    /// The address the client uses.
    pub service: Endpoint,
    /// The back end the connection belongs to.
    pub backend_before: Endpoint,
    /// Where the segment went, or came from untranslated.
    pub landed_on: Endpoint,
    pub course: Course,
    /// Both directions of the entry, as `conntrack -L` prints them.
    pub original: String,
    pub reply: String,
    /// State of the entry when it died, if the source says.
    pub state: Option<ConntrackState>,
    /// The namespace that kept the entry.
    pub conntrack_netns: String,
    /// Seconds before the reset at which the entry was removed.
    pub removed_ago_s: f64,
    /// The entry that took the segment up was seen as well.
    pub pickup_seen: bool,
    /// The client is on this host, and its socket took the reset as coming from the service.
    pub client_saw_service: bool,
    #[serde(skip)]
    removed_at: Time,
    /// The connection had no other entry afterwards.
    #[serde(skip)]
    last: bool,
}

impl Translation {
    /// How well the loss explains the reset. Nothing is left to guess where a back end talks to the client
    /// untranslated (and no later entry can have been at fault), where the take-up to the very socket that refused was
    /// seen, or where the client's own socket took the reset as coming from the service.
    pub fn certainty(&self) -> Certainty {
        let untranslated = self.course == Course::Untranslated && self.last;
        let seen = self.pickup_seen || self.client_saw_service || untranslated;
        if seen { Certainty::Observed } else { Certainty::Inferred }
    }

    /// The lines both conntrack causes share; `how` says how the entry ended.
    pub fn evidence(&self, how: &str) -> Vec<Evidence> {
        let mut lines = vec![
            Evidence::new("tcp", self.astray()),
            Evidence::at("conntrack", self.removed_at, how),
            Evidence::new("conntrack", self.entry()),
        ];
        if self.pickup_seen {
            let text = format!("taken up in mid-stream, now towards {}", self.landed_on);
            lines.push(Evidence::new("conntrack", text));
        }
        if self.client_saw_service {
            let text =
                format!("the client's socket took the reset as coming from {}", self.service);
            lines.push(Evidence::new("tcp", text));
        }
        lines
    }

    fn entry(&self) -> String {
        format!("in {}: {}, reply {}", self.conntrack_netns, self.original, self.reply)
    }

    /// What came of the loss.
    pub fn consequence(&self) -> &'static str {
        match self.course {
            Course::ToStranger => "its next segment went to another back end",
            Course::Untranslated => "the server's next segment came untranslated",
        }
    }

    fn astray(&self) -> String {
        let Self { client, service, backend_before, landed_on, .. } = self;
        match self.course {
            Course::ToStranger => {
                format!("{service} led to {landed_on}; the connection is with {backend_before}")
            }
            Course::Untranslated => {
                format!("{backend_before} reached {client}, which knows it as {service} only")
            }
        }
    }
}

impl LostTranslation<'_> {
    pub fn describe(&self, case: &Case<'_>) -> Translation {
        let entry = self.entry.entry;
        let flow = case.flow();
        Translation {
            client: entry.original.source,
            service: entry.original.destination,
            backend_before: entry.reply.source,
            landed_on: flow.local,
            course: self.course,
            original: entry.original.to_string(),
            reply: entry.reply.to_string(),
            state: self.entry.state,
            conntrack_netns: case.name_of(self.entry.netns),
            removed_ago_s: case.time().since(self.entry.time).as_secs_f64(),
            pickup_seen: self.pickup.is_some(),
            client_saw_service: case
                .was_received(entry.original.source, entry.original.destination),
            // Netlink tells late: what led to the reset was before it.
            removed_at: self.entry.time.min(case.time()),
            last: self.is_last(case),
        }
    }
}

/// The segment met a connection of its own, so it did not go astray.
fn met_other_socket(state: Option<TcpState>) -> bool {
    state.is_some_and(|state| state != TcpState::Listen)
}

/// Conditions 1 and 2.
fn died_before<'a>(
    case: &Case<'a>,
    client: Endpoint,
) -> impl Iterator<Item = &'a ConntrackDestroyed> + use<'a> {
    let until = case.time().plus(case.conntrack_lag());
    let here = case.netns();
    case.conntrack_deaths(client)
        .filter(move |death| death.entry.is_dnat() && death.time <= until)
        // A loopback address is another machine in each namespace.
        .filter(move |death| !client.addr.is_loopback() || death.netns == here)
}

/// Condition 3, the client spoke.
fn went_to_stranger(death: &ConntrackDestroyed, flow: Flow) -> bool {
    let (service, backend) = (death.entry.original.destination, death.entry.reply.source);
    flow.local != backend && (flow.local == service || flow.local.port == backend.port)
}

/// Condition 3, the server spoke.
fn came_untranslated(death: &ConntrackDestroyed, flow: Flow) -> bool {
    flow.remote == death.entry.reply.source && flow.local == death.entry.original.source
}

/// Equal tuples in two zones of one namespace are two connections, and a segment does not tell which it is of.
fn is_of_one_zone(one: &ConntrackDestroyed, other: &ConntrackDestroyed) -> bool {
    one.netns != other.netns || one.entry.zone == other.entry.zone
}

/// The entry of the same client and service that led to the stranger; it dies of the reset itself.
fn pickup<'a>(
    case: &Case<'a>,
    lost: &'a ConntrackDestroyed,
    stranger: Endpoint,
) -> Option<&'a ConntrackDestroyed> {
    let not_before: Time = case.time().minus(case.conntrack_lag());
    case.conntrack_deaths(lost.entry.original.source)
        .filter(|death| death.netns == lost.netns && death.entry.zone == lost.entry.zone)
        .filter(|death| death.entry.original == lost.entry.original && death.time >= not_before)
        .find(|death| death.entry.reply.source == stranger && !death.seen_reply)
}
