//! Tests the log queue with a reader that stops, fails, and continues.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

/// A standard error whose reader accepts one write for each permit and forwards the text that it read.
struct Reader {
    permits: Receiver<io::Result<()>>,
    read: Sender<String>,
}

impl Write for Reader {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // When the sender of permits is dropped, the reader accepts every write.
        self.permits.recv().unwrap_or(Ok(()))?;
        let _ = self.read.send(String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn writer(max_bytes: usize) -> (LogWriter, Sender<io::Result<()>>, Receiver<String>) {
    let (permit, permits) = channel();
    let (read, lines) = channel();
    (LogWriter::begin(Reader { permits, read }, max_bytes, |_| {}).unwrap(), permit, lines)
}

#[test]
fn writes_complete_lines_in_order() {
    let (mut log, permit, lines) = writer(1024);
    drop(permit);
    for number in 0..20 {
        log.write_all(format!("line {number}\n").as_bytes()).unwrap();
    }
    assert!(log.flush());
    let expected: Vec<_> = (0..20).map(|number| format!("line {number}\n")).collect();
    assert_eq!(lines.try_iter().collect::<Vec<_>>(), expected);
    assert_eq!(log.dropped(), 0);
}

#[test]
fn drops_and_counts_lines_instead_of_blocking_on_a_stopped_reader() {
    let (mut log, permit, lines) = writer(50);
    for _ in 0..1_000 {
        log.write_all(b"0123456789").unwrap();
    }
    // Five lines are queued. A sixth may have been taken from the queue before it was full.
    assert!((994..=995).contains(&log.dropped()), "{}", log.dropped());
    assert!(!log.flush(), "lines are left");
    let dropped = log.dropped();
    drop(permit);
    assert!(log.flush());
    assert_eq!(lines.try_iter().count() as u64 + dropped, 1_000);
    log.write_all(b"after").unwrap();
    assert!(log.flush());
    assert_eq!(lines.try_iter().last().as_deref(), Some("after"));
    assert_eq!(log.dropped(), dropped);
}

#[test]
fn counts_line_that_cannot_be_written_and_continues_with_the_next() {
    let (mut log, permit, lines) = writer(1024);
    permit.send(Err(io::Error::from(io::ErrorKind::StorageFull))).unwrap();
    // Interrupted writes and writes without room are retried.
    permit.send(Err(io::ErrorKind::Interrupted.into())).unwrap();
    permit.send(Err(io::ErrorKind::WouldBlock.into())).unwrap();
    permit.send(Ok(())).unwrap();
    log.write_all(b"lost\n").unwrap();
    log.write_all(b"kept\n").unwrap();
    assert!(log.flush());
    assert_eq!(lines.try_iter().collect::<Vec<_>>(), ["kept\n"]);
    assert_eq!(log.dropped(), 1);
}

#[test]
fn drops_line_that_is_larger_than_the_queue() {
    let (mut log, permit, lines) = writer(10);
    drop(permit);
    log.write_all(b"0123456789a").unwrap();
    log.write_all(b"fits").unwrap();
    assert!(log.flush());
    assert_eq!((lines.try_iter().collect::<Vec<_>>(), log.dropped()), (vec!["fits".to_owned()], 1));
}

#[test]
fn reports_health_of_writing_on_each_tick() {
    let (report, reports) = channel();
    let (permit, permits) = channel();
    let (read, _lines) = channel();
    let tick = move |health| {
        // The test may have ended.
        let _ = report.send(health);
    };
    let mut log = LogWriter::begin(Reader { permits, read }, 10, tick).unwrap();
    drop(permit);
    log.write_all(b"more than ten bytes").unwrap();
    let health = reports.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(health, Health { dropped: 1, works: true });
}

/// A standard error whose writes panic.
struct Panics;

impl Write for Panics {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        panic!("no writes")
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn reports_panic_of_the_thread_and_does_not_wait_for_it() {
    let mut log = LogWriter::begin(Panics, 1024, |_| {}).unwrap();
    let before = Supervisor::default();
    log.supervise(&before);
    log.write_all(b"a line\n").unwrap();
    let failure = before.failed().await;
    assert_eq!((failure.part, &*failure.reason), ("log writer", "no writes"));
    assert!(log.flush(), "no line is queued");
    let after = Supervisor::default();
    log.supervise(&after);
    assert_eq!(after.failed().await.part, "log writer");
}
