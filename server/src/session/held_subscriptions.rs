//! The subscriptions of one session, and who holds each of them: the client, which has subscribed, the server, or both.
//! There is one subscription for each topic. It ends with its last holder.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::{delivery::hub::Subscription, topic::Topic};

/// Who holds a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// The client has subscribed.
    Client,
    /// The server has subscribed the session, by a claim of the token or through the HTTP API.
    Server,
}

/// What a holder finds when it takes hold of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// There was no subscription; it is new.
    Nothing,
    /// The subscription exists, and the other holder has it.
    OfOther,
    /// This holder has the subscription already.
    Own,
}

/// The result of releasing a subscription.
#[derive(Debug)]
pub(crate) enum Released {
    /// There was no subscription.
    Nothing,
    /// The subscription continues, because the other holder has it.
    Continues,
    /// The subscription was removed. The caller has to end it.
    Removed(Arc<Subscription>),
}

#[derive(Debug)]
struct Held {
    subscription: Arc<Subscription>,
    by_client: bool,
    by_server: bool,
}

/// The subscriptions of one session.
#[derive(Debug, Default)]
pub(super) struct HeldSubscriptions(Mutex<Vec<Held>>);

impl Held {
    fn new(subscription: Arc<Subscription>) -> Self {
        Self { subscription, by_client: false, by_server: false }
    }

    fn flag(&mut self, holder: Holder) -> &mut bool {
        match holder {
            Holder::Client => &mut self.by_client,
            Holder::Server => &mut self.by_server,
        }
    }

    fn is_held_by(&self, holder: Holder) -> bool {
        match holder {
            Holder::Client => self.by_client,
            Holder::Server => self.by_server,
        }
    }
}

impl HeldSubscriptions {
    /// Returns the subscription to a topic.
    pub(super) fn get(&self, topic: &Topic) -> Option<Arc<Subscription>> {
        self.0.lock().iter().find(|held| held.subscription.topic() == topic).map(|held| held.subscription.clone())
    }

    /// Returns all subscriptions.
    pub(super) fn all(&self) -> Vec<Arc<Subscription>> {
        self.0.lock().iter().map(|held| held.subscription.clone()).collect()
    }

    /// Returns the topics that a holder has.
    pub(super) fn topics_of(&self, holder: Holder) -> Vec<Topic> {
        let held = self.0.lock();
        held.iter().filter(|held| held.is_held_by(holder)).map(|held| held.subscription.topic().clone()).collect()
    }

    /// Returns the number of subscriptions that a holder has.
    pub(super) fn count_of(&self, holder: Holder) -> usize {
        self.0.lock().iter().filter(|held| held.is_held_by(holder)).count()
    }

    /// Returns whether a holder has the subscription to a topic.
    pub(super) fn is_held_by(&self, topic: &Topic, holder: Holder) -> bool {
        self.0.lock().iter().any(|held| held.subscription.topic() == topic && held.is_held_by(holder))
    }

    /// Takes hold of the subscription to a topic, which `new` makes if there is none.
    pub(super) fn hold(
        &self,
        topic: &Topic,
        holder: Holder,
        new: impl FnOnce() -> Arc<Subscription>,
    ) -> (Arc<Subscription>, Found) {
        let mut all = self.0.lock();
        if let Some(held) = all.iter_mut().find(|held| held.subscription.topic() == topic) {
            let before = std::mem::replace(held.flag(holder), true);
            return (held.subscription.clone(), if before { Found::Own } else { Found::OfOther });
        }
        let mut held = Held::new(new());
        *held.flag(holder) = true;
        let subscription = held.subscription.clone();
        all.push(held);
        (subscription, Found::Nothing)
    }

    /// Releases the subscription to a topic for one holder. It is removed if the other one does not have it.
    pub(super) fn release(&self, topic: &Topic, holder: Holder) -> Released {
        let mut all = self.0.lock();
        let Some(position) = all.iter().position(|held| held.subscription.topic() == topic) else {
            return Released::Nothing;
        };
        match all.get_mut(position) {
            Some(held) => {
                *held.flag(holder) = false;
                if held.by_client || held.by_server {
                    return Released::Continues;
                }
            }
            None => return Released::Nothing,
        }
        Released::Removed(all.swap_remove(position).subscription)
    }

    /// Removes exactly this subscription for all holders. Returns false when it was removed before, even if there is a
    /// newer subscription to the same topic.
    pub(super) fn remove_exactly(&self, subscription: &Arc<Subscription>) -> bool {
        let mut all = self.0.lock();
        let position = all.iter().position(|held| Arc::ptr_eq(&held.subscription, subscription));
        position.map(|position| all.swap_remove(position)).is_some()
    }

    /// Removes all subscriptions and returns them. The caller has to end them.
    pub(super) fn remove_all(&self) -> Vec<Arc<Subscription>> {
        std::mem::take(&mut *self.0.lock()).into_iter().map(|held| held.subscription).collect()
    }
}
