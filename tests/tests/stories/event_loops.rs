//! Several event loops: clients of one node on different threads.

use std::fs;

use realtime_gateway_tests::{Gateway, Settings, Socket, eventually};
use serde_json::{Value, json};

/// The number of clients. Each loop gets the same number, because a socket goes to the loop that has the fewest.
const CLIENTS: usize = 9;
/// The number of messages of each client.
const MESSAGES: usize = 40;

/// Returns the names of the threads of a process.
fn threads(pid: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks.map(|task| fs::read_to_string(task.unwrap().path().join("comm")).unwrap().trim().to_owned()).collect()
}

/// Sends messages without waiting for their confirmations, and returns all that the client receives.
async fn talk(socket: &mut Socket, client: usize) -> Vec<String> {
    for number in 0..MESSAGES {
        let content = format!("{client} {number}");
        socket.send(json!({ "type": "chat", "clanId": "c", "content": content })).await;
    }
    let mut received = Vec::new();
    while received.len() < CLIENTS * MESSAGES {
        let chat = socket.wait_for("chat").await;
        assert_eq!(chat["offset"], Value::from(received.len() + 1));
        received.push(chat["content"].as_str().unwrap().to_owned());
    }
    received
}

#[tokio::test]
async fn clients_on_three_loops_receive_one_order_and_are_closed_gracefully() {
    let settings = Settings::default().set("loops", "3").set("limits.burst", "1000").set("drain.grace", "\"5s\"");
    let mut gateway = Gateway::with(settings).await;
    // A thread names itself when it first runs, which may be after the gateway listens.
    eventually("the threads of the loops", async || {
        let names = threads(gateway.pid());
        ["loop-2", "loop-3"].iter().all(|name| names.iter().any(|thread| thread == name))
    })
    .await;
    let mut sockets = Vec::new();
    for client in 0..CLIENTS {
        let mut socket = Socket::connect(&gateway, &format!("user-{client}")).await;
        socket.join("c").await;
        sockets.push(socket);
    }
    let talking = sockets.iter_mut().enumerate().map(|(client, socket)| talk(socket, client));
    let received = futures_util::future::join_all(talking).await;
    assert!(received.iter().all(|order| *order == received[0]), "every client receives the same order");
    for client in 0..CLIENTS {
        let of_client = received[0].iter().filter(|content| content.starts_with(&format!("{client} ")));
        assert!(of_client.eq(&(0..MESSAGES).map(|number| format!("{client} {number}")).collect::<Vec<_>>()));
    }
    gateway.signal("TERM").await;
    for socket in &mut sockets {
        assert_eq!(socket.wait_for("reconnect").await["reason"], "draining");
        assert_eq!(socket.close_code().await, 1012);
    }
    assert_eq!(gateway.exit_code().await, Some(0));
}
