//! The tags that group operations in the OpenAPI document.

use poem_openapi::Tags;

/// A group of operations.
#[derive(Tags)]
pub(super) enum Tag {
    /// The health of the node.
    Health,
    /// Metrics and the live nodes.
    Operation,
    /// Pages and machine-readable documents.
    Documents,
    /// Notifications, which are kept until they are acknowledged.
    Notifications,
    /// Clan chats.
    #[oai(rename = "Clan chat")]
    ClanChat,
    /// Topics of declared services.
    Services,
    /// Users' sessions and subscriptions.
    Users,
    /// What goes on in all nodes.
    Inspection,
    /// Webhooks and their dead letters.
    Webhooks,
    /// Available only with `--dev`.
    Development,
}
