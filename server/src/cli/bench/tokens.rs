//! The tokens of the clients.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use anyhow::{Context as _, ensure};
use clap::Args;
use realtime_gateway_protocol::UserId;
use serde_json::{Value, json};

use super::{Plan, endpoint::Endpoint};
use crate::{
    auth::{Mint, mint},
    cli::Source,
    config::Loaded,
    crypto,
};

/// How long tokens are valid after the end of the bench.
const MARGIN: Duration = Duration::from_secs(600);

/// Where tokens come from. By default they are signed with the secret of the configuration, as by `gateway token`.
#[derive(Debug, Args)]
pub(super) struct TokenSource {
    /// A file with a token for each client, one a line. Each is of another user and allows the clans NAME-1, NAME-2 and so on.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dev", "config"])]
    tokens: Option<PathBuf>,
    /// Asks the gateway for the tokens, which has to run with --dev.
    #[arg(long, conflicts_with = "config")]
    dev: bool,
    #[command(flatten)]
    source: Source,
}

impl TokenSource {
    /// Returns a token for each client.
    ///
    /// # Errors
    /// When there are not enough, or the gateway or the configuration gives none.
    pub(super) async fn tokens(self, endpoint: &Endpoint, plan: &Plan) -> anyhow::Result<Vec<String>> {
        match self.tokens {
            Some(path) => {
                let text =
                    std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
                let tokens: Vec<_> =
                    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
                ensure!(
                    tokens.len() >= plan.clients,
                    "{} has {} tokens, and {} clients need one each, because a user has one session",
                    path.display(),
                    tokens.len(),
                    plan.clients
                );
                Ok(tokens.into_iter().take(plan.clients).collect())
            }
            None if self.dev => of_gateway(endpoint, plan).await,
            None => signed(self.source, plan),
        }
    }
}

fn signed(source: Source, plan: &Plan) -> anyhow::Result<Vec<String>> {
    let loaded = Loaded::read(&source.flags())?;
    let token = |client| {
        let wish = Mint {
            user: UserId::new(plan.user_id(client)).context("--name is not usable in an identifier")?,
            clans: vec![plan.clan_id(plan.clan_of(client))],
            topics: BTreeMap::new(),
            calls: BTreeMap::new(),
            subscribe: Vec::new(),
            device: None,
            ttl: plan.duration + MARGIN,
        };
        let minted = mint(&loaded.config.auth, &wish).context("give --tokens FILE, or --dev for a gateway with --dev");
        Ok(minted?.token)
    };
    (0..plan.clients).map(token).collect()
}

async fn of_gateway(endpoint: &Endpoint, plan: &Plan) -> anyhow::Result<Vec<String>> {
    let client = crypto::https_client().timeout(Duration::from_secs(10)).build()?;
    let mut tokens = Vec::with_capacity(plan.clients);
    for number in 0..plan.clients {
        let wish = json!({ "userId": plan.user_id(number), "clans": [plan.clan_id(plan.clan_of(number))] });
        let response = client.post(endpoint.url("/dev/token")).json(&wish).send().await;
        let response = response.with_context(|| format!("{endpoint} does not answer"))?;
        let status = response.status();
        ensure!(
            status.is_success(),
            "{endpoint} gives no tokens ({status}): it runs without --dev, so give --tokens FILE"
        );
        let answer: Value = response.json().await.context("the answer of /dev/token is no JSON")?;
        let token = answer.get("token").and_then(Value::as_str).context("the answer of /dev/token has no token")?;
        tokens.push(token.to_owned());
    }
    Ok(tokens)
}
