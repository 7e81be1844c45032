//! How many tests passed, failed and were skipped: read from test output, summed at the end.

use std::fmt;
use std::ops::AddAssign;

/// Test counts of one step or of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Counts {
    /// Reads the line with which libtest and libtest-mimic end:
    /// `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
    pub(crate) fn from_libtest_line(line: &str) -> Option<Self> {
        let (_, fields) = line.trim().strip_prefix("test result: ")?.split_once(". ")?;
        let number = |word: &str| {
            let field = fields.split(';').map(str::trim).find(|field| field.ends_with(word))?;
            field.split(' ').next()?.parse().ok()
        };
        Some(Self {
            passed: number(" passed")?,
            failed: number(" failed")?,
            skipped: number(" ignored")?,
        })
    }

    /// Nothing was counted.
    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// A failure that no test has counted (a build error, a crash) still counts as one.
    #[must_use]
    pub(crate) fn at_least_one_failed(mut self) -> Self {
        self.failed = self.failed.max(1);
        self
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// A step that runs no tests counts nothing.
impl From<()> for Counts {
    fn from((): ()) -> Self {
        Self::default()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, skipped } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn a_libtest_summary_is_counted() {
        let line = "test result: FAILED. 12 passed; 1 failed; 3 ignored; 0 measured; 0 filtered out; finished in 0.05s";
        let counts = Counts { passed: 12, failed: 1, skipped: 3 };
        assert_eq!(Counts::from_libtest_line(line), Some(counts));
        assert_eq!(counts.to_string(), "12 passed, 1 failed, 3 skipped");
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(Counts::from_libtest_line("test a ... ok"), None);
        assert_eq!(Counts::from_libtest_line("test result: ok. soon"), None);
    }
}
