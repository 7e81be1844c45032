//! Makes strings from outside harmless: a process may call itself anything, a terminal obeys.

use std::fmt::{self, Display, Write};

/// Shows a value with everything written out that would move the cursor, change colours or hide text.
pub struct Clean<T>(pub T);

impl<T: Display> Display for Clean<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Cleaner(f), "{}", self.0)
    }
}

/// The same for a string of our own: mostly there is nothing to do.
pub(super) fn cleaned(text: String) -> String {
    if is_plain(&text) { text } else { Clean(text).to_string() }
}

struct Cleaner<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Cleaner<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if is_plain(text) {
            return self.0.write_str(text);
        }
        text.chars().try_for_each(|c| self.write_char(c))
    }

    fn write_char(&mut self, c: char) -> fmt::Result {
        if is_harmful(c) { write!(self.0, "{}", c.escape_default()) } else { self.0.write_char(c) }
    }
}

/// Printable ASCII only: nothing to look for.
pub(super) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Controls, and what Unicode calls default-ignorable or uses to turn the direction of text.
pub(super) fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        Clean(text).to_string()
    }

    #[test]
    fn ordinary_text_passes_in_any_script() {
        assert_eq!(shown("nginx: worker process"), "nginx: worker process");
        assert_eq!(shown("сервер-é-服务器"), "сервер-é-服务器");
    }

    #[test]
    fn escape_sequences_lose_their_power() {
        assert_eq!(shown("\u{1b}[2J\u{1b}]0;pwned\u{7}"), r"\u{1b}[2J\u{1b}]0;pwned\u{7}");
        assert_eq!(shown("\u{9b}31m\u{7f}"), r"\u{9b}31m\u{7f}");
    }

    #[test]
    fn a_line_stays_one_line() {
        assert_eq!(shown("a\nb\r\tc\u{2028}d\u{85}e"), r"a\nb\r\tc\u{2028}d\u{85}e");
    }

    #[test]
    fn text_cannot_turn_around_or_hide() {
        assert_eq!(shown("ngi\u{202e}xn\u{200b}\u{2066}"), r"ngi\u{202e}xn\u{200b}\u{2066}");
        assert_eq!(shown("a\u{e0041}\u{fe0f}\u{feff}"), r"a\u{e0041}\u{fe0f}\u{feff}");
    }
}
