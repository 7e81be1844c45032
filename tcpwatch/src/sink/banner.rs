//! The first lines: what is attached, by which way, and what this host cannot tell.
//!
//! They go to stderr. A closed stderr must not end the watch, so write errors end here.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::{Clean, Clock, Sink, Summary};
use crate::event::{CoverageDeclared, EventsLost, HookCoverage, HostDescribed};
use crate::explain::verdict::{Amendment, Verdict};

/// Writes the banner; nothing else interests it.
pub struct Banner<W> {
    clock: Clock,
    /// Also says which better ways were tried, and why they failed.
    verbose: bool,
    /// Of whom, where there are several hosts.
    host: Option<String>,
    /// Of each host.
    said: BTreeMap<Option<String>, Vec<String>>,
    to: W,
}

impl<W: Write> Banner<W> {
    pub fn new(clock: Clock, verbose: bool, to: W) -> Self {
        Self { clock, verbose, host: None, said: BTreeMap::new(), to }
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

    /// It says itself which host it speaks of.
    fn host(&mut self, host: &HostDescribed) -> io::Result<()> {
        self.host = Some(host.hostname.clone());
        Ok(())
    }

    /// Says what is new since the last declaration.
    fn coverage(&mut self, coverage: &CoverageDeclared) -> io::Result<()> {
        let lines = lines(&coverage.hooks, self.verbose, self.host.as_deref());
        let said = self.said.entry(self.host.clone()).or_default();
        let text: String = lines.iter().filter(|line| !said.contains(line)).cloned().collect();
        *said = lines;
        self.write(&text);
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

fn lines(hooks: &[HookCoverage], verbose: bool, host: Option<&str>) -> Vec<String> {
    let host = host.map_or_else(String::new, |host| format!("{} ", Clean(host)));
    let attached = hooks.iter().filter_map(|hook| attached(hook, &host));
    let failed = hooks.iter().filter(|_| verbose).flat_map(|hook| failed(hook, &host));
    let blind = hooks.iter().filter(|hook| !hook.blind.is_empty()).map(|hook| blind(hook, &host));
    let mut lines: Vec<String> = Vec::new();
    for line in attached.chain(failed).chain(blind) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

fn attached(hook: &HookCoverage, host: &str) -> Option<String> {
    let way = hook.way?;
    Some(format!("  attached  {host}{}: {} by {way}\n", hook.fact, Clean(&hook.hook)))
}

fn failed(hook: &HookCoverage, host: &str) -> Vec<String> {
    let line = |reason| format!("  tried     {host}{}: {}\n", hook.fact, Clean(reason));
    hook.failed.iter().map(line).collect()
}

fn blind(hook: &HookCoverage, host: &str) -> String {
    format!("  blind     {host}{}: {}\n", hook.fact, Clean(&hook.blind))
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
    fn each_of_several_hosts_says_what_it_sees() {
        let mut bytes = Vec::new();
        let mut banner = Banner::new(Clock::utc(), false, &mut bytes);
        for host in [samples::host(), samples::other_host(), samples::host()] {
            banner.host(&host).unwrap();
            banner.coverage(&samples::coverage()).unwrap();
        }
        let text = String::from_utf8(bytes).unwrap();
        for name in ["node1", "node2"] {
            let line = format!("  attached  {name} resets sent: tcp_v4_send_reset by kprobe\n");
            assert_eq!(text.matches(&line).count(), 1, "{text}");
        }
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
