//! What there is to know of a cause before it happens: its page in `tcpwatch causes CODE` and under `docs/causes`.

use serde::Serialize;

use super::verdict::Remedy;

/// A cause as one can read it up.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub code: &'static str,
    pub meaning: &'static str,
    /// See [`super::cause::Explains::BENIGN`].
    pub benign: bool,
    pub page: &'static Page,
}

/// The page of one cause. It stands beside the rule that infers the cause, and its advice is what the verdict gives,
/// but for what the verdict knows better: live values.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    pub group: Group,
    /// What happened and what the application gets, as one would tell a colleague.
    pub about: &'static str,
    /// What would prove it, in one line.
    pub shown_by: &'static str,
    /// As the rule counts them.
    pub conditions: &'static [&'static str],
    /// How sure the verdict is.
    pub certainty: &'static str,
    /// Codes of causes that look alike, and what is different there.
    pub alike: &'static [(&'static str, &'static str)],
    pub advice: Advice,
    /// Advice for other forms of the cause: when, and what.
    pub otherwise: &'static [(&'static str, Advice)],
    pub reproduce: Reproduce,
}

/// Where causes stand in a list: what they have in common for who looks for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    Attempt,
    Path,
    GivenUp,
    AfterClose,
    Elsewhere,
    Harmless,
}

impl Group {
    /// In the order of a connection's life.
    pub const ALL: &'static [Self] = &[
        Self::Attempt,
        Self::Path,
        Self::GivenUp,
        Self::AfterClose,
        Self::Elsewhere,
        Self::Harmless,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Self::Attempt => "A connection did not come about",
            Self::Path => "A connection lost its way between the two ends",
            Self::GivenUp => "One end gave a connection up",
            Self::AfterClose => "One end wrote when the other had closed",
            Self::Elsewhere => "The reason is on another host, or between",
            Self::Harmless => "Nobody was hurt",
        }
    }
}

/// What to do, without live values. Empty: nothing to say.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Advice {
    pub now: &'static str,
    pub fix: &'static str,
    pub trade_off: &'static str,
    pub do_not: &'static str,
}

impl From<Advice> for Remedy {
    fn from(advice: Advice) -> Self {
        let Advice { now, fix, trade_off, do_not } = advice;
        Self {
            now: now.into(),
            fix: fix.into(),
            trade_off: trade_off.into(),
            do_not: do_not.into(),
        }
    }
}

/// How to make it happen.
#[derive(Clone, Copy, Debug)]
pub struct Reproduce {
    /// `tcpwatch demo` with this word.
    pub demo: Option<&'static str>,
    /// `cargo xtask scenarios` with these words.
    pub scenario: &'static str,
}
