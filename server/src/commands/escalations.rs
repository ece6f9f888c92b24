//! Reports notifications that were not acknowledged in time to backend services, which can reach the user in another way, such
//! as by push message or mail.
//!
//! The store decides, in one step, whether a notification is still pending, and writes its event. So every node may look for
//! what is due, and a node that is killed neither loses an event nor reports a notification twice.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use sha2::{Digest as _, Sha256};
use tokio::{
    task::yield_now,
    time::{Instant, MissedTickBehavior, interval_at},
};

use super::notifications::pending_notification;
use crate::{
    bus::ActivityKind,
    command_error::CommandError,
    confirmation::in_time,
    delivery::{
        activity_feed::ActivityFeed,
        reports::{EventSubject, Reports, UnacknowledgedReport},
    },
    metrics::Metrics,
    runtime::clock::NodeClock,
    store::{DueEscalation, Entry, Escalation, EventSource, PageLimit, Store},
    topic::Topic,
};

/// The interval at which a node looks for what is due.
const EVERY: Duration = Duration::from_secs(1);
/// The maximum size of what is escalated in one step, so that other writes do not wait long.
const BATCH: PageLimit = PageLimit { entries: 128, bytes: 256 * 1024 };
/// The number of characters of the id of an event.
const ID_LENGTH: usize = 32;

/// Escalates notifications.
pub(crate) struct Escalations {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) reports: Reports,
    pub(crate) clock: NodeClock,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) activity: Arc<ActivityFeed>,
}

impl Escalations {
    /// Escalates what is due until it is dropped.
    pub(crate) async fn run(self) {
        // The sweep comes first, because it finds out whether the clock of a shared store has jumped.
        let mut ticks = interval_at(Instant::now() + EVERY, EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.escalate_due().await;
        }
    }

    /// Returns whether notifications may be escalated. After a jump of the clock, they would be escalated too early. Without
    /// readers, another node may have some: what is due stays until its notification ends.
    fn may_escalate(&self) -> bool {
        self.clock.may_delete() && self.clock.status().may_delete() && self.reports.has_readers()
    }

    /// Escalates what is due, in steps, between which other requests reach the store. The clock may jump between two steps,
    /// and a reload may remove the readers.
    async fn escalate_due(&self) {
        while self.may_escalate() {
            match self.escalate_batch().await {
                // The calls of a store in memory never wait, so that the event loop would serve nothing else meanwhile.
                Ok(true) => yield_now().await,
                Ok(false) => break,
                Err(error) => {
                    tracing::debug!(%error, "escalations are waiting for the store");
                    break;
                }
            }
        }
    }

    /// Escalates a part of what is due. Returns whether to continue immediately.
    async fn escalate_batch(&self) -> Result<bool, CommandError> {
        let found = in_time(self.store.due_escalations(BATCH)).await?;
        if found.due.is_empty() {
            return Ok(found.more);
        }
        let escalations = found.due.iter().map(|due| self.escalation(due)).collect::<Result<Option<_>, _>>()?;
        // A reload has removed the readers meanwhile.
        let Some(escalations) = escalations else { return Ok(false) };
        let written = in_time(self.store.escalate(escalations)).await?;
        let mut escalated = 0;
        for (due, _) in found.due.into_iter().zip(written).filter(|(_, written)| *written) {
            escalated += 1;
            let DueEscalation { user, id: notification_id, offset, .. } = due;
            let kind = || ActivityKind::NotificationEscalated { notification_id, offset };
            self.activity.report_without_session(&user, kind);
        }
        self.metrics.notifications_escalated_total.inc_by(escalated);
        // If nothing was escalated, another node has been faster and continues.
        Ok(found.more && escalated > 0)
    }

