//! Labelled parts of a block of text, wrapped, and made to fit a number of lines.

use std::cmp::Reverse;
use std::io::{self, Write};

use super::paint::{Ink, Paint};
use super::wrap::wrap;

/// Parts below each other, labels on the left.
pub(super) struct Block {
    width: usize,
    parts: Vec<Part>,
    /// Parts of [`Weight::OneOfMany`] left out.
    dropped: usize,
}

struct Part {
    label: &'static str,
    /// Stands before the text; its continuation lines are indented by as much.
    lead: String,
    text: String,
    /// The text, wrapped.
    lines: Vec<String>,
    /// What is said instead where there is no room.
    brief: Option<String>,
    weight: Weight,
    /// So many bytes of the first line are coloured.
    accent: Option<(Ink, usize)>,
}

/// What goes first when there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// Stays, shortened if it must be.
    Must,
    /// One of several; the last goes first, some stay.
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
        let text = text.into();
        let lines = wrap(text.clone(), self.room(&lead));
        self.parts.push(Part { label, lead, text, lines, brief: None, weight, accent: None });
    }

    /// What the part added last says where there is no room for all of it.
    pub(super) fn brief(&mut self, text: impl Into<String>) {
        if let Some(part) = self.parts.last_mut() {
            part.brief = Some(text.into());
        }
    }

    /// Colours the beginning of the part added last.
    pub(super) fn accent(&mut self, ink: Ink, bytes: usize) {
        if let Some(part) = self.parts.last_mut() {
            part.accent = Some((ink, bytes));
        }
    }

    /// Makes it fit: drops what is least important, then shortens the longest. Words and numbers stay whole.
    pub(super) fn fit(&mut self, limit: usize) {
        while self.height() > limit {
            if !(self.drop_extra() || self.be_brief() || self.drop_one_of_many() || self.shorten())
            {
                break;
            }
        }
        self.note_dropped();
    }

    pub(super) fn write(&self, out: &mut Vec<u8>, paint: Paint) -> io::Result<()> {
        self.parts.iter().try_for_each(|part| part.write(out, paint))
    }

    fn room(&self, lead: &str) -> usize {
        self.width - MARGIN - lead.chars().count()
    }

    fn height(&self) -> usize {
        let note = usize::from(self.dropped > 0 && !self.note_fits());
        self.parts.iter().map(|part| part.lines.len()).sum::<usize>() + note
    }

    fn last(&self, weight: Weight) -> Option<usize> {
        self.parts.iter().rposition(|part| part.weight == weight)
    }

    fn drop_extra(&mut self) -> bool {
        let Some(extra) = self.last(Weight::Extra) else { return false };
        self.parts.remove(extra);
        true
    }

    fn be_brief(&mut self) -> bool {
        let wrapped = |part: &Part| part.lines.len() > 1 && part.brief.is_some();
        let Some(index) = self.parts.iter().position(wrapped) else { return false };
        if let Some(text) = self.parts[index].brief.take() {
            let lines = wrap(text.clone(), self.room(&self.parts[index].lead));
            if lines.len() < self.parts[index].lines.len() {
                (self.parts[index].text, self.parts[index].lines) = (text, lines);
            }
        }
        true
    }

    fn drop_one_of_many(&mut self) -> bool {
        let many = self.parts.iter().filter(|part| part.weight == Weight::OneOfMany).count();
        match self.last(Weight::OneOfMany) {
            Some(least) if many > STAY => {
                self.parts.remove(least);
                self.dropped += 1;
                true
            }
            _ => false,
        }
    }

    /// Takes one line from the longest part; among equals from the last, but from evidence after all others, the first
    /// of it before what adds to it.
    fn shorten(&mut self) -> bool {
        let rank = |&index: &usize| {
            let part = &self.parts[index];
            let order = if part.weight == Weight::OneOfMany { None } else { Some(index) };
            (part.lines.len(), order, Reverse(index))
        };
        let Some(longest) = (0..self.parts.len()).max_by_key(rank) else { return false };
        let room = self.room(&self.parts[longest].lead);
        self.parts[longest].shorten(room)
    }

    fn note(&self) -> String {
        format!("+{} more evidence, see -o json", self.dropped)
    }

    fn note_fits(&self) -> bool {
        self.last(Weight::OneOfMany).is_some_and(|last| {
            let part = &self.parts[last];
            let used = part.lines.last().map_or(0, |line| line.chars().count());
            used + self.note().len() + " ()".len() <= self.room(&part.lead)
        })
    }

    /// Behind the last one where it fits, else on a line of its own.
    fn note_dropped(&mut self) {
        let Some(last) = self.last(Weight::OneOfMany).filter(|_| self.dropped > 0) else { return };
        let note = self.note();
        if self.note_fits() {
            if let Some(line) = self.parts[last].lines.last_mut() {
                *line = format!("{line} ({note})");
            }
            return;
        }
        let (label, lead, weight) = ("", String::new(), Weight::Must);
        let lines = vec![note.clone()];
        let part = Part { label, lead, text: note, lines, brief: None, weight, accent: None };
        self.parts.insert(last + 1, part);
    }
}

