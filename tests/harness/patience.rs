//! How long a test waits for something before it fails. Never a duration that is itself asserted.

use std::thread;
use std::time::{Duration, Instant};

/// Long enough for an emulated CPU on a busy machine; only a failing test ever waits this long.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// Asks again and again until there is an answer; panics with `what` when none comes.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Lets time pass where the passing of time *is* the incident: an idle connection, a server that starts late.
pub fn idle(span: Duration) {
    thread::sleep(span);
}
