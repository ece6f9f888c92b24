//! The rounds of a seeded scenario: an action of the app or of other users, and a fault. Each round ends when the client has
//! everything, so that the next fault hits the same frame in every client.

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    FAULTS,
    model::{Model, Order, RETENTION},
};
use crate::{
    failure::{Step, check, red},
    proxy::{Cut, Direction},
    random::Random,
    world::{Call, World},
};

/// What happens in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// The app sends a message.
    Send,
    /// Other users send messages.
    Others,
    /// The app publishes an event.
    Publish,
    /// Others publish events.
    Events,
    /// A notification comes, and the app acknowledges it.
    Notify,
    /// The app reads the history.
    History,
    /// The app sends a raw command.
    Request,
}

impl Action {
    pub(super) const ALL: [Self; 7] =
        [Self::Send, Self::Others, Self::Publish, Self::Events, Self::Notify, Self::History, Self::Request];

    /// Returns the largest number of frames that the gateway sends because of it.
    fn frames(self) -> u64 {
        match self {
            Self::Send | Self::Publish => 2,
            Self::Others | Self::Events => 3,
            Self::Notify => 1,
            Self::History | Self::Request => 1,
        }
    }

    /// Returns whether the app sends a command first.
    fn is_command(self) -> bool {
        matches!(self, Self::Send | Self::Publish | Self::History | Self::Request)
    }
}

/// Codes with which a gateway asks its clients to return.
const CODES: [u16; 7] = [1001, 1011, 1012, 1013, 4500, 4504, 4508];

/// Plays the rounds.
pub(super) async fn play(
    w: &World<'_>,
    model: &Model,
    orders: &mpsc::Sender<Order>,
    mut random: Random,
    actions: &[Action],
) -> Step {
    w.leave_items();
    w.open("a").await?;
    w.run("connect", &json!({"client": "a"})).await?;
    for (stream, topic) in [("c", json!({"clan": "c"})), ("o", json!({"service": "orders", "topic": "o"}))] {
        w.run("subscribe", &json!({"client": "a", "stream": stream, "topic": topic})).await?;
    }
    w.run("subscribe", &json!({"client": "a", "stream": "n", "topic": "notifications"})).await?;
    let mut game = Game { w, model, orders, notifications: 0, published: 0 };
    for number in 0..FAULTS {
        let action = random.one_of(actions).copied().unwrap_or(Action::Send);
        let failed = |failure| red(format_args!("round {number}, {action:?}: {failure}"));
        game.round(action, &mut random).await.map_err(failed)?;
    }
    check(w.proxy.plan.cuts() > FAULTS / 3, || format!("only {} connections were cut", w.proxy.plan.cuts()))?;
    w.run("close", &json!({"client": "a"})).await?;
    for stream in ["c", "o", "n"] {
        w.next("the end of a stream", |line| line["event"] == "end" && line["stream"] == stream).await?;
    }
    w.state("a", "closed").await?;
    game.judge()
}

struct Game<'a> {
    w: &'a World<'a>,
    model: &'a Model,
    orders: &'a mpsc::Sender<Order>,
    notifications: u64,
    /// How many messages and events the app has published.
    published: u64,
}

