//! The queue with a reader that stops, fails, and reads again.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

/// Standard error whose reader takes one write for each permit, and passes on what it read.
struct Reader {
    permits: Receiver<io::Result<()>>,
    read: Sender<String>,
}

impl Write for Reader {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A reader whose permits have ended takes everything.
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
fn lines_arrive_whole_and_in_order() {
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
fn a_reader_that_stopped_holds_up_no_writer_and_what_is_dropped_is_counted() {
    let (mut log, permit, lines) = writer(50);
    for _ in 0..1_000 {
        log.write_all(b"0123456789").unwrap();
    }
    // Five lines wait, and a sixth may have been taken from the queue before it was full.
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
fn a_line_that_cannot_be_written_is_counted_and_the_next_one_is_tried() {
    let (mut log, permit, lines) = writer(1024);
    permit.send(Err(io::Error::from(io::ErrorKind::StorageFull))).unwrap();
    // An interrupted write and one without room are tried again.
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
fn a_line_that_is_larger_than_the_queue_is_dropped() {
    let (mut log, permit, lines) = writer(10);
    drop(permit);
    log.write_all(b"0123456789a").unwrap();
    log.write_all(b"fits").unwrap();
    assert!(log.flush());
    assert_eq!((lines.try_iter().collect::<Vec<_>>(), log.dropped()), (vec!["fits".to_owned()], 1));
}

#[test]
fn the_thread_reports_how_writing_goes() {
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

/// Standard error whose writes panic.
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
async fn thread_that_panics_is_reported_and_waited_for_no_longer() {
    let mut log = LogWriter::begin(Panics, 1024, |_| {}).unwrap();
    let before = Supervisor::default();
    log.supervise(&before);
    log.write_all(b"a line\n").unwrap();
    let failure = before.failed().await;
    assert_eq!((failure.part, &*failure.reason), ("log writer", "no writes"));
    assert!(log.flush(), "nothing waits any more");
    let after = Supervisor::default();
    log.supervise(&after);
    assert_eq!(after.failed().await.part, "log writer");
}
