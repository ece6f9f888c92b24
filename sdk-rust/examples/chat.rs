//! A chat in the terminal: `cargo run -p realtime-gateway-sdk --example chat -- alice clan1`, while `cargo xtask dev` runs.
//!
//! Start it twice, as two users, and kill and restart the gateway in between: nothing is lost.
#![expect(clippy::print_stdout, reason = "a chat in the terminal prints its messages")]

use std::{error::Error, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use realtime_gateway_sdk::{ChatEvent, Client, State};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    runtime::Runtime,
};

/// Where `cargo xtask dev` serves, unless a third argument names another `HOST:PORT`.
const ADDRESS: &str = "127.0.0.1:4000";
/// How long a message may wait for a gateway that is being restarted.
const PATIENCE: Duration = Duration::from_secs(300);

type AnyError = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), AnyError> {
    let mut arguments = std::env::args().skip(1);
    let (Some(user), Some(clan)) = (arguments.next(), arguments.next()) else {
        return Err("usage: chat USER CLAN [HOST:PORT]".into());
    };
    let address = arguments.next().unwrap_or_else(|| ADDRESS.to_owned());
    let runtime = Runtime::new()?;
    let result = runtime.block_on(chat(address, user, clan));
    // A read of the terminal cannot be taken back, so it is not waited for.
    runtime.shutdown_background();
    result
}

async fn chat(address: String, user: String, clan: String) -> Result<(), AnyError> {
    let url = format!("ws://{address}/ws");
    let provider = {
        let clan = clan.clone();
        move || dev_token(address.clone(), user.clone(), clan.clone())
    };
    let gateway = Client::builder(url).token(provider).timeout(PATIENCE).build()?;
    let clan = gateway.clan_chat(clan)?;
    let mut state = gateway.state();
    let mut subscribing = clan.subscribe().history(20).into_future();
    let mut chat = loop {
        tokio::select! {
            chat = &mut subscribing => break chat?,
            Ok(()) = state.changed() => announce(&state.borrow_and_update()),
        }
    };
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut sends = FuturesUnordered::new();
    let mut typing_ended = false;
    loop {
        tokio::select! {
            Some(event) = chat.next() => match event {
                ChatEvent::Message(message) => println!("{}: {}", message.user_id, message.content),
                ChatEvent::Deleted(deleted) => println!("* message {} was deleted", deleted.message_id),
                ChatEvent::Gap(gap) => {
                    println!("* messages after {} are missing; what history still has of them:", gap.before);
                    for message in clan.history().after(gap.before).await?.messages {
                        println!("{}: {}", message.user_id, message.content);
                    }
                }
                _ => {}
            },
            line = lines.next_line(), if !typing_ended => match line? {
                Some(line) if line.is_empty() => {}
                Some(line) => sends.push(clan.send(line).into_future()),
                None => typing_ended = true,
            },
            Some(sent) = sends.next(), if !sends.is_empty() => {
                if let Err(error) = sent {
                    println!("* not sent: {error} ({:?})", error.outcome());
                }
            }
            Ok(()) = state.changed() => announce(&state.borrow_and_update()),
            end = gateway.closed() => return Err(end.into()),
        }
        if typing_ended && sends.is_empty() {
            gateway.close().await;
            return Ok(());
        }
    }
}

fn announce(state: &State) {
    match state {
        State::Connected(connected) => println!("* connected as {}", connected.user_id),
        State::Waiting(Some(why)) => println!("* waiting: {why}"),
        _ => {}
    }
}

/// Gets a token from the gateway's development route; a real app gets it from its own backend.
async fn dev_token(address: String, user: String, clan: String) -> Result<String, AnyError> {
    let body = serde_json::json!({"userId": user, "clans": [clan]}).to_string();
    let request = format!(
        "POST /dev/token HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    let mut socket = TcpStream::connect(&address).await?;
    socket.write_all(request.as_bytes()).await?;
    let mut response = String::new();
    socket.read_to_string(&mut response).await?;
    let (head, body) = response.split_once("\r\n\r\n").ok_or("the gateway's answer is cut short")?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(format!("no token: {}", head.lines().next().unwrap_or_default()).into());
    }
    let answer: serde_json::Value = serde_json::from_str(body)?;
    Ok(answer.get("token").and_then(|token| token.as_str()).ok_or("the answer holds no token")?.to_owned())
}
