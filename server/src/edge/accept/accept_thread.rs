//! The thread that accepts sockets and answers health probes, separate from the event loops that do the work.
//!
//! A busy loop cannot delay accepting or probes, because the operating system schedules this thread independently.

use std::{io, net::TcpListener as StdListener, sync::Arc, thread, time::Duration};

use tokio::{net::TcpListener, runtime::Builder, sync::oneshot, time::timeout};
use tokio_util::task::TaskTracker;

use super::{Port, Shared};
use crate::edge::context::EdgeContext;

/// How long health probes in progress may take after the ports are closed.
const PROBE_SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(500);

/// The tasks of the accept thread.
#[derive(Debug, Default)]
pub(super) struct AcceptThread {
    /// Tasks that run on the accept thread.
    pub(super) tasks: TaskTracker,
}

/// Accepts sockets on these ports until the gateway shuts down.
pub(super) fn start<R: EdgeContext>(shared: &Arc<Shared<R>>, ports: Vec<(Port<R>, StdListener)>) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (exited, exit) = oneshot::channel::<()>();
    let (accept_thread, stop) = (shared.accept_thread.tasks.clone(), shared.stop.clone());
    let supervisor = shared.node.tasks().supervisor();
    let accepting: Vec<_> = ports
        .into_iter()
        .map(|(port, listener)| supervisor.watch_until(port.service.part(), stop.clone(), accept(port, listener)))
        .collect();
    thread::Builder::new().name("accept".into()).spawn(move || {
        // Dropped when the thread exits, also after a panic, which completes `end`.
        let _exited = exited;
        runtime.block_on(async {
            futures_util::future::join_all(accepting).await;
            accept_thread.close();
            let _ = timeout(PROBE_SHUTDOWN_TIMEOUT, accept_thread.wait()).await;
        });
    })?;
    let stop = shared.stop.clone();
    shared.node.tasks().spawn(async move {
        // Always an error: the sender is only dropped. It signals that the thread has exited.
        let _ = exit.await;
        if !stop.is_cancelled() {
            tracing::error!("the accept thread exited: no client can connect");
        }
    });
    Ok(())
}

async fn accept<R: EdgeContext>(port: Port<R>, listener: StdListener) {
    match TcpListener::from_std(listener) {
        Ok(listener) => port.accept(listener).await,
        Err(error) => tracing::error!(%error, "cannot serve a port"),
    }
}
