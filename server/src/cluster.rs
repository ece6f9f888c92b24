//! The cluster layer: keeps this node consistent with the store and the other nodes. Once a second, reconciliation
//! renews the lease, registers state that the store may have lost, and detects messages that the bus may have lost. The
//! sweeper removes expired data. The condition tracks the health of the node.

mod bus_events;
mod condition;
mod contract_agreement;
mod control;
mod inspection;
mod peers;
mod reconciler;
mod sweep;

pub(crate) use self::{
    bus_events::BusEventHandler,
    condition::{Condition, ConditionParts, Status, is_overflowing},
    contract_agreement::{ContractAgreement, contracts_of},
    control::ControlMessageHandler,
    inspection::{Inspector, InspectorParts, Page, SubscriptionSeen},
    reconciler::{Reconciler, ReconcilerParts},
    sweep::{Sweeper, SweeperParts},
};
