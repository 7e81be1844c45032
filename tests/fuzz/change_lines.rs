//! Changes JSON Lines so that they stay JSON Lines: bytes at random seldom get past the parser.

/// The same text with some changes, which the seed chooses; `None` where there is nothing to change.
pub(crate) fn change(text: &[u8], seed: u32) -> Option<Vec<u8>> {
    let mut dice = Dice(u64::from(seed));
    let changes = 1 + dice.below(MOST);
    (0..changes).try_fold(text.to_vec(), |text, _| change_one(&text, &mut dice))
}

fn change_one(text: &[u8], dice: &mut Dice) -> Option<Vec<u8>> {
    match dice.below(8) {
        0 => lines(text, dice, |lines, at, other| lines.swap(at, other)),
        1 | 2 => lines(text, dice, |lines, at, other| lines.insert(at, lines[other])),
        3 => lines(text, dice, |lines, at, _| _ = lines.remove(at)),
        4 | 5 => value(text, dice, |dice, _| dice.of(EXTREMES).to_vec()),
        _ => value(text, dice, |dice, others| dice.of(others).to_vec()),
    }
}

fn lines(
    text: &[u8],
    dice: &mut Dice,
    change: impl FnOnce(&mut Vec<&[u8]>, usize, usize),
) -> Option<Vec<u8>> {
    let mut lines: Vec<_> = text.split_inclusive(|byte| *byte == b'\n').collect();
    if lines.is_empty() {
        return None;
    }
    let [at, other] = [dice.below(lines.len()), dice.below(lines.len())];
    change(&mut lines, at, other);
    Some(lines.concat())
}

/// Puts something in the place of one value that holds no others.
fn value(
    text: &[u8],
    dice: &mut Dice,
    with: impl FnOnce(&mut Dice, &[&[u8]]) -> Vec<u8>,
) -> Option<Vec<u8>> {
    let colons = text.iter().enumerate().filter(|(_, byte)| **byte == b':');
    let begins: Vec<_> = colons.map(|(at, _)| at + 1).collect();
    let end = |from: usize| {
        let end = text[from..].iter().position(|byte| b",}]\n".contains(byte));
        from + end.unwrap_or(text.len() - from)
    };
    let values: Vec<_> = begins.iter().map(|from| &text[*from..end(*from)]).collect();
    if begins.is_empty() {
        return None;
    }
    let from = *dice.of(&begins);
    let new = with(dice, &values);
    Some([&text[..from], &new, &text[end(from)..]].concat())
}

/// Changes at a time.
const MOST: usize = 6;

/// Values at the edges of what fields can hold.
const EXTREMES: &[&[u8]] = &[
    b"0",
    b"1",
    b"255",
    b"65535",
    b"4294967295",
    b"9223372036854775807",
    b"18446744073709551615",
    b"null",
    b"true",
    b"false",
    b"[]",
    b"{}",
    b"\"\"",
    b"\"0.000000000\"",
    b"\"9223372036.854775807\"",
    b"\"18446744073.709551615\"",
    b"\"0x0\"",
    b"\"0xffffffffffffffff\"",
    b"\"0.0.0.0\"",
    b"\"::\"",
    b"\"::ffff:10.0.0.1\"",
    b"\"\\u001b]0;\\u0007\\u202e\\n\"",
    b"{\"secs\":0,\"nanos\":0}",
    b"{\"secs\":18446744073709551615,\"nanos\":999999999}",
    b"{\"number\":4294967295}",
];

/// Steele, Lea and Flood's SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % end as u64).unwrap_or_default()
    }

    fn of<'a, T>(&mut self, those: &'a [T]) -> &'a T {
        &those[self.below(those.len())]
    }
}
