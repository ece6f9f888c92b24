//! The memory budget: it limits what all slow consumers together occupy, in the process and in the kernel, and readers
//! lose nothing.

use realtime_gateway_tests::{Api, Gateway, Settings, Socket, Token, eventually, must};
use reqwest::Method;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

/// The number of clients that do not read.
const SLOW_CONSUMERS: usize = 100;
const BUDGET: u64 = 16 * 1024 * 1024;

/// Returns the value of a metric without labels.
async fn metric(api: &Api, name: &str) -> u64 {
    let text = api.call(Method::GET, "/metrics", None).await.text().await.unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap_or_default();
    line.parse().unwrap_or_else(|_| panic!("{name} is {line:?}"))
}

/// Returns the bytes in the kernel's send queues of the gateway's sockets.
fn kernel_send_queue_bytes(gateway: &Gateway) -> u64 {
    let port: u16 = gateway.address().rsplit(':').next().unwrap().parse().unwrap();
    let local = format!(":{port:04X}");
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let queued = |line: &str| {
        let mut columns = line.split_whitespace().skip(1);
        let is_own = columns.next()?.ends_with(&local);
        let queues = columns.nth(2)?;
        is_own.then(|| u64::from_str_radix(queues.split(':').next().unwrap(), 16).unwrap())
    };
    table.lines().skip(1).filter_map(queued).sum()
}

