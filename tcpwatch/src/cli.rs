//! What the user can say. Parsing only: nothing is opened here.

mod keeping;
mod top;

use std::ffi::OsString;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

pub use keeping::{Destination, Keeping};
pub use top::{Form, Top};

use crate::event::{NetNs, Way};
use crate::explain::verdict::Direction;
use crate::filter::{
    FORMS, Filter, Namespace, Net, Ports, Span, When, catalogue_codes, cause_codes,
};
use crate::recording::{Flight, Trigger};

/// Why was this connection reset? TCP resets explained from the Linux kernel, live.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,

    /// Say more about what is done, on stderr (-vv: even more)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

impl Cli {
    /// The command line, or the exit with the right code that a wrong one deserves.
    pub fn from_command_line() -> Self {
        Self::try_from_words(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    pub fn try_from_words<T: Into<OsString> + Clone>(
        words: impl IntoIterator<Item = T>,
    ) -> Result<Self, clap::Error> {
        let cli = Self::try_parse_from(words)?;
        match cli.command.complaint() {
            None => Ok(cli),
            Some(complaint) => Err(Self::command().error(ErrorKind::ArgumentConflict, complaint)),
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Explain every TCP reset this host sends or receives, as it happens
    #[command(after_help = RST_EXAMPLES)]
    Rst(Rst),

    /// Show how many resets of which kind, between whom: a page that is drawn anew, or a block per interval
    #[command(after_help = top::EXAMPLES)]
    Top(Top),

    /// Record what the kernel tells, to be explained later or elsewhere
    #[command(after_help = RECORD_EXAMPLES)]
    Record(Record),

    /// Copy recordings without their addresses and names, for other people's eyes
    #[command(after_help = ANONYMIZE_EXAMPLES)]
    Anonymize(Anonymize),

    /// Explain recordings; needs no root and no Linux
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(Replay),

    /// Write what recordings explain for other programs: Wireshark, spreadsheets, databases
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(Export),

    /// List the causes tcpwatch can name, or tell all about one
    #[command(after_help = CAUSES_EXAMPLES)]
    Causes(Causes),

    /// Say what a line of an application's log means, and how to know why it happened
    #[command(after_help = WHY_EXAMPLES)]
    Why(Why),

    /// Tell what this kernel lets us see, and which settings of this host will produce resets
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor(Doctor),

    /// Make a well-known incident in network namespaces of its own, and explain it as it happens
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(Demo),

    /// A process of a demo
    #[command(hide = true)]
    DemoActor(DemoActor),
}

impl Command {
    /// What does not fit together, as a sentence.
    fn complaint(&self) -> Option<String> {
        match self {
            Self::Rst(args) => args.recording.complaint(),
            Self::Top(args) => args.recording.complaint(),
            Self::Demo(args) => args.recording.complaint(),
            Self::Record(args) => args.how.complaint(Destination::of(&args.to)),
            Self::Anonymize(args) => args.keeping.complaint(Destination::of(&args.to)),
            Self::Replay(_)
            | Self::Export(_)
            | Self::DemoActor(_)
            | Self::Causes(_)
            | Self::Why(_)
            | Self::Doctor(_) => None,
        }
    }
}

#[derive(Args, Debug)]
pub struct Rst {
    #[command(flatten)]
    pub view: View,

    #[command(flatten)]
    pub watching: Watching,

    #[command(flatten)]
    pub wanted: Wanted,

    #[command(flatten)]
    pub limits: Limits,

    #[command(flatten)]
    pub recording: Beside,
}

/// A recording beside what is shown.
#[derive(Args, Debug)]
pub struct Beside {
    /// Also record to a directory of segments, or a FILE.tcpw.jsonl.zst
    #[arg(long, value_name = "PLACE", help_heading = "Recording")]
    pub record: Option<PathBuf>,

    #[command(flatten)]
    pub how: Recording,
}

impl Beside {
    fn complaint(&self) -> Option<String> {
        match self.record.as_deref().map(Destination::of) {
            None => self.how.given().map(|option| {
                format!("{option} is about a recording. Say where it goes: --record PLACE")
            }),
            Some(Destination::Stdout) => Some(TWO_ON_STDOUT.to_owned()),
            Some(to) => self.how.complaint(to),
        }
    }
}

const TWO_ON_STDOUT: &str = "stdout is taken by what is shown. Record to a directory or a file, or use `tcpwatch record -o -`";

#[derive(Args, Debug)]
pub struct Record {
    /// A directory of segments (made when it is not there), a FILE.tcpw.jsonl.zst, or - for stdout
    #[arg(short = 'o', long = "out", value_name = "PLACE")]
    pub to: PathBuf,

    #[command(flatten)]
    pub watching: Watching,

    /// Stop after this time: 60s, 5m, 1h30m
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    pub duration: Option<Duration>,

    #[command(flatten)]
    pub how: Recording,
}

#[derive(Args, Debug)]
pub struct Replay {
    /// Recordings, directories of them, or - for stdin
    #[arg(value_name = "FILE|DIR", required = true)]
    pub inputs: Vec<PathBuf>,

    #[command(flatten)]
    pub view: View,

    #[command(flatten)]
    pub wanted: Wanted,

    #[command(flatten)]
    pub times: Times,

    /// Show this many resets; all are counted
    #[arg(long, value_name = "N")]
    pub count: Option<NonZeroU64>,
}

/// Which part of a recording to show.
#[derive(Args, Clone, Copy, Debug, Default)]
#[command(next_help_heading = "Filters (what is hidden is still counted)")]
pub struct Times {
    /// Only resets at or after T: 2026-11-21T12:04:31Z, a local time such as '2026-11-21 12:04' or 12:04:31 (of the
    /// recording's first day), or -5m (before its end). What came before still explains them
    #[arg(long, value_name = "T", value_parser = parse_when, allow_hyphen_values = true)]
    pub since: Option<When>,

    /// Only resets at or before T, in the same forms
    #[arg(long, value_name = "T", value_parser = parse_when, allow_hyphen_values = true)]
    pub until: Option<When>,
}

#[derive(Args, Debug)]
pub struct Export {
    /// Recordings, directories of them, or - for stdin
    #[arg(value_name = "FILE|DIR", required = true)]
    pub inputs: Vec<PathBuf>,

    /// What to write
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub to: Format,

    /// Where to write it: a file that is not there yet. Without it, stdout
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    #[command(flatten)]
    pub wanted: Wanted,

    #[command(flatten)]
    pub times: Times,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Packets for Wireshark: the headers of each reset, put together anew, with the explanation as comment
    Pcapng,
    /// One JSON object per line, see docs/schema/verdict.schema.json
    Json,
    /// A table for spreadsheets, one row per reset
    Csv,
    /// The same table for databases
    Parquet,
}

#[derive(Args, Debug)]
pub struct Anonymize {
    /// Recordings, directories of them, or - for stdin
    #[arg(value_name = "FILE|DIR", required = true)]
    pub inputs: Vec<PathBuf>,

    /// A directory of segments (made when it is not there), a FILE.tcpw.jsonl.zst, or - for stdout
    #[arg(short = 'o', long = "out", value_name = "PLACE")]
    pub to: PathBuf,

    /// What to replace
    #[arg(long, value_enum, default_value_t = Secret::All)]
    pub level: Secret,

    /// Write what was replaced by what to this new file, to be kept apart from the recording
    #[arg(long, value_name = "FILE")]
    pub mapping: Option<PathBuf>,

    #[command(flatten)]
    pub keeping: Keeping,
}

#[derive(Args, Debug)]
pub struct Causes {
    /// Tell all about this cause: what it means, how it is proven, what looks alike, what to do
    #[arg(value_name = "CODE", value_parser = parse_code)]
    pub code: Option<String>,

    /// Format of what goes to stdout; JSON is one object per cause, see docs/schema/verdict.schema.json
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

#[derive(Args, Debug)]
pub struct Why {
    /// The line, best in quotes; an error number or its name will do. Without it, or with -, a log is read from stdin
    #[arg(value_name = "LINE")]
    pub line: Vec<String>,

    /// Format of what goes to stdout; JSON is one object for all log lines with the same words, see
    /// docs/schema/verdict.schema.json
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,

    /// Then watch this kernel for such resets, as the command that was printed does
    #[arg(long, requires = "line")]
    pub live: bool,

    /// List the words that are known, by who logs them
    #[arg(long, exclusive = true)]
    pub known: bool,
}

/// How to record.
#[derive(Args, Debug)]
pub struct Recording {
    #[command(flatten)]
    pub keeping: Keeping,

    #[command(flatten)]
    pub flying: Flying,

    #[command(flatten)]
    pub anonymizing: Anonymizing,
}

impl Recording {
    fn complaint(&self, to: Destination) -> Option<String> {
        self.flying.ring.and_then(|_| self.flight_complaint(to)).or(self.keeping.complaint(to))
    }

    fn flight_complaint(&self, to: Destination) -> Option<String> {
        if !matches!(to, Destination::Directory(_)) {
            return Some(
                "a flight recorder writes a segment for each reason. Give it a directory".into(),
            );
        }
        let option = self.keeping.of_rotation()?;
        Some(format!(
            "{option} does not go with --ring: each reason gets one segment. Leave it out"
        ))
    }

    /// The first option that was given.
    fn given(&self) -> Option<&'static str> {
        let options = [
            (self.flying.ring.is_some(), "--ring"),
            (self.anonymizing.anonymize.is_some(), "--anonymize"),
        ];
        let other = options.into_iter().find(|(given, _)| *given).map(|(_, option)| option);
        self.keeping.given().or(other)
    }
}

/// A flight recorder: remembers, and writes when there is a reason.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Flight recorder")]
pub struct Flying {
    /// Keep only the last DURATION in memory, and write it to the directory on SIGUSR1 or --on
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub ring: Option<Duration>,

    /// Write when this happens: cause=CODE (see `tcpwatch causes`), or rate=N/s resets
    #[arg(long, value_name = "TRIGGER", value_parser = parse_trigger, requires = "ring")]
    pub on: Vec<Trigger>,

    /// Go on writing for so long after the reason
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "30s")]
    #[arg(requires = "ring")]
    pub after: Duration,
}

impl Flying {
    pub fn flight(&self) -> Option<Flight> {
        let (after, triggers) = (self.after, self.on.clone());
        self.ring.map(|span| Flight { span, after, triggers })
    }
}

/// Recordings for other people's eyes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Recording")]
pub struct Anonymizing {
    /// Replace addresses and names, the same by the same: all of them, or public addresses only
    #[arg(long, value_name = "LEVEL", value_enum, num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "all")]
    pub anonymize: Option<Secret>,

    /// Write what was replaced by what to this new file, to be kept apart from the recording
    #[arg(long, value_name = "FILE", requires = "anonymize")]
    pub mapping: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Secret {
    /// Addresses (but loopback and multicast), and names of hosts, processes, namespaces and cgroups
    All,
    /// Public addresses
    Public,
}

/// How verdicts are shown.
#[derive(Args, Clone, Copy, Debug)]
pub struct View {
    /// Show a block per reset: cause, numbered evidence, and what to do
    #[arg(long, conflicts_with = "output")]
    pub explain: bool,

    /// Format of what goes to stdout, one line or one object per reset: see docs/schema/verdict.schema.json
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// How a running kernel is watched.
#[derive(Args, Debug)]
pub struct Watching {
    /// Write a line `ready` to this file descriptor when every hook is live; stderr gets one in any case
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub ready_fd: Option<i32>,

    /// Kernel type information, where the kernel has none at /sys/kernel/btf/vmlinux
    #[arg(long, value_name = "FILE")]
    pub btf: Option<PathBuf>,

    /// Where the host's files are mounted, as in a debug pod: names of pods and containers are read there
    #[arg(long, value_name = "DIR")]
    pub host_root: Option<PathBuf>,

    /// Ways of attaching not to try: where one misbehaves, or to see what the others tell
    #[arg(long, value_name = "WAY", value_delimiter = ',', hide = true, value_parser = parse_way)]
    pub avoid: Vec<Way>,
}

#[derive(Args, Debug)]
pub struct Doctor {
    /// Format of what goes to stdout; JSON is one object, see docs/schema/doctor.schema.json
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,

    /// Look at this network namespace only: its name, its inode number, or that of a process as pid:PID
    #[arg(long, value_name = "NETNS", value_parser = parse_netns)]
    pub netns: Vec<Netns>,

    /// Kernel type information, where the kernel has none at /sys/kernel/btf/vmlinux
    #[arg(long, value_name = "FILE")]
    pub btf: Option<PathBuf>,

    /// Where the host's files are mounted, as in a debug pod: names of pods are read there
    #[arg(long, value_name = "DIR")]
    pub host_root: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct Demo {
    /// What is to happen
    #[arg(value_enum)]
    pub incident: Incident,

    /// Kernel type information, where the kernel has none at /sys/kernel/btf/vmlinux
    #[arg(long, value_name = "FILE")]
    pub btf: Option<PathBuf>,

    #[command(flatten)]
    pub recording: Beside,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Incident {
    /// An idle connection through a service address outlives its conntrack entry
    Conntrack,
    /// Clients meet a full accept queue, with tcp_abort_on_overflow 0 and 1
    Overflow,
    /// Clients are sent to a server that has stopped, and to one that does not listen yet
    Rollout,
}

/// What a demo tells its own processes.
#[derive(Args, Debug)]
pub struct DemoActor {
    /// What it calls itself
    pub name: String,

    /// Enter the network namespace of this process instead of making one
    #[arg(long, value_name = "PID")]
    pub within: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Text to read
    Text,
    /// JSON, as docs/schema describes it
    Json,
}

/// Which verdicts to show. Several values of one option mean any of them, several options all of them.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Filters (what is hidden is still counted)")]
pub struct Wanted {
    /// Network namespace: its name, its inode number, or that of a process as pid:PID
    #[arg(long, value_name = "NETNS", value_parser = parse_netns)]
    pub netns: Vec<Netns>,

    /// Port of either end or of the service: 8080, or a range such as 8000-8999
    #[arg(long, value_name = "PORT", value_delimiter = ',')]
    pub port: Vec<Ports>,

    /// Address of either end or of the service: 10.0.0.1, fd00::1, or a network such as 10.0.0.0/8
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    pub host: Vec<Net>,

    /// Code of a cause (see `tcpwatch causes`), or `unexplained`
    #[arg(long, value_name = "CODE", value_delimiter = ',', hide_possible_values = true)]
    #[arg(value_parser = PossibleValuesParser::new(cause_codes()))]
    pub cause: Vec<String>,

    /// Only resets this host sent
    #[arg(long, conflicts_with = "received")]
    pub sent: bool,

    /// Only resets this host received
    #[arg(long)]
    pub received: bool,
}

impl Wanted {
    /// The filter, once namespaces of processes have been looked up.
    pub fn filter(&self, netns: Vec<Namespace>) -> Filter {
        Filter {
            netns,
            ports: self.port.clone(),
            hosts: self.host.clone(),
            causes: self.cause.clone(),
            direction: self.direction(),
            span: Span::default(),
        }
    }

    fn direction(&self) -> Option<Direction> {
        match (self.sent, self.received) {
            (true, _) => Some(Direction::Sent),
            (false, true) => Some(Direction::Received),
            (false, false) => None,
        }
    }
}

/// When to stop.
#[derive(Args, Clone, Copy, Debug, Default)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// Stop after this time: 60s, 5m, 1h30m
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    pub duration: Option<Duration>,

    /// Stop after this many resets were shown
    #[arg(long, value_name = "N")]
    pub count: Option<NonZeroU64>,
}

/// A network namespace as the user names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Netns {
    Is(Namespace),
    /// The one this process lives in.
    OfProcess(u32),
}

fn parse_code(text: &str) -> Result<String, String> {
    if catalogue_codes().any(|known| known == text) {
        return Ok(text.into());
    }
    let mut near: Vec<_> = catalogue_codes()
        .map(|known| (strsim::jaro_winkler(text, known), known))
        .filter(|(likeness, _)| *likeness > NEAR)
        .collect();
    near.sort_by(|one, other| other.0.total_cmp(&one.0));
    let names: Vec<_> = near.into_iter().take(3).map(|(_, known)| known).collect();
    Err(match names.as_slice() {
        [] => "no cause has that name; `tcpwatch causes` lists them".into(),
        names => format!("no cause has that name; near it: {}", names.join(", ")),
    })
}

/// Of 1: what is less alike is no slip of the pen.
const NEAR: f64 = 0.8;

fn parse_way(text: &str) -> Result<Way, String> {
    let ways = [Way::Fentry, Way::Kprobe, Way::Tracepoint];
    let way = ways.into_iter().find(|way| way.name() == text);
    way.ok_or_else(|| "expected fentry, kprobe or tracepoint".into())
}

fn parse_netns(text: &str) -> Result<Netns, String> {
    const FORMS: &str =
        "expected a name such as web, an inode number such as 4026531840, or pid:PID";
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let inode = text.strip_prefix("net:[").and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if let Some(pid) = text.strip_prefix("pid:") {
        let pid = Some(pid).filter(|pid| digits(pid)).and_then(|pid| pid.parse().ok());
        return pid.map(Netns::OfProcess).ok_or_else(|| FORMS.into());
    }
    if digits(inode) {
        let inode = inode.parse().map_err(|_| FORMS)?;
        return Ok(Netns::Is(Namespace::Inode(NetNs(inode))));
    }
    if inode.is_empty() {
        return Err(FORMS.into());
    }
    Ok(Netns::Is(Namespace::Name(text.into())))
}

/// A span with a minus lies before the end.
fn parse_when(text: &str) -> Result<When, String> {
    match text.strip_prefix('-') {
        Some(span) => duration(span).map(When::BeforeEnd).ok_or_else(|| FORMS.into()),
        None => text.parse(),
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    duration(text).ok_or_else(|| {
        "expected a number with a unit (ms, s, m, h, d) such as 60s, 5m or 1h30m".into()
    })
}

/// Numbers with units, added up.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (number, after) = split_where(rest, |c| !c.is_ascii_digit());
        let (unit, after) = split_where(after, |c| c.is_ascii_digit());
        let millis = number.parse::<u64>().ok()?.checked_mul(unit_millis(unit)?)?;
        total = total.checked_add(Duration::from_millis(millis))?;
        rest = after;
    }
    Some(total).filter(|_| !text.is_empty())
}

fn parse_trigger(text: &str) -> Result<Trigger, String> {
    trigger(text).ok_or_else(|| {
        "expected cause=CODE (`tcpwatch causes` lists them), cause=unexplained, or rate=N/s such as rate=50/s".into()
    })
}

fn trigger(text: &str) -> Option<Trigger> {
    match text.split_once('=')? {
        ("cause", code) => {
            cause_codes().any(|known| known == code).then(|| Trigger::Cause(code.into()))
        }
        ("rate", rate) => {
            let resets = rate.strip_suffix("/s")?.parse().ok()?;
            (1..=MOST_PER_SECOND).contains(&resets).then_some(Trigger::Rate(resets))
        }
        _ => None,
    }
}

/// A rate is found by remembering the times of as many resets.
const MOST_PER_SECOND: usize = 1_000_000;

fn split_where(text: &str, end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(end).unwrap_or(text.len()))
}

fn unit_millis(unit: &str) -> Option<u64> {
    match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    }
}

const RST_EXAMPLES: &str = "\
Examples:
  tcpwatch rst --explain                          every reset, with evidence and remedy
  tcpwatch rst --port 8080 --for 5m               what happens to one service
  tcpwatch rst --netns pid:4211 --sent            what one container refuses
  tcpwatch rst --cause conntrack-expired,conntrack-flushed --host 10.0.0.0/8
  tcpwatch rst -o json --count 100 | jq -r 'select(.type == \"verdict\").cause'";

const DEMO_EXAMPLES: &str = "\
Examples:
  tcpwatch demo conntrack     a service, two back ends, and a client that is silent for too long
  tcpwatch demo overflow      a server that does not accept(), and one client too many
  tcpwatch demo rollout       a server that has just stopped, another that is still starting
  tcpwatch demo conntrack --record demo.tcpw.jsonl.zst     to be replayed elsewhere

Needs root, and nothing else: no ip, no nft. It takes some seconds. All it makes is in network
namespaces of its own, and gone when it ends, however it ends. The kernel may load its modules
veth and, for conntrack, nf_tables, nft_chain_nat, nft_nat and nft_numgen.

Exit codes: 0 the incident was explained, 1 it was not (the message says the next step).";

const RECORD_EXAMPLES: &str = "\
Examples:
  tcpwatch record -o incident.tcpw.jsonl.zst --for 10m   one file
  tcpwatch record -o /var/lib/tcpwatch                   a directory of segments, bounded
  tcpwatch record -o /data/tw --keep 100 --rotate-time 10m --max-disk 5G --min-free 10%
  tcpwatch record -o /data/tw -C 64 -G 3600 -W 20        the same words as for tcpdump
  tcpwatch record -o rare --ring 60s --on cause=conntrack-expired   what leads to it
  kubectl debug node/n1 --image tcpwatch -- tcpwatch record -o - > n1.tcpw.jsonl.zst
  tcpwatch rst --explain --record incident               watch and record";

const DOCTOR_EXAMPLES: &str = "\
Examples:
  tcpwatch doctor                       what can be seen here, and what will go wrong
  tcpwatch doctor --netns pid:4211      the settings of one container
  tcpwatch doctor -o json | jq -r '.findings[] | .severity + \" \" + .sentence'
  tcpwatch doctor > /dev/null; [ $? = 3 ] && echo look at this node   in a check of nodes

It takes a moment, sets nothing and leaves nothing: hooks are attached and let go again. (The kernel may load
tcp_diag, as for ss.) What cannot be seen is told and is no finding; neither are settings that kernels come with.

Exit codes: 0 no findings, 1 failure (the message says the next step), 2 wrong usage, 3 findings.";

const ANONYMIZE_EXAMPLES: &str = "\
Examples:
  tcpwatch anonymize incident.tcpw.jsonl.zst -o public.tcpw.jsonl.zst
  tcpwatch anonymize incident -o public --mapping mapping.jsonl   you can translate answers back
Sysctls and what the kernel did stay, so does the explanation. Ports, process and user numbers stay too.";

const REPLAY_EXAMPLES: &str = "\
Examples:
  tcpwatch replay incident.tcpw.jsonl.zst --explain
  tcpwatch replay /var/lib/tcpwatch --port 8080 --since '2026-11-21 12:00' --until 12:30
  tcpwatch replay n1.tcpw.jsonl.zst n2.tcpw.jsonl.zst     two hosts: merged by their clocks, resets between them joined
  kubectl exec debugger -- tcpwatch record -o - --for 5m | tcpwatch replay - -o json
  zstdcat incident.tcpw.jsonl.zst | jq -c 'select(.type == \"rst_sent\")'   the events themselves";

const EXPORT_EXAMPLES: &str = "\
Examples:
  tcpwatch export incident.tcpw.jsonl.zst --to pcapng -o incident.pcapng
  tshark -r incident.pcapng -Y 'frame.comment contains \"conntrack-expired\"'
  tcpwatch export /var/lib/tcpwatch --to csv --cause unexplained > open-questions.csv
  tcpwatch export /var/lib/tcpwatch --to csv --since -1h --until -30m -o half-an-hour.csv
  tcpwatch export /var/lib/tcpwatch --to json | jq -r 'select(.type == \"verdict\").cause' | sort | uniq -c";

const CAUSES_EXAMPLES: &str = "\
Examples:
  tcpwatch causes                         one line for each
  tcpwatch causes conntrack-expired       how it is proven, what looks alike, what to do
  tcpwatch causes -o json | jq -r 'select(.benign).code'
The same pages are in docs/causes.";

const WHY_EXAMPLES: &str = "\
Examples:
  tcpwatch why 'recv() failed (104: Connection reset by peer) while reading response header from upstream'
  tcpwatch why '503 UC'
  tcpwatch why ECONNREFUSED
  tcpwatch why < /var/log/nginx/error.log              what a whole log says, with counts
  kubectl logs deploy/shop | tcpwatch why -o json | jq -r .command
  tcpwatch why --known                                 every word that is known
  sudo tcpwatch why --live 'dial tcp 10.0.0.5:8080: connect: connection refused'
Needs neither root nor a network. Exit codes: 0 the line is known, 1 it is not.";

const EXIT_CODES: &str = "\
Exit codes: 0 ok, 1 failure (the message says the next step), 2 wrong usage, 3 a gate was not met (doctor has
findings).
Needs root, or CAP_BPF and CAP_PERFMON; more to see every namespace and process (see README.md).";

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &str) -> Result<Rst, clap::Error> {
        let words = format!("tcpwatch rst {words}");
        let cli = Cli::try_from_words(words.split_whitespace())?;
        match cli.command {
            Command::Rst(rst) => Ok(rst),
            _ => unreachable!(),
        }
    }

    fn refused(words: &str) -> String {
        let error = parsed(words).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_names_every_option_with_examples() {
        let error = Cli::try_from_words(["tcpwatch", "rst", "--help"]).unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::DisplayHelp, 0));
        let help = error.to_string();
        for option in [
            "--explain",
            "--output",
            "--netns",
            "--port",
            "--host",
            "--cause",
            "--sent",
            "--received",
            "--for",
            "--count",
            "--ready-fd",
            "--btf",
            "--verbose",
            "Examples:",
        ] {
            assert!(help.contains(option), "{option} is missing in\n{help}");
        }
    }

    #[test]
    fn a_demo_is_named_by_its_incident() {
        let demo = |words: [&str; 3]| Cli::try_from_words(words).map(|cli| cli.command);
        let rollout = demo(["tcpwatch", "demo", "rollout"]).unwrap();
        assert!(matches!(rollout, Command::Demo(Demo { incident: Incident::Rollout, .. })));
        let refused = demo(["tcpwatch", "demo", "earthquake"]).unwrap_err().to_string();
        assert!(refused.contains("possible values: conntrack, overflow, rollout"), "{refused}");
        let help = demo(["tcpwatch", "demo", "--help"]).unwrap_err().to_string();
        assert!(help.contains("Examples:") && help.contains("nft_numgen"), "{help}");
    }

    #[test]
    fn doctor_looks_at_namespaces() {
        let doctor = |words: &[&str]| {
            let words = [&["tcpwatch", "doctor"], words].concat();
            Cli::try_from_words(words).map(|cli| cli.command)
        };
        let Command::Doctor(parsed) = doctor(&["-o", "json", "--netns", "pid:7"]).unwrap() else {
            panic!("another verb")
        };
        assert_eq!((parsed.output, parsed.netns), (Output::Json, vec![Netns::OfProcess(7)]));
        let help = doctor(&["--help"]).unwrap_err().to_string();
        assert!(help.contains("Examples:") && help.contains("3 findings"), "{help}");
        assert!(!help.contains("||"), "a failure is no finding: {help}");
        assert!(doctor(&["-o", "csv"]).unwrap_err().to_string().contains("text, json"));
    }

    #[test]
    fn formats_are_described_as_the_verb_writes_them() {
        let help = |verb| {
            let words = ["tcpwatch", verb, "--help"];
            let help = Cli::try_from_words(words).unwrap_err().to_string();
            help.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        for verb in ["doctor", "causes", "why"] {
            assert!(!help(verb).contains("of resets, one line each"), "{verb}");
            assert!(!help(verb).contains("object per line"), "{verb}");
        }
        assert!(help("doctor").contains("JSON is one object, see docs/schema/doctor.schema.json"));
        assert!(help("causes").contains("JSON is one object per cause"));
        assert!(help("rst").contains("one line or one object per reset"));
    }

    #[test]
    fn the_verb_of_actors_is_not_for_people() {
        let help = Cli::command().render_long_help().to_string();
        assert!(help.contains("demo ") && !help.contains("demo-actor"), "{help}");
    }

    #[test]
    fn nothing_said_means_everything_as_text() {
        let rst = parsed("").unwrap();
        assert_eq!(rst.view.output, Output::Text);
        assert_eq!(rst.wanted.filter(Vec::new()), Filter::default());
        assert_eq!((rst.limits.duration, rst.limits.count), (None, None));
    }

    #[test]
    fn filters_take_several_values() {
        let rst = parsed("--port 80,443 --port 8000-8999 --host 10.0.0.0/8 --cause no-listener,unexplained --sent").unwrap();
        let filter = rst.wanted.filter(vec![Namespace::Name("web".into())]);
        assert_eq!((filter.ports.len(), filter.hosts.len(), filter.causes.len()), (3, 1, 2));
        assert_eq!(filter.direction, Some(Direction::Sent));
        assert_eq!(parsed("--received").unwrap().wanted.direction(), Some(Direction::Received));
    }

    #[test]
    fn ways_can_be_avoided() {
        let avoid = parsed("--avoid fentry,kprobe").unwrap().watching.avoid;
        assert_eq!(avoid, [Way::Fentry, Way::Kprobe]);
    }

    #[test]
    fn a_namespace_has_four_spellings() {
        let netns = |words| parsed(words).unwrap().wanted.netns;
        let inode = Netns::Is(Namespace::Inode(NetNs(4_026_531_840)));
        assert_eq!(netns("--netns 4026531840"), std::slice::from_ref(&inode));
        assert_eq!(netns("--netns net:[4026531840]"), [inode]);
        assert_eq!(netns("--netns pid:12"), [Netns::OfProcess(12)]);
        assert_eq!(netns("--netns web-1"), [Netns::Is(Namespace::Name("web-1".into()))]);
        for text in ["pid:", "pid:x", "pid:-1", "99999999999", "net:[]"] {
            assert!(
                refused(&format!("--netns {text}")).contains("expected a name such as web"),
                "{text}"
            );
        }
    }

    #[test]
    fn an_unknown_cause_names_the_nearest_and_all() {
        let said = refused("--cause conntrack-expird");
        assert!(said.contains("similar value exists: 'conntrack-expired'"), "{said}");
        assert!(said.contains("possible values: ") && said.contains("unexplained"), "{said}");
    }

    #[test]
    fn wrong_values_name_the_accepted_form() {
        assert!(
            refused("--port http").contains("a port such as 8080 or a range such as 8000-8999")
        );
        assert!(refused("--host example.org").contains("an address such as 10.0.0.1"));
        assert!(refused("--for 60").contains("such as 60s, 5m or 1h30m"));
        assert!(refused("-o xml").contains("possible values: text, json"));
        assert!(refused("--avoid luck").contains("expected fentry, kprobe or tracepoint"));
        refused("--count 0");
        refused("--ready-fd -1");
        refused("--sent --received");
        refused("--explain -o json");
        refused("--colour");
    }

    #[test]
    fn a_flight_recorder_has_its_reasons() {
        let flying =
            parsed("--record rare --ring 60s --on cause=no-listener --on rate=50/s --after 5s");
        let flight = flying.unwrap().recording.how.flying.flight().unwrap();
        assert_eq!((flight.span.as_secs(), flight.after.as_secs()), (60, 5));
        assert_eq!(flight.triggers, [Trigger::Cause("no-listener".into()), Trigger::Rate(50)]);
        assert_eq!(parsed("--record all").unwrap().recording.how.flying.flight(), None);
    }

    #[test]
    fn reasons_in_other_forms_are_refused() {
        for text in [
            "",
            "cause",
            "cause=",
            "cause=gremlins",
            "rate=50",
            "rate=0/s",
            "rate=-1/s",
            "rate=9999999/s",
        ] {
            assert_eq!(trigger(text), None, "{text}");
        }
        refused("--on rate=5/s");
        refused("--record x --after 5s");
        assert!(refused("--record x.zst --ring 5s").contains("Give it a directory"));
        assert!(refused("--record x --ring 5s -C 5").contains("-C does not go with --ring"));
    }

    #[test]
    fn an_export_has_a_source_and_a_format() {
        let export = |words: &str| {
            Cli::try_from_words(format!("tcpwatch export {words}").split_whitespace())
        };
        let Command::Export(parsed) = export("a b --to csv --port 80 -o c").unwrap().command else {
            panic!("another verb")
        };
        assert_eq!((parsed.to, parsed.inputs.len()), (Format::Csv, 2));
        assert_eq!((parsed.out, parsed.wanted.port.len()), (Some("c".into()), 1));
        assert!(export("a").unwrap_err().to_string().contains("--to <FORMAT>"));
        assert!(export("--to csv").unwrap_err().to_string().contains("<FILE|DIR>"));
        let said = export("a --to xls").unwrap_err().to_string();
        assert!(said.contains("possible values: pcapng, json, csv, parquet"), "{said}");
    }

    #[test]
    fn durations_add_up() {
        let seconds = |text| duration(text).map(|span| span.as_secs_f64());
        assert_eq!(seconds("60s"), Some(60.0));
        assert_eq!(seconds("1h30m"), Some(5_400.0));
        assert_eq!(seconds("1d"), Some(86_400.0));
        assert_eq!(seconds("1500ms"), Some(1.5));
        assert_eq!(seconds("0s"), Some(0.0));
    }

    #[test]
    fn durations_in_other_forms_are_refused() {
        for text in [
            "",
            "60",
            "s",
            "5x",
            "-5s",
            "1.5h",
            "5 m",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
