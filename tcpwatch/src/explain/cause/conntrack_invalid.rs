//! Conntrack declared a segment invalid and left it untranslated; it reached somebody who does not know the sender.

use std::fmt;

use serde::Serialize;

use super::Explains;
use crate::event::{self, ConntrackDirection, ConntrackState, Endpoint, Time};
use crate::explain::case::Case;
use crate::explain::mechanism::Mechanism;
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::verdict::{Certainty, Evidence, Remedy};

/// The entry was there and alive, but not for this segment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConntrackInvalid {
    /// The segment's own addresses.
    pub source: Endpoint,
    pub destination: Endpoint,
    /// What translation would have made of them.
    pub meant_source: Endpoint,
    pub meant_destination: Endpoint,
    pub direction: ConntrackDirection,
    /// Of the segment; bytes.
    pub seq: u32,
    pub payload: u32,
    /// Both directions of the entry, as `conntrack -L` prints them.
    pub original: String,
    pub reply: String,
    /// State of the entry.
    pub state: ConntrackState,
    /// The namespace that keeps the entry.
    pub conntrack_netns: String,
    /// `net.netfilter.nf_conntrack_tcp_be_liberal` there; `null` when it is not known.
    pub be_liberal: Option<String>,
    /// Seconds before the reset.
    pub invalid_ago_s: f64,
    #[serde(skip)]
    found_at: Time,
}

impl Explains for ConntrackInvalid {
    const CODE: &'static str = "conntrack-invalid";
    const MEANING: &'static str = "conntrack found a segment invalid and let it pass untranslated";

    const PAGE: Page = Page {
        group: Group::Path,
        about: "Conntrack found fault with one segment of a translated connection (out of window, or not fitting the \
            state) and let it pass without translating it. It reaches a host that does not know its sender, most \
            often a client that gets an answer from the back end's own address, and is answered with a RST. The \
            entry is alive, and the connection is broken all the same. Large transfers through a service address \
            suffer from it.",
        shown_by: "conntrack's complaint about this very segment, and its arrival with the headers it had before",
        conditions: &[
            "A segment other than a SYN found no connection.",
            "Conntrack had found fault with this very segment just before: same headers, same sequence number.",
            "The entry it belongs to translates in its direction.",
            "The segment arrived with the headers it had before: so it was not translated.",
        ],
        certainty: "observed",
        alike: &[
            ("conntrack-expired", "the entry was dead when the segment came"),
            ("conntrack-flushed", "the entry was dead when the segment came"),
            ("peer-wrote-after-close", "the connection had been closed here, and no translation is part of it"),
        ],
        advice: Advice {
            now: "the client must reconnect; nothing is broken on the server",
            fix: "where the entry is kept: drop what is invalid before it is forwarded (ct state invalid drop), or \
                net.netfilter.nf_conntrack_tcp_be_liberal = 1",
            trade_off: "dropping breaks asymmetric routes; be_liberal lets segments outside the window pass",
            do_not: "accept invalid packets; blame MTU or offloads without a capture on both sides",
        },
        otherwise: &[],
        reproduce: Reproduce {
            demo: None,
            scenario: "netfilter::an_answer_outside_the_window_reaches_the_client_untranslated",
        },
    };

    /// An invalid segment caused the reset when
    /// 1. a segment other than a SYN found no connection,
    /// 2. conntrack had found fault with this very segment just before (same headers, same sequence number),
    /// 3. the entry it belongs to translates in its direction, and
    /// 4. the segment arrived with the headers it had before: so it was not translated, as those are that conntrack
    ///    only ignores (this is what looking by headers means).
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)> {
        let astray = matches!(case.mechanism(), Mechanism::SegmentToNoSocket | Mechanism::AckToListener);
        let invalid = case.invalid_packet().yes().filter(|_| astray)?;
        if !invalid.is_of_translation() {
            return None;
        }
        Some((Certainty::Observed, describe(case, invalid)))
    }

    fn evidence(&self) -> Vec<Evidence> {
        let Self { source, destination, meant_source, meant_destination, seq, payload, state, .. } = self;
        let entry = format!("in {}: {}, reply {}, {state}", self.conntrack_netns, self.original, self.reply);
        let mut lines = vec![
            Evidence::at(
                "conntrack",
                self.found_at,
                format!("segment {source} -> {destination}, seq {seq}, {payload} bytes: out of window or state"),
            ),
            Evidence::new("tcp", format!("it arrived as it was, and not as {meant_source} -> {meant_destination}")),
            Evidence::new("conntrack", entry),
        ];
        if let Some(value) = &self.be_liberal {
            lines.push(Evidence::new("sysctl", format!("net.netfilter.nf_conntrack_tcp_be_liberal = {value} there")));
        }
        lines
    }

    fn remedy(&self) -> Remedy {
        let there = &self.conntrack_netns;
        Remedy {
            fix: format!(
                "in {there}: drop what is invalid before it is forwarded (ct state invalid drop), or be_liberal = 1"
            ),
            ..Self::PAGE.advice.into()
        }
    }
}

