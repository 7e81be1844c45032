/// What we know of something that may have happened. "Not seen" counts only where we could have seen it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen<T> {
    /// It was seen.
    Yes(T),
    /// We were looking, and it was not there.
    No,
    /// We could not have seen it: no hook, or events were lost.
    Blind,
}

impl<T> Seen<T> {
    /// The thing, if it was seen.
    pub fn yes(self) -> Option<T> {
        match self {
            Self::Yes(value) => Some(value),
            Self::No | Self::Blind => None,
        }
    }

    /// Evidence of absence.
    pub fn is_no(&self) -> bool {
        matches!(self, Self::No)
    }

    /// An absence that only counts when `sighted`.
    pub fn or_absent(found: Option<T>, sighted: bool) -> Self {
        match (found, sighted) {
            (Some(value), _) => Self::Yes(value),
            (None, true) => Self::No,
            (None, false) => Self::Blind,
        }
    }

    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Seen<U> {
        match self {
            Self::Yes(value) => Seen::Yes(f(value)),
            Self::No => Seen::No,
            Self::Blind => Seen::Blind,
        }
    }
}
