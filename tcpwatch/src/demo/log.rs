//! What the demo itself says: who is who, and each step as it happens.

use std::fmt::{Display, Write as _};
use std::io::{self, Write};

use jiff::Zoned;

use super::stage::{Member, Stage};

/// Each call is one write, so that words of others on the same output come before or after, never within.
pub struct Log {
    to: Box<dyn Write + Send>,
}

impl Log {
    pub fn new(to: impl Write + Send + 'static) -> Self {
        Self { to: Box::new(to) }
    }

    pub(super) fn introduces(&mut self, title: &str, stage: &Stage) -> io::Result<()> {
        let mut text = format!("{title}\n");
        stage.cast().iter().for_each(|member| text.push_str(&introduction(member)));
        stage.notes().iter().for_each(|note| _ = writeln!(text, "  {note}"));
        self.says(&text)
    }

    /// Something happens now.
    pub(super) fn step(&mut self, what: impl Display) -> io::Result<()> {
        self.says(&format!("{} {what}\n", Zoned::now().strftime("%H:%M:%S%.3f")))
    }

    /// Written as it is.
    pub(super) fn says(&mut self, text: &str) -> io::Result<()> {
        self.to.write_all(text.as_bytes())?;
        self.to.flush()
    }
}

fn introduction(member: &Member) -> String {
    let Member { name, pid, netns, addresses } = member;
    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    let line = format!("  {name:<15} pid {pid:<7} {netns}  {}", addresses.join(", "));
    format!("{}\n", line.trim_end())
}
