//! Measures confirmed appends with one and with many writers, relative to one `fdatasync` in the same run.

use std::{fs::OpenOptions, io::Write, time::Instant};

use futures_util::future::join_all;
use hdrhistogram::Histogram;

use super::{
    client::Client,
    server::{Gateway, Programs},
    table::Row,
    token::token,
};

/// Measures appends of one writer and of a hundred writers.
pub(crate) async fn run(programs: &Programs) -> Vec<Row> {
    let sync = fdatasync();
    let server = Gateway::new().store("redb").start(programs);
    let mut one = Client::connect(&server, &token("writer"), "room").await;
    one.receive(1).await;
    let mut alone = Histogram::<u64>::new(3).unwrap();
    for _ in 0..1_000 {
        let started = Instant::now();
        one.send_chat().await;
        one.receive(1).await;
        alone.record(u64::try_from(started.elapsed().as_micros()).unwrap()).unwrap();
    }
    let mut writers = Vec::new();
    for n in 0..100 {
        let mut writer = Client::connect(&server, &token(&format!("writer{n}")), &format!("room{n}")).await;
        writer.receive(1).await;
        writers.push(writer);
    }
    let started = Instant::now();
    join_all(writers.iter_mut().map(|writer| async move {
        for _ in 0..50 {
            writer.send_chat().await;
            writer.receive(1).await;
        }
    }))
    .await;
    let each = started.elapsed().as_secs_f64() * 1_000_000.0 / 5_000.0;
    let row = |name, micros: f64, notes: &str| Row {
        name,
        ours: format!("{micros:.0} µs"),
        baseline: format!("{sync:.0} µs"),
        ratio: format!("{:.2}", micros / sync),
        notes: notes.into(),
    };
    vec![
        row(
            "append, one writer",
            alone.value_at_quantile(0.5) as f64,
            "confirmed over the socket, p50, compared with one fdatasync",
        ),
        row("append, 100 writers", each, "for each confirmed entry"),
    ]
}

/// Returns the median time to append 4 KiB and sync, in microseconds.
fn fdatasync() -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let mut file = OpenOptions::new().create(true).append(true).open(dir.path().join("sync")).unwrap();
    let mut times = Histogram::<u64>::new(3).unwrap();
    for _ in 0..500 {
        file.write_all(&[7; 4096]).unwrap();
        let started = Instant::now();
        file.sync_data().unwrap();
        times.record(u64::try_from(started.elapsed().as_micros()).unwrap()).unwrap();
    }
    times.value_at_quantile(0.5) as f64
}
