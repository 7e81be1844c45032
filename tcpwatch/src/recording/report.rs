//! What a person is told of a recording: at its end what was written, and of a flight recorder when and why.
//!
//! Nothing is said of what goes into a pipe: where it ends, stderr may be mixed with it. A closed stderr must not end
//! the recording, so write errors end here.

use std::io::Write;
use std::path::Path;
use std::process;
use std::time::Duration;

use jiff::Timestamp;

use super::limits::Size;
use super::line::Account;
use super::place::Whereabouts;
use super::recorder::Flight;
use super::written::Written;
use crate::event::{HostDescribed, Time};

/// Tells one person, if there is one who wants to know.
#[derive(Default)]
pub(super) struct Report {
    to: Option<Box<dyn Write + Send>>,
    place: Whereabouts,
    /// What is kept in memory, and what makes a flight recorder write it.
    flight: Option<(Duration, String)>,
    /// That was said.
    armed: bool,
    host: Option<HostDescribed>,
}

/// Why a flight recorder writes, and what it has.
pub(super) struct Reason<'a> {
    pub(super) what: &'a str,
    pub(super) at: Time,
    /// Time of its oldest event.
    pub(super) since: Time,
    /// Events that it remembers.
    pub(super) events: u64,
    /// How long it goes on.
    pub(super) after: Duration,
}

impl Report {
    pub(super) fn of(place: Whereabouts) -> Self {
        Self { place, ..Self::default() }
    }

    pub(super) fn to(&mut self, to: impl Write + Send + 'static) {
        self.to = Some(Box::new(to));
    }

    pub(super) fn flies(&mut self, flight: &Flight) {
        self.flight = Some((flight.span, reasons(flight)));
    }

    /// The first of several runs counts: it is as far back as one would look.
    pub(super) fn begun(&mut self, host: &HostDescribed) {
        self.host.get_or_insert_with(|| host.clone());
    }

    /// A flight recorder is at work. Said once, when there is time: the run has words of its own at its beginning.
    pub(super) fn armed(&mut self) {
        if let (false, Some((span, reasons)), Some(path)) =
            (self.armed, &self.flight, self.place.path())
        {
            let (last, path) = (seconds(*span), path.display());
            self.say(&format!(
                "armed     the last {last} are kept in memory, and written to {path} on {reasons}\n"
            ));
            self.armed = true;
        }
    }

    /// A flight recorder writes.
    pub(super) fn triggered(&mut self, reason: &Reason, segment: &str) {
        let Some(path) = self.place.path().map(|path| path.join(segment)) else { return };
        let (what, at) = (reason.what, self.wall(reason.at));
        let (last, next) = (seconds(reason.at.since(reason.since)), seconds(reason.after));
        let events = count(reason.events, "event");
        self.say(&format!(
            "triggered by {what} at {at}: the last {last} ({events}) and the next {next} go to {}\n",
            path.display()
        ));
    }

    /// The last words: nothing is said after them.
    pub(super) fn ended(&mut self, written: &Written, missing: u64, account: Option<Account>) {
        let Some(path) = self.place.path() else { return };
        let recorded = self.recorded(path, written);
        let next = if written.events > 0 { self.next(path) } else { String::new() };
        let seen = account.map_or_else(String::new, seen);
        self.say(&[recorded, missed(missing), seen, next].concat());
        self.to = None;
    }

    fn recorded(&self, path: &Path, written: &Written) -> String {
        let (path, events) = (path.display(), count(written.events, "event"));
        let (size, segments) = (Size(written.bytes), count(written.segments, "segment"));
        match (&self.flight, &self.place) {
            (Some((_, reasons)), _) if written.segments == 0 => {
                format!("recorded  nothing: it waited for {reasons}, and none came\n")
            }
            (_, Whereabouts::Directory { .. }) => {
                let removed = removed(written.removed);
                format!("recorded  {events}, {size}, to {path} ({segments}){removed}\n")
            }
            _ => format!("recorded  {events}, {size}, to {path}\n"),
        }
    }

    /// Where others have recorded before, what they have is left out.
    fn next(&self, path: &Path) -> String {
        let shared = matches!(self.place, Whereabouts::Directory { shared: true, .. });
        let began = self.host.as_ref().filter(|_| shared).map(|host| self.wall(host.time));
        let since = began.map_or_else(String::new, |began| format!(" --since {began}"));
        format!("next      tcpwatch replay {} --explain{since}\n", quoted(path))
    }

