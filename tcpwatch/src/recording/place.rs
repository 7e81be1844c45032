//! Where a recording goes: a directory of segments, one file, or whoever reads our stdout.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::Timestamp;

use super::line::Header;
use super::segment::write_whole;
use super::{EXTENSION, PART};

/// Where a recording goes.
pub enum Place {
    /// Segments with names of their own.
    Directory(PathBuf, Rotation),
    /// One file.
    File(PathBuf),
    /// One stream, into a pipe.
    Stream(Box<dyn Write>),
}

/// When a directory gets its next segment, and which of the old ones stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Bytes on disk.
    pub size: u64,
    pub age: Duration,
}

impl Place {
    /// A directory that exists, or does not look like a file, is a directory; it is made when it is not there.
    pub fn at(path: &Path, rotation: Rotation) -> anyhow::Result<Self> {
        if !looks_like_file(path) || path.is_dir() {
            make_directory(path)?;
            return Ok(Self::Directory(path.to_owned(), rotation));
        }
        if fs::symlink_metadata(path).is_ok() {
            bail!("{} exists already. Give another name, or remove it first", path.display());
        }
        Ok(Self::File(path.to_owned()))
    }

    pub fn is_directory(&self) -> bool {
        matches!(self, Self::Directory(..))
    }

    pub(super) fn open(&mut self, header: &Header) -> anyhow::Result<Opened> {
        match self {
            Self::Directory(directory, _) => Opened::file(&directory.join(name(header)), true),
            Self::File(path) => Opened::file(path, is_compressed(path)),
            Self::Stream(to) => Ok(Opened::Stream(std::mem::replace(to, Box::new(io::sink())))),
        }
    }

    pub(super) fn is_full(&self, size: u64, age: Duration) -> bool {
        match self {
            Self::Directory(_, rotation) => size >= rotation.size || age >= rotation.age,
            Self::File(_) | Self::Stream(_) => false,
        }
    }
}

fn looks_like_file(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "zst" || extension == "jsonl")
}

fn is_compressed(path: &Path) -> bool {
    path.extension().is_none_or(|extension| extension != "jsonl")
}

fn make_directory(path: &Path) -> anyhow::Result<()> {
    let made = fs::DirBuilder::new().mode(0o700).recursive(true).create(path);
    made.with_context(|| format!("cannot make the directory {}", path.display()))
}

/// `HOST-20261121T120431Z-00000.tcpw.jsonl.zst`: sorts by host, then by time.
fn name(header: &Header) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' };
    let host: String = header.host.hostname.chars().map(plain).collect();
    let at = Timestamp::from_nanosecond(header.host.wall.into()).unwrap_or_default();
    format!("{host}-{}-{:05}{EXTENSION}", at.strftime("%Y%m%dT%H%M%SZ"), header.number)
}

/// Something to write one segment to.
pub(super) enum Opened {
    File { file: File, part: PathBuf, path: PathBuf, compressed: bool, size: u64 },
    Stream(Box<dyn Write>),
}

impl Opened {
    fn file(path: &Path, compressed: bool) -> anyhow::Result<Self> {
        let part = path.with_added_extension(PART.trim_start_matches('.'));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part);
        let file = file.with_context(|| format!("cannot create {}", part.display()))?;
        Ok(Self::File { file, part, path: path.to_owned(), compressed, size: 0 })
    }

    pub(super) fn is_compressed(&self) -> bool {
        match self {
            Self::File { compressed, .. } => *compressed,
            Self::Stream(_) => true,
        }
    }

    /// Writes all of it or, into a file, nothing.
    pub(super) fn write(&mut self, frame: &[u8]) -> io::Result<u64> {
        match self {
            Self::Stream(to) => {
                write_whole(to, frame).and_then(|written| to.flush().map(|()| written))
            }
            Self::File { file, size, .. } => {
                let written = write_whole(file, frame).inspect_err(|_| _ = file.set_len(*size))?;
                *size += written;
                Ok(written)
            }
        }
    }

    pub(super) fn close(self) -> io::Result<()> {
        match self {
            Self::Stream(_) => Ok(()),
            Self::File { file, part, path, .. } => {
                file.sync_all()?;
                fs::rename(part, path)
            }
        }
    }
}
