//! The first message of the README: `GATEWAY_URL=ws://127.0.0.1:4000/ws GATEWAY_TOKEN=… cargo run -p realtime-gateway-sdk --example
//! quickstart`.
#![expect(clippy::print_stdout, reason = "it prints the message that comes back")]

use std::{env, error::Error, future};

use realtime_gateway_sdk::{ChatEvent, Client};

type AnyError = Box<dyn Error + Send + Sync>;

/// Sends a message to a clan and prints what comes back.
async fn first_message(url: String, token: String) -> Result<(), AnyError> {
    let fetch_token = move || future::ready(Ok::<_, AnyError>(token.clone()));
    let gateway = Client::builder(url).token(fetch_token).build()?;
    let clan = gateway.clan_chat("clan123")?;
    let mut chat = clan.subscribe().await?;
    clan.send("hello").await?;
    if let Some(ChatEvent::Message(message)) = chat.next().await {
        println!("{}: {}", message.user_id, message.content);
    }
    gateway.close().await;
    Ok(())
}

#[tokio::main]
#[expect(clippy::disallowed_methods, reason = "the environment names the gateway and has the token")]
async fn main() -> Result<(), AnyError> {
    first_message(env::var("GATEWAY_URL")?, env::var("GATEWAY_TOKEN")?).await
}
