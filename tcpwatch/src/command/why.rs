//! `tcpwatch why`: what a line of a log says, and how to know more. Reads nothing but what it is given.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use anyhow::{Context, bail};

use super::CANNOT_WRITE;
use super::stdout::Stdout;
use super::view::WIDTH;
use crate::cli::{Output, Why};
use crate::logs::{self, Found, Tally};
use crate::sink::{Paint, json_line, why};

pub(super) fn run(args: &Why, verbose: bool) -> anyhow::Result<()> {
    if args.known {
        return say(&why::known(columns()?));
    }
    let line = args.line.join(" ");
    if line.is_empty() || line == STREAM {
        return log(args);
    }
    let found = one(&line)?;
    say(&text(args, std::slice::from_ref(&found), 1)?)?;
    if args.live { live(args, &found, verbose) } else { Ok(()) }
}

/// A number counts as an error number here: it is all that was asked for.
fn one(line: &str) -> anyhow::Result<Found> {
    let found =
        logs::read(line).map(Found::once).or_else(|| logs::by_number(line.trim()).map(Found::said));
    found.with_context(|| format!("the words of this line are not known here; {KNOWN}"))
}

fn log(args: &Why) -> anyhow::Result<()> {
    let stdin = io::stdin();
    if args.line.is_empty() && stdin.is_terminal() {
        bail!(
            "there is no line to explain. Give one in quotes, or send a log through a pipe: tcpwatch why < error.log"
        )
    }
    let tally = read(stdin.lock()).context("cannot read stdin")?;
    let lines = tally.lines;
    let found = tally.found();
    if found.is_empty() {
        bail!("no words of this log are known here (lines: {lines}); {KNOWN}")
    }
    say(&text(args, &found, lines)?)
}

/// Line by line; of a line that is longer than any log's, only the beginning.
fn read(mut from: impl BufRead) -> io::Result<Tally> {
    let mut tally = Tally::default();
    let mut line = Vec::new();
    while from.by_ref().take(LONGEST).read_until(b'\n', &mut line)? > 0 {
        let cut = !line.ends_with(b"\n");
        tally.add(String::from_utf8_lossy(&line).trim_end());
        if cut {
            from.skip_until(b'\n')?;
        }
        line.clear();
    }
    Ok(tally)
}

fn text(args: &Why, found: &[Found], lines: u64) -> io::Result<String> {
    let (paint, width) = (Paint::for_output(&io::stdout()), columns()?);
    Ok(match (args.output, found) {
        (Output::Json, _) => found.iter().map(|found| json_line(&why::object(found))).collect(),
        (Output::Text, [only]) => why::full(only, paint, width),
        (Output::Text, _) => why::brief(found, lines, paint, width),
    })
}

fn columns() -> io::Result<usize> {
    Ok(Stdout::open()?.columns().unwrap_or(WIDTH))
}

fn say(text: &str) -> anyhow::Result<()> {
    Stdout::open()?.write_all(text.as_bytes()).context(CANNOT_WRITE)
}

/// As if the user had typed what was printed.
fn live(args: &Why, found: &Found, verbose: bool) -> anyhow::Result<()> {
    let Some(filter) = found.filter() else {
        bail!("there is nothing to watch: this takes no reset. Leave out --live")
    };
    let view: &[&str] = match args.output {
        Output::Text => &["--explain"],
        Output::Json => &["-o", "json"],
    };
    let words = ["tcpwatch", "rst"].iter().chain(view).map(|word| (*word).to_owned());
    let mut cli = crate::cli::Cli::try_from_words(words.chain(filter))?;
    cli.verbose = u8::from(verbose);
    super::run(&cli)
}

const STREAM: &str = "-";

const KNOWN: &str = "tcpwatch why --known lists those that are";

/// Bytes.
const LONGEST: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_counts_once_and_the_next_is_read() {
        let log = format!("ECONNRESET {}\nECONNREFUSED", "x".repeat(200_000));
        let tally = read(log.as_bytes()).unwrap();
        assert_eq!(tally.lines, 2);
        assert_eq!(tally.found().len(), 2);
    }

    #[test]
    fn bytes_that_are_no_text_are_read_over() {
        let tally = read(&b"\xff\xfe\x00\n\xffECONNRESET\r\n"[..]).unwrap();
        assert_eq!((tally.lines, tally.found().len()), (2, 1));
    }

    #[test]
    fn a_number_is_an_error_number_when_it_is_asked_for() {
        assert!(one("104").is_ok());
        assert!(read(&b"104\n111\n"[..]).unwrap().found().is_empty());
    }

    #[test]
    fn what_is_not_known_is_answered_in_one_sentence() {
        let complaint = one("all is well").unwrap_err().to_string();
        assert_eq!(
            complaint,
            "the words of this line are not known here; tcpwatch why --known lists those that are"
        );
    }
}
