//! Where lines go: into a bounded queue, and from there, by a thread of their own, to the outlet.
//!
//! The outlet may block for as long as it likes. Only that thread waits for it, and the standard error stream is written without the
//! lock of the standard library, so that nobody else who writes there waits for the thread.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::OF_THE_LOG;
use super::pace::Pace;
use crate::clock::Tick;

/// How many bytes may wait.
const MOST_BYTES: usize = 1024 * 1024;
/// How often at most it is told that lines are missing.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// How long the end of the program waits for the last lines.
const FAREWELL: Duration = Duration::from_millis(500);
/// How long to wait when the outlet was made not to block by somebody else who writes there.
const RETRY: Duration = Duration::from_millis(20);

/// The queue. All who log put their lines here and go on.
#[derive(Debug)]
pub(super) struct Sink {
    queue: Mutex<Queue>,
    /// There is something to do for the thread.
    work: Condvar,
    /// The thread has written all there was and ended.
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    dropped: u64,
    closed: bool,
    ended: bool,
}

impl Sink {
    pub(super) fn new() -> Self {
        Self { queue: Mutex::default(), work: Condvar::new(), ended: Condvar::new() }
    }

    /// Puts a line into the queue, or drops and counts it. What the log says of itself always finds room.
    pub(super) fn push(&self, line: Vec<u8>, of_the_log: bool) {
        let mut queue = self.queue();
        if queue.bytes + line.len() > MOST_BYTES && !of_the_log {
            queue.dropped += 1;
            return;
        }
        queue.bytes += line.len();
        queue.lines.push_back(line);
        drop(queue);
        self.work.notify_one();
    }

    /// Lets the thread look whether there is something to tell.
    pub(super) fn wake(&self) {
        // Not between its look and its sleep.
        drop(self.queue());
        self.work.notify_one();
    }

    /// How many lines were lost.
    pub(super) fn dropped(&self) -> u64 {
        self.queue().dropped
    }

