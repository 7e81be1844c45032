//! Colour, for those who can see it. Nothing is said by colour alone.

use std::env;
use std::fmt::{self, Display};
use std::io::IsTerminal;

/// Whether to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint(bool);

impl Paint {
    pub const PLAIN: Self = Self(false);
    #[cfg(test)]
    pub(super) const COLOURED: Self = Self(true);

    /// Colour on a terminal, unless `NO_COLOR` is set (no-color.org) or the terminal is a dumb one.
    pub fn for_output(output: &impl IsTerminal) -> Self {
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self(output.is_terminal() && !refused && !dumb)
    }

    pub(super) fn with<T>(self, ink: Ink, text: T) -> Painted<T> {
        Painted { ink: self.0.then_some(ink), text }
    }
}

/// What a piece of text is, by colour.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ink {
    Heading,
    Cause,
    Unexplained,
    Faint,
}

impl Ink {
    fn code(self) -> &'static str {
        match self {
            Self::Heading => "\u{1b}[1m",
            Self::Cause => "\u{1b}[1;31m",
            Self::Unexplained => "\u{1b}[1;33m",
            Self::Faint => "\u{1b}[2m",
        }
    }
}

/// A piece of text in its colour.
pub(super) struct Painted<T> {
    ink: Option<Ink>,
    text: T,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ink {
            None => self.text.fmt(f),
            Some(ink) => write!(f, "{}{}\u{1b}[0m", ink.code(), self.text),
        }
    }
}
