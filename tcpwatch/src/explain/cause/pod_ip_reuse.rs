//! The address belonged to somebody else when the connection was made.

use std::fmt;

use serde::Serialize;

use super::Explains;
use crate::event::{Endpoint, NetNs, Time};
use crate::explain::case::{Case, Holder, Seen};
use crate::explain::mechanism::Mechanism;
use crate::explain::page::{Advice, Group, Page, Reproduce};
use crate::explain::verdict::{Certainty, Evidence};

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

    const PAGE: Page = Page {
        group: Group::Path,
        about: "The address of an instance that is gone was given to a new one (a pod with the IP of an older pod), \
            and a connection that belonged to the old one lands in the new, which never knew it and answers with a \
            RST. Long-lived connections, as of gRPC, suffer from it.",
        shown_by: "the address in another namespace before, with a listener on that port, and its arrival in this \
            one while we watched",
        conditions: &[
            "A segment without connection arrived, carrying data or the end of a conversation: a lone ACK may be \
                a scan.",
            "The address had come to this namespace while we watched.",
            "Another namespace was seen to hold it before with a listener on that port, and holds it no more.",
            "The connection did not lose its translation, nor its handshake to a full queue, as far as we could see.",
        ],
        certainty: "inferred",
        alike: &[
            ("conntrack-expired", "the translation was lost: the kernel's own reset looks the same"),
            ("conntrack-flushed", "the translation was lost: the kernel's own reset looks the same"),
            ("server-restarted", "the same namespace, with a listener younger than the connection"),
        ],
        advice: Advice {
            now: "the client must reconnect; it still talks to an instance that is gone",
            fix: "close connections when the old instance stops; let addresses rest before reuse",
            trade_off: "a rest for addresses needs a larger address pool",
            do_not: "blame the new instance: it never knew the connection",
        },
        otherwise: &[],
        reproduce: Reproduce {
            demo: None,
            scenario: "handover::a_new_pod_with_the_old_address_resets_the_connections_of_the_old_one",
        },
    };

    /// The reuse of the address caused the reset when
    /// 1. a segment without connection arrived, carrying data or the end of a conversation (a lone ACK may be a scan),
    /// 2. the address had come to this namespace while we watched,
    /// 3. another namespace was seen to hold it before with a listener on that port, and holds it no more, and
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
            Evidence::new("tcp", format!("data of an existing connection reached {}, a stranger to it", self.address)),
            Evidence::at("namespace", self.moved_at, format!("{} first seen with the address", self.new_netns)),
            Evidence::new("namespace", format!("{} had it before and has it no more", self.previous_netns)),
            Evidence::new("conntrack", "no entry of this connection was seen to die"),
        ]
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
    let mut before = holders.iter().filter(|holder| holder.since < new.since);
    let previous = before.rfind(|holder| has_left(case, holder))?;
    new.newcomer.then_some((previous, new))
}

fn has_left(case: &Case<'_>, holder: &Holder) -> bool {
    holder.until.is_some() && case.was_served_by(holder)
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

#[cfg(test)]
mod tests {
    use crate::event::Fact;
    use crate::explain::story::Story;

    const POD: &str = "10.0.0.1:80";
    const CLIENT: &str = "10.0.0.9:40000";

    /// The address of namespace 1 moves to namespace 2, which listens too.
    fn moved() -> Story {
        Story::new().finds("0.0.0.0:80").after(1000).vanishes(1).after(10).namespace(2, &["10.0.0.1"], true).within(2)
    }

    #[test]
    fn data_for_the_former_holder_is_explained() {
        let said = moved().opens("0.0.0.0:80").after(500).data_meets_listener(POD, CLIENT, 9).said();
        assert_eq!(
            said,
            "pod-ip-reuse inferred: 10.0.0.1 moved from net:[1] to net:[2] under a living connection"
        );
    }

    #[test]
    fn a_lone_ack_may_be_a_scan() {
        assert_eq!(moved().opens("0.0.0.0:80").after(500).lone_ack_meets_listener(POD, CLIENT).code(), "unexplained");
    }

    #[test]
    fn two_namespaces_that_both_hold_the_address_are_unrelated() {
        let story = Story::new().finds("0.0.0.0:80").after(1000).namespace(2, &["10.0.0.1"], true).within(2).finds("0.0.0.0:80");
        assert_eq!(story.after(500).data_meets_listener(POD, CLIENT, 9).code(), "unexplained");
    }

    #[test]
    fn who_cannot_see_conntrack_cannot_exclude_it() {
        let story = Story::blind_to(&[Fact::ConntrackDestroyed]).finds("0.0.0.0:80");
        let story = story.after(1000).vanishes(1);
        let story = story.after(10).namespace(2, &["10.0.0.1"], true).within(2).opens("0.0.0.0:80");
        assert_eq!(story.after(500).data_meets_listener(POD, CLIENT, 9).code(), "unexplained");
    }

    #[test]
    fn a_former_holder_that_never_served_the_port_had_no_such_connection() {
        let story = Story::new().finds("0.0.0.0:81").after(1000).vanishes(1).after(10);
        let story = story.namespace(2, &["10.0.0.1"], true).within(2).opens("0.0.0.0:80");
        assert_eq!(story.after(500).data_meets_listener(POD, CLIENT, 9).code(), "unexplained");
    }

    #[test]
    fn messages_of_a_namespace_just_born_may_have_gone_unheard() {
        let story = || moved().opens("0.0.0.0:80").conntrack_by_messages();
        let said = |story: Story| story.after(500).data_meets_listener(POD, CLIENT, 9).code();
        assert_eq!(said(story()), "pod-ip-reuse");
        assert_eq!(said(story().namespace(3, &["10.7.0.1"], true)), "unexplained");
    }
}
