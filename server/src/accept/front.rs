//! The thread on which sockets are accepted and health probes are answered, apart from the runtime that does the work.
//!
//! However busy the runtime is, accepting and probes take their turn with the operating system's scheduler alone.

use std::{io, net::TcpListener as StdListener, sync::Arc, thread, time::Duration};

use tokio::{
    net::TcpListener,
    runtime::{Builder, Handle},
    sync::oneshot,
    time::timeout,
};
use tokio_util::task::TaskTracker;

use super::{Port, Shared};
use crate::conversation::Reception;

/// How long probes that are being answered may take after the ports were closed.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// What runs on this thread, and the runtime that the sockets are handed to.
#[derive(Debug, Clone)]
pub(super) struct Front {
    /// Tasks of this thread.
    pub(super) tasks: TaskTracker,
    /// The gateway's own runtime.
    pub(super) runtime: Handle,
}

impl Front {
    /// To be called from the gateway's runtime.
    pub(super) fn new() -> Self {
        Self { tasks: TaskTracker::new(), runtime: Handle::current() }
    }
}

/// Accepts on these ports until the gateway stops. A task of the gateway ends when the thread does.
pub(super) fn begin<R: Reception>(shared: &Arc<Shared<R>>, ports: Vec<(Port<R>, StdListener)>) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (ended, end) = oneshot::channel::<()>();
    let (front, stop) = (shared.front.tasks.clone(), shared.stop.clone());
    let supervisor = shared.node.tasks().supervisor();
    let accepting: Vec<_> = ports
        .into_iter()
        .map(|(port, listener)| supervisor.watch_until(port.service.part(), stop.clone(), accept(port, listener)))
        .collect();
    thread::Builder::new().name("accept".into()).spawn(move || {
        // Dropped with the thread, also by a panic.
        let _ended = ended;
        runtime.block_on(async {
            futures_util::future::join_all(accepting).await;
            front.close();
            let _ = timeout(LAST_ANSWERS, front.wait()).await;
        });
    })?;
    let stop = shared.stop.clone();
    shared.node.tasks().spawn(async move {
        // An error is how the end shows: nothing is sent.
        let _ = end.await;
        if !stop.is_cancelled() {
            tracing::error!("the thread that accepts sockets has ended: no client can connect any more");
        }
    });
    Ok(())
}

async fn accept<R: Reception>(port: Port<R>, listener: StdListener) {
    match TcpListener::from_std(listener) {
        Ok(listener) => port.accept(listener).await,
        Err(error) => tracing::error!(%error, "a port cannot be served"),
    }
}
