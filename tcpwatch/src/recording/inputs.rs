//! Which recordings are there, whose are they, and in which order are they read?

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use super::line::{Header, Line};
use super::reader::{Damage, Reader};
use super::{EXTENSION, PART, PLAIN};
use crate::event::HostDescribed;

/// What was found, and what could not be read.
#[derive(Default)]
pub(super) struct Inputs {
    /// One sentence each, with the name of what could not be read.
    pub(super) failures: Vec<String>,
    found: Vec<Found>,
}

/// A file that begins like a recording.
pub(super) struct Found {
    pub(super) name: Name,
    pub(super) header: Header,
    /// Kept where it cannot be opened again.
    reader: Option<Reader>,
    /// Bytes; of two copies the longer is read.
    size: u64,
}

/// A file name, or stdin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    Stdin,
    File(PathBuf),
}

/// All recordings of one host, in the order they are read, and what to call it.
pub(super) struct Host {
    pub(super) name: String,
    pub(super) found: Vec<Found>,
    end: OnceCell<Option<i128>>,
}

impl Inputs {
    /// Files, directories of them, and `-` for stdin.
    pub(super) fn look_at(inputs: &[PathBuf]) -> Self {
        let mut looked = Self::default();
        let mut names: Vec<_> = inputs.iter().flat_map(|input| looked.names(input)).collect();
        names.sort();
        names.dedup();
        for name in names {
            match Found::look_at(name.clone()) {
                Ok(found) => looked.found.push(found),
                Err(damage) => looked.failures.push(format!("{name}: {damage}")),
            }
        }
        looked
    }

    fn names(&mut self, input: &Path) -> Vec<Name> {
        if input == Path::new("-") {
            return self.stdin().into_iter().collect();
        }
        if !input.is_dir() {
            return vec![Name::File(input.to_owned())];
        }
        let names = recordings_in(input).map_err(|error| format!("cannot be listed: {error}"));
        names.and_then(|(names, others)| some(names, others)).unwrap_or_else(|why| {
            self.failures.push(format!("{}: {why}", input.display()));
            Vec::new()
        })
    }

    fn stdin(&mut self) -> Option<Name> {
        if !io::stdin().is_terminal() {
            return Some(Name::Stdin);
        }
        let why = "is a terminal. Send a recording into it: tcpwatch replay - < FILE";
        self.failures.push(format!("stdin: {why}"));
        None
    }

    /// Hosts in the order in which their recordings begin. A host is a machine from boot to boot; what bears its
    /// name after another boot is the same host, unless both ran at the same time.
    pub(super) fn by_host(self) -> Vec<Host> {
        let mut boots: BTreeMap<String, Vec<Found>> = BTreeMap::new();
        for found in in_order(self.found) {
            boots.entry(boot(&found.header.host).to_owned()).or_default().push(found);
        }
        let mut boots: Vec<_> = boots.into_values().map(Host::new).collect();
        boots.sort_by_key(Host::began);
        let mut hosts: Vec<Host> = Vec::new();
        for boot in boots {
            let before = |host: &&mut Host| host.name == boot.name && host.ended_before(&boot);
            match hosts.iter_mut().find(before) {
                Some(host) => host.go_on(boot),
                None => hosts.push(boot),
            }
        }
        tell_apart(&mut hosts);
        hosts
    }
}

impl Found {
    fn look_at(name: Name) -> Result<Self, Damage> {
        let (name, file) = open(name)?;
        let size = file.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |file| file.len());
        let (header, reader) = first_line(file)?;
        let reader = (name == Name::Stdin).then_some(reader);
        Ok(Self { name, header, reader, size })
    }

    /// From the beginning, behind the header.
    pub(super) fn open(self) -> Result<(Name, Header, Reader), (Name, Damage)> {
        let Self { name, header, reader, .. } = self;
        if let Some(reader) = reader {
            return Ok((name, header, reader));
        }
        let opened = open(name.clone()).and_then(|(_, file)| first_line(file));
        opened.map(|(header, reader)| (name.clone(), header, reader)).map_err(|e| (name, e))
    }

    /// The wall clock at the last event, in nanoseconds since 1970. `None`: it can be read only once.
    fn end(&self) -> Option<i128> {
        let Name::File(_) = &self.name else { return None };
        let (_, file) = open(self.name.clone()).ok()?;
        let (header, mut reader) = first_line(file).ok()?;
        let (mut end, mut offset) = (i128::from(header.host.wall), header.host.wall_offset());
        while let Ok(Some(line)) = reader.next_line() {
            match line {
                Line::Header(header) => offset = header.host.wall_offset(),
                Line::Event(event) => end = end.max(offset + i128::from(event.time().0)),
                Line::End(_) | Line::Unknown(_) | Line::Damaged(_) => {}
            }
        }
        Some(end)
    }
}

