//! `tcpwatch top`: what it shares with `rst`, and how often it speaks.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{Beside, Wanted, Watching, duration, parse_duration};

#[derive(Args, Debug)]
pub struct Top {
    /// How often to draw anew, in whole seconds. Without it: 1s on a terminal, 5s elsewhere
    #[arg(long, value_name = "DURATION", value_parser = parse_interval)]
    pub interval: Option<Duration>,

    /// Format of what goes to stdout
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    pub output: Form,

    #[command(flatten)]
    pub watching: Watching,

    #[command(flatten)]
    pub wanted: Wanted,

    /// Stop after this time: 60s, 5m, 1h30m
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration, help_heading = "Limits")]
    pub duration: Option<Duration>,

    #[command(flatten)]
    pub recording: Beside,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// A page drawn over and over on a terminal; elsewhere a block of text per interval
    Text,
    /// One JSON object per interval, see docs/schema/top.schema.json
    Json,
}

/// Counts are kept by the second.
fn parse_interval(text: &str) -> Result<Duration, String> {
    let whole = |span: &Duration| span.subsec_nanos() == 0 && !span.is_zero();
    duration(text)
        .filter(whole)
        .ok_or_else(|| "expected whole seconds, at least one, such as 5s or 1m".into())
}

pub(super) const EXAMPLES: &str = "\
Examples:
  tcpwatch top                                      the page, every second
  tcpwatch top --port 8080 --for 5m                 of one service
  tcpwatch top --interval 1m --record incident      and keep what leads to it
  tcpwatch top --interval 10s >> resets.log         plain text, a block per interval
  tcpwatch top -o json | jq '.causes[]? | {cause, rate: .last_1min.per_s}'
Each reset counts once, though both its ends are on this host. Rates are per second, by the time of the events.";

#[cfg(test)]
mod tests {
    use super::super::{Cli, Command};
    use super::*;

    fn parsed(words: &str) -> Result<Top, clap::Error> {
        let words = format!("tcpwatch top {words}");
        match Cli::try_from_words(words.split_whitespace())?.command {
            Command::Top(top) => Ok(top),
            _ => unreachable!(),
        }
    }

    #[test]
    fn it_takes_the_filters_of_rst() {
        let top = parsed("--port 80 --netns web --for 5m --interval 10s -o json").unwrap();
        assert_eq!((top.wanted.port.len(), top.wanted.netns.len()), (1, 1));
        let seconds = |span: Option<Duration>| span.map(|span| span.as_secs());
        assert_eq!((seconds(top.duration), seconds(top.interval)), (Some(300), Some(10)));
        assert_eq!(top.output, Form::Json);
    }

    #[test]
    fn intervals_are_whole_seconds() {
        for interval in ["0s", "1500ms", "5", "", "-1s"] {
            let said = parsed(&format!("--interval={interval}")).unwrap_err().to_string();
            assert!(said.contains("expected whole seconds"), "{said}");
        }
        assert_eq!(parsed("--interval 2000ms").unwrap().interval, Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_recording_beside_it_has_the_same_rules() {
        assert!(parsed("--ring 5s").unwrap_err().to_string().contains("--record PLACE"));
        assert!(parsed("--record -").unwrap_err().to_string().contains("stdout is taken"));
    }
}
