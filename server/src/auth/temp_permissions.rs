//! Stands in until permissions land.
/// Stands in.
pub struct Granted {
    /// Stands in.
    pub ask_again: Option<std::time::Duration>,
}
/// Stands in.
pub struct Permissions;
impl Permissions {
    /// Stands in.
    pub fn new(_: &crate::config::Permissions) -> Self {
        Self
    }
    /// Stands in.
    #[allow(clippy::unused_async)]
    pub async fn check(
        &self,
        _identity: &super::Identity,
        _action: super::Action,
        _topic: &crate::topic::Topic,
    ) -> Result<Granted, crate::command_error::CommandError> {
        Ok(Granted { ask_again: None })
    }
}
