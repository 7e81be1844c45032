//! The port opened shortly after the connection was refused. Only ever an amendment: it is known afterwards.

use std::fmt;

use serde::Serialize;

use super::Explains;
use crate::event::{Endpoint, Time};
use crate::explain::case::Case;
use crate::explain::verdict::{Certainty, Evidence, Remedy};

/// The client was faster than the server.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NotYetListening {
    pub dialled: Endpoint,
    pub listener: Endpoint,
    /// Seconds after the reset.
    pub opened_after_s: f64,
    /// Refused connections this answers, the amended one included.
    pub refusals: u64,
    #[serde(skip)]
    pub opened_at: Time,
}

impl Explains for NotYetListening {
    const CODE: &'static str = "not-yet-listening";
    const MEANING: &'static str = "the port opened shortly after the connection was refused";

    /// Never at the time of the reset: the fact it rests on lies in the future then.
    fn infer(_case: &Case<'_>) -> Option<(Certainty, Self)> {
        None
    }

    fn evidence(&self) -> Vec<Evidence> {
        vec![Evidence::at("listener", self.opened_at, format!("{} opened", self.listener))]
    }

    fn remedy(&self) -> Remedy {
        Remedy {
            now: "nothing: the port is open now".into(),
            fix: "send traffic only when the port is open: a readiness (or startup) probe on the real port".into(),
            trade_off: "a stricter readiness probe makes each rollout step longer".into(),
            do_not: "use initialDelaySeconds as a guess of the start-up time".into(),
        }
    }
}

impl fmt::Display for NotYetListening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} opened {:.3} s after the connection was refused", self.listener, self.opened_after_s)
    }
}