impl Part {
    /// Takes away whole words until there is a line less.
    fn shorten(&mut self, room: usize) -> bool {
        let limit = self.lines.len() - 1;
        if limit == 0 {
            return false;
        }
        while self.lines.len() > limit {
            self.text.truncate(without_last_word(&self.text).len());
            let text =
                if self.text.is_empty() { "…".into() } else { format!("{} …", self.text) };
            self.lines = wrap(text, room);
        }
        true
    }

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

/// A number that would lose its unit goes with it.
fn without_last_word(text: &str) -> &str {
    let shorter = text.rsplit_once(' ').map_or("", |(rest, _)| rest);
    let last = shorter.rsplit(' ').next().unwrap_or_default();
    match last.parse::<f64>() {
        Ok(_) => without_last_word(shorter),
        Err(_) => shorter,
    }
}

/// So many of [`Weight::OneOfMany`] are never dropped.
const STAY: usize = 3;
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
        let expected = "  cause     it rained\n  evidence  1 wet\n  evidence  2 wet\n  evidence  3 wet (+1 more evidence, see -o json)\n  fix       umbrella\n";
        assert_eq!(fitted(block(4, "umbrella"), 5), expected);
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

    #[test]
    fn a_number_is_shown_whole_or_not_at_all() {
        let text = "word ".repeat(8) + "432000 seconds left";
        for width in 60..100 {
            let mut block = Block::new(width);
            block.add("fix", Weight::Must, text.clone());
            let shown = fitted(block, 1);
            let end = shown.trim_end();
            assert!(
                end.ends_with("word …") || end.ends_with("seconds …") || end.ends_with("left"),
                "{shown}"
            );
        }
    }

    #[test]
    fn what_was_left_out_is_said_on_a_line_of_its_own_where_there_is_no_room() {
        let mut block = Block::new(60);
        for number in 1..=5 {
            let text = format!("{number}32000 s left of the time it was given");
            block.add_led("evidence", format!("{number} "), Weight::OneOfMany, text);
        }
        assert_eq!(
            fitted(block, 4),
            "  evidence  1 132000 s left of the time it was given
  evidence  2 232000 s left of the time it was given
  evidence  3 332000 s left of the time it was given
            +2 more evidence, see -o json
"
        );
    }

    #[test]
    fn the_brief_form_stands_in_before_evidence_goes() {
        let mut block = Block::new(60);
        block.add(
            "flow",
            Weight::Must,
            "a long way to say from whom to whom it went, and then some more",
        );
        block.brief("a -> b …");
        block.add_led("evidence", "1 ".into(), Weight::OneOfMany, "wet");
        assert_eq!(fitted(block, 2), "  flow      a -> b …\n  evidence  1 wet\n");
    }
}
