//! The other nodes: clashing versions or settings that must agree are named in the log, once each.

use std::collections::HashSet;

use crate::store::NodeRecord;

/// What was said already.
#[derive(Debug, Default)]
pub(super) struct Peers {
    said: HashSet<(String, String)>,
}

impl Peers {
    /// Compares this node with the others.
    pub(super) fn look(&mut self, own: &NodeRecord, nodes: &[NodeRecord]) {
        self.said.retain(|(incarnation, _)| nodes.iter().any(|node| node.incarnation == *incarnation));
        for (node, clash) in clashes(own, nodes) {
            if self.said.insert((node.incarnation.clone(), clash.clone())) {
                tracing::warn!(other = node.id, "{clash}");
            }
        }
    }
}

/// What is not the same on another node, in sentences.
fn clashes<'a>(own: &NodeRecord, nodes: &'a [NodeRecord]) -> Vec<(&'a NodeRecord, String)> {
    let mut clashes = Vec::new();
    for node in nodes.iter().filter(|node| node.incarnation != own.incarnation) {
        if node.id == own.id {
            clashes.push((node, format!("another node calls itself {} too; give each a node_id of its own", own.id)));
        }
        if major_and_minor(&node.version) != major_and_minor(&own.version) {
            let sentence = "runs while this one runs";
            clashes.push((node, format!("version {} {sentence} {}; finish the upgrade", node.version, own.version)));
        }
        for (key, ours) in own.settings.iter().filter_map(|line| line.split_once('=')) {
            let theirs = node.settings.iter().filter_map(|line| line.split_once('=')).find(|(other, _)| *other == key);
            if let Some((_, theirs)) = theirs.filter(|(_, theirs)| *theirs != ours) {
                clashes.push((node, format!("{key} is {ours} here and {theirs} there; nodes must agree on it")));
            }
        }
    }
    clashes
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
    fn what_clashes_is_named_and_what_only_one_knows_is_not() {
        let own = node("a", "1", "0.1.0", &["sessions.key=user", "history.max_age=7d"]);
        let same = node("b", "2", "0.1.3", &["sessions.key=user", "history.max_age=7d", "new.key=1"]);
        let other = node("a", "3", "0.2.0", &["sessions.key=device"]);
        assert!(clashes(&own, &[own.clone(), same]).is_empty());
        let found = [other];
        let found: Vec<String> = clashes(&own, &found).into_iter().map(|(_, sentence)| sentence).collect();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[2].contains("sessions.key is user here and device there"));
    }

    #[test]
    fn each_clash_is_said_once() {
        let own = node("a", "1", "0.1.0", &[]);
        let mut peers = Peers::default();
        for _ in 0..2 {
            peers.look(&own, &[node("a", "3", "0.1.0", &[])]);
        }
        assert_eq!(peers.said.len(), 1);
        peers.look(&own, &[]);
        assert!(peers.said.is_empty(), "who is gone is forgotten");
    }
}
