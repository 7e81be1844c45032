//! `tcpwatch causes`: what tcpwatch can name.

use std::io::Write;

use anyhow::Context;

use crate::explain::cause::Cause;

pub(super) fn run(mut to: impl Write) -> anyhow::Result<()> {
    let widest = Cause::ALL.iter().map(|(code, _)| code.len()).max().unwrap_or(0);
    let lines: Vec<_> =
        Cause::ALL.iter().map(|(code, meaning)| format!("{code:<widest$}  {meaning}\n")).collect();
    to.write_all(lines.concat().as_bytes()).context("cannot write to stdout")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_one_line() {
        let mut bytes = Vec::new();
        run(&mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.lines().count(), Cause::ALL.len());
        let line = text.lines().find(|line| line.starts_with("no-listener ")).expect("a cause");
        assert!(line.ends_with("   nothing listens on that address and port"), "{text}");
    }
}
