//! The chapters of the OpenAPI document.

use poem_openapi::Tags;

/// A chapter.
#[derive(Tags)]
pub(super) enum Tag {
    /// How the node is.
    Health,
    /// Metrics and the live nodes.
    Operation,
    /// Pages and machine-readable documents.
    Documents,
    /// Notifications, which are kept until they are acknowledged.
    Notifications,
    /// The chat of clans.
    #[oai(rename = "Clan chat")]
    ClanChat,
    /// Topics of declared services.
    Services,
    /// Users' sessions and subscriptions.
    Users,
    /// Only with `--dev`.
    Development,
}
