//! `test-broker`: a RabbitMQ that many test processes share. It prints the URL and runs until its standard input ends.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program of the tests, whose output is its address")]

use std::io::{self, Read as _};

use realtime_gateway_brokers::rabbitmq::RabbitServer;

fn main() {
    let server = RabbitServer::start();
    println!("{}", server.url());
    // The parent process closes the pipe, or ends, which closes it as well.
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
}