    /// Has the thread write what waits and end, and waits for that a little.
    pub(super) fn close(&self) {
        let mut queue = self.queue();
        queue.closed = true;
        self.work.notify_one();
        drop(self.ended.wait_timeout_while(queue, FAREWELL, |queue| !queue.ended));
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> String {
        self.queue().lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing that is done under this lock can panic half-way.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the thread.
///
/// # Errors
/// When the system gives none.
pub(super) fn start(sink: Arc<Sink>, outlet: Outlet, pace: Option<Arc<Pace>>) -> io::Result<()> {
    let scribe = Scribe { sink, outlet, pace, told: Missing::default(), told_at: Tick::now() };
    std::thread::Builder::new().name(String::from("log")).spawn(move || scribe.run()).map(drop)
}

/// Lines that are not in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Missing {
    dropped: u64,
    left_out: u64,
}

/// The thread that writes.
struct Scribe {
    sink: Arc<Sink>,
    outlet: Outlet,
    pace: Option<Arc<Pace>>,
    /// What was told of missing lines, and when.
    told: Missing,
    told_at: Tick,
}

impl Scribe {
    fn run(mut self) {
        let mut writable = true;
        loop {
            let line = self.next();
            let is_over = line.is_none() && self.sink.queue().closed;
            if let Some(line) = line {
                writable = self.outlet.write(&line).is_ok();
                self.sink.queue().dropped += u64::from(!writable);
            }
            let missing = self.missing();
            // At the end it is told at once, if anybody is left to read it.
            let is_time = if is_over { writable } else { Tick::now().since(self.told_at) >= TELL_EVERY };
            if missing != self.told && is_time {
                self.tell(missing);
            } else if is_over {
                break;
            }
        }
        self.sink.queue().ended = true;
        self.sink.ended.notify_all();
    }

    /// The next line; `None` when there is none, but something may be to do.
    fn next(&self) -> Option<Vec<u8>> {
        let mut queue = self.sink.queue();
        if queue.lines.is_empty() && !queue.closed {
            let patience = self.patience(queue.dropped);
            queue = self.sink.work.wait_timeout(queue, patience).unwrap_or_else(PoisonError::into_inner).0;
        }
        let line = queue.lines.pop_front()?;
        queue.bytes -= line.len();
        Some(line)
    }

    /// How long to wait for a line: when something is to be told, until it may be.
    fn patience(&self, dropped: u64) -> Duration {
        const LONG: Duration = Duration::from_secs(3600);
        let nothing_to_tell = self.told == Missing { dropped, left_out: self.left_out() };
        if nothing_to_tell { LONG } else { TELL_EVERY.saturating_sub(Tick::now().since(self.told_at)) }
    }

    fn left_out(&self) -> u64 {
        self.pace.as_ref().map_or(0, |pace| pace.left_out())
    }

    fn missing(&self) -> Missing {
        Missing { dropped: self.sink.dropped(), left_out: self.left_out() }
    }

    fn tell(&mut self, missing: Missing) {
        let (dropped, left_out) = (missing.dropped - self.told.dropped, missing.left_out - self.told.left_out);
        (self.told, self.told_at) = (missing, Tick::now());
        if dropped > 0 {
            tracing::warn!(target: OF_THE_LOG, event = "log_lines_dropped", lines = dropped, "lines of the log were lost because nobody took them");
        }
        if left_out > 0 {
            tracing::warn!(target: OF_THE_LOG, event = "log_lines_left_out", lines = left_out, "lines of the log were left out because there were too many; see log.lines_per_second");
        }
    }
}

/// What takes the lines.
pub(super) enum Outlet {
    /// A stream of bytes.
    Stream(Box<dyn Write + Send>),
    /// The systemd journal.
    #[cfg(unix)]
    Journal(std::os::unix::net::UnixDatagram),
}

impl Outlet {
    /// The standard error stream.
    pub(super) fn standard_error() -> Self {
        #[cfg(unix)]
        {
            use std::os::fd::AsFd as _;
            if let Ok(descriptor) = io::stderr().as_fd().try_clone_to_owned() {
                return Self::Stream(Box::new(std::fs::File::from(descriptor)));
            }
        }
        Self::Stream(Box::new(io::stderr()))
    }

    /// The systemd journal, where there is one.
    pub(super) fn journal() -> Option<Self> {
        #[cfg(unix)]
        {
            super::journal::socket().map(Self::Journal)
        }
        #[cfg(not(unix))]
        None
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Self::Stream(stream) => write_all(stream, line),
            // Addressed anew each time: the journal's daemon may have been started anew.
            #[cfg(unix)]
            Self::Journal(socket) => socket.send_to(line, super::journal::SOCKET).map(drop),
        }
    }
}

fn write_all(stream: &mut dyn Write, mut rest: &[u8]) -> io::Result<()> {
    while !rest.is_empty() {
        match stream.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => rest = &rest[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(RETRY),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A reader who takes a write only when it is told to.
    struct Reader {
        leave: Receiver<()>,
        taken: Sender<Vec<u8>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.leave.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            self.taken.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn started() -> (Arc<Sink>, Sender<()>, Receiver<Vec<u8>>) {
        let (leave, left) = channel();
        let (sender, taken) = channel();
        let sink = Arc::new(Sink::new());
        start(Arc::clone(&sink), Outlet::Stream(Box::new(Reader { leave: left, taken: sender })), None).unwrap();
        (sink, leave, taken)
    }

    #[test]
    fn r42_who_logs_goes_on_while_nobody_reads_and_what_is_lost_is_counted() {
        let (sink, leave, taken) = started();
        let line = vec![b'x'; 1000];
        for _ in 0..10_000 {
            sink.push(line.clone(), false);
        }
        let lost = sink.dropped();
        let kept = usize::try_from(10_000 - lost).unwrap();
        assert!((1000..1100).contains(&kept), "{kept} lines were kept");
        sink.push(b"of the log".to_vec(), true);
        assert_eq!(sink.dropped(), lost, "what the log says of itself was lost");
        for _ in 0..=kept {
            leave.send(()).unwrap();
        }
        assert_eq!(taken.iter().nth(kept).unwrap(), b"of the log");
    }

    #[test]
    fn what_waits_is_written_before_the_end() {
        let (sink, leave, taken) = started();
        for number in 0..10_u8 {
            sink.push(vec![number], false);
            leave.send(()).unwrap();
        }
        sink.close();
        assert_eq!(taken.try_iter().flatten().collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn r42_the_end_does_not_wait_for_a_reader_who_takes_nothing() {
        let (sink, _leave, _taken) = started();
        sink.push(b"never read".to_vec(), false);
        sink.close();
        assert!(!sink.queue().ended);
    }

    #[test]
    fn lines_for_a_reader_who_is_gone_count_as_lost() {
        let (sink, leave, _taken) = started();
        drop(leave);
        sink.push(b"for nobody".to_vec(), false);
        sink.close();
        assert_eq!(sink.dropped(), 1);
    }
}
