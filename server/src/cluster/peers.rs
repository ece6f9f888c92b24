//! Compares the version and the shared settings of this node with those of other nodes, and logs each difference once.

use std::collections::HashSet;

use crate::{node::CONTRACTS, store::NodeRecord};

/// The differences that have been logged already.
#[derive(Debug, Default)]
pub(super) struct Peers {
    logged: HashSet<(String, String)>,
}

impl Peers {
    /// Compares this node with the others and logs new differences.
    pub(super) fn compare(&mut self, own: &NodeRecord, nodes: &[NodeRecord]) {
        self.logged.retain(|(incarnation, _)| nodes.iter().any(|node| node.incarnation == *incarnation));
        for (node, difference) in differences(own, nodes) {
            if self.logged.insert((node.incarnation.clone(), difference.clone())) {
                tracing::warn!(other = node.id, "{difference}");
            }
        }
    }
}

/// Returns a sentence for each difference between this node and another.
fn differences<'a>(own: &NodeRecord, nodes: &'a [NodeRecord]) -> Vec<(&'a NodeRecord, String)> {
    let mut differences = Vec::new();
    for node in nodes.iter().filter(|node| node.incarnation != own.incarnation) {
        if node.id == own.id {
            differences.push((node, format!("another node has the id {} too; give each node its own node_id", own.id)));
        }
        if major_and_minor(&node.version) != major_and_minor(&own.version) {
            let sentence = "runs while this one runs";
            differences
                .push((node, format!("version {} {sentence} {}; finish the upgrade", node.version, own.version)));
        }
        // Contracts differ for a moment during every rolling reload (`contract_agreement.rs`).
        let settings = own.settings.iter().filter_map(|line| line.split_once('='));
        for (key, ours) in settings.filter(|(key, _)| *key != CONTRACTS) {
            let theirs = node.settings.iter().filter_map(|line| line.split_once('=')).find(|(other, _)| *other == key);
            if let Some((_, theirs)) = theirs.filter(|(_, theirs)| *theirs != ours) {
                differences.push((node, format!("{key} is {ours} here and {theirs} there; nodes must agree on it")));
            }
        }
    }
    differences
}

fn major_and_minor(version: &str) -> Option<&str> {
    version.rsplit_once('.').map(|(first, _)| first)
}

#[cfg(test)]
mod tests {
    use realtime_gateway_protocol::Timestamp;

    use super::*;

    fn node(id: &str, incarnation: &str, version: &str, settings: &[&str]) -> NodeRecord {
        NodeRecord {
            id: id.into(),
            incarnation: incarnation.into(),
            address: "127.0.0.1:4000".into(),
            version: version.into(),
            started: Timestamp::from_millis(0),
            connections: 0,
            draining: false,
            settings: settings.iter().map(|line| (*line).to_owned()).collect(),
        }
    }

    #[test]
    fn reports_different_settings_but_not_missing_ones() {
        let own = node("a", "1", "0.1.0", &["sessions.key=user", "history.max_age=7d"]);
        let same = node("b", "2", "0.1.3", &["sessions.key=user", "history.max_age=7d", "new.key=1"]);
        let other = node("a", "3", "0.2.0", &["sessions.key=device"]);
        assert!(differences(&own, &[own.clone(), same]).is_empty());
        let found = [other];
        let found: Vec<String> = differences(&own, &found).into_iter().map(|(_, sentence)| sentence).collect();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[2].contains("sessions.key is user here and device there"));
    }

    #[test]
    fn logs_each_difference_once() {
        let own = node("a", "1", "0.1.0", &[]);
        let mut peers = Peers::default();
        for _ in 0..2 {
            peers.compare(&own, &[node("a", "3", "0.1.0", &[])]);
        }
        assert_eq!(peers.logged.len(), 1);
        peers.compare(&own, &[]);
        assert!(peers.logged.is_empty(), "the differences of a removed node are forgotten");
    }
}
