//! The messages between tabs, and the leader's count of those of each turn.

use realtime_gateway_sdk_core::tabs::Reign;

use super::{Browser, Message};

impl Browser {
    /// The leader's side of a turn, as `leader.js` has it.
    pub(super) fn serve(&mut self, leader: usize, message: &Message) {
        let followers = &mut self.tabs[leader].followers;
        if message.kind == "hello" {
            followers.insert(message.from, (message.turn, 1, 0));
            return self.answer(leader, message.from, "welcome");
        }
        match followers.get_mut(&message.from) {
            Some((turn, received, _)) if *turn == message.turn && *received + 1 == message.number => {
                *received += 1;
                self.answer(leader, message.from, "pong");
            }
            _ => {
                followers.remove(&message.from);
                let (reign, turn) = (self.reign(leader), message.turn);
                let who = Message { kind: "who", from: leader, reign, instance: String::new(), turn, number: 0 };
                self.send(message.from, who);
            }
        }
    }

    pub(super) fn answer(&mut self, leader: usize, to: usize, kind: &'static str) {
        let reign = self.reign(leader);
        let Some((turn, _, sent)) = self.tabs[leader].followers.get_mut(&to) else { return };
        *sent += 1;
        let (turn, number) = (*turn, *sent);
        self.send(to, Message { kind, from: leader, reign, instance: String::new(), turn, number });
    }

    /// A follower's message to its leader.
    pub(super) fn ask(&mut self, tab: usize, kind: &'static str) {
        let reign = self.reign(tab);
        let Some((leader, turn, sent)) = &mut self.tabs[tab].turn else { return };
        *sent += 1;
        let (leader, turn, number) = (*leader, *turn, *sent);
        self.send(leader, Message { kind, from: tab, reign, instance: String::new(), turn, number });
    }

    pub(super) fn send_all(&mut self, from: usize, kind: &'static str, reign: Reign, instance: &str) {
        let message = Message { kind, from, reign, instance: instance.to_owned(), turn: 0, number: 0 };
        for to in (0..self.tabs.len()).filter(|to| *to != from) {
            self.send(to, message.clone());
        }
    }

    pub(super) fn send(&mut self, to: usize, message: Message) {
        if self.is_active(to) {
            self.tabs[to].inbound.push_back(message);
        }
    }
}
