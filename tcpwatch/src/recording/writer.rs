//! A thread that writes, so that no disk and no reader can hold up the run.
//!
//! A write may block for as long as it likes: a network file system whose server is gone, a disk whose queue is full,
//! a pipe nobody reads. Meanwhile the kernel's rings must be emptied, or events are lost for the live view too. So
//! frames wait in a queue of bounded size, and what does not fit is missing in the recording alone.

use std::convert::Infallible;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::anyhow;

use super::frame::Frame;
use super::target::Target;
use super::written::Written;

/// The thread and its queue.
pub(super) struct Writer {
    orders: Sender<Order>,
    queue: Arc<Queue>,
    thread: JoinHandle<(Written, anyhow::Result<()>)>,
    /// Nothing ever comes out of it, until the thread ends.
    ended: Receiver<Infallible>,
    /// Rather waits than does without a frame.
    patient: bool,
}

enum Order {
    Begin(String),
    /// A frame, and how much of the queue's room it takes.
    Write(Frame, usize),
    End,
}

impl Writer {
    pub(super) fn start(mut target: Box<dyn Target>, patient: bool) -> io::Result<Self> {
        let (orders, received) = channel();
        let (at_work, ended) = channel();
        let queue = Arc::new(Queue::default());
        let seen = Arc::clone(&queue);
        let work = move || {
            let _ends = (at_work, Closing(&seen));
            work(target.as_mut(), &received, &seen)
        };
        let thread = thread::Builder::new().name("recording".into()).spawn(work)?;
        Ok(Self { orders, queue, thread, ended, patient })
    }

    /// The next segment begins.
    pub(super) fn begin(&self, name: String) {
        self.order(Order::Begin(name));
    }

    /// Queues a frame if it fits.
    pub(super) fn offer(&self, frame: Frame) -> bool {
        let size = frame.bytes.len();
        let taken = if self.patient { self.queue.wait_for(size) } else { self.queue.take(size) };
        if taken {
            self.order(Order::Write(frame, size));
        }
        taken
    }

    /// Queues a frame in any case: one without which nothing can be read, or one that takes memory already.
    pub(super) fn write(&self, frame: Frame) {
        self.order(Order::Write(frame, 0));
    }

    /// The open segment is complete.
    pub(super) fn end(&self) {
        self.order(Order::End);
    }

    /// A thread that has stopped takes no more; why, it says at the end.
    fn order(&self, order: Order) {
        _ = self.orders.send(order);
    }

    /// Is it worth going on after something did not fit?
    pub(super) fn keeps_up(&self) -> bool {
        self.queue.state().taken <= ROOM / 2
    }

    /// Something went wrong; [`Self::finish`] says what.
    pub(super) fn has_stopped(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until everything is written, however long that takes; who waits is told. Says how much it was.
    pub(super) fn finish(self) -> (Written, anyhow::Result<()>) {
        drop(self.orders);
        if self.ended.recv_timeout(SILENCE) == Err(RecvTimeoutError::Timeout) {
            log::warn!(
                "waiting until the recording is on disk. To interrupt now loses what is not there yet"
            );
        }
        self.thread.join().unwrap_or_else(|_| {
            let died = anyhow!("the thread that writes the recording has died. Please report this");
            (Written::default(), Err(died))
        })
    }
}

fn work(
    target: &mut dyn Target,
    orders: &Receiver<Order>,
    queue: &Queue,
) -> (Written, anyhow::Result<()>) {
    let mut written = Written::default();
    let obeyed = orders.iter().try_for_each(|order| obey(target, order, queue, &mut written));
    // What is whole gets its name even where it could not be continued.
    let ended = match (obeyed, target.end()) {
        (Err(why), Err(and)) => Err(and.context(why)),
        (obeyed, ended) => obeyed.and(ended),
    };
    (Written { removed: target.removed(), ..written }, ended)
}

fn obey(
    target: &mut dyn Target,
    order: Order,
    queue: &Queue,
    written: &mut Written,
) -> anyhow::Result<()> {
    match order {
        Order::Begin(name) => target.begin(&name).inspect(|()| written.segments += 1),
        Order::End => target.end(),
        Order::Write(frame, size) => {
            let done = target.write(&frame.bytes);
            queue.release(size);
            done.inspect(|()| written.add(&frame))
        }
    }
}

/// What waits to be written, the frame at work included.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    released: Condvar,
}

