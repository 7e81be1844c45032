//! Ctrl-C once: drain and give account. Twice: leave at once.
//!
//! A thread of its own waits for signals, because the loop may be stuck in a write to a reader that does not read.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

/// Resolves when the user, or the system, wants us to stop.
pub(super) fn stop_requested() -> anyhow::Result<Arc<Notify>> {
    let stop = Arc::new(Notify::new());
    let told = Arc::clone(&stop);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    // Registered here, so that no signal from now on means a sudden death.
    let (interrupt, terminate) = {
        let _inside = runtime.enter();
        // Beyond `ulimit -f` a write is to fail, as on a full disk, and not to kill us.
        _ = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?;
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || runtime.block_on(wait(interrupt, terminate, &told)))
        .context("cannot start the thread that waits for signals")?;
    Ok(stop)
}

async fn wait(mut interrupt: Signal, mut terminate: Signal, stop: &Notify) {
    either(&mut interrupt, &mut terminate).await;
    stop.notify_one();
    either(&mut interrupt, &mut terminate).await;
    _ = io::stderr().write_all(b"tcpwatch: interrupted twice, the totals are not told\n");
    std::process::exit(INTERRUPTED);
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// What shells report of a program that died of SIGINT.
const INTERRUPTED: i32 = 130;
