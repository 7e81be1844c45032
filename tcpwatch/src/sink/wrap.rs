//! Long sentences in narrow terminals.

/// Breaks text into lines of at most `width` characters, at spaces where there are any. Never empty.
pub(super) fn wrap(text: String, width: usize) -> Vec<String> {
    // There are never more characters than bytes.
    if text.len() <= width { vec![text] } else { broken(&text, width) }
}

fn broken(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ').flat_map(|word| pieces(word, width)) {
        let length = word.chars().count();
        let gap = usize::from(used > 0);
        if used + gap + length > width {
            lines.push(String::new());
            used = 0;
        }
        let Some(line) = lines.last_mut() else { break };
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += length;
    }
    lines
}

/// A word that fits no line, in pieces that do.
fn pieces(word: &str, width: usize) -> impl Iterator<Item = &str> {
    let mut rest = word;
    let mut first = true;
    std::iter::from_fn(move || {
        if rest.is_empty() && !first {
            return None;
        }
        first = false;
        let cut = rest.char_indices().nth(width.max(1)).map_or(rest.len(), |(at, _)| at);
        let (piece, left) = rest.split_at(cut);
        rest = left;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_breaks_at_spaces() {
        assert_eq!(wrap("one two three four".into(), 9), ["one two", "three", "four"]);
        assert_eq!(wrap("one two".into(), 80), ["one two"]);
        assert_eq!(wrap(String::new(), 80), [""]);
    }

    #[test]
    fn a_word_too_long_is_cut() {
        assert_eq!(wrap("a 0123456789ab b".into(), 5), ["a", "01234", "56789", "ab b"]);
    }

    #[test]
    fn characters_count_not_bytes() {
        assert_eq!(wrap("éé éé".into(), 5), ["éé éé"]);
    }
}