/// Returns the resident memory of the gateway, in bytes.
fn resident_bytes(gateway: &Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closes_slow_consumers_to_stay_within_memory_budget() {
    let settings = Settings::default().set("limits.outbound_total", "\"16MiB\"");
    let gateway = Gateway::with(settings).await;
    // This request opens the HTTP connection before the budget is exhausted.
    let api = gateway.api();
    metric(&api, "gateway_memory_used_bytes").await;
    let mut silent = Vec::new();
    for n in 0..SLOW_CONSUMERS {
        let mut socket = Socket::connect(&gateway, &format!("silent-{n}")).await;
        socket.join("c").await;
        silent.push(socket);
    }
    let mut readers = Vec::new();
    for n in 0..3 {
        let mut socket = Socket::connect(&gateway, &format!("reader-{n}")).await;
        socket.join("c").await;
        readers.push(socket);
    }
    let mut speaker = Socket::connect(&gateway, "speaker").await;
    // Each character takes three bytes.
    let (before, content) = (resident_bytes(&gateway), "\u{20ac}".repeat(2_700));
    let (mut sent, mut most_in_kernel, mut most_used) = (0, 0, 0);
    // Enough to fill each queue and the kernel's largest send buffer, which is 4 MiB by default.
    while sent < 700 {
        for _ in 0..10 {
            sent = speaker.chat("c", &content).await["offset"].as_u64().unwrap();
            for reader in &mut readers {
                // Readers receive every message once and are not closed.
                assert_eq!(reader.expect("chat").await["offset"], sent);
            }
        }
        most_in_kernel = most_in_kernel.max(kernel_send_queue_bytes(&gateway));
        most_used = most_used.max(metric(&api, "gateway_memory_used_bytes").await);
    }
    println!("at most {most_in_kernel} bytes in the kernel, {most_used} counted");
    assert!(most_in_kernel <= BUDGET, "{most_in_kernel} bytes were queued in the kernel");
    let grown = resident_bytes(&gateway).saturating_sub(before);
    assert!(grown <= BUDGET * 3, "the process has grown by {grown} bytes");
    let closed = metric(&api, "gateway_memory_closed_total").await;
    assert!(closed > 0, "the budget closed no client");
    eventually("the memory in use is below the budget", || async {
        metric(&api, "gateway_memory_used_bytes").await <= BUDGET && kernel_send_queue_bytes(&gateway) <= BUDGET
    })
    .await;
    assert_eq!(metric(&api, "gateway_memory_budget_bytes").await, BUDGET);
    // A closed client recovers like any slow consumer.
    let mut again = Socket::connect(&gateway, "silent-0").await;
    let recover = json!({ "type": "subscribe_clan_chat", "clanId": "c", "history": 1 });
    assert_eq!(again.request(recover).await["type"], "subscription_confirmed");
    assert_eq!(again.expect("chat").await["offset"], sent);
}

#[tokio::test]
async fn limits_message_size_before_authentication() {
    let gateway = Gateway::start().await;
    let mut long = Socket::anonymous(&gateway).await;
    let _ = long.try_send_text(&json!({ "type": "ping", "requestId": "x".repeat(5_000) }).to_string()).await;
    assert_eq!(long.close_code().await, 1009);

    // The limit admits tokens of the size that large identity providers issue.
    let token = Token::for_user("alice").claim("groups", json!("x".repeat(2_500))).text();
    assert!(token.len() > 3_500 && token.len() < 4_000, "{}", token.len());
    let mut short = Socket::anonymous(&gateway).await;
    short.send(json!({ "type": "authenticate", "token": token })).await;
    // The limit is lifted for messages that follow the authentication immediately.
    short.send(json!({ "type": "chat", "clanId": "c", "content": "\u{20ac}".repeat(3_000), "requestId": "1" })).await;
    short.expect("connected").await;
    assert_eq!(short.wait_for("message_sent").await["requestId"], "1");
    short.close().await;

    // A header may contain a longer token, and then the first message may be long.
    let token = Token::for_user("bob").claim("groups", json!("x".repeat(8_000)));
    let mut known = Socket::connect_with(&gateway, &token).await;
    known.chat("c", &"\u{20ac}".repeat(3_000)).await;
    known.send_frame(Message::text("z".repeat(70_000))).await;
    assert_eq!(known.close_code().await, 1009);
}

#[tokio::test]
async fn message_limit_before_authentication_is_configurable() {
    let gateway = Gateway::with(Settings::default().set("limits.unauthenticated_message_bytes", "\"32KiB\"")).await;
    let token = Token::for_user("alice").claim("groups", json!("x".repeat(8_000))).text();
    let mut socket = Socket::anonymous(&gateway).await;
    socket.send(json!({ "type": "authenticate", "token": token })).await;
    socket.expect("connected").await;
}

#[tokio::test]
async fn counts_unfinished_messages_against_memory_budget() {
    let settings = Settings::default()
        .set("limits.outbound_total", "\"2MiB\"")
        .set("limits.message_bytes", "\"256KiB\"")
        .set("limits.outbound_queue", "\"64KiB\"");
    let gateway = Gateway::with(settings).await;
    // This request opens the HTTP connection before the budget is exhausted.
    let api = gateway.api();
    metric(&api, "gateway_memory_used_bytes").await;
    let mut reader = Socket::connect(&gateway, "reader").await;
    reader.join("c").await;
    let mut speaker = Socket::connect(&gateway, "speaker").await;
    let mut unfinished = Vec::new();
    for n in 0..30 {
        unfinished.push(Socket::connect(&gateway, &format!("unfinished-{n}")).await);
    }
    for socket in &mut unfinished {
        socket.begin_text(200_000, 100_000).await;
    }
    must("the budget closes a client", async {
        while metric(&api, "gateway_memory_closed_total").await == 0 {
            speaker.chat("c", "still here").await;
            assert_eq!(reader.expect("chat").await["content"], "still here");
        }
    })
    .await;
    eventually("the remaining clients fit the budget", || async {
        metric(&api, "gateway_memory_used_bytes").await <= 2 * 1024 * 1024
    })
    .await;
    let closed = metric(&api, "gateway_memory_closed_total").await;
    assert!(closed < 30, "all {closed} clients were closed although fewer would have sufficed");
    speaker.chat("c", "and here").await;
    assert_eq!(reader.expect("chat").await["content"], "and here");
}
