//! Answers sockets that are not let in, without reading a request, and without being kept busy by it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{drain::Tasks, upgrade::Refusal};

/// Sockets that are answered at a time; more are closed without a word.
const AT_A_TIME: usize = 256;
/// How long a socket is read after the answer: closing it with something unread would discard the answer.
const LINGER: Duration = Duration::from_millis(500);

/// Refuses sockets.
#[derive(Debug)]
pub(super) struct Refuser {
    tasks: Tasks,
    at_work: Arc<AtomicUsize>,
}

impl Refuser {
    pub(super) fn new(tasks: Tasks) -> Self {
        Self { tasks, at_work: Arc::default() }
    }

    /// Answers with `refusal` and closes.
    pub(super) fn refuse(&self, socket: TcpStream, refusal: Refusal) {
        if self.at_work.load(Ordering::Relaxed) >= AT_A_TIME {
            return;
        }
        self.at_work.fetch_add(1, Ordering::Relaxed);
        let at_work = Arc::clone(&self.at_work);
        self.tasks.spawn(async move {
            let _ = timeout(LINGER, answer(socket, refusal)).await;
            at_work.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

async fn answer(mut socket: TcpStream, refusal: Refusal) -> std::io::Result<()> {
    socket.write_all(&refusal.bytes()).await?;
    socket.shutdown().await?;
    let mut buffer = [0; 1024];
    while socket.read(&mut buffer).await? > 0 {}
    Ok(())
}
