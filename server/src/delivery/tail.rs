//! Tails: an operator watches what goes through this node: entries, ephemeral messages, and activities. A tail is a bounded
//! queue, so a reader that is too slow misses items, which are counted, and nothing waits for it.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};
use realtime_gateway_protocol::{Envelope, ServerMessage, ServiceName, encode_server};
use tokio::sync::Notify;

use crate::{
    bus::{Activity, ActivityKind, EphemeralBroadcast},
    store::{AppendNotice, NoticeEntry},
    topic::Topic,
};

/// The maximum number of tails of a node.
const MAX_TAILS: usize = 8;
/// The maximum number of items that wait for a reader.
const MAX_ITEMS: usize = 1_000;
/// The maximum size of the items that wait for a reader, in bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// What a tail shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TailFilter {
    /// Only those of this topic.
    pub topic: Option<Topic>,
    /// Only those of this service.
    pub service: Option<ServiceName>,
}

impl TailFilter {
    /// Returns whether what goes through a topic is shown.
    pub(crate) fn selects(&self, topic: &Topic) -> bool {
        self.topic.as_ref().is_none_or(|only| only == topic) && self.selects_service(&topic.service())
    }

    /// Returns whether any activity can be shown.
    pub(crate) fn selects_activities(&self) -> bool {
        matches!(self.topic, None | Some(Topic::User(_)))
    }

    fn selects_activity(&self, activity: &Activity) -> bool {
        match &activity.kind {
            ActivityKind::Call { service, .. } => self.topic.is_none() && self.selects_service(service),
            ActivityKind::SessionOpened { .. } | ActivityKind::SessionEnded { .. } => {
                self.topic.is_none() && self.service.is_none()
            }
            ActivityKind::NotificationEscalated { .. } => self.selects(&Topic::User(activity.user_id.clone())),
        }
    }

    fn selects_service(&self, service: &ServiceName) -> bool {
        self.service.as_ref().is_none_or(|only| only == service)
    }
}

/// An entry that has gone through.
#[derive(Debug, Clone)]
pub struct TailedEntry {
    /// The topic.
    pub topic: Topic,
    /// The entry.
    pub entry: NoticeEntry,
}

/// An ephemeral message that has gone through.
#[derive(Debug, Clone)]
pub struct TailedMessage {
    /// The topic.
    pub topic: Topic,
    /// The message.
    pub message: ServerMessage,
    /// The message as text.
    pub text: Arc<str>,
}

/// What a tail reads next.
#[derive(Debug, Clone)]
pub enum Tailed {
    /// An entry.
    Entry(TailedEntry),
    /// An ephemeral message.
    Message(TailedMessage),
    /// What a session did, or what happened to a user.
    Activity(Arc<Activity>),
    /// The number of items that were dropped here.
    Dropped(u64),
}

#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<Tailed>,
    bytes: usize,
    dropped: u64,
}

/// The queue of one tail.
#[derive(Debug)]
struct TailQueue {
    filter: TailFilter,
    queue: Mutex<Queue>,
    filled: Notify,
}

/// The tails of this node.
#[derive(Debug, Default)]
pub struct Tails {
    /// The number of tails, so that a node without any only reads this.
    count: AtomicUsize,
    tails: RwLock<Vec<Arc<TailQueue>>>,
}

/// A tail, until it is dropped.
#[derive(Debug)]
pub struct Tail {
    tails: Arc<Tails>,
    queue: Arc<TailQueue>,
}

impl Tails {
    /// Opens a tail. Returns `None` when the node has the maximum number of tails.
    pub fn open(self: &Arc<Self>, filter: TailFilter) -> Option<Tail> {
        let mut tails = self.tails.write();
        if tails.len() >= MAX_TAILS {
            return None;
        }
        let queue = Arc::new(TailQueue { filter, queue: Mutex::default(), filled: Notify::new() });
        tails.push(queue.clone());
        self.count.store(tails.len(), Ordering::Relaxed);
        Some(Tail { tails: self.clone(), queue })
    }