impl Host {
    fn new(found: Vec<Found>) -> Self {
        let name =
            found.first().map_or_else(String::new, |found| found.header.host.hostname.clone());
        Self { name, found, end: OnceCell::new() }
    }

    /// The wall clock when the first recording begins, in nanoseconds since 1970.
    pub(super) fn began(&self) -> i128 {
        let walls = self.found.iter().map(|found| i128::from(found.header.host.wall));
        walls.min().unwrap_or_default()
    }

    /// The wall clock at the end of the last recording, for which all of it is read once. `None`: it can be read
    /// only once.
    pub(super) fn end(&self) -> Option<i128> {
        *self.end.get_or_init(|| end(&self.found))
    }

    fn ended_before(&self, later: &Self) -> bool {
        self.end().is_some_and(|end| end <= later.began())
    }

    fn go_on(&mut self, later: Self) {
        self.end = later.end;
        self.found.extend(later.found);
    }
}

/// The wall clock at the end of the latest of these recordings: the last segment of each run is read.
pub(super) fn end(found: &[Found]) -> Option<i128> {
    let mut last = found.chunk_by(|a, b| a.header.run == b.header.run).filter_map(<[Found]>::last);
    last.try_fold(i128::MIN, |end, last| Some(end.max(last.end()?)))
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("stdin"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl Name {
    /// It bears the name that recordings have while they are written.
    pub(super) fn is_part(&self) -> bool {
        matches!(self, Self::File(path) if path.to_string_lossy().ends_with(PART))
    }
}

/// The boot, or for want of one what else tells machines apart.
pub(super) fn boot(host: &HostDescribed) -> &str {
    if host.boot_id.is_empty() { &host.hostname } else { &host.boot_id }
}

/// Machines of the same name are called by their boots.
fn tell_apart(hosts: &mut [Host]) {
    let mut names: HashMap<String, usize> = HashMap::new();
    for host in &*hosts {
        *names.entry(host.name.clone()).or_default() += 1;
    }
    for host in hosts.iter_mut().filter(|host| names[&host.name] > 1) {
        let boot = boot(&host.found[0].header.host);
        host.name = format!("{} (boot {})", host.name, boot.get(..8).unwrap_or(boot));
    }
}

/// A file that was finished since it was listed has lost the end of its name.
fn open(name: Name) -> Result<(Name, Option<File>), Damage> {
    let Name::File(path) = name else { return Ok((name, None)) };
    let opened = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => finished(&path).ok_or(error),
        opened => opened.map(|file| (path, file)),
    };
    let (path, file) = opened.map_err(Damage::Io)?;
    Ok((Name::File(path), Some(file)))
}

fn finished(part: &Path) -> Option<(PathBuf, File)> {
    let path = PathBuf::from(part.to_str()?.strip_suffix(PART)?);
    File::open(&path).ok().map(|file| (path, file))
}

fn first_line(file: Option<File>) -> Result<(Header, Reader), Damage> {
    let mut reader = match file {
        None => Reader::new(io::stdin())?,
        Some(file) => Reader::new(file)?,
    };
    match reader.next_line()? {
        Some(Line::Header(header)) => Ok((*header, reader)),
        _ => Err(Damage::NotARecording),
    }
}

/// Finished segments, and those whose writer may still be at work or has died; and how many other files there are.
fn recordings_in(directory: &Path) -> io::Result<(Vec<Name>, usize)> {
    let (mut names, mut others) = (Vec::new(), 0);
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.to_string_lossy();
        let name = name.strip_suffix(PART).unwrap_or(&name);
        if name.ends_with(EXTENSION) || name.ends_with(PLAIN) {
            names.push(Name::File(path));
        } else {
            others += 1;
        }
    }
    Ok((names, others))
}

fn some(names: Vec<Name>, others: usize) -> Result<Vec<Name>, String> {
    match others {
        _ if !names.is_empty() => Ok(names),
        0 => Err("is an empty directory".into()),
        _ => Err(format!("holds no recording: none of its {others} files ends in {EXTENSION}")),
    }
}

/// Runs by the time they began, each in the order of its segments. A segment that is there twice is read once.
fn in_order(mut found: Vec<Found>) -> Vec<Found> {
    let mut began: BTreeMap<String, u64> = BTreeMap::new();
    for Found { header, .. } in &found {
        let first = began.entry(header.run.clone()).or_insert(header.host.wall);
        *first = (*first).min(header.host.wall);
    }
    found.sort_by_cached_key(|found| {
        let Header { run, number, .. } = &found.header;
        (began.get(run).copied(), run.clone(), *number, Reverse(found.size), found.name.clone())
    });
    found.dedup_by(|b, a| a.header.run == b.header.run && a.header.number == b.header.number);
    found
}
