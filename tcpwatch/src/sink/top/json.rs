//! One object per page, and the account at the end; described by `docs/schema/top.schema.json`.

use std::io;

use serde::Serialize;

use super::Draw;
use super::frame::Frame;
use crate::event::HostDescribed;
use crate::sink::json::{SCHEMA, write_account, write_line};
use crate::sink::{Clock, Summary};

/// JSON Lines for programs.
pub struct Lines {
    hostname: String,
    clock: Clock,
}

#[derive(Serialize)]
struct Top<'a> {
    schema: u32,
    r#type: &'static str,
    time: String,
    since: String,
    hostname: &'a str,
    /// Nothing comes after it: these are the sums of the run.
    last: bool,
    #[serde(flatten)]
    frame: &'a Frame,
}

impl Lines {
    pub(super) fn new() -> Self {
        Self { hostname: String::new(), clock: Clock::utc() }
    }

    fn write(&mut self, frame: &Frame, last: bool, out: &mut Vec<u8>) -> io::Result<()> {
        let [time, since] = [frame.time, frame.since].map(|time| self.clock.at(time).rfc3339());
        let hostname = &self.hostname;
        write_line(out, &Top { schema: SCHEMA, r#type: "top", time, since, hostname, last, frame })
    }
}

impl Draw for Lines {
    fn started(&mut self, host: &HostDescribed) {
        self.hostname.clone_from(&host.hostname);
        self.clock.set(host);
    }

    fn frame(&mut self, frame: &Frame, out: &mut Vec<u8>) -> io::Result<()> {
        self.write(frame, false, out)
    }

    fn last(&mut self, frame: &Frame, summary: &Summary<'_>, out: &mut Vec<u8>) -> io::Result<()> {
        self.write(frame, true, out)?;
        write_account(out, summary)
    }
}
