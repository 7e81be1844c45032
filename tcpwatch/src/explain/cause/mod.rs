//! The catalogue: one cause per file, one line each in `catalogue!`.

use std::fmt;

use serde::Serialize;

use super::case::Case;
use super::page::{Entry, Page};
use super::verdict::{Certainty, Evidence, Explanation, Remedy};

/// A cause: a struct whose fields are its evidence, so that it cannot be claimed without.
pub trait Explains: Serialize + fmt::Display + Sized {
    /// Stable, kebab-case.
    const CODE: &'static str;

    /// What it means, in one line.
    const MEANING: &'static str;

    /// Nothing is broken and nobody is hurt: counted rather than shown.
    const BENIGN: bool = false;

    /// What there is to know of it beforehand.
    const PAGE: Page;

    /// The cause, when every one of its conditions holds.
    fn infer(case: &Case<'_>) -> Option<(Certainty, Self)>;

    /// The explanation's lines, in the order one would tell it.
    fn evidence(&self) -> Vec<Evidence>;

    /// What to do: as on the page, with live values where there are any.
    fn remedy(&self) -> Remedy {
        Self::PAGE.advice.into()
    }
}

/// The list of siblings, once: module, variant, code, dispatch.
macro_rules! catalogue {
    ($($module:ident::$name:ident,)*) => {
        $(mod $module;)*
        $(pub use $module::$name;)*

        /// Any cause of the catalogue.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum Cause { $($name($name),)* }

        $(impl From<$name> for Cause {
            fn from(cause: $name) -> Self { Self::$name(cause) }
        })*

        impl Cause {
            /// Every code with its meaning, in catalogue order.
            pub const ALL: &[(&str, &str)] = &[$(($name::CODE, $name::MEANING),)*];

            /// Every cause as one can read it up, in catalogue order.
            pub const ENTRIES: &[Entry] = &[$(Entry {
                code: $name::CODE,
                meaning: $name::MEANING,
                benign: $name::BENIGN,
                page: &$name::PAGE,
            },)*];

            /// The one with this code.
            pub fn entry(code: &str) -> Option<&'static Entry> {
                Self::ENTRIES.iter().find(|entry| entry.code == code)
            }

            pub fn code(&self) -> &'static str {
                match self { $(Self::$name(_) => $name::CODE,)* }
            }

            /// See [`Explains::BENIGN`].
            pub fn is_benign(&self) -> bool {
                match self { $(Self::$name(_) => $name::BENIGN,)* }
            }

            pub fn evidence(&self) -> Vec<Evidence> {
                match self { $(Self::$name(cause) => cause.evidence(),)* }
            }

            pub fn remedy(&self) -> Remedy {
                match self { $(Self::$name(cause) => cause.remedy(),)* }
            }
        }

        impl fmt::Display for Cause {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self { $(Self::$name(cause) => cause.fmt(f),)* }
            }
        }

        /// Every cause that fits, the most certain first. The order of the catalogue means nothing: among equals
        /// the code decides, so that the same events give the same words.
        pub fn infer_all(case: &Case<'_>) -> Vec<Explanation> {
            let mut fitting: Vec<Explanation> = Vec::new();
            $(fitting.extend($name::infer(case).map(|(certainty, cause)| Explanation {
                certainty,
                cause: cause.into(),
            }));)*
            fitting.sort_by(|a, b| b.certainty.cmp(&a.certainty).then(a.cause.code().cmp(b.cause.code())));
            fitting
        }

        /// The rules as they are written, to compare the pages with.
        #[cfg(test)]
        const SOURCES: &[&str] = &[$(include_str!(concat!(stringify!($module), ".rs")),)*];
    };
}

catalogue! {
    accept_queue_overflow::AcceptQueueOverflow,
    admin_destroyed::AdminDestroyed,
    bad_handshake_ack::BadHandshakeAck,
    closed_with_unread_data::ClosedWithUnreadData,
    conntrack_evicted::ConntrackEvicted,
    conntrack_expired::ConntrackExpired,
    conntrack_flushed::ConntrackFlushed,
    conntrack_invalid::ConntrackInvalid,
    disconnected::Disconnected,
    keep_alive_race::KeepAliveRace,
    keepalive_timeout::KeepaliveTimeout,
    linger_zero::LingerZero,
    listener_closed::ListenerClosed,
    listener_closed_with_queue::ListenerClosedWithQueue,
    middlebox_suspected::MiddleboxSuspected,
    no_listener::NoListener,
    not_yet_listening::NotYetListening,
    out_of_memory_or_orphans::OutOfMemoryOrOrphans,
    peer_refused::PeerRefused,
    peer_reset::PeerReset,
    peer_wrote_after_close::PeerWroteAfterClose,
    pod_ip_reuse::PodIpReuse,
    port_reuse::PortReuse,
    probe::Probe,
    process_killed::ProcessKilled,
    rejected_by_rule::RejectedByRule,
    scan::Scan,
    server_restarted::ServerRestarted,
    syn_cookie_failed::SynCookieFailed,
    wrote_after_peer_close::WroteAfterPeerClose,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_counts_the_conditions_that_the_rule_counts() {
        for (entry, source) in Cause::ENTRIES.iter().zip(SOURCES) {
            let counted = conditions(source);
            // A cause that comes as an amendment has no rule.
            if !counted.is_empty() {
                let numbers: Vec<_> = (1..=entry.page.conditions.len()).collect();
                assert_eq!(counted, numbers, "{}", entry.code);
            }
        }
    }

    /// The numbers in the comment above `infer`.
    fn conditions(source: &str) -> Vec<usize> {
        let rule = source.split("fn infer").next().unwrap_or_default();
        let comment = rule.rsplit_once("\n\n").map_or("", |(_, comment)| comment);
        let lines = comment.lines().filter_map(|line| line.strip_prefix("    /// "));
        lines.filter_map(|line| line.split_once(". ")?.0.parse().ok()).collect()
    }

    #[test]
    fn what_looks_alike_is_in_the_catalogue_and_another() {
        for entry in Cause::ENTRIES {
            for (code, _) in entry.page.alike {
                let known = Cause::ENTRIES.iter().any(|other| other.code == *code);
                assert!(known && *code != entry.code, "{} names {code}", entry.code);
            }
        }
    }

    #[test]
    fn every_page_has_its_parts() {
        for Entry { code, page, .. } in Cause::ENTRIES {
            let said = [
                page.about,
                page.shown_by,
                page.certainty,
                page.advice.now,
                page.advice.fix,
                page.advice.do_not,
            ];
            assert!(said.iter().all(|text| !text.is_empty()), "{code}");
            assert!(!page.conditions.is_empty() && !page.alike.is_empty(), "{code}");
        }
    }
}
