//! The settings of a webhook with the secrets that its requests are signed with, ready to be used.

use std::{collections::BTreeMap, sync::Arc};

use super::{WebhookTable, receiver::Receiver};
use crate::{
    config::{Webhook, read_signing_secrets},
    store::WebhookName,
};

/// The settings of a webhook.
pub struct WebhookSettings {
    /// The configuration.
    pub(super) config: Webhook,
    /// Sends requests to the receiver.
    pub(super) receiver: Receiver,
}

/// The reason why a webhook cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("webhooks.{webhook}.{problem}")]
pub struct WebhookError {
    /// The webhook.
    webhook: WebhookName,
    /// The problem, as a sentence that begins with the key.
    problem: String,
}

/// Reads the secrets of all webhooks. Reads files, so a caller in a task uses a blocking thread.
///
/// # Errors
/// The first problem of each webhook.
pub fn read_webhooks(webhooks: &BTreeMap<WebhookName, Webhook>) -> Result<WebhookTable, Vec<WebhookError>> {
    let (mut table, mut errors) = (WebhookTable::new(), Vec::new());
    for (name, webhook) in webhooks {
        match settings(webhook) {
            Ok(settings) => drop(table.insert(name.clone(), Arc::new(settings))),
            Err(problem) => errors.push(WebhookError { webhook: name.clone(), problem }),
        }
    }
    if errors.is_empty() { Ok(table) } else { Err(errors) }
}

fn settings(webhook: &Webhook) -> Result<WebhookSettings, String> {
    let secrets = read_signing_secrets(&webhook.secret_file).map_err(|problem| format!("secret_file: {problem}"))?;
    let receiver = Receiver::new(webhook, &secrets).map_err(|problem| format!("url: {problem}"))?;
    Ok(WebhookSettings { config: webhook.clone(), receiver })
}
