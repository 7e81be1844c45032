//! Whatever may be done with recordings, done with any bytes; shared by the fuzz target and the replay of its corpus.

use std::fs::File;
use std::io::{self, Cursor, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use nix::sys::memfd::{MFdFlags, memfd_create};
use tcpwatch::event::Event;
use tcpwatch::filter::Filter;
use tcpwatch::recording::{Anonymizer, Level, Reader, Stream, Told};
use tcpwatch::session::Session;
use tcpwatch::sink::{Account, Banner, Clock, Csv, Explain, Json, Line, Paint, Pcapng, Sink};

/// Takes the bytes as a recording, and as several with `NEXT` between them.
pub(crate) fn everything(bytes: &[u8]) {
    read(bytes);
    let files: Vec<_> = parts(bytes).into_iter().take(FILES).map(held).collect();
    let paths: Vec<_> = files.iter().map(path).collect();
    Stream::open(&paths).extent();
    replay(Stream::open(&paths), sinks());
    copy(Stream::open(&paths).host_by_host());
}

/// Line by line.
fn read(bytes: &[u8]) {
    let Ok(mut reader) = Reader::new(Cursor::new(bytes.to_vec())) else { return };
    while let Ok(Some(_)) = reader.next_line() {}
}

/// As `tcpwatch replay` and `tcpwatch export` tell it.
fn replay(mut stream: Stream, sinks: Vec<Box<dyn Sink>>) {
    let mut session = Session::new(Filter::default(), None, sinks).of_hosts(stream.hosts());
    while let Some(told) = stream.next_told() {
        match told {
            Told::Event(host, event) => session.take(host, event).unwrap(),
            Told::Ended(host) => session.end(host).unwrap(),
            Told::Note(_) => {}
        }
    }
    let cpu = stream.account().and_then(|account| account.cpu());
    session.finish(cpu).unwrap();
}

/// As `tcpwatch anonymize` takes it: what could be read can be written, and read again.
fn copy(mut stream: Stream) {
    let mut anonymizer = Anonymizer::new(Level::All, None).unwrap();
    while let Some(told) = stream.next_told() {
        let Told::Event(_, event) = told else { continue };
        let text = serde_json::to_vec(&event).unwrap();
        assert_eq!(serde_json::from_slice::<Event>(&text).unwrap(), event);
        anonymizer.replace(&event).unwrap();
    }
}

fn sinks() -> Vec<Box<dyn Sink>> {
    let clock = Clock::utc;
    vec![
        Box::new(Banner::new(clock(), true, Terminal)),
        Box::new(Line::new(clock(), Paint::PLAIN, Terminal)),
        Box::new(Explain::new(clock(), Paint::PLAIN, 100, Terminal)),
        Box::new(Account::new(Terminal)),
        Box::new(Json::new(Terminal)),
        Box::new(Csv::new(io::sink())),
        Box::new(Pcapng::new(io::sink())),
    ]
}

/// Nothing from a recording may command a terminal.
struct Terminal;

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let commands = |byte: &u8| byte.is_ascii_control() && *byte != b'\n';
        assert!(!bytes.iter().any(commands), "{}", String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn parts(bytes: &[u8]) -> Vec<&[u8]> {
    let (mut parts, mut rest) = (Vec::new(), bytes);
    while let Some(at) = rest.windows(NEXT.len()).position(|bytes| bytes == NEXT) {
        parts.push(&rest[..at]);
        rest = &rest[at + NEXT.len()..];
    }
    parts.push(rest);
    parts
}

/// A file that is on no disk, and goes when it is closed.
fn held(bytes: &[u8]) -> File {
    let mut file = File::from(memfd_create("recording", MFdFlags::MFD_CLOEXEC).unwrap());
    file.write_all(bytes).unwrap();
    file
}

fn path(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Ends one file and begins the next.
const NEXT: &[u8] = b"\0next\0";

/// So many are enough for all that can go wrong between them.
const FILES: usize = 4;
