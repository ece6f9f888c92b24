//! Seeded scenarios: 500 faults, at counts of frames that a seed decides, between a client and a model of the gateway. The
//! logs of all clients that behave alike have the same hash.

mod model;
mod rounds;

use tokio::sync::mpsc;

use self::{
    model::{Model, serve},
    rounds::{Action, play},
};
use crate::{failure::Step, random::Random, scenario::Scenario, world::World};

/// The number of faults in each scenario.
pub(super) const FAULTS: u64 = 100;
/// How many orders to the model wait.
const QUEUE: usize = 16;

pub(super) const ALL: &[Scenario] = &[
    seeded("seeded/messages", "loses-item", "100 faults while it sends and receives messages", |world| {
        Box::pin(story(world, 1, &[Action::Send, Action::Others]))
    }),
    seeded("seeded/topics", "hides-gaps", "100 faults while it publishes and receives events", |world| {
        Box::pin(story(world, 2, &[Action::Publish, Action::Events]))
    }),
    seeded("seeded/notifications", "no-ack", "100 faults while it gets and acknowledges notifications", |world| {
        Box::pin(story(world, 3, &[Action::Notify]))
    }),
    seeded("seeded/queries", "no-repeat", "100 faults while it reads the history, and sends raw commands", |world| {
        Box::pin(story(world, 4, &[Action::History, Action::Request]))
    }),
    seeded("seeded/everything", "new-message-id", "100 faults while it does everything", |world| {
        Box::pin(story(world, 5, &Action::ALL))
    }),
];

const fn seeded(
    name: &'static str,
    mutant: &'static str,
    about: &'static str,
    story: crate::scenario::Story,
) -> Scenario {
    Scenario { name, about, mutant, seconds: 10, is_seeded: true, story }
}

/// Plays rounds with these actions against the model.
async fn story(w: &World<'_>, number: u64, actions: &[Action]) -> Step {
    let random = Random::new(w.seed.wrapping_mul(1_000).wrapping_add(number));
    let model = Model::new();
    let (orders, queue) = mpsc::channel(QUEUE);
    tokio::select! {
        // It ends only by a failure.
        result = serve(w, &model, queue) => result,
        result = wake(w, &model) => result,
        result = play(w, &model, &orders, random, actions) => result,
    }
}

/// Wakes the client while it has no connection, so that it does not wait longer and longer.
async fn wake(w: &World<'_>, model: &Model) -> Step {
    loop {
        model.disconnected().await;
        w.nudge("a").await?;
        // A connection that is lost before it is open is a connection that the model has not seen.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
