//! Server-side subscriptions in the data file: one row for each user, and an index of the first end of each row.

use async_trait::async_trait;
use realtime_gateway_protocol::{StoredId, Timestamp, UserId};
use redb::{ReadTransaction, ReadableTable, TableError};

use super::{
    RedbStore,
    fault::{Fault, guard},
    format::{SUBSCRIPTIONS, text},
    operation::Request,
    sealed::{Position, fields, row},
    tables::Tables,
};
use crate::{
    ServerSubscription, ServerSubscriptions, StoreError, SubscriptionFilter, SubscriptionOutcome, subscription_row,
};

/// The approximate size of a subscription in its row, in bytes.
const BYTES: usize = 256;

/// A request to add a subscription.
struct Keep {
    user: UserId,
    subscription: ServerSubscription,
    now: Timestamp,
}

/// A request to remove subscriptions.
struct Remove {
    user: UserId,
    filter: SubscriptionFilter,
    now: Timestamp,
}

/// The result of decoding the row of a user: the user and all subscriptions.
type SubscriptionsRead = Result<(UserId, Vec<ServerSubscription>), Fault>;

impl Request for Keep {
    type Answer = SubscriptionOutcome;

    fn apply(&self, tables: &mut Tables<'_>) -> Result<SubscriptionOutcome, Fault> {
        tables.reserve(BYTES)?;
        let mut subscriptions = of_user(tables, &self.user)?;
        let outcome = subscription_row::keep(&mut subscriptions, self.subscription.clone(), self.now);
        if outcome == SubscriptionOutcome::Kept {
            tables.changed = true;
            write(tables, &self.user, &subscriptions)?;
        }
        Ok(outcome)
    }

    fn bytes(&self) -> usize {
        2 * BYTES
    }
}

impl Request for Remove {
    type Answer = u64;

    fn apply(&self, tables: &mut Tables<'_>) -> Result<u64, Fault> {
        let mut subscriptions = of_user(tables, &self.user)?;
        let removed = subscription_row::remove(&mut subscriptions, &self.filter, self.now);
        if removed > 0 {
            tables.changed = true;
            write(tables, &self.user, &subscriptions)?;
        }
        Ok(removed)
    }

    fn bytes(&self) -> usize {
        2 * BYTES
    }
}

fn of_user(tables: &Tables<'_>, user: &UserId) -> Result<Vec<ServerSubscription>, Fault> {
    match tables.subscriptions.get(user.as_str())? {
        Some(row) => Ok(decode(user.as_str(), row.value())?.1),
        None => Ok(Vec::new()),
    }
}

/// Writes the subscriptions of a user, and the index of their first end.
pub(super) fn write(tables: &mut Tables<'_>, user: &UserId, subscriptions: &[ServerSubscription]) -> Result<(), Fault> {
    if let Some(end) = subscription_row::first_end(&of_user(tables, user)?) {
        tables.subscription_ends.remove((end.millis(), user.as_str()))?;
    }
    if subscriptions.is_empty() {
        tables.subscriptions.remove(user.as_str())?;
        return Ok(());
    }
    tables.subscriptions.insert(user.as_str(), encode(user.as_str(), subscriptions).as_slice())?;
    if let Some(end) = subscription_row::first_end(subscriptions) {
        tables.subscription_ends.insert((end.millis(), user.as_str()), ())?;
    }
    Ok(())
}

/// Removes subscriptions that have ended at the time `now`.
pub(super) fn sweep(tables: &mut Tables<'_>, now: Timestamp, rows: &mut u64) -> Result<(), Fault> {
    while *rows > 0 {
        let first = tables.subscription_ends.first()?;
        // A damaged name removes no row of a user, because none has it.
        let Some((end, user)) =
            first.map(|(key, _)| guard(|| Ok((key.value().0, key.value().1.to_owned())))).transpose()?
        else {
            break;
        };
        if end > now.millis() {
            break;
        }
        tables.subscription_ends.remove((end, user.as_str()))?;
        *rows -= 1;
        let Some(row) = tables.subscriptions.get(user.as_str())?.map(|row| decode(&user, row.value())) else {
            continue;
        };
        match row {
            Ok((user, mut subscriptions)) => {
                subscriptions.retain(|subscription| !subscription.has_ended(now));
                write(tables, &user, &subscriptions)?;
            }
            Err(_) => tables.damage.record("server-side subscriptions", &user, 1),
        }
    }
    Ok(())
}

/// Returns the subscriptions of all users that the file holds.
///
/// # Errors
/// If one of them cannot be read.
pub(super) fn read_all(transaction: &ReadTransaction) -> Result<Vec<(UserId, Vec<ServerSubscription>)>, Fault> {
    read_each(transaction)?.into_iter().collect()
}

/// Returns the subscriptions of each user, or the error if a user's row cannot be read.
pub(super) fn read_each(transaction: &ReadTransaction) -> Result<Vec<SubscriptionsRead>, Fault> {
    let table = match transaction.open_table(SUBSCRIPTIONS) {
        Ok(table) => table,
        // A file that no version with server-side subscriptions has written yet.
        Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut all = Vec::new();
    for row in table.iter()? {
        let (user, subscriptions) = row?;
        all.push(decode(user.value(), subscriptions.value()));
    }
    Ok(all)
}

fn encode(user: &str, subscriptions: &[ServerSubscription]) -> Vec<u8> {
    let position = Position::of::<&str>(&SUBSCRIPTIONS, &user);
    row(position, [], &[subscription_row::encode(subscriptions).as_bytes()])
}

/// Reads the row of a user.
pub(super) fn decode(user: &str, bytes: &[u8]) -> SubscriptionsRead {
    let ([], subscriptions) = fields(Position::of::<&str>(&SUBSCRIPTIONS, &user), bytes)?;
    let user = UserId::from_stored(user).map_err(|_| Fault::Damaged)?;
    Ok((user, subscription_row::decode(text(subscriptions)?).ok_or(Fault::Damaged)?))
}

#[async_trait]
impl ServerSubscriptions for RedbStore {
    async fn keep_subscription(
        &self,
        user: &UserId,
        subscription: ServerSubscription,
    ) -> Result<SubscriptionOutcome, StoreError> {
        self.submit(Keep { user: user.clone(), subscription, now: self.clock.now() }).await
    }

    async fn remove_subscriptions(&self, user: &UserId, filter: &SubscriptionFilter) -> Result<u64, StoreError> {
        self.submit(Remove { user: user.clone(), filter: filter.clone(), now: self.clock.now() }).await
    }

    async fn subscriptions_of(&self, user: &UserId) -> Result<Vec<ServerSubscription>, StoreError> {
        let (user, now) = (user.clone(), self.clock.now());
        self.read_file(move |transaction| {
            let table = match transaction.open_table(SUBSCRIPTIONS) {
                Ok(table) => table,
                // A file that no version with server-side subscriptions has written yet.
                Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                Err(error) => return Err(error.into()),
            };
            let Some(row) = table.get(user.as_str())? else { return Ok(Vec::new()) };
            let (_, mut subscriptions) = decode(user.as_str(), row.value())?;
            subscriptions.retain(|subscription| !subscription.has_ended(now));
            Ok(subscriptions)
        })
        .await
    }
}
