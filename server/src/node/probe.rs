//! Whether the store works, for health and readiness: it is asked at most once a second in all, however many ask.

use std::time::{Duration, Instant};

use realtime_gateway_protocol::ClanId;
use tokio::{sync::Mutex, time::timeout};

use super::{CONFIRMED_WITHIN, Node};
use crate::{store::StoreError, topic::Topic};

/// How long an answer of the store is good for.
const FRESH: Duration = Duration::from_secs(1);

/// How the store answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probed {
    /// It reads and writes.
    Works,
    /// It reads, and refuses to write.
    Refuses,
    /// It does not read, or does not answer in time.
    Fails,
}

/// The last answer of the store.
#[derive(Debug)]
pub(super) struct StoreProbe(Mutex<Last>);

#[derive(Debug)]
struct Last {
    /// When the store was asked. A caller that goes away meanwhile does not have it asked again.
    asked: Option<Instant>,
    probed: Probed,
}

impl Default for StoreProbe {
    fn default() -> Self {
        // A gateway starts with a store that works.
        Self(Mutex::new(Last { asked: None, probed: Probed::Works }))
    }
}

impl Node {
    /// Whether the store works, as of the last second.
    pub(crate) async fn probe_store(&self) -> Probed {
        let mut last = self.store_probe.0.lock().await;
        if last.asked.is_none_or(|asked| asked.elapsed() >= FRESH) {
            last.asked = Some(Instant::now());
            last.probed = self.ask_store().await;
        }
        last.probed
    }

    async fn ask_store(&self) -> Probed {
        let Ok(clan) = ClanId::new("health") else { return Probed::Fails };
        let topics = [Topic::Clan(clan)];
        let asking = async {
            self.store.heads(&topics).await?;
            Ok::<_, StoreError>(self.store.probe().await)
        };
        match timeout(CONFIRMED_WITHIN, asking).await {
            Ok(Ok(Ok(()))) => Probed::Works,
            Ok(Ok(Err(_))) => Probed::Refuses,
            Ok(Err(_)) | Err(_) => Probed::Fails,
        }
    }
}
