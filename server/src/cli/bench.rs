//! `gateway bench`: puts load on a running gateway, and reports how long messages take and whether any was lost, doubled or
//! out of order.

mod client;
mod endpoint;
mod offsets;
mod plan;
mod report;
mod run;
mod socket;
mod tokens;

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow};
use clap::Args;
use futures_util::{StreamExt as _, TryStreamExt as _, future::join_all, stream};
use tokio::time::{Instant, timeout};

use self::{client::BenchClient, endpoint::Endpoint, plan::Plan, report::Report, run::Run, tokens::TokenSource};

/// How many clients connect at the same time.
const CONNECTING: usize = 50;
/// How long a client may take to connect and to subscribe.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// The arguments of `gateway bench`.
#[derive(Debug, Args)]
pub(super) struct Bench {
    /// The URL of the gateway: http, https, ws or wss.
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:4000")]
    url: String,
    #[command(flatten)]
    plan: Plan,
    #[command(flatten)]
    tokens: TokenSource,
    /// A file in PEM with the certificate authority of the gateway, trusted next to those of the operating system.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Prints the report as JSON.
    #[arg(long)]
    json: bool,
}

impl Bench {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let plan = self.plan.checked()?;
        let endpoint = Endpoint::new(&self.url, self.ca_file.as_deref())?;
        let tokens = self.tokens.tokens(&endpoint, &plan).await?;
        if !self.json {
            super::print(&format!("{endpoint}: {plan}\n"))?;
        }
        let started = Instant::now();
        let clients = connect(&endpoint, &tokens, &plan).await?;
        let connected_in = started.elapsed();
        if let Some(client) = clients.first() {
            plan.check_allowed(client.allowed)?;
        }
        let run = Arc::new(Run::new(plan)?);
        let outcomes = join_all(clients.into_iter().map(|client| client.run(run.clone()))).await;
        let report = Report::new(&run, connected_in, &outcomes);
        super::print(&if self.json { report.json()? } else { report.text() })?;
        Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Connects and subscribes all clients.
async fn connect(endpoint: &Endpoint, tokens: &[String], plan: &Plan) -> anyhow::Result<Vec<BenchClient>> {
    let connecting = tokens.iter().enumerate().map(|(number, token)| async move {
        let opened = timeout(CONNECT_TIMEOUT, BenchClient::open(endpoint, token, number, plan)).await;
        let opened = opened.unwrap_or_else(|_| Err(anyhow!("no answer within {CONNECT_TIMEOUT:?}")));
        opened.with_context(|| format!("client {} of {} cannot connect", number + 1, tokens.len()))
    });
    stream::iter(connecting).buffered(CONNECTING).try_collect().await
}
