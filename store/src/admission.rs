//! Admission: decides which sessions of a user stay when another one is opened.
//!
//! This module decides it for every store but Redis, whose scripts have to decide in the step that stores the decision
//! (`redis/lua/sessions.lua`). Both follow these rules in this order, and pass the test vectors in
//! `store/vectors/admission.json`:
//!
//! | rule | when | outcome |
//! | --- | --- | --- |
//! | block | a [`Block`](crate::Block) applies to the token of the new session | [`Admission::Blocked`] |
//! | attempt | a live session has the same client instance and a higher attempt | [`Admission::Superseded`] |
//! | instance | live sessions have the same client instance | they are replaced, under either policy: the client has reconnected |
//! | own device | sessions are counted per user, and live sessions have the device of the new one | they are replaced, under either policy |
//! | limit | more than [`max`](SessionPolicy::max) sessions of the user (or of the device) would live | under [`OnExcess::Replace`] the oldest of them are replaced; under [`OnExcess::Reject`] the new one is [`Admission::Refused`]. Per device, a session that names its device always replaces |
//! | limit of 0 | no session may live | [`Admission::Refused`], under either policy |
//! | devices | sessions are counted per device, and more than [`max_devices`](SessionPolicy::max_devices) devices (at least one) would have sessions | all sessions of the oldest other devices are replaced, under either policy. A device is as old as its oldest session |
//!
//! Sessions without a device are different clients when sessions are counted per user, and one device when they are
//! counted per device. A session that is not admitted changes nothing.
//!
//! A session that is **restored** ([`restore`]) was admitted before. A record that is still live is left as it is.
//! Otherwise the session is inserted by its age (then by its id), and the rules are applied to all sessions in this
//! order under [`OnExcess::Replace`]. If the restored session does not survive that, it is [`Admission::Superseded`],
//! and nothing changes.

use std::collections::HashSet;

use realtime_gateway_protocol::{DeviceId, SessionId};

use crate::{Admission, OnExcess, SessionKey, SessionPolicy, SessionRecord};

/// Admits a session or refuses it. `live` is in the order of arrival and stays so; it changes only when the session is
/// admitted. Blocks are not checked here.
pub fn admit(live: &mut Vec<SessionRecord>, record: SessionRecord, policy: SessionPolicy) -> Admission {
    let same_instance = |other: &SessionRecord| record.instance.is_some() && other.instance == record.instance;
    if live.iter().any(|other| same_instance(other) && other.attempt > record.attempt) {
        return Admission::Superseded;
    }
    let mut replaced: HashSet<SessionId> =
        live.iter().filter(|other| same_instance(other)).map(|other| other.id.clone()).collect();
    let staying = |replaced: &HashSet<SessionId>| -> Vec<&SessionRecord> {
        live.iter().filter(|other| other.id != record.id && !replaced.contains(&other.id)).collect()
    };
    let mut on_excess = policy.on_excess;
    let counted: Vec<&SessionRecord> = match policy.key {
        SessionKey::User => {
            let same_device = |other: &&SessionRecord| record.device.is_some() && other.device == record.device;
            replaced.extend(staying(&replaced).into_iter().filter(same_device).map(|other| other.id.clone()));
            staying(&replaced)
        }
        SessionKey::Device => {
            if record.device.is_some() {
                // Never reject here: a client that lost its connection would be locked out by its own earlier session.
                on_excess = OnExcess::Replace;
            }
            staying(&replaced).into_iter().filter(|other| other.device == record.device).collect()
        }
    };
    let excess = (counted.len() + 1).saturating_sub(policy.max);
    if excess > 0 && (on_excess == OnExcess::Reject || policy.max == 0) {
        return Admission::Refused;
    }
    replaced.extend(counted.into_iter().take(excess).map(|other| other.id.clone()));
    if policy.key == SessionKey::Device {
        let mut devices: Vec<&Option<DeviceId>> = Vec::new();
        for other in staying(&replaced) {
            if other.device != record.device && !devices.contains(&&other.device) {
                devices.push(&other.device);
            }
        }
        let excess = (devices.len() + 1).saturating_sub(policy.max_devices.max(1));
        let oldest = devices.get(..excess).unwrap_or_default();
        let of_oldest = |other: &&SessionRecord| oldest.contains(&&other.device);
        replaced.extend(staying(&replaced).into_iter().filter(of_oldest).map(|other| other.id.clone()));
    }
    let evicted = live.iter().filter(|other| replaced.contains(&other.id) && other.id != record.id).cloned().collect();
    live.retain(|other| other.id != record.id && !replaced.contains(&other.id));
    live.push(record);
    Admission::Admitted(evicted)
}

/// Restores a session whose record was lost. `live` is in the order of arrival and stays so; it changes only if the
/// session is admitted. Blocks are not checked here.
pub fn restore(live: &mut Vec<SessionRecord>, record: SessionRecord, policy: SessionPolicy) -> Admission {
    if live.iter().any(|other| other.id == record.id) {
        return Admission::Admitted(Vec::new());
    }
    let mut all = live.clone();
    let index = all.partition_point(|other| (other.since, &other.id) < (record.since, &record.id));
    all.insert(index, record.clone());
    let (mut admitted, replacing) = (Vec::new(), SessionPolicy { on_excess: OnExcess::Replace, ..policy });
    for record in all {
        admit(&mut admitted, record, replacing);
    }
    if !admitted.iter().any(|other| other.id == record.id) {
        return Admission::Superseded;
    }
    let is_evicted = |old: &&SessionRecord| !admitted.iter().any(|other| other.id == old.id);
    let evicted = live.iter().filter(is_evicted).cloned().collect();
    *live = admitted;
    Admission::Admitted(evicted)
}
