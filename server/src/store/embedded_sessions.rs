//! Sessions of a store that one process has to itself: they die with it, so they live in memory.

use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;
use realtime_gateway_protocol::{DeviceId, SessionId, UserId};

use super::{Admission, OnExcess, SessionKey, SessionPolicy, SessionRecord};

/// The live sessions of all users.
#[derive(Debug, Default)]
pub struct EmbeddedSessions(Mutex<HashMap<UserId, Vec<SessionRecord>>>);

impl EmbeddedSessions {
    /// Admits a session, evicting others, or refuses it, in one step.
    pub fn open(&self, record: SessionRecord, policy: SessionPolicy) -> Admission {
        let mut users = self.0.lock();
        let user = record.user.clone();
        let live = users.entry(user.clone()).or_default();
        let admission = admit(live, record, policy);
        if live.is_empty() {
            users.remove(&user);
        }
        admission
    }

    /// Puts a session back where its age says, unless newer ones have taken its place.
    pub fn restore(&self, record: SessionRecord, policy: SessionPolicy) -> Admission {
        let mut users = self.0.lock();
        let live = users.entry(record.user.clone()).or_default();
        if live.iter().any(|other| other.id == record.id) {
            return Admission::Admitted(Vec::new());
        }
        let mut all = live.clone();
        let at = all.partition_point(|other| (other.since, &other.id) < (record.since, &record.id));
        all.insert(at, record.clone());
        // Those that came are admitted again, one after the other, as if they came now.
        let (mut admitted, replacing) = (Vec::new(), SessionPolicy { on_excess: OnExcess::Replace, ..policy });
        for record in all {
            admit(&mut admitted, record, replacing);
        }
        if !admitted.iter().any(|other| other.id == record.id) {
            return Admission::Superseded;
        }
        let gone = |old: &&SessionRecord| !admitted.iter().any(|other| other.id == old.id);
        let evicted = live.iter().filter(gone).cloned().collect();
        *live = admitted;
        Admission::Admitted(evicted)
    }

    /// Removes a session's record, if it is there, and gives it back.
    pub fn close(&self, user: &UserId, session: &SessionId) -> Option<SessionRecord> {
        let mut users = self.0.lock();
        let live = users.get_mut(user)?;
        let at = live.iter().position(|other| other.id == *session)?;
        let record = live.remove(at);
        if live.is_empty() {
            users.remove(user);
        }
        Some(record)
    }

    /// The user's sessions, oldest first.
    pub fn of(&self, user: &UserId) -> Vec<SessionRecord> {
        self.0.lock().get(user).cloned().unwrap_or_default()
    }
}

/// Decides who lives. `live` is in the order of arrival and stays so; it is changed only when the record is admitted.
pub(super) fn admit(live: &mut Vec<SessionRecord>, record: SessionRecord, policy: SessionPolicy) -> Admission {
    let same_instance = |other: &SessionRecord| record.instance.is_some() && other.instance == record.instance;
    if live.iter().any(|other| same_instance(other) && other.attempt > record.attempt) {
        return Admission::Superseded;
    }
    // An instance that comes again is the same client, so its earlier session is a ghost under either policy.
    let mut evicted: HashSet<SessionId> =
        live.iter().filter(|other| same_instance(other)).map(|other| other.id.clone()).collect();
    let staying = |evicted: &HashSet<SessionId>| -> Vec<&SessionRecord> {
        live.iter().filter(|other| other.id != record.id && !evicted.contains(&other.id)).collect()
    };
    let mut on_excess = policy.on_excess;
    let counted: Vec<&SessionRecord> = match policy.key {
        SessionKey::User => {
            let same_device = |other: &&SessionRecord| record.device.is_some() && other.device == record.device;
            evicted.extend(staying(&evicted).into_iter().filter(same_device).map(|other| other.id.clone()));
            staying(&evicted)
        }
        SessionKey::Device => {
            if record.device.is_some() {
                // A device's own predecessor goes under either policy, so that no ghost locks it out.
                on_excess = OnExcess::Replace;
            }
            staying(&evicted).into_iter().filter(|other| other.device == record.device).collect()
        }
    };
    let excess = (counted.len() + 1).saturating_sub(policy.max);
    if excess > 0 && (on_excess == OnExcess::Reject || policy.max == 0) {
        return Admission::Refused;
    }
    evicted.extend(counted.into_iter().take(excess).map(|other| other.id.clone()));
    if policy.key == SessionKey::Device {
        let mut devices: Vec<&Option<DeviceId>> = Vec::new();
        for other in staying(&evicted) {
            if other.device != record.device && !devices.contains(&&other.device) {
                devices.push(&other.device);
            }
        }
        let excess = (devices.len() + 1).saturating_sub(policy.max_devices.max(1));
        let gone = devices.get(..excess).unwrap_or_default();
        let of_gone = |other: &&SessionRecord| gone.contains(&&other.device);
        evicted.extend(staying(&evicted).into_iter().filter(of_gone).map(|other| other.id.clone()));
    }
    let replaced = live.iter().filter(|other| evicted.contains(&other.id) && other.id != record.id).cloned().collect();
    live.retain(|other| other.id != record.id && !evicted.contains(&other.id));
    live.push(record);
    Admission::Admitted(replaced)
}
