//! Names and ids of one scenario. They differ in each, so that a late line of an earlier scenario is recognised.

use serde_json::{Value, json};

use crate::tokens::FIRST_ID;

/// How many ids a scenario has.
const IDS: u64 = 10_000;
/// The members that have a name.
const NAMED: [&str; 2] = ["client", "stream"];

/// The names of one scenario of an adapter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Names {
    /// The number of the scenario, in this process of the adapter.
    pub(crate) scenario: u64,
}

impl Names {
    /// Returns a command as the adapter gets it.
    pub(crate) fn global(self, mut command: Value) -> Value {
        for name in NAMED {
            if let Some(local) = command[name].as_str() {
                command[name] = json!(format!("{local}{}", self.suffix()));
            }
        }
        for id in ["id", "of"] {
            if let Some(local) = command[id].as_u64().filter(|id| *id < FIRST_ID) {
                command[id] = json!(local + self.scenario % (FIRST_ID / IDS) * IDS);
            }
        }
        command
    }

    /// Returns a line as the scenario sees it, or `None` if it belongs to an earlier one.
    pub(crate) fn local(self, mut line: Value) -> Option<Value> {
        for name in NAMED {
            if let Some(global) = line[name].as_str() {
                line[name] = json!(global.strip_suffix(&self.suffix())?);
            }
        }
        if let Some(global) = line["id"].as_u64().filter(|id| *id < FIRST_ID) {
            let local = global.checked_sub(self.scenario % (FIRST_ID / IDS) * IDS).filter(|local| *local < IDS)?;
            line["id"] = json!(local);
        }
        Some(line)
    }

    fn suffix(self) -> String {
        format!("#{}", self.scenario)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_another_scenario_are_recognised() {
        let (first, second) = (Names { scenario: 1 }, Names { scenario: 2 });
        let command = json!({"id": 7, "do": "cancel", "of": 3, "client": "a"});
        let sent = second.global(command);
        assert_eq!(sent, json!({"id": 20_007, "do": "cancel", "of": 20_003, "client": "a#2"}));
        let done = json!({"event": "done", "id": 20_007});
        assert_eq!(second.local(done.clone()), Some(json!({"event": "done", "id": 7})));
        assert_eq!(first.local(done), None);
        assert_eq!(first.local(json!({"event": "item", "stream": "s#2"})), None);
        let token = json!({"event": "done", "id": FIRST_ID});
        assert_eq!(first.local(token.clone()), Some(token));
    }
}