    /// In whole seconds, as `--since` takes it.
    fn wall(&self, time: Time) -> String {
        let offset = self.host.as_ref().map_or(0, HostDescribed::wall_offset);
        let at = Timestamp::from_nanosecond(offset + i128::from(time.0)).unwrap_or_default();
        at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    fn say(&mut self, text: &str) {
        if let Some(to) = &mut self.to {
            _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
        }
    }
}

/// What would make it write, the signal included, which always does.
fn reasons(flight: &Flight) -> String {
    let signal = format!("SIGUSR1 (kill -USR1 {})", process::id());
    let wanted = flight.triggers.iter().map(ToString::to_string);
    wanted.chain([signal]).collect::<Vec<_>>().join(" or ")
}

fn missed(missing: u64) -> String {
    match missing {
        0 => String::new(),
        missing => {
            let events = count(missing, "event");
            format!("missing   {events} the disk had no time for; a replay tells them as lost\n")
        }
    }
}

fn seen(Account { explained, unexplained, lost, .. }: Account) -> String {
    let (resets, lost) = (count(explained + unexplained, "reset"), count(lost, "event"));
    format!("seen      {resets} ({explained} explained, {unexplained} unexplained), {lost} lost\n")
}

fn removed(segments: u64) -> String {
    let oldest = match segments {
        0 => return String::new(),
        1 => "the oldest".to_owned(),
        more => format!("the {more} oldest"),
    };
    format!("; {oldest} there had to go: --keep, --max-disk, --min-free")
}

fn seconds(span: Duration) -> String {
    let tenths = usize::from(span < Duration::from_secs(10) && span.subsec_millis() > 0);
    format!("{:.tenths$} s", span.as_secs_f64())
}

fn count(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// As a shell takes it for one word.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:@,".contains(c);
    if path.chars().all(plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::recording::Trigger;
    use crate::recording::samples::{self, Heard};

    fn said(place: Whereabouts, tell: impl FnOnce(&mut Report)) -> String {
        let (heard, mut report) = (Heard::default(), Report::of(place));
        report.to(heard.clone());
        tell(&mut report);
        heard.text()
    }

    fn directory(shared: bool) -> Whereabouts {
        Whereabouts::Directory { path: PathBuf::from("/data/tw"), shared }
    }

    const WRITTEN: Written = Written { segments: 2, events: 1_204, bytes: 45_200, removed: 0 };

    fn account() -> Account {
        Account::new(11, 1, 3, None)
    }

    #[test]
    fn the_end_says_what_was_written_and_what_to_do_with_it() {
        assert_eq!(
            said(directory(false), |report| report.ended(&WRITTEN, 0, Some(account()))),
            "\
recorded  1204 events, 45.2 KB, to /data/tw (2 segments)
seen      12 resets (11 explained, 1 unexplained), 3 events lost
next      tcpwatch replay /data/tw --explain
"
        );
    }

    #[test]
    fn the_command_can_be_copied() {
        let file = Whereabouts::File(PathBuf::from("it's here.tcpw.jsonl.zst"));
        let text = said(file, |report| report.ended(&WRITTEN, 0, None));
        let command = r"next      tcpwatch replay 'it'\''s here.tcpw.jsonl.zst' --explain";
        assert!(
            text.starts_with("recorded  1204 events, 45.2 KB, to it's here")
                && text.contains(command),
            "{text}"
        );
    }

    #[test]
    fn beside_recordings_of_others_the_command_begins_with_this_run() {
        let host = samples::header("r", 0).host;
        let text = said(directory(true), |report| {
            report.begun(&host);
            report.ended(&WRITTEN, 0, None);
        });
        let at = Timestamp::from_nanosecond(host.wall.into()).unwrap();
        let since = format!("--explain --since {}\n", at.strftime("%FT%TZ"));
        assert!(text.ends_with(&since), "{text}");
    }

    #[test]
    fn nothing_is_missing_or_gone_silently() {
        let written = Written { removed: 1, ..WRITTEN };
        let text = said(directory(false), |report| report.ended(&written, 40, None));
        assert!(text.contains("to /data/tw (2 segments); the oldest there had to go: --keep, --max-disk, --min-free\n"), "{text}");
        assert!(text.contains("missing   40 events the disk had no time for"), "{text}");
    }

    #[test]
    fn a_flight_recorder_says_what_it_waits_for_and_when_that_came() {
        let triggers = vec![Trigger::Cause("no-listener".into()), Trigger::Rate(50)];
        let flight =
            Flight { span: Duration::from_mins(1), after: Duration::from_secs(30), triggers };
        let host = samples::header("r", 0).host;
        let reasons = format!(
            "cause no-listener or 50 resets within a second or SIGUSR1 (kill -USR1 {})",
            process::id()
        );
        let idle = said(directory(false), |report| {
            report.flies(&flight);
            report.begun(&host);
            report.armed();
            report.armed();
            report.ended(&Written::default(), 0, None);
        });
        assert_eq!(
            idle,
            format!(
                "\
armed     the last 60 s are kept in memory, and written to /data/tw on {reasons}
recorded  nothing: it waited for {reasons}, and none came
"
            )
        );
        let (at, since) = (Time(90_000_000_000), Time(48_000_000_000));
        let reason =
            Reason { what: "cause no-listener", at, since, events: 7, after: flight.after };
        let text = said(directory(false), |report| report.triggered(&reason, "x.tcpw.jsonl.zst"));
        assert_eq!(
            text,
            "triggered by cause no-listener at 1970-01-01T00:01:30Z: the last 42 s (7 events) and the next 30 s go to /data/tw/x.tcpw.jsonl.zst\n"
        );
    }

    #[test]
    fn a_pipe_is_not_spoken_of() {
        let text = said(Whereabouts::Pipe, |report| report.ended(&WRITTEN, 9, Some(account())));
        assert_eq!(text, "");
    }
}
