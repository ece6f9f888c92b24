//! All scenarios, one file for each group.

mod close;
mod commands;
mod connect;
mod cuts;
mod drain;
mod duties;
mod notifications;
mod recovery;
mod seeded;
mod slow;
mod subscriptions;
mod tls;
mod tokens;
mod upgrade;
mod vectors;

use crate::scenario::Scenario;

/// The groups, in the order of the table.
pub(crate) const GROUPS: &[&[Scenario]] = &[
    connect::ALL,
    upgrade::ALL,
    tls::ALL,
    tokens::ALL,
    close::ALL,
    subscriptions::ALL,
    recovery::ALL,
    notifications::ALL,
    commands::ALL,
    cuts::ALL,
    slow::ALL,
    drain::ALL,
    duties::ALL,
    vectors::ALL,
    seeded::ALL,
];