    /// Returns the escalation of a notification: without an event if the notification cannot be decoded, so that it is not due
    /// again. Returns `None` if there are no readers.
    fn escalation(&self, due: &DueEscalation) -> Result<Option<Escalation>, CommandError> {
        let (user, offset) = (due.user.clone(), due.offset);
        let entry = Entry { offset, at: due.at, body: due.body.clone() };
        let Some(notification) = pending_notification(&Topic::User(user.clone()), &entry) else {
            return Ok(Some(Escalation { user, offset, event: None }));
        };
        let report = UnacknowledgedReport {
            notification_id: &notification.id,
            title: &notification.title,
            message: &notification.message,
            data: notification.data.as_ref(),
            created_at: notification.created_at,
        };
        let subject = EventSubject::Unacknowledged(&user);
        let event = self.reports.event(&event_id(due), &subject, EventSource::Client, &report)?;
        Ok(event.map(|event| Escalation { user, offset, event: Some(event) }))
    }
}

/// Returns the id of the event about a notification. It is the same on every node and after every restart, so that consumers
/// recognise copies even if a Redis that failed over has forgotten that the notification was escalated.
fn event_id(due: &DueEscalation) -> String {
    let name = format!("notification.unacked\n{}\n{}\n{}", due.user, due.id, due.at.millis());
    let mut id = String::with_capacity(2 * ID_LENGTH);
    for byte in Sha256::digest(name) {
        // Writing into a String cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    id.truncate(ID_LENGTH);
    id
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::poll;
    use realtime_gateway_protocol::{
        NotificationId, Timestamp, UserId,
        stored::{StoredBody, StoredNotification},
    };

    use super::*;
    use crate::{
        bus::EmbeddedBus,
        config::{Config, LiveConfig, Secret},
        delivery::{log::encode, tail::Tails},
        store::{ContentDigest, Notify, clock::Clock, memory::MemoryStore, testing::conformance::options},
    };

    /// Returns a notification of a user, which is due.
    fn due(config: &LiveConfig) -> Notify {
        let (id, at) = (NotificationId::new("n").unwrap(), Timestamp::from_millis(1));
        let body = StoredNotification { id: &id, title: "t", message: "m", data: None, created_at: at };
        Notify {
            user: UserId::new("u").unwrap(),
            id: id.clone(),
            content: ContentDigest::of(&"t").unwrap(),
            at,
            body: encode(config, &StoredBody::Notification(body)).unwrap(),
            expires: Timestamp::from_millis(u64::MAX / 2),
            escalate_at: Some(at),
            max_pending: 10,
            dropped_event: None,
        }
    }

    /// Returns the escalations of a node with a store in memory.
    fn escalations(config: &LiveConfig) -> Escalations {
        let clock = NodeClock::default();
        let bus = Arc::new(EmbeddedBus::new().0);
        Escalations {
            store: Arc::new(MemoryStore::new(options(), Clock::system())),
            reports: Reports::new(clock.clone(), config.clone()),
            clock: clock.clone(),
            metrics: Arc::new(Metrics::new().unwrap()),
            activity: Arc::new(ActivityFeed::new(Arc::new(Tails::default()), bus, "n".into(), clock)),
        }
    }

    #[tokio::test]
    async fn other_tasks_of_the_event_loop_run_between_two_steps() {
        let mut config = Config::default();
        config.bus.url = Secret("amqp://127.0.0.1".into());
        let config = LiveConfig::new(config);
        let escalations = escalations(&config);
        let count = 10 * BATCH.entries;
        for number in 0..count {
            let user = UserId::new(format!("u{number}")).unwrap();
            escalations.store.notify(Notify { user, ..due(&config) }).await.unwrap();
        }
        let mut escalating = pin!(escalations.escalate_due());
        let mut turns = 0;
        while poll!(&mut escalating).is_pending() {
            turns += 1;
            yield_now().await;
        }
        assert!(turns >= 9, "between ten steps: {turns}");
        assert_eq!(escalations.metrics.notifications_escalated_total.get(), count as u64);
    }

    #[tokio::test]
    async fn notification_stays_due_when_a_reload_removes_the_readers() {
        let config = LiveConfig::new(Config::default());
        let escalations = escalations(&config);
        escalations.store.notify(due(&config)).await.unwrap();
        assert!(!escalations.escalate_batch().await.unwrap());
        assert_eq!(escalations.store.due_escalations(BATCH).await.unwrap().due.len(), 1);
    }
}
