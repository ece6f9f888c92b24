//! Presence of topics while Redis is out of reach: afterwards every node and every watcher has the users who are there.

use std::{collections::BTreeMap, time::Duration};

use realtime_gateway_tests::{Gateway, LinkState, ServiceFiles, Settings, Socket, within};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use crate::cluster::Cluster;

const CONTRACT: &str = r#"
name = "rooms"
schema = "rooms.schema.json"
[topics.room]
pattern = "room-{id}"
event = "Any"
subscribe = "user"
presence = "Any"
"#;

/// The users in the topic, with their data.
type Roster = BTreeMap<String, Value>;

/// Subscribes to the topic with the data of a user.
fn join(data: &str) -> Value {
    json!({ "type": "subscribe", "service": "rooms", "topic": "room-1", "presence": true, "presenceData": data })
}

async fn member(node: &Gateway, user: &str, data: &str) -> Socket {
    let mut socket = Socket::connect(node, user).await;
    socket.send(join(data)).await;
    socket.wait_for("subscription_confirmed").await;
    socket
}

fn roster(users: &[(&str, &str)]) -> Roster {
    users.iter().map(|(user, data)| ((*user).to_owned(), json!(data))).collect()
}

/// Returns the users whom a node shows over HTTP.
async fn shown_by(node: &Gateway) -> Roster {
    let answer = node.api().json(reqwest::Method::GET, "/api/v1/services/rooms/topics/room-1/presence", None).await.1;
    let users = answer["users"].as_array().cloned().unwrap_or_default();
    users.iter().map(|user| (user["userId"].as_str().unwrap_or_default().to_owned(), user["data"].clone())).collect()
}

/// Applies what a watcher receives until it has seen these users, or the time is over. Returns what it saw last.
async fn watched_by(watcher: &mut Socket, seen: &mut Roster, expected: &Roster) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while seen != expected {
        let message =
            timeout_at(deadline, watcher.next()).await.unwrap_or_else(|_| panic!("a watcher still sees {seen:?}"));
        let message = message.expect("the watcher stays connected");
        let user = || message["userId"].as_str().unwrap().to_owned();
        match (message["type"].as_str().unwrap(), message["status"].as_str()) {
            ("topic_presence", _) => {
                let users = message["users"].as_array().unwrap().iter();
                *seen = users.map(|user| (user["userId"].as_str().unwrap().to_owned(), user["data"].clone())).collect();
            }
            ("topic_presence_changed", Some("offline")) => drop(seen.remove(&user())),
            ("topic_presence_changed", _) => drop(seen.insert(user(), message["data"].clone())),
            _ => {}
        }
    }
}

/// Cuts the second node from Redis for a time, while users come, leave and change their data on both.
async fn presence_is_right_after(fault: LinkState, time: Duration) {
    let files = ServiceFiles::new("rooms", CONTRACT, r#"{ "$defs": { "Any": {} } }"#);
    let settings = files.without_backend(Settings::default()).set("presence.grace", "\"1s\"");
    let cluster = Cluster::on_redis_alone(2, settings).await;
    let [near, far] = [&cluster.nodes[0], &cluster.nodes[1]];
    let mut watchers =
        [(member(near, "ann", "1").await, Roster::new()), (member(far, "ben", "1").await, Roster::new())];
    let leaving_near = member(near, "leaves-near", "1").await;
    let leaving_far = member(far, "leaves-far", "1").await;
    let before = roster(&[("ann", "1"), ("ben", "1"), ("leaves-near", "1"), ("leaves-far", "1")]);
    for (watcher, seen) in &mut watchers {
        watched_by(watcher, seen, &before).await;
    }

    cluster.to_redis[1].set(fault);
    leaving_near.close().await;
    leaving_far.close().await;
    let _came = member(near, "came", "1").await;
    watchers[0].0.send(join("2")).await;
    tokio::time::sleep(time).await;
    cluster.to_redis[1].set(LinkState::Healthy);

    let after = roster(&[("ann", "2"), ("ben", "1"), ("came", "1")]);
    for node in [near, far] {
        within(Duration::from_secs(60), "the node shows who is there", || async { shown_by(node).await == after })
            .await;
    }
    for (watcher, seen) in &mut watchers {
        watched_by(watcher, seen, &after).await;
    }
    // It works on: what changes now reaches both nodes.
    watchers[1].0.send(join("3")).await;
    let now = roster(&[("ann", "2"), ("ben", "3"), ("came", "1")]);
    for (watcher, seen) in &mut watchers {
        watched_by(watcher, seen, &now).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_is_right_after_redis_was_cut_off() {
    presence_is_right_after(LinkState::Refused, Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_is_right_after_packets_to_redis_were_lost() {
    presence_is_right_after(LinkState::Blackholed, Duration::from_secs(8)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_is_right_after_node_has_lost_its_lease() {
    presence_is_right_after(LinkState::Refused, Duration::from_secs(35)).await;
}
