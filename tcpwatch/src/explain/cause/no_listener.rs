//! A SYN came for a port on which nothing listens.

use std::fmt;

use serde::Serialize;

use super::Explains;
use crate::event::Endpoint;
use crate::explain::verdict::{Evidence, Remedy};

/// Nothing listens on the address and port that was dialled.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NoListener {
    pub dialled: Endpoint,
    /// Listeners on the same port at other addresses, or of the other family.
    pub elsewhere: Vec<Endpoint>,
}

impl Explains for NoListener {
    const CODE: &'static str = "no-listener";

    fn evidence(&self) -> Vec<Evidence> {
        vec![Evidence::new("listener", format!("nothing listens on {}", self.dialled))]
    }

    fn remedy(&self) -> Remedy {
        Remedy { now: String::new(), fix: String::new(), trade_off: String::new(), do_not: String::new() }
    }
}

impl fmt::Display for NoListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing listens on {}", self.dialled)
    }
}
