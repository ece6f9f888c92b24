//! The permissions of live subscriptions: a backend service is asked again when its grant has run out, and a fresh token
//! is compared with what its session is subscribed to. A service that does not answer has withdrawn nothing.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, StreamExt, stream};
use realtime_gateway_protocol::ErrorCode;

use super::end_subscription;
use crate::{
    auth::{Action, AskAgain, Granted},
    backoff::backoff,
    command_error::CommandError,
    hub::Subscription,
    node::Node,
    session::Session,
};

/// The most subscriptions of one session that are asked about at the same time.
const ASKED_AT_ONCE: usize = 32;

impl Node {
    /// Asks for a subscription's permission again as often as the grant says, until the subscription is over. Ends it
    /// when the permission was withdrawn, or when the service has not answered for `permissions.stale_grace`.
    pub(super) fn watch_permission(self: &Arc<Self>, subscription: &Arc<Subscription>, granted: Granted) {
        let Some(ask_again) = granted.ask_again else { return };
        let node = self.clone();
        let watched = Arc::downgrade(subscription);
        let (ended_by, ended) = (self.clone(), watched.clone());
        let asking = async move {
            let mut grant = Grant::new(ask_again);
            loop {
                tokio::time::sleep(grant.next.saturating_duration_since(Instant::now())).await;
                let Some(subscription) = watched.upgrade().filter(|subscription| !subscription.is_ended()) else {
                    return;
                };
                let identity = subscription.session().identity();
                let checked = node.permissions.check(&identity, Action::Subscribe, subscription.topic()).await;
                match grant.apply(checked, Instant::now()) {
                    Outcome::Holds => {}
                    Outcome::HoldsUntilExpiry => return,
                    Outcome::Ended(error) => return end_subscription(&node, &subscription, &error),
                }
            }
        };
        let watch = self.tasks.spawn_until_stopped(async move {
            if AssertUnwindSafe(asking).catch_unwind().await.is_err()
                && let Some(subscription) = ended.upgrade()
            {
                // Without its watch a permission that is withdrawn would hold.
                end_subscription(&ended_by, &subscription, &CommandError::unavailable());
            }
        });
        subscription.set_permission_watch(watch.abort_handle());
    }

    /// Ends the subscriptions that a session's fresh identity does not cover.
    pub(crate) async fn check_subscriptions(self: &Arc<Self>, session: &Session) {
        let identity = session.identity();
        stream::iter(session.subscriptions())
            .for_each_concurrent(ASKED_AT_ONCE, async |subscription| {
                let checked = self.permissions.check(&identity, Action::Subscribe, subscription.topic()).await;
                // A service that does not answer is asked again by the watch of the subscription.
                if let Err(error) = checked
                    && !error.code.is_retryable()
                {
                    end_subscription(self, &subscription, &error);
                }
            })
            .await;
    }
}

/// What a service has granted, and when it is asked next.
#[derive(Debug)]
struct Grant {
    next: Instant,
    holds_until: Instant,
    failures: u32,
}

/// What an answer means for a subscription.
#[derive(Debug)]
enum Outcome {
    /// The subscription continues, and the service is asked again.
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

    fn silence() -> Result<Granted, CommandError> {
        Err(CommandError::unavailable())
    }

    #[test]
    fn silence_ends_a_grant_after_the_grace_and_not_before() {
        let now = Instant::now();
        let mut grant = grant(now);
        let (mut clock, mut asked) = (now, 0);
        while clock < now + GRACE {
            assert!(matches!(grant.apply(silence(), clock), Outcome::Holds), "after {:?}", clock - now);
            assert!(grant.next > clock && grant.next <= now + GRACE);
            (clock, asked) = (grant.next, asked + 1);
        }
        assert!((10..100).contains(&asked), "asked {asked} times");
        let Outcome::Ended(error) = grant.apply(silence(), clock) else { panic!("it went on") };
        assert_eq!(error.code, ErrorCode::Unavailable);
    }

    #[test]
    fn an_answer_renews_the_grant_and_a_refusal_ends_it_within_the_grace() {
        let now = Instant::now();
        let mut grant = grant(now);
        assert!(matches!(grant.apply(silence(), now), Outcome::Holds));
        assert!(matches!(grant.apply(Ok(granted(now)), now), Outcome::Holds));
        assert_eq!((grant.next, grant.failures), (now + Duration::from_secs(30), 0));
        assert!(matches!(grant.apply(silence(), now + GRACE), Outcome::Holds), "the grace has started again");
        let refused = Err(CommandError::new(ErrorCode::Forbidden, "no"));
        let Outcome::Ended(error) = grant.apply(refused, now) else { panic!("it went on") };
        assert_eq!(error.code, ErrorCode::Forbidden);
        assert!(matches!(grant.apply(Ok(Granted { ask_again: None }), now), Outcome::HoldsUntilExpiry));
    }

    #[test]
    fn without_a_grace_the_first_silence_ends_it() {
        let now = Instant::now();
        let mut grant = Grant { holds_until: now, ..grant(now) };
        assert!(matches!(grant.apply(silence(), now), Outcome::Ended(_)));
    }
}
