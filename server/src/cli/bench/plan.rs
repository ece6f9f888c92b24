//! What a bench does: how many clients send how much.

use std::{fmt, time::Duration};

use anyhow::ensure;
use clap::Args;

use super::client::Allowed;

/// The content of a message begins with its run and its time.
const MIN_SIZE: usize = 64;
/// The most bytes of a message without its text.
const FRAME_BYTES: usize = 256;

/// The load.
#[derive(Debug, Clone, Args)]
pub(super) struct Plan {
    /// The number of clients. Each is a user of its own.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(super) clients: usize,
    /// The number of clans. The clients are spread over them, and each receives all messages of its clan. By default 10,
    /// or as many as clients.
    #[arg(long, value_name = "N")]
    clans: Option<usize>,
    /// How many of the clients send messages, each to its clan. By default one in each clan.
    #[arg(long, value_name = "N")]
    publishers: Option<usize>,
    /// The messages a second of all publishers together.
    #[arg(long, value_name = "R", default_value_t = 100.0)]
    rate: f64,
    /// The length of the text of a message, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 128)]
    pub(super) size: usize,
    /// How long messages are sent.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    pub(super) duration: Duration,
    /// The beginning of the names of users and clans.
    #[arg(long, value_name = "NAME", default_value = "bench")]
    pub(super) name: String,
}

impl Plan {
    /// Returns the plan if it can be carried out.
    ///
    /// # Errors
    /// A sentence about the option that is out of bounds.
    pub(super) fn checked(self) -> anyhow::Result<Self> {
        let within = |option: &str, value: usize, most: usize, of_what: &str| {
            ensure!((1..=most).contains(&value), "{option} is {value}: it can be 1 to {of_what} ({most})");
            Ok(())
        };
        within("--clients", self.clients, 60_000, "what one address can connect")?;
        within("--clans", self.clans(), self.clients, "the number of clients")?;
        within("--publishers", self.publishers(), self.clients, "the number of clients")?;
        ensure!(self.size >= MIN_SIZE, "--size is {}: a message has at least {MIN_SIZE} bytes", self.size);
        ensure!(self.rate.is_finite() && self.rate > 0.0, "--rate is {}: it is above 0", self.rate);
        ensure!(self.duration >= Duration::from_secs(1), "--duration is under 1s");
        Ok(self)
    }

    /// Returns the number of clans.
    pub(super) fn clans(&self) -> usize {
        self.clans.unwrap_or(10.min(self.clients))
    }

    /// Returns how many clients send messages.
    pub(super) fn publishers(&self) -> usize {
        self.publishers.unwrap_or(self.clans())
    }

    /// Returns the number of the clan of a client. Both are counted from 0.
    pub(super) fn clan_of(&self, client: usize) -> usize {
        client % self.clans().max(1)
    }

    /// Returns the id of a clan.
    pub(super) fn clan_id(&self, clan: usize) -> String {
        format!("{}-{}", self.name, clan + 1)
    }

    /// Returns the id of a user.
    pub(super) fn user_id(&self, client: usize) -> String {
        format!("{}-user-{}", self.name, client + 1)
    }

    /// Returns the time between two messages of a publisher.
    pub(super) fn interval(&self) -> Duration {
        Duration::from_secs_f64(self.publishers() as f64 / self.rate)
    }

    /// Checks that the gateway lets a publisher send messages as often and as long as planned.
    ///
    /// # Errors
    /// A sentence with the option to change.
    pub(super) fn check_allowed(&self, allowed: Allowed) -> anyhow::Result<()> {
        let most = allowed.max_message_bytes;
        ensure!(
            u64::try_from(self.size + FRAME_BYTES)? <= most,
            "--size is {}: the gateway takes messages of {most} bytes (limits.message_bytes), with {FRAME_BYTES} around the text",
            self.size
        );
        let (each, allowed) = (self.rate / self.publishers() as f64, f64::from(allowed.messages_per_second));
        let enough = (self.rate / allowed).ceil();
        ensure!(
            each <= allowed,
            "each of {} publishers would send {each:.1} messages a second, and the gateway allows {allowed} \
             (limits.messages_per_second): use --publishers {enough}, or a lower --rate",
            self.publishers()
        );
        Ok(())
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { clients, rate, size, duration, .. } = self;
        let (clans, publishers, duration) = (self.clans(), self.publishers(), humantime::format_duration(*duration));
        write!(
            f,
            "{clients} clients in {clans} clans; {publishers} of them send {rate} messages a second of {size} bytes for \
             {duration}"
        )
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        plan: Plan,
    }

    fn plan(options: &str) -> anyhow::Result<Plan> {
        let line = Line::try_parse_from(std::iter::once("bench").chain(options.split_whitespace()))?;
        line.plan.checked()
    }

    #[test]
    fn spreads_clients_over_clans_with_one_publisher_each() {
        let plan = plan("--clients 5 --clans 2 --rate 10 --name load").unwrap();
        let clans: Vec<_> = (0..5).map(|client| plan.clan_id(plan.clan_of(client))).collect();
        assert_eq!(clans, ["load-1", "load-2", "load-1", "load-2", "load-1"]);
        assert_eq!((plan.publishers(), plan.interval()), (2, Duration::from_millis(200)));
    }

    #[test]
    fn refuses_what_cannot_be_done_with_the_option_to_change() {
        for (options, words) in [
            ("--clients 0", "--clients is 0"),
            ("--clients 60001", "--clients is 60001"),
            ("--clients 5 --clans 6", "--clans is 6"),
            ("--clients 5 --clans 5 --publishers 6", "--publishers is 6"),
            ("--publishers 0", "--publishers is 0"),
            ("--size 63", "--size is 63"),
            ("--rate 0", "--rate is 0"),
            ("--rate=-1", "--rate is -1"),
            ("--rate NaN", "--rate is NaN"),
            ("--duration 10ms", "--duration is under 1s"),
        ] {
            let refused = plan(options).unwrap_err().to_string();
            assert!(refused.contains(words), "{options}: {refused}");
        }
    }

    #[test]
    fn stays_within_what_a_session_may_send() {
        let allowed = Allowed { messages_per_second: 20, max_message_bytes: 4_096 };
        assert!(plan("--rate 200 --size 3840").unwrap().check_allowed(allowed).is_ok());
        for (options, words) in [
            ("--rate 201", "20.1 messages a second, and the gateway allows 20"),
            ("--rate 201", "use --publishers 11"),
            ("--size 3841", "--size is 3841"),
        ] {
            let refused = plan(options).unwrap().check_allowed(allowed).unwrap_err().to_string();
            assert!(refused.contains(words), "{refused}");
        }
    }
}