impl fmt::Display for ConntrackInvalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "conntrack in {} found a segment of {} invalid and let it pass untranslated",
            self.conntrack_netns, self.source
        )
    }
}

fn describe(case: &Case<'_>, invalid: &event::ConntrackInvalid) -> ConntrackInvalid {
    let (headers, meant) = (invalid.headers(), invalid.translated());
    let sysctl = case.sysctl_of(invalid.netns, "net.netfilter.nf_conntrack_tcp_be_liberal");
    ConntrackInvalid {
        source: headers.source,
        destination: headers.destination,
        meant_source: meant.source,
        meant_destination: meant.destination,
        direction: invalid.direction,
        seq: invalid.segment.seq,
        payload: invalid.segment.payload,
        original: invalid.entry.original.to_string(),
        reply: invalid.entry.reply.to_string(),
        state: invalid.state,
        conntrack_netns: case.name_of(invalid.netns),
        be_liberal: sysctl.map(str::to_owned),
        invalid_ago_s: case.time().since(invalid.time).as_secs_f64(),
        found_at: invalid.time,
    }
}

#[cfg(test)]
mod tests {
    use crate::event::{ConntrackDirection, Fact};
    use crate::explain::story::{Story, removed};

    const CLIENT: &str = "10.0.0.1:40000";
    const SERVICE: &str = "10.96.0.1:80";
    const BACKEND: &str = "10.0.0.2:80";

    fn invalid_reply() -> Story {
        Story::new().after(5).finds_invalid(CLIENT, SERVICE, BACKEND, ConntrackDirection::Reply)
    }

    #[test]
    fn an_answer_that_came_untranslated() {
        assert_eq!(
            invalid_reply().data_meets_nobody(CLIENT, BACKEND).said(),
            "conntrack-invalid observed: conntrack in net:[9] found a segment of 10.0.0.2:80 invalid \
             and let it pass untranslated"
        );
    }

    #[test]
    fn a_request_that_reached_the_service_address_itself() {
        let story = Story::new().after(5).finds_invalid(CLIENT, SERVICE, BACKEND, ConntrackDirection::Original);
        assert_eq!(story.data_meets_nobody(SERVICE, CLIENT).code(), "conntrack-invalid");
    }

    #[test]
    fn a_segment_that_was_translated_all_the_same_was_only_ignored() {
        assert_eq!(invalid_reply().data_meets_nobody(CLIENT, SERVICE).code(), "unexplained");
    }

    #[test]
    fn another_segment_of_the_connection_is_no_evidence() {
        let story = Story::new().after(5).finds_invalid_seq(CLIENT, SERVICE, BACKEND, ConntrackDirection::Reply, 99);
        assert_eq!(story.data_meets_nobody(CLIENT, BACKEND).code(), "unexplained");
    }

    #[test]
    fn a_connection_that_is_not_translated_reaches_its_socket_anyway() {
        let story = Story::new().after(5).finds_invalid(CLIENT, BACKEND, BACKEND, ConntrackDirection::Reply);
        assert_eq!(story.data_meets_nobody(CLIENT, BACKEND).code(), "unexplained");
    }

    #[test]
    fn a_segment_of_long_ago_is_another_one() {
        assert_eq!(invalid_reply().after(3000).data_meets_nobody(CLIENT, BACKEND).code(), "unexplained");
    }

    #[test]
    fn the_entry_of_an_earlier_connection_is_not_what_was_lost() {
        let story = Story::new().loses_entry(CLIENT, SERVICE, BACKEND, removed(300)).after(60_000);
        let story = story.finds_invalid(CLIENT, SERVICE, BACKEND, ConntrackDirection::Reply);
        assert_eq!(story.data_meets_nobody(CLIENT, BACKEND).code(), "conntrack-invalid");
    }

    #[test]
    fn where_it_cannot_be_seen_that_is_said() {
        let story = Story::blind_to(&[Fact::ConntrackInvalid]).after(5).data_meets_nobody(CLIENT, BACKEND);
        let said = story.said();
        assert!(said.contains("packets invalid to conntrack: not to be seen here"), "{said}");
    }
}
