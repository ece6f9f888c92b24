//! Rechecks the permissions of existing subscriptions: when the grant of a permission service expires, and when a
//! session gets a new token. A service that does not answer does not end a subscription until the grace period is over.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use futures_util::{FutureExt, StreamExt, stream};
use realtime_gateway_protocol::{ErrorCode, ServiceName};

use super::{Holder, Session, Subscriptions};
use crate::{
    auth::{Action, AskAgain, Granted},
    command_error::CommandError,
    delivery::hub::Subscription,
    runtime::backoff::backoff,
    topic::Topic,
};

/// The number of subscriptions of one session whose permissions are checked concurrently.
const CONCURRENT_CHECKS: usize = 32;

/// Starts the task that rechecks a subscription's permission at the interval of the grant. The task ends the
/// subscription when the permission is withdrawn, or when the service has not answered for `permissions.stale_grace`.
pub(super) fn watch(
    subscriptions: &Arc<Subscriptions>,
    session: &Arc<Session>,
    subscription: &Arc<Subscription>,
    granted: Granted,
) {
    let Some(ask_again) = granted.ask_again else { return };
    let watched = Watched {
        subscriptions: subscriptions.clone(),
        session: Arc::downgrade(session),
        subscription: Arc::downgrade(subscription),
    };
    let task = subscriptions.parts.tasks.spawn_until_stopped(async move {
        if AssertUnwindSafe(watched.recheck(ask_again)).catch_unwind().await.is_err() {
            // Without the watch the subscription would outlive a withdrawn permission, so it ends here.
            watched.end(&CommandError::unavailable());
        }
    });
    subscription.set_permission_watch(task.abort_handle());
}

/// A subscription whose permission is rechecked. It keeps neither the subscription nor its session alive.
struct Watched {
    subscriptions: Arc<Subscriptions>,
    session: Weak<Session>,
    subscription: Weak<Subscription>,
}

impl Watched {
    fn live(&self) -> Option<(Arc<Session>, Arc<Subscription>)> {
        let subscription = self.subscription.upgrade().filter(|subscription| !subscription.is_ended())?;
        // The client may have unsubscribed from what the server has subscribed to as well.
        let session = self.session.upgrade()?;
        session.is_subscribed_by(subscription.topic(), Holder::Client).then_some((session, subscription))
    }

    async fn recheck(&self, ask_again: AskAgain) {
        let mut grant = Grant::new(ask_again);
        loop {
            tokio::time::sleep(grant.next.saturating_duration_since(Instant::now())).await;
            let Some((session, subscription)) = self.live() else { return };
            let permissions = &self.subscriptions.parts.permissions;
            let checked = permissions
                .check(session.requester(&session.identity()), Action::Subscribe, subscription.topic())
                .await;
            match grant.apply(checked, Instant::now()) {
                Outcome::Holds => {}
                Outcome::HoldsUntilExpiry => return,
                Outcome::Ended(error) => return self.end(&error),
            }
        }
    }

    fn end(&self, error: &CommandError) {
        if let (Some(session), Some(subscription)) = (self.session.upgrade(), self.subscription.upgrade()) {
            self.subscriptions.end_for_client(&session, &subscription, error);
        }
    }
}

impl Subscriptions {
    /// Ends the subscriptions that the current identity of a session does not permit.
    pub(crate) async fn check_all(&self, session: &Session) {
        let identity = session.identity();
        stream::iter(session.topics_of(Holder::Client).into_iter().filter_map(|topic| session.subscription(&topic)))
            .for_each_concurrent(CONCURRENT_CHECKS, async |subscription| {
                let checked = self
                    .parts
                    .permissions
                    .check(session.requester(&identity), Action::Subscribe, subscription.topic())
                    .await;
                // A retryable error means that the service did not answer. The watch of the subscription retries it.
                if let Err(error) = checked
                    && !error.code.is_retryable()
                {
                    self.end_for_client(session, &subscription, &error);
                }
            })
            .await;
    }
}

impl Subscriptions {
    /// Checks whether the policies permit a subscription after they have changed, and ends it otherwise.
    pub(super) async fn recheck(self: &Arc<Self>, session: &Arc<Session>, subscription: &Arc<Subscription>) {
        let permissions = &self.parts.permissions;
        // The server needs no permission, but the topic has to exist.
        if let Err(error) = permissions.check_server_side(session.user(), subscription.topic()) {
            return self.end(session, subscription, &error);
        }
        if !subscription.has_position() && permissions.keeps_history(subscription.topic()) {
            let message = "the topic has a history now; subscribe again to get a position";
            return self.end(session, subscription, &CommandError::new(ErrorCode::Unavailable, message));
        }
        if !session.is_subscribed_by(subscription.topic(), Holder::Client) {
            return;
        }
        let granted = match permissions
            .check(session.requester(&session.identity()), Action::Subscribe, subscription.topic())
            .await
        {
            Ok(granted) => granted,
            // The permission service has not answered. The subscription may have needed no grant before, so that no
            // watch retries the check.
            Err(error) if error.code.is_retryable() => {
                let stale_grace = self.parts.config.get().permissions.stale_grace;
                let holds_until = Instant::now() + stale_grace;
                Granted { ask_again: Some(AskAgain { after: Duration::from_secs(1).min(stale_grace), holds_until }) }
            }
            Err(error) => return self.end_for_client(session, subscription, &error),
        };
        watch(self, session, subscription, granted);
    }

