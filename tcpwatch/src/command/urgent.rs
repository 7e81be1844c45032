//! What cannot wait for the next round?

use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep_until};

/// The source's wish to be drained at once, heard at a bearable rate.
pub(super) struct Urgent {
    wish: Option<AsyncFd<OwnedFd>>,
    rested: Instant,
}

impl Urgent {
    /// Inside a runtime, if there is a descriptor to wait for.
    pub(super) fn new(descriptor: Option<OwnedFd>) -> io::Result<Self> {
        Ok(Self { wish: descriptor.map(watch).transpose()?, rested: Instant::now() })
    }

    /// Returns when there is a wish. What comes while it is granted is a new one; what comes in quick succession is
    /// one wish, a little later.
    pub(super) async fn next(&mut self) {
        let Some(wish) = &self.wish else { return pending().await };
        if self.rested > Instant::now() {
            sleep_until(self.rested).await;
        }
        match wish.readable().await {
            Ok(mut ready) => ready.clear_ready(),
            Err(_) => return pending().await,
        }
        self.rested = Instant::now() + REST;
    }
}

fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is owned by what is registered, and closed with it.
    Ok(unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }?)
}

/// Shorter than the life of a small tool, and much longer than to read what came.
const REST: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, Write, pipe};

    use tokio::time::timeout;

    use super::*;

    async fn is_wished(urgent: &mut Urgent) -> bool {
        timeout(Duration::from_millis(50), urgent.next()).await.is_ok()
    }

    fn of(reader: PipeReader) -> Urgent {
        Urgent::new(Some(reader.into())).unwrap()
    }

    #[tokio::test]
    async fn each_wish_is_heard_once_though_its_reason_stays() {
        let (reader, mut writer) = pipe().unwrap();
        let mut urgent = of(reader);
        assert!(!is_wished(&mut urgent).await);
        for _ in 0..2 {
            writer.write_all(b"now").unwrap();
            assert!(is_wished(&mut urgent).await);
            assert!(!is_wished(&mut urgent).await);
        }
    }

    #[tokio::test]
    async fn without_a_descriptor_nothing_is_urgent() {
        assert!(!is_wished(&mut Urgent::new(None).unwrap()).await);
    }
}
