//! Text to be read on a terminal, in sections: headings, paragraphs, and lists with hanging indents.

use std::fmt::{Display, Write};

use super::escape::cleaned;
use super::paint::{Ink, Paint};
use super::wrap::wrap;

/// A sheet that is written from top to bottom.
pub(super) struct Sheet {
    text: String,
    paint: Paint,
    width: usize,
}

impl Sheet {
    /// `width` in columns; text is broken to fit where it can be.
    pub(super) fn new(paint: Paint, width: usize) -> Self {
        Self { text: String::new(), paint, width: width.max(NARROWEST) }
    }

    /// A code and what it means.
    pub(super) fn title(&mut self, code: &str, meaning: &str) {
        let code = self.paint.with(Ink::Cause, code);
        _ = writeln!(self.text, "{code}: {meaning}");
    }

    pub(super) fn heading(&mut self, title: impl Display) {
        let gap = if self.text.is_empty() { "" } else { "\n" };
        let title = self.paint.with(Ink::Heading, title);
        _ = writeln!(self.text, "{gap}{title}");
    }

    pub(super) fn paragraph(&mut self, text: impl Into<String>) {
        self.row("", 0, text.into());
    }

    /// Labels, one column wide enough for all, and what belongs to each; rows without text are left out.
    pub(super) fn list<L: AsRef<str>>(&mut self, rows: impl IntoIterator<Item = (L, String)>) {
        let rows: Vec<_> = rows.into_iter().filter(|(_, text)| !text.is_empty()).collect();
        let widest =
            rows.iter().map(|(label, _)| label.as_ref().chars().count()).max().unwrap_or(0);
        for (label, text) in rows {
            self.row(label.as_ref(), widest + 2, text);
        }
    }

    /// To be copied: never broken.
    pub(super) fn command(&mut self, text: impl Into<String>) {
        _ = writeln!(self.text, "  {}", cleaned(text.into()));
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn row(&mut self, label: &str, gap: usize, text: String) {
        let room = self.width.saturating_sub(2 + gap).max(NARROWEST / 2);
        let mut label = label;
        for line in wrap(cleaned(text), room) {
            _ = writeln!(self.text, "  {label:<gap$}{line}");
            label = "";
        }
    }
}

/// Columns; below that nothing can be read anyhow.
const NARROWEST: usize = 40;
