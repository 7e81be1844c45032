use std::collections::BTreeMap;

use tcpwatch_common::wire::NOT_GIVEN;

/// `enum sk_rst_reason` of the kernel that wrote the records; numbers differ between kernels, names do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResetReasons(BTreeMap<i64, String>);

impl ResetReasons {
    /// From enumerators as BTF tells them: `("SK_RST_REASON_TCP_FLAGS", 6)`.
    pub fn from_enum(values: impl IntoIterator<Item = (String, i64)>) -> Self {
        let short = |name: String| name.strip_prefix(PREFIX).map(str::to_owned).unwrap_or(name);
        Self(values.into_iter().map(|(name, value)| (value, short(name))).collect())
    }

    /// The kernel's word; the bare number where it has none; nothing where it gave no reason at all.
    pub(super) fn name(&self, reason: i32) -> Option<String> {
        if reason == NOT_GIVEN {
            return None;
        }
        let known = self.0.get(&i64::from(reason)).cloned();
        Some(known.unwrap_or_else(|| reason.to_string()))
    }
}

const PREFIX: &str = "SK_RST_REASON_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_prefix_and_unknown_numbers_stay_numbers() {
        let reasons = ResetReasons::from_enum([("SK_RST_REASON_TCP_FLAGS".to_owned(), 6)]);
        assert_eq!(reasons.name(6).as_deref(), Some("TCP_FLAGS"));
        assert_eq!(reasons.name(7).as_deref(), Some("7"));
        assert_eq!(reasons.name(NOT_GIVEN), None);
    }
}
