//! `test-broker`: a RabbitMQ that many test processes share. It prints the URL and runs until its standard input ends.
#![expect(clippy::unwrap_used, reason = "a broker that cannot be started or named fails the run that started it")]

use std::io::{self, Read as _, Write as _};

use realtime_gateway_brokers::rabbitmq::RabbitServer;

fn main() {
    let server = RabbitServer::start();
    writeln!(io::stdout(), "{}", server.url()).unwrap();
    // Whoever started this closes the pipe, or ends, which closes it as well.
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
}
