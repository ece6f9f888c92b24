//! Sends a refusal on sockets that are not accepted, without reading a request.

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

use crate::{edge::upgrade::Refusal, runtime::tasks::Tasks};

/// The most refusals in progress. Sockets beyond it are closed without a response.
const MAX_IN_PROGRESS: usize = 256;
/// How long a socket is read after the response. Closing it with unread data would discard the response.
const LINGER_TIMEOUT: Duration = Duration::from_millis(500);

/// Sends refusals in the background, within bounds.
#[derive(Debug)]
pub(super) struct Refuser {
    tasks: Tasks,
    in_progress: Arc<AtomicUsize>,
}

impl Refuser {
    pub(super) fn new(tasks: Tasks) -> Self {
        Self { tasks, in_progress: Arc::default() }
    }

    /// Sends `refusal` and closes the socket.
    pub(super) fn refuse(&self, socket: TcpStream, refusal: Refusal) {
        // The check and the increment are not atomic. Exceeding the limit by a few is harmless.
        if self.in_progress.load(Ordering::Relaxed) >= MAX_IN_PROGRESS {
            return;
        }
        self.in_progress.fetch_add(1, Ordering::Relaxed);
        let in_progress = Arc::clone(&self.in_progress);
        self.tasks.spawn(async move {
            let _ = timeout(LINGER_TIMEOUT, respond(socket, refusal)).await;
            in_progress.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

async fn respond(mut socket: TcpStream, refusal: Refusal) -> std::io::Result<()> {
    socket.write_all(&refusal.bytes()).await?;
    socket.shutdown().await?;
    let mut buffer = [0; 1024];
    while socket.read(&mut buffer).await? > 0 {}
    Ok(())
}
