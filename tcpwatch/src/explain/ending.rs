//! How does a process let go of a socket?

use serde::Serialize;

use crate::event::{Exit, Owner};

/// What ended a socket's life in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// close() or shutdown() by a process that was not ending.
    Close,
    /// The process ended by itself, with this status.
    Exit(u8),
    /// The process was killed by this signal.
    Signal(u8),
}

impl How {
    /// `closed by nginx[77]`; without a name it is the owner who closed.
    pub fn closed(self, by: Option<&Owner>) -> String {
        let by = by.map_or_else(|| "its owner".into(), ToString::to_string);
        match self {
            Self::Close => format!("closed by {by}"),
            Self::Exit(status) => format!("closed as {by} exited with status {status}"),
            Self::Signal(signal) => format!("closed as {by} was killed by {}", signal_name(signal)),
        }
    }
}

impl From<Option<Exit>> for How {
    fn from(exit: Option<Exit>) -> Self {
        match exit {
            None => Self::Close,
            Some(Exit::Status(status)) => Self::Exit(status),
            Some(Exit::Signal(signal)) => Self::Signal(signal),
        }
    }
}

/// Names and numbers of the signals that end servers (include/uapi/asm-generic/signal.h).
pub fn signal_name(number: u8) -> String {
    let name = match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        6 => "SIGABRT",
        7 => "SIGBUS",
        SIGKILL => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        _ => return format!("signal {number}"),
    };
    format!("{name} (signal {number})")
}

/// The one that no process can handle.
pub const SIGKILL: u8 = 9;