    /// Checks the subscriptions of sessions to topics of services after the policies of these services have changed.
    pub(crate) async fn recheck_services(self: &Arc<Self>, sessions: Vec<Arc<Session>>, services: &[ServiceName]) {
        let is_affected = |subscription: &Arc<Subscription>| match subscription.topic() {
            Topic::Service(service, _) => services.contains(service),
            Topic::User(_) | Topic::Clan(_) => false,
        };
        let affected = sessions.into_iter().flat_map(|session| {
            let affected = session.subscriptions().into_iter().filter(is_affected).collect::<Vec<_>>();
            affected.into_iter().map(move |subscription| (session.clone(), subscription))
        });
        stream::iter(affected)
            .for_each_concurrent(CONCURRENT_CHECKS, async |(session, subscription)| {
                self.recheck(&session, &subscription).await;
            })
            .await;
    }
}

/// The state of a grant: when it is rechecked next, and how long it holds without an answer.
#[derive(Debug)]
struct Grant {
    next: Instant,
    holds_until: Instant,
    failures: u32,
}

/// The effect of a check on a subscription.
#[derive(Debug)]
enum Outcome {
    /// The subscription continues, and the permission is checked again later.
    Holds,
    /// The subscription continues until the token expires.
    HoldsUntilExpiry,
    /// The subscription ends.
    Ended(CommandError),
}

impl Grant {
    fn new(AskAgain { after, holds_until }: AskAgain) -> Self {
        Self { next: Instant::now() + after, holds_until, failures: 0 }
    }

    fn apply(&mut self, checked: Result<Granted, CommandError>, now: Instant) -> Outcome {
        match checked {
            Ok(Granted { ask_again: None }) => Outcome::HoldsUntilExpiry,
            Ok(Granted { ask_again: Some(AskAgain { after, holds_until }) }) => {
                *self = Self { next: now + after, holds_until, failures: 0 };
                Outcome::Holds
            }
            Err(error) if !error.code.is_retryable() => Outcome::Ended(error),
            Err(_) if now < self.holds_until => {
                self.failures = self.failures.saturating_add(1);
                self.next = (now + backoff(self.failures)).min(self.holds_until);
                Outcome::Holds
            }
            Err(_) => Outcome::Ended(CommandError::retry(
                ErrorCode::Unavailable,
                "the permission service has not answered for too long; subscribe again",
                Duration::from_secs(1),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(300);

    fn granted(now: Instant) -> Granted {
        let after = Duration::from_secs(30);
        Granted { ask_again: Some(AskAgain { after, holds_until: now + after + GRACE }) }
    }

    fn grant(now: Instant) -> Grant {
        Grant { next: now, holds_until: now + GRACE, failures: 0 }
    }

    fn no_answer() -> Result<Granted, CommandError> {
        Err(CommandError::unavailable())
    }

    #[test]
    fn ends_unanswered_grant_when_grace_period_is_over() {
        let now = Instant::now();
        let mut grant = grant(now);
        let (mut clock, mut checks) = (now, 0);
        while clock < now + GRACE {
            assert!(matches!(grant.apply(no_answer(), clock), Outcome::Holds), "after {:?}", clock - now);
            assert!(grant.next > clock && grant.next <= now + GRACE);
            (clock, checks) = (grant.next, checks + 1);
        }
        assert!((10..100).contains(&checks), "{checks} checks");
        let Outcome::Ended(error) = grant.apply(no_answer(), clock) else { panic!("the grant still holds") };
        assert_eq!(error.code, ErrorCode::Unavailable);
    }

    #[test]
    fn renews_grant_on_answer_and_ends_it_on_refusal_within_grace_period() {
        let now = Instant::now();
        let mut grant = grant(now);
        assert!(matches!(grant.apply(no_answer(), now), Outcome::Holds));
        assert!(matches!(grant.apply(Ok(granted(now)), now), Outcome::Holds));
        assert_eq!((grant.next, grant.failures), (now + Duration::from_secs(30), 0));
        assert!(matches!(grant.apply(no_answer(), now + GRACE), Outcome::Holds), "the grace period has started again");
        let refused = Err(CommandError::new(ErrorCode::Forbidden, "no"));
        let Outcome::Ended(error) = grant.apply(refused, now) else { panic!("the grant still holds") };
        assert_eq!(error.code, ErrorCode::Forbidden);
        assert!(matches!(grant.apply(Ok(Granted { ask_again: None }), now), Outcome::HoldsUntilExpiry));
    }

    #[test]
    fn ends_unanswered_grant_immediately_without_grace_period() {
        let now = Instant::now();
        let mut grant = Grant { holds_until: now, ..grant(now) };
        assert!(matches!(grant.apply(no_answer(), now), Outcome::Ended(_)));
    }
}
