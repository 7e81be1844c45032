//! Well-known incidents, made with real sockets in network namespaces of their own.
//!
//! Each file that names a [`Script`] is one incident. It sets a [`Stage`] (processes, namespaces, cables), and tells the
//! processes what to do, step by step. Nothing outside of the stage is touched, and no tool is needed: links are made by
//! rtnetlink, address translation by nf_tables netlink.

mod conntrack;
mod overflow;
mod rollout;
mod heard;
mod log;
mod named;
mod stage;
mod actor;
mod order;
mod link;
mod nat;
mod request;

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::anyhow;

pub use actor::play;
pub use heard::{Expected, Heard, Listener};
pub use log::Log;
pub use named::Named;
pub use stage::Stage;

use link::Net;

/// An idle connection outlives its conntrack entry.
pub const CONNTRACK: Script = conntrack::SCRIPT;
/// Clients meet a full accept queue.
pub const OVERFLOW: Script = overflow::SCRIPT;
/// A server stops before its clients know, another is dialled before it listens.
pub const ROLLOUT: Script = rollout::SCRIPT;

/// One incident.
#[derive(Clone, Copy)]
pub struct Script {
    title: &'static str,
    set: fn(&mut Stage) -> anyhow::Result<Act>,
    expects: &'static [Expected],
    /// One or two sentences on what was explained.
    look_at: &'static str,
}

/// What happens once somebody watches. While it is kept, those who play in it stay as they are when it is over.
pub type Act = Box<dyn FnMut(&mut Log) -> anyhow::Result<()> + Send>;

impl Script {
    /// Builds what the incident needs, and says who is who.
    pub fn set(&self, log: &mut Log) -> anyhow::Result<(Stage, Act)> {
        let mut stage = Stage::default();
        let act = (self.set)(&mut stage)?;
        log.introduces(self.title, &stage)?;
        Ok((stage, act))
    }

    /// Makes the incident, and waits until it has been explained.
    pub fn perform(&self, act: &mut Act, log: &mut Log, heard: &Listener) -> anyhow::Result<()> {
        act(log)?;
        let explained = heard.wait_for(self.expects, PATIENCE);
        explained.map_err(|complaint| {
            anyhow!(
                "the incident was made but not explained as it should be: {complaint}. The first lines say what \
                 this kernel cannot tell; run it again with -v to see why"
            )
        })?;
        Ok(log.says(&format!("{LOOK_AT}{}\n", self.look_at))?)
    }

    /// Codes of the causes it shows.
    pub fn causes(&self) -> impl Iterator<Item = &'static str> {
        self.expects.iter().map(|(code, _)| *code)
    }
}

const fn net(address: [u8; 4], prefix: u8) -> Net {
    let [a, b, c, d] = address;
    Net { address: Ipv4Addr::new(a, b, c, d), prefix }
}

const LOOK_AT: &str = "look at   ";

/// Between what is not to be told in one breath: a reset is explained meanwhile.
const MOMENT: Duration = Duration::from_millis(500);

/// A reset is explained some 200 ms after it was seen; emulated processors take longer.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::cause::Cause;

    #[test]
    fn every_expected_cause_is_in_the_catalogue() {
        for script in [CONNTRACK, OVERFLOW, ROLLOUT] {
            for code in script.causes() {
                assert!(Cause::ALL.iter().any(|(known, _)| *known == code), "{code}");
            }
        }
    }

    #[test]
    fn lines_fit_a_terminal() {
        for script in [CONNTRACK, OVERFLOW, ROLLOUT] {
            let text = format!("{LOOK_AT}{}", script.look_at);
            assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        }
    }
}
