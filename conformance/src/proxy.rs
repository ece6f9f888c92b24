//! The fault proxy between a client and the scripted gateway. It cuts and holds connections at counts of frames, never at
//! times, and lets a mutant alter what passes.

mod plan;
mod relay;

use std::{net::SocketAddr, sync::Arc};

use tokio::{net::TcpListener, task::JoinSet};

pub(crate) use plan::{Cut, Direction, Fault, Plan};

use crate::{
    failure::{Step, red},
    mutants::{ConnectionFault, Tampering},
};

/// A proxy in front of one gateway.
pub(crate) struct Proxy {
    address: SocketAddr,
    pub(crate) plan: Arc<Plan>,
    /// The task that accepts. It owns the tasks of the connections, and ends with the proxy.
    _task: JoinSet<()>,
}

impl Proxy {
    /// Starts a proxy in front of the gateway at this address.
    pub(crate) async fn start(gateway: SocketAddr, tampering: Tampering) -> Step<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(no_port)?;
        let address = listener.local_addr().map_err(no_port)?;
        let plan = Arc::new(Plan::new(tampering));
        let mut task = JoinSet::new();
        task.spawn(accept(listener, gateway, Arc::clone(&plan)));
        Ok(Self { address, plan, _task: task })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL that the client gets.
    pub(crate) fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }
}

fn no_port(error: std::io::Error) -> crate::failure::Failure {
    red(format_args!("no local port: {error}"))
}

async fn accept(listener: TcpListener, gateway: SocketAddr, plan: Arc<Plan>) {
    let mut connections = JoinSet::new();
    let mut count = 0_u64;
    while let Ok((client, _)) = listener.accept().await {
        count += 1;
        if plan.tampering.does(ConnectionFault::ConnectsOnce) && count > 1 {
            // No gateway answers: the mutant never connects again.
            plan.keep(client);
            continue;
        }
        if plan.tampering.does(ConnectionFault::OpensTwice)
            && let Ok(twin) = tokio::net::TcpStream::connect(gateway).await
        {
            plan.keep(twin);
        }
        connections.spawn(relay::run(client, gateway, Arc::clone(&plan)));
        // What has ended is of no further use.
        while connections.try_join_next().is_some() {}
    }
}