#[derive(Default)]
struct State {
    /// Bytes.
    taken: usize,
    /// Nobody writes any more.
    closed: bool,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, size: usize) -> bool {
        self.state().take(size)
    }

    /// What nobody will write needs no room.
    fn wait_for(&self, size: usize) -> bool {
        let full = |state: &mut State| !state.closed && state.taken > 0 && !state.fits(size);
        let waited = self.released.wait_while(self.state(), full);
        waited.unwrap_or_else(PoisonError::into_inner).taken += size;
        true
    }

    fn release(&self, size: usize) {
        self.state().taken -= size;
        self.released.notify_all();
    }
}

impl State {
    fn fits(&self, size: usize) -> bool {
        self.taken + size <= ROOM
    }

    fn take(&mut self, size: usize) -> bool {
        let fits = self.fits(size);
        if fits {
            self.taken += size;
        }
        fits
    }
}

/// Tells those who wait for room that there is nothing to wait for, however the thread ends.
struct Closing<'a>(&'a Queue);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.released.notify_all();
    }
}

/// Bytes: seconds of a storm, hours of a quiet host, and little enough for a small pod.
const ROOM: usize = 8 * 1024 * 1024;

/// How long one waits without a word.
const SILENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::sync::mpsc::SyncSender;

    use super::*;

    /// A disk that takes a frame whenever it is allowed to.
    struct Slow {
        allowed: Receiver<()>,
        written: SyncSender<usize>,
    }

    impl Target for Slow {
        fn begin(&mut self, _name: &str) -> anyhow::Result<()> {
            Ok(())
        }

        fn write(&mut self, frame: &[u8]) -> anyhow::Result<()> {
            self.allowed.recv()?;
            Ok(self.written.send(frame.len())?)
        }

        fn end(&mut self) -> anyhow::Result<()> {
            Ok(())
        }
    }

    fn slow(patient: bool) -> (Writer, Sender<()>, Receiver<usize>) {
        let (allow, allowed) = channel();
        let (written, seen) = std::sync::mpsc::sync_channel(1_000);
        let writer = Writer::start(Box::new(Slow { allowed, written }), patient).unwrap();
        (writer, allow, seen)
    }

    const FRAME: usize = ROOM / 4;

    /// Three events, in so many bytes.
    fn frame(size: usize) -> Frame {
        Frame { bytes: vec![0; size], events: 3 }
    }

    #[test]
    fn a_hung_disk_holds_up_nobody_and_the_queue_is_bounded() {
        let (writer, allow, written) = slow(false);
        let taken = (0..10).filter(|_| writer.offer(frame(FRAME))).count();
        assert_eq!(taken, 4);
        assert!(!writer.keeps_up());
        writer.write(frame(7));
        (0..5).for_each(|_| allow.send(()).unwrap());
        assert_eq!(written.iter().take(5).sum::<usize>(), ROOM + 7, "what was taken is written");
        let (sums, ended) = writer.finish();
        ended.unwrap();
        let bytes = u64::try_from(ROOM + 7).unwrap();
        assert_eq!(sums, Written { events: 15, bytes, ..Written::default() });
    }

    #[test]
    fn room_comes_back_as_the_disk_writes() {
        let (writer, allow, written) = slow(false);
        (0..4).for_each(|_| assert!(writer.offer(frame(FRAME))));
        (0..4).for_each(|_| allow.send(()).unwrap());
        assert_eq!(written.iter().take(4).count(), 4);
        allow.send(()).unwrap();
        // The frame at work counts until it has been written.
        while !writer.keeps_up() {
            thread::yield_now();
        }
        assert!(writer.offer(frame(FRAME)));
        writer.finish().1.unwrap();
    }

    #[test]
    fn patience_waits_instead_of_doing_without() {
        let (writer, allow, written) = slow(true);
        (0..10).for_each(|_| allow.send(()).unwrap());
        (0..10).for_each(|_| assert!(writer.offer(frame(FRAME))));
        writer.finish().1.unwrap();
        assert_eq!(written.iter().count(), 10);
    }

    #[test]
    fn nobody_waits_for_a_writer_that_has_stopped() {
        let (writer, allow, _written) = slow(true);
        drop(allow);
        (0..20).for_each(|_| _ = writer.offer(frame(FRAME)));
        assert!(writer.finish().1.is_err());
    }
}
