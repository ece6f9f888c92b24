//! Whether the nodes serve the same contracts of declared services. They differ for a moment during every rolling reload;
//! when they still differ after a minute, `/health` warns, because one node accepts what another refuses.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::{node::CONTRACTS, store::NodeRecord};

/// How long contracts may differ before `/health` warns.
const TOLERANCE: Duration = Duration::from_secs(60);

/// Since when the contracts of nodes have differed.
#[derive(Debug, Default)]
pub(crate) struct ContractAgreement(Mutex<Option<Difference>>);

/// A difference between the contracts of this node and those of another.
#[derive(Debug, Clone)]
struct Difference {
    since: Instant,
    /// The id of another node with other contracts.
    node: String,
    /// The services whose contracts differ.
    services: Vec<String>,
}

impl ContractAgreement {
    /// Compares the contracts of this node with those of the others.
    pub(super) fn compare(&self, own: &NodeRecord, nodes: &[NodeRecord], now: Instant) {
        let others = nodes.iter().filter(|node| node.incarnation != own.incarnation && !node.draining);
        let different = others.map(|node| (node, different_services(own, node))).find(|(_, names)| !names.is_empty());
        let mut difference = self.0.lock();
        let since = difference.as_ref().map_or(now, |difference| difference.since);
        *difference = different.map(|(node, services)| Difference { since, node: node.id.clone(), services });
    }

    /// Returns a warning for operators if contracts have differed for a minute.
    pub(crate) fn warning(&self, now: Instant) -> Option<String> {
        let difference = self.0.lock().clone()?;
        let Difference { since, node, services } = difference;
        (now.saturating_duration_since(since) >= TOLERANCE).then(|| {
            let services = services.join(", ");
            format!(
                "the contracts of these services differ between this node and the node {node}: {services}; give all \
                 nodes the same contract files and run `gateway reload` on each"
            )
        })
    }
}

/// Returns the contracts of a node, as names and fingerprints; `None` for a version that does not report them.
pub(crate) fn contracts_of(node: &NodeRecord) -> Option<Vec<(&str, &str)>> {
    let contracts = node.settings.iter().find_map(|line| line.strip_prefix(CONTRACTS)?.strip_prefix('='))?;
    Some(contracts.split(',').filter_map(|contract| contract.split_once(':')).collect())
}

fn different_services(own: &NodeRecord, other: &NodeRecord) -> Vec<String> {
    let (Some(ours), Some(theirs)) = (contracts_of(own), contracts_of(other)) else { return Vec::new() };
    let only_in = |some: &[(&str, &str)], others: &[(&str, &str)]| {
        let missing = some.iter().filter(|contract| !others.contains(contract));
        missing.map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>()
    };
    let mut names = [only_in(&ours, &theirs), only_in(&theirs, &ours)].concat();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use realtime_gateway_protocol::Timestamp;

    use super::*;

    fn node(id: &str, contracts: Option<&str>) -> NodeRecord {
        NodeRecord {
            id: id.into(),
            incarnation: id.into(),
            address: "127.0.0.1:4000".into(),
            version: "0.1.0".into(),
            started: Timestamp::from_millis(0),
            connections: 0,
            draining: false,
            settings: contracts.map(|contracts| format!("{CONTRACTS}={contracts}")).into_iter().collect(),
        }
    }

    #[test]
    fn warns_when_contracts_have_differed_for_a_minute() {
        let (agreement, start) = (ContractAgreement::default(), Instant::now());
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        let own = node("a", Some("forum:1,orders:2"));
        let same = node("b", Some("forum:1,orders:2"));
        let other = node("c", Some("forum:1,orders:3,shop:4"));
        agreement.compare(&own, &[own.clone(), same.clone()], start);
        assert_eq!(agreement.warning(after(100)), None);
        agreement.compare(&own, &[own.clone(), other.clone(), same.clone()], after(100));
        agreement.compare(&own, &[own.clone(), other.clone()], after(130));
        assert_eq!(agreement.warning(after(159)), None);
        let warning = agreement.warning(after(160)).unwrap();
        assert!(warning.contains("the node c: orders, shop;"), "{warning}");
        agreement.compare(&own, &[own.clone(), same], after(161));
        assert_eq!(agreement.warning(after(300)), None, "they agree again");
        agreement.compare(&own, &[other], after(300));
        assert_eq!(agreement.warning(after(301)), None, "the time begins again");
    }

    #[test]
    fn ignores_nodes_that_drain_and_versions_without_contracts() {
        let (agreement, start) = (ContractAgreement::default(), Instant::now());
        let own = node("a", Some("orders:2"));
        let draining = NodeRecord { draining: true, ..node("b", Some("orders:3")) };
        agreement.compare(&own, &[draining, node("c", None)], start);
        assert_eq!(agreement.warning(start + TOLERANCE), None);
        // No contract at all is a difference.
        agreement.compare(&own, &[node("d", Some(""))], start);
        assert!(agreement.warning(start + TOLERANCE).is_some());
    }
}
