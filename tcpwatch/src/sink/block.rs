//! Labelled parts of a block of text, wrapped, and made to fit a number of lines.

use std::io::{self, Write};

use super::paint::{Ink, Paint};
use super::wrap::wrap;

/// Parts below each other, labels on the left.
pub(super) struct Block {
    width: usize,
    parts: Vec<Part>,
    dropped: usize,
}

struct Part {
    label: &'static str,
    /// Stands before the text; its continuation lines are indented by as much.
    lead: String,
    lines: Vec<String>,
    weight: Weight,
    /// So many bytes of the first line are coloured.
    accent: Option<(Ink, usize)>,
}

/// What goes first when there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// Stays, shortened if it must be.
    Must,
    /// One of several; the last goes first, two stay.
    OneOfMany,
    /// Goes first.
    Extra,
}

impl Block {
    pub(super) fn new(width: usize) -> Self {
        Self { width: width.max(NARROWEST), parts: Vec::new(), dropped: 0 }
    }

    /// Adds a part, unless there is nothing to say.
    pub(super) fn add(&mut self, label: &'static str, weight: Weight, text: impl Into<String>) {
        let text = text.into();
        if !text.is_empty() {
            self.add_led(label, String::new(), weight, text);
        }
    }

    pub(super) fn add_led(
        &mut self,
        label: &'static str,
        lead: String,
        weight: Weight,
        text: impl Into<String>,
    ) {
        let room = self.width - MARGIN - lead.chars().count();
        self.parts.push(Part { label, lead, lines: wrap(text.into(), room), weight, accent: None });
    }

    /// Colours the beginning of the part added last.
    pub(super) fn accent(&mut self, ink: Ink, bytes: usize) {
        if let Some(part) = self.parts.last_mut() {
            part.accent = Some((ink, bytes));
        }
    }

    /// Makes it fit: drops what is least important, then shortens the longest.
    pub(super) fn fit(&mut self, limit: usize) {
        while self.height() > limit {
            if !self.drop_one() && !self.shorten() {
                break;
            }
        }
        self.note_dropped();
    }

    pub(super) fn write(&self, out: &mut Vec<u8>, paint: Paint) -> io::Result<()> {
        self.parts.iter().try_for_each(|part| part.write(out, paint))
    }

    fn height(&self) -> usize {
        self.parts.iter().map(|part| part.lines.len()).sum()
    }

    fn drop_one(&mut self) -> bool {
        let last = |weight| self.parts.iter().rposition(|part: &Part| part.weight == weight);
        if let Some(extra) = last(Weight::Extra) {
            self.parts.remove(extra);
            return true;
        }
        let many = self.parts.iter().filter(|part| part.weight == Weight::OneOfMany).count();
        match last(Weight::OneOfMany) {
            Some(least) if many > 2 => {
                self.parts.remove(least);
                self.dropped += 1;
                true
            }
            _ => false,
        }
    }

    /// Takes one line from the longest part.
    fn shorten(&mut self) -> bool {
        let room = self.width - MARGIN;
        let longest = self.parts.iter_mut().max_by_key(|part| part.lines.len());
        match longest {
            Some(part) if part.lines.len() > 1 => {
                part.lines.pop();
                let room = room - part.lead.chars().count();
                end_with(&mut part.lines, " …", room);
                true
            }
            _ => false,
        }
    }

    fn note_dropped(&mut self) {
        let note = format!(" (+{} more, see -o json)", self.dropped);
        let many = |part: &&mut Part| part.weight == Weight::OneOfMany;
        let last = self.parts.iter_mut().rfind(many).filter(|_| self.dropped > 0);
        if let Some(part) = last {
            let room = self.width - MARGIN - part.lead.chars().count();
            end_with(&mut part.lines, &note, room);
        }
    }
}

/// Appends to the last line, at the cost of its end if there is no room.
fn end_with(lines: &mut [String], ending: &str, room: usize) {
    let Some(line) = lines.last_mut() else { return };
    let keep = room.saturating_sub(ending.chars().count());
    if let Some((cut, _)) = line.char_indices().nth(keep) {
        line.truncate(cut);
    }
    line.push_str(ending);
}

impl Part {
    fn write(&self, out: &mut Vec<u8>, paint: Paint) -> io::Result<()> {
        let lead = self.lead.chars().count();
        for (index, line) in self.lines.iter().enumerate() {
            if index > 0 {
                writeln!(out, "{:indent$}{line}", "", indent = MARGIN + lead)?;
                continue;
            }
            let gap = LABEL - self.label.len();
            let label = paint.with(Ink::Faint, self.label);
            write!(out, "  {label}{:gap$}{}", "", self.lead)?;
            self.write_first(out, paint, line)?;
        }
        Ok(())
    }

    fn write_first(&self, out: &mut Vec<u8>, paint: Paint, line: &str) -> io::Result<()> {
        match self.accent.and_then(|(ink, bytes)| Some((ink, line.split_at_checked(bytes)?))) {
            Some((ink, (accented, rest))) => writeln!(out, "{}{rest}", paint.with(ink, accented)),
            None => writeln!(out, "{line}"),
        }
    }
}

/// Indent and label.
const MARGIN: usize = 2 + LABEL;
/// The longest label and a space.
const LABEL: usize = 10;
/// Below this there is no room for the text.
const NARROWEST: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn block(evidence: usize, fix: &str) -> Block {
        let mut block = Block::new(60);
        block.add("cause", Weight::Must, "it rained");
        for number in 1..=evidence {
            block.add_led("evidence", format!("{number} "), Weight::OneOfMany, "wet");
        }
        block.add("fix", Weight::Must, fix);
        block.add("trade-off", Weight::Extra, "heavy");
        block
    }

    fn fitted(mut block: Block, limit: usize) -> String {
        block.fit(limit);
        let mut out = Vec::new();
        block.write(&mut out, Paint::PLAIN).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn everything_is_shown_where_it_fits() {
        let expected =
            "  cause     it rained\n  evidence  1 wet\n  fix       umbrella\n  trade-off heavy\n";
        assert_eq!(fitted(block(1, "umbrella"), 4), expected);
    }

    #[test]
    fn extras_go_first_then_the_least_evidence() {
        let expected = "  cause     it rained\n  evidence  1 wet\n  evidence  2 wet (+2 more, see -o json)\n  fix       umbrella\n";
        assert_eq!(fitted(block(4, "umbrella"), 4), expected);
    }

    #[test]
    fn then_the_longest_is_shortened() {
        let text = fitted(block(2, &"word ".repeat(30)), 5);
        assert_eq!(text.lines().count(), 5);
        assert!(text.ends_with("…\n"), "{text}");
    }

    #[test]
    fn no_line_is_wider_than_asked() {
        let text = fitted(block(4, &"word ".repeat(60)), 6);
        assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
    }
}
