//! The first lines: what is attached, by which way, and what this host cannot tell.
//!
//! They go to stderr. A closed stderr must not end the watch, so write errors end here.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::{Clean, Clock, Sink, Summary};
use crate::event::{CoverageDeclared, EventsLost, HookCoverage, HostDescribed};
use crate::explain::verdict::{Amendment, Verdict};

/// Writes the banner; nothing else interests it.
pub struct Banner<W> {
    clock: Clock,
    /// Also says which better ways were tried, and why they failed.
    verbose: bool,
    said: Vec<String>,
    to: W,
}

impl<W: Write> Banner<W> {
    pub fn new(clock: Clock, verbose: bool, to: W) -> Self {
        Self { clock, verbose, said: Vec::new(), to }
    }

    fn write(&mut self, text: &str) {
        _ = self.to.write_all(text.as_bytes());
        _ = self.to.flush();
    }
}

impl<W: Write> Sink for Banner<W> {
    fn started(&mut self, host: &HostDescribed) -> io::Result<()> {
        self.clock.set(host);
        let (version, hostname) = (Clean(&host.version), Clean(&host.hostname));
        let (kernel, since) = (Clean(&host.kernel), self.clock.at(host.time));
        let text = format!("tcpwatch {version} on {hostname}, Linux {kernel}, {}\n", since.full());
        self.write(&text);
        Ok(())
    }

    /// Says what is new since the last declaration.
    fn coverage(&mut self, coverage: &CoverageDeclared) -> io::Result<()> {
        let lines = lines(&coverage.hooks, self.verbose);
        let mut text = String::new();
        for line in lines.iter().filter(|line| !self.said.contains(line)) {
            text.push_str(line);
        }
        self.write(&text);
        self.said = lines;
        Ok(())
    }

    fn verdict(&mut self, _verdict: &Verdict) -> io::Result<()> {
        Ok(())
    }

    fn amendment(&mut self, _amendment: &Amendment) -> io::Result<()> {
        Ok(())
    }

    fn lost(&mut self, _lost: &EventsLost) -> io::Result<()> {
        Ok(())
    }

    fn totals(&mut self, _summary: &Summary<'_>) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lines(hooks: &[HookCoverage], verbose: bool) -> Vec<String> {
    let attached = hooks.iter().filter_map(attached);
    let failed = hooks.iter().filter(|_| verbose).flat_map(failed);
    let blind = hooks.iter().filter(|hook| !hook.blind.is_empty()).map(blind);
    let mut lines: Vec<String> = Vec::new();
    for line in attached.chain(failed).chain(blind) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

fn attached(hook: &HookCoverage) -> Option<String> {
    let way = hook.way?;
    Some(format!("  attached  {}: {} by {way}\n", hook.fact, Clean(&hook.hook)))
}

fn failed(hook: &HookCoverage) -> Vec<String> {
    let line = |reason| format!("  tried     {}: {}\n", hook.fact, Clean(reason));
    hook.failed.iter().map(line).collect()
}

fn blind(hook: &HookCoverage) -> String {
    let mut line = String::from("  blind     ");
    _ = writeln!(line, "{}: {}", hook.fact, Clean(&hook.blind));
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Way;
    use crate::sink::samples;

    fn banner(verbose: bool, declarations: &[CoverageDeclared]) -> String {
        let mut bytes = Vec::new();
        let mut banner = Banner::new(Clock::utc(), verbose, &mut bytes);
        banner.started(&samples::host()).unwrap();
        for coverage in declarations {
            banner.coverage(coverage).unwrap();
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn it_says_what_is_attached_and_what_is_not_seen() {
        assert_eq!(
            banner(false, &[samples::coverage()]),
            "\
tcpwatch 0.1.0 on node1, Linux 6.18.0, 2026-11-21 12:04:00.000+00:00
  attached  resets sent: tcp_v4_send_reset by kprobe
  blind     conntrack entries destroyed: lost translations cannot be told from stray segments
"
        );
    }

    #[test]
    fn verbose_says_what_was_tried() {
        let text = banner(true, &[samples::coverage()]);
        assert!(
            text.contains("  tried     resets sent: fentry: refused by the kernel\n"),
            "{text}"
        );
    }

    #[test]
    fn a_second_declaration_says_only_what_is_new() {
        let mut later = samples::coverage();
        later.hooks[1].way = Some(Way::Kprobe);
        later.hooks[1].blind.clear();
        let text = banner(false, &[samples::coverage(), later]);
        let new = "  attached  conntrack entries destroyed: nf_ct_destroy by kprobe\n";
        assert!(text.ends_with(new), "{text}");
        assert_eq!(text.matches("tcp_v4_send_reset").count(), 1);
    }
}