    /// Returns whether there is any tail.
    pub(crate) fn are_open(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// Offers an entry to the tails. Never waits for a reader.
    pub fn offer(&self, notice: &AppendNotice) {
        let entry = || TailedEntry { topic: notice.topic.clone(), entry: notice.entry.clone() };
        self.push(|filter| filter.selects(&notice.topic), || Tailed::Entry(entry()));
    }

    /// Offers an ephemeral message to the tails.
    pub(crate) fn offer_message(&self, EphemeralBroadcast { topic, message }: &EphemeralBroadcast) {
        let tailed = || {
            let text = encode_server(&Envelope::without_request_id(message.clone())).into();
            Tailed::Message(TailedMessage { topic: topic.clone(), message: message.clone(), text })
        };
        self.push(|filter| filter.selects(topic), tailed);
    }

    /// Offers an activity to the tails.
    pub(crate) fn offer_activity(&self, activity: &Arc<Activity>) {
        self.push(|filter| filter.selects_activity(activity), || Tailed::Activity(activity.clone()));
    }

    fn push(&self, is_selected: impl Fn(&TailFilter) -> bool, item: impl Fn() -> Tailed) {
        if !self.are_open() {
            return;
        }
        for tail in self.tails.read().iter().filter(|tail| is_selected(&tail.filter)) {
            tail.push(item());
        }
    }
}

impl TailQueue {
    fn push(&self, item: Tailed) {
        let size = bytes(&item);
        let mut queue = self.queue.lock();
        // After the first item that is dropped, the count of dropped items comes before later ones.
        if queue.dropped > 0 || queue.items.len() >= MAX_ITEMS || queue.bytes + size > MAX_BYTES {
            queue.dropped += 1;
        } else {
            queue.bytes += size;
            queue.items.push_back(item);
        }
        drop(queue);
        self.filled.notify_one();
    }
}

/// Returns the approximate size of an item, in bytes.
fn bytes(item: &Tailed) -> usize {
    let content = match item {
        Tailed::Entry(TailedEntry { entry: NoticeEntry::Included(entry), .. }) => entry.body.len(),
        Tailed::Message(message) => 2 * message.text.len(),
        Tailed::Entry(_) | Tailed::Activity(_) | Tailed::Dropped(_) => 0,
    };
    content + 128
}

impl Tail {
    /// Returns what comes next. It can be cancelled without losing an item.
    pub async fn next(&self) -> Tailed {
        loop {
            if let Some(next) = self.take() {
                return next;
            }
            self.queue.filled.notified().await;
        }
    }

