//! The text of a script, and its hash.

use std::sync::LazyLock;

use redis::{Cmd, cmd};
use sha1::{Digest, Sha1};

use crate::redis::arguments::Bindings;

/// A script: one operation of the store, in one atomic step.
pub(in crate::redis) struct Script {
    pub(super) source: LazyLock<Source>,
}

/// The text of a script.
pub(super) struct Source {
    code: String,
    /// The SHA-1 in hexadecimal digits, by which `EVALSHA` names the script.
    hash: String,
    /// The names of its arguments.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by the tests"))]
    pub(super) names: Vec<String>,
}

impl Source {
    /// Joins the prelude, the names of the arguments, and the pieces.
    pub(super) fn of(prelude: &str, bind: fn(&mut Bindings), pieces: &[&str]) -> Self {
        // The prelude reads the first argument, the number of the request.
        let mut bindings = Bindings::starting_at(if prelude.is_empty() { 1 } else { 2 });
        bind(&mut bindings);
        let (bound, names) = bindings.into_parts();
        let code = [&[prelude, &bound], pieces].concat().join("\n");
        let hash = Sha1::digest(&code).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { code, hash, names }
    }
}

impl Script {
    /// Returns the command that sends the whole text to Redis.
    pub(in crate::redis) fn load(&self) -> Cmd {
        let mut command = cmd("SCRIPT");
        command.arg("LOAD").arg(&self.source.code);
        command
    }

    /// Returns the text of the script.
    pub(in crate::redis) fn code(&self) -> &str {
        &self.source.code
    }

    /// Returns the SHA-1 of the text, in hexadecimal digits.
    pub(in crate::redis) fn hash(&self) -> &str {
        &self.source.hash
    }
}