impl Game<'_> {
    async fn round(&mut self, action: Action, random: &mut Random) -> Step {
        let is_closed = random.below(4) == 0;
        if !is_closed {
            self.arm(action, random);
        }
        self.act(action, random).await?;
        if is_closed {
            let code = random.one_of(&CODES).copied().unwrap_or(1001);
            let away = [0, 3, RETENTION + 5].get(usize::try_from(random.below(3)).unwrap_or(0)).copied().unwrap_or(0);
            self.order(Order::Close { code, away, is_new_epoch: random.below(4) == 0 }).await?;
            self.model.disconnected().await;
        }
        // All that was sent before has passed when this query is answered.
        self.run("presence", &json!({"topic": {"clan": "c"}})).await?;
        self.w.proxy.plan.clear();
        self.settled().await
    }

    /// Plans a fault at one of the frames of the action, and sometimes another one while the client returns.
    fn arm(&self, action: Action, random: &mut Random) {
        let cut = random.one_of(&[Cut::Before, Cut::Within, Cut::After]).copied().unwrap_or(Cut::Before);
        let is_command = action.is_command() && random.below(2) == 0;
        let (direction, frames) =
            if is_command { (Direction::ToGateway, 1) } else { (Direction::ToClient, action.frames()) };
        let frame = u32::try_from(random.below(frames) + 1).unwrap_or(1);
        self.w.cut(direction, frame, cut);
        if random.below(4) == 0 {
            // Counted from now: the first one is the command or its reply.
            let frame = u32::try_from(random.below(3) + 2).unwrap_or(2);
            self.w.cut(Direction::ToGateway, frame, Cut::Within);
        }
    }

    async fn act(&mut self, action: Action, random: &mut Random) -> Step {
        let number = random.below(1_000);
        self.published += u64::from(matches!(action, Action::Send | Action::Publish));
        match action {
            Action::Send => {
                let data = json!({"content": format!("message {number} 🐺")});
                self.run("send", &json!({"topic": {"clan": "c"}, "data": data})).await
            }
            Action::Publish => {
                let topic = json!({"service": "orders", "topic": "o"});
                self.run("send", &json!({"topic": topic, "data": {"number": number, "list": [1, null, "x"]}})).await
            }
            Action::Others => self.order(Order::Append { topic: "c".to_owned(), count: 3 }).await,
            Action::Events => self.order(Order::Append { topic: "o".to_owned(), count: 3 }).await,
            Action::Notify => {
                self.notifications += 1;
                let id = format!("n{}", self.notifications);
                self.order(Order::Notify(id.clone())).await?;
                self.notified(&id).await?;
                self.run("ack", &json!({"ids": [id]})).await?;
                check(!self.model.waits(&id), || format!("{id} is not acknowledged"))
            }
            Action::History => self.run("history", &json!({"topic": {"clan": "c"}, "limit": 3})).await,
            Action::Request => {
                let call = self.begin("request", &json!({"type": "presence", "fields": {"clanId": "c"}})).await?;
                // It succeeds, or its outcome is unknown.
                let done = self.w.done(call).await?;
                let is_known = done["error"].is_null() || done["error"]["outcome"] == "unknown";
                check(is_known, || format!("a raw command ends with {done}"))
            }
        }
    }

    async fn begin(&self, name: &str, fields: &Value) -> Step<Call> {
        let mut fields = fields.clone();
        fields["client"] = json!("a");
        self.w.begin(name, &fields).await
    }

    async fn run(&self, name: &str, fields: &Value) -> Step {
        let call = self.begin(name, fields).await?;
        self.w.value(call).await.map(drop)
    }

    async fn order(&self, order: Order) -> Step {
        self.orders.send(order).await.map_err(|_| red("the model has ended"))
    }

    async fn notified(&self, id: &str) -> Step {
        let what = format!("the notification {id}");
        let is_it = |line: &Value| line["event"] == "item" && line["item"]["id"] == id;
        self.w.lines().until(&what, self.w.limit(), |lines| lines.iter().any(is_it)).await
    }

    /// Waits until both logs are given to their head.
    async fn settled(&self) -> Step {
        for stream in ["c", "o"] {
            let head = self.model.head(stream);
            if head["offset"] == 0 && head["epoch"] == "e0" {
                continue;
            }
            let what = format!("the position {head} of the stream {stream}");
            let is_item = |line: &&Value| line["event"] == "item" && line["stream"] == stream;
            let at_head =
                |lines: &[Value]| lines.iter().rev().find(is_item).is_some_and(|line| line["position"] == head);
            self.w.lines().until(&what, self.w.limit(), at_head).await?;
        }
        Ok(())
    }

    /// Checks the order of each stream: entries follow each other, or there is a gap that says what is missing.
    fn judge(&self) -> Step {
        let stored = self.model.published();
        check(stored == self.published, || {
            format!("{stored} messages are stored of {} that were sent", self.published)
        })?;
        for stream in ["c", "o"] {
            let (mut last, mut epoch) = (0, json!("e0"));
            for line in self.w.lines().all() {
                if line["event"] != "item" || line["stream"] != stream {
                    continue;
                }
                let item = &line["item"];
                let offset = line["position"]["offset"].as_u64().unwrap_or_default();
                if item["type"] == "gap" {
                    check(item["before"] == last, || format!("a gap begins at another offset than {last}: {line}"))?;
                } else {
                    let follows = offset == last + 1 && line["position"]["epoch"] == epoch && item["offset"] == offset;
                    check(follows, || format!("after offset {last} of {epoch} comes {line}"))?;
                }
                (last, epoch) = (offset, line["position"]["epoch"].clone());
            }
            let expected = self.model.entry(stream, last);
            check(expected.is_some() || last == 0, || format!("the stream {stream} ends at offset {last}"))?;
        }
        let mut seen = std::collections::BTreeSet::new();
        for line in self.w.lines().all() {
            let is_first =
                line["event"] != "item" || line["stream"] != "n" || seen.insert(line["item"]["id"].to_string());
            check(is_first, || format!("a notification came twice: {line}"))?;
        }
        Ok(())
    }
}
