//! Rust: hyper's words; those of the standard library are the error number's.

use super::{Kind, Pattern};

pub(super) const PATTERNS: &[Pattern] = &[Pattern::new(
    "Rust",
    "connection closed before message completed",
    r"\bconnection closed before message completed\b|\bhyper::Error\(IncompleteMessage\)",
    Kind::ClosedEarly,
)
.reading()];

#[cfg(test)]
mod tests {
    use super::super::tests::say;

    #[test]
    fn errors() {
        say(&[
            (
                "error sending request for url (http://10.0.0.5:8080/): connection closed before message completed",
                "Rust: ClosedEarly reading unsaid 10.0.0.5:8080",
            ),
            ("Connection reset by peer (os error 104)", "errno: Reset unsaid unsaid"),
            (
                "tcp connect error: Connection refused (os error 111)",
                "errno: Refused connecting unsaid",
            ),
        ]);
    }
}