    fn take(&self) -> Option<Tailed> {
        let mut queue = self.queue.queue.lock();
        if let Some(item) = queue.items.pop_front() {
            queue.bytes = queue.bytes.saturating_sub(bytes(&item));
            return Some(item);
        }
        (queue.dropped > 0).then(|| Tailed::Dropped(std::mem::take(&mut queue.dropped)))
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let mut tails = self.tails.tails.write();
        tails.retain(|other| !Arc::ptr_eq(other, &self.queue));
        self.tails.count.store(tails.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use realtime_gateway_protocol::{ClanId, MethodName, NotificationId, SessionId, Timestamp, Typing, UserId};

    use super::*;
    use crate::store::Entry;

    fn notice(clan: &str, offset: u64, length: usize) -> AppendNotice {
        let entry = Entry { offset, at: Timestamp::from_millis(0), body: vec![b'x'; length].into() };
        AppendNotice {
            topic: Topic::Clan(ClanId::new(clan).unwrap()),
            epoch: "e".into(),
            shard_count: offset,
            entry: NoticeEntry::Included(Arc::new(entry)),
        }
    }

    fn read(tail: &Tail) -> (Vec<u64>, u64) {
        let (mut offsets, mut dropped) = (Vec::new(), 0);
        while let Some(next) = tail.take() {
            match next {
                Tailed::Entry(entry) => offsets.push(entry.entry.offset()),
                Tailed::Dropped(count) => dropped += count,
                Tailed::Message(_) | Tailed::Activity(_) => panic!("{next:?}"),
            }
        }
        (offsets, dropped)
    }

    #[test]
    fn drops_and_counts_what_a_slow_reader_does_not_take() {
        let tails = Arc::new(Tails::default());
        let tail = tails.open(TailFilter::default()).unwrap();
        for offset in 1..=1_010 {
            tails.offer(&notice("c", offset, 1));
        }
        let (offsets, dropped) = read(&tail);
        assert_eq!((offsets.len(), dropped), (1_000, 10));
        tails.offer(&notice("c", 1_011, 1));
        assert_eq!(read(&tail), (vec![1_011], 0), "it goes on after it was read");
        for offset in 1..=20 {
            tails.offer(&notice("c", offset, 100_000));
        }
        let (offsets, dropped) = read(&tail);
        assert_eq!((offsets.len(), dropped), (10, 10), "the bytes are bounded too");
    }

    #[test]
    fn selects_topics_and_bounds_number_of_tails() {
        let tails = Arc::new(Tails::default());
        let topic = Some(Topic::Clan(ClanId::new("c").unwrap()));
        let tail = tails.open(TailFilter { topic, service: None }).unwrap();
        tails.offer(&notice("c", 1, 1));
        tails.offer(&notice("d", 2, 1));
        assert_eq!(read(&tail), (vec![1], 0));
        let others: Vec<_> = (1..MAX_TAILS).map(|_| tails.open(TailFilter::default()).unwrap()).collect();
        assert!(tails.open(TailFilter::default()).is_none());
        drop(others);
        assert!(tails.open(TailFilter::default()).is_some());
    }

    #[test]
    fn selects_messages_and_activities() {
        let tails = Arc::new(Tails::default());
        let (clan_id, user_id) = (ClanId::new("c").unwrap(), UserId::new("u").unwrap());
        let topic = Topic::Clan(clan_id.clone());
        let orders = ServiceName::new("orders").unwrap();
        let all = tails.open(TailFilter::default()).unwrap();
        let of_topic = tails.open(TailFilter { topic: Some(topic.clone()), service: None }).unwrap();
        let of_service = tails.open(TailFilter { topic: None, service: Some(orders.clone()) }).unwrap();
        let message = Typing { user_id: user_id.clone(), clan_id, is_typing: true }.into();
        tails.offer_message(&EphemeralBroadcast { topic, message });
        let method = MethodName::new("cancel").unwrap();
        let of_user = tails.open(TailFilter { topic: Some(Topic::User(user_id.clone())), service: None }).unwrap();
        let notifications = TailFilter { topic: None, service: Some(ServiceName::notifications()) };
        let of_notifications = tails.open(notifications).unwrap();
        let call = ActivityKind::Call { service: orders, method, outcome: "succeeded".into(), duration_ms: 1 };
        let notification_id = NotificationId::new("n").unwrap();
        let escalated = ActivityKind::NotificationEscalated { notification_id, offset: 1 };
        for kind in [ActivityKind::SessionOpened { device_id: None }, call, escalated] {
            let (at, session_id) = (Timestamp::from_millis(0), Some(SessionId::new("s").unwrap()));
            let activity = Activity { at, node: "n".into(), user_id: user_id.clone(), session_id, kind };
            tails.offer_activity(&Arc::new(activity));
        }
        let count = |tail: &Tail| std::iter::from_fn(|| tail.take()).count();
        assert_eq!((count(&all), count(&of_topic), count(&of_service)), (4, 1, 1));
        assert_eq!((count(&of_user), count(&of_notifications)), (1, 1));
    }
}
