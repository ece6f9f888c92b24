//! The rate that Redis itself reaches with the append script: `redis-benchmark` repeats the command that a node has sent.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use realtime_gateway_brokers::redis::RedisServer;

/// The end of the room's name. `redis-benchmark` puts 12 random digits in place of [`RANDOM`].
pub(crate) const DIGITS: &str = "000000000000";
/// The placeholder for random digits, which is as long as they are.
const RANDOM: &str = "__rand_int__";
/// How many commands are sent. A log takes about a thousand appends before it needs another script.
const COMMANDS: u64 = 80_000;
/// How many different rooms they are for.
pub(crate) const ROOMS: usize = 100;

/// Records the commands that Redis runs.
pub(crate) struct Recorder {
    monitor: Child,
    lines: mpsc::Receiver<String>,
}

impl Recorder {
    /// Starts to record.
    pub(crate) fn start(redis: &RedisServer) -> Self {
        let mut monitor = Command::new("redis-cli");
        monitor.args(["-p", &redis.port().to_string(), "monitor"]);
        let mut monitor = monitor.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("redis-cli");
        let mut output = BufReader::new(monitor.stdout.take().unwrap());
        // The answer `OK`: from now on commands are recorded.
        output.read_line(&mut String::new()).unwrap();
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { monitor, lines }
    }

    /// Returns the arguments of the script call that contains a text.
    pub(crate) fn script_call_with(mut self, text: &str) -> Vec<String> {
        let command = loop {
            let line = self.lines.recv_timeout(Duration::from_secs(10)).expect("the append script of the message");
            // A command of a client, and not one that the script runs, which follows `lua`.
            if line.contains("\"EVALSHA\"") && line.contains(text) {
                break line;
            }
        };
        self.monitor.kill().unwrap();
        self.monitor.wait().unwrap();
        arguments(&command)
    }
}

/// Splits a line of `MONITOR` into the arguments of its command: `1.5 [0 127.0.0.1:9] "GET" "a\x00b"`.
fn arguments(line: &str) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut characters = line.chars();
    while characters.by_ref().any(|character| character == '"') {
        let mut argument = String::new();
        loop {
            match characters.next().expect("the end of an argument") {
                '"' => break,
                '\\' => {
                    let escaped = characters.next().expect("an escaped character");
                    assert_ne!(escaped, 'x', "the arguments of the append script are texts: {line}");
                    argument.push(match escaped {
                        'n' => '\n',
                        'r' => '\r',
                        't' => '\t',
                        'a' => '\x07',
                        'b' => '\x08',
                        other => other,
                    });
                }
                other => argument.push(other),
            }
        }
        arguments.push(argument);
    }
    arguments
}

/// Repeats the call for other rooms over a hundred connections, and returns how many Redis answers in a second.
///
/// # Panics
/// If Redis did not append an entry for each call. The script appends to logs that exist.
pub(crate) fn appends_per_second(redis: &RedisServer, call: &[String]) -> f64 {
    let before = appended(redis);
    let mut benchmark = Command::new("redis-benchmark");
    benchmark.args([
        "-p",
        &redis.port().to_string(),
        "-c",
        "100",
        "-n",
        &COMMANDS.to_string(),
        "-r",
        &ROOMS.to_string(),
        "-q",
    ]);
    let output = benchmark.args(call.iter().map(|argument| argument.replace(DIGITS, RANDOM))).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let count = appended(redis) - before;
    assert!(count >= COMMANDS, "Redis appended {count} entries of {COMMANDS}: {text}");
    let (figures, _) = text.rsplit_once(" requests per second").expect("the rate");
    figures.rsplit(' ').next().and_then(|rate| rate.parse().ok()).expect("the rate")
}

/// Returns the number of entries that the store has ever appended: the sum of the counters of its shards.
fn appended(redis: &RedisServer) -> u64 {
    redis.cli(&["hvals", "{gw}:shards"]).lines().filter_map(|count| count.trim().parse::<u64>().ok()).sum()
}
