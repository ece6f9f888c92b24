//! How many nodes a million connections take.

/// The connections of the deployment.
const CONNECTIONS: f64 = 1_000_000.0;
/// The cores of a node, each with an event loop.
const CORES: f64 = 8.0;
/// The memory of a node, in bytes.
const MEMORY: f64 = 16.0 * 1024.0 * 1024.0 * 1024.0;
/// The memory of the kernel for a connection, in bytes: its socket, its file, and what waits in its buffers now and then.
const KERNEL_BYTES: f64 = 8_192.0;
/// The share of a node that is planned: with three nodes, the other two carry the load of one that fails.
const PLANNED: f64 = 2.0 / 3.0;
/// The messages that a client receives in a second.
const MESSAGES: [f64; 4] = [0.0, 0.1, 1.0, 10.0];

/// Formats the nodes as a Markdown table, from the CPU for a delivery in microseconds and the memory for a connection in
/// bytes.
pub(super) fn table(micros: f64, bytes: f64) -> String {
    let mut text = format!(
        "A million connections on nodes with {CORES} cores and 16 GiB, filled to two thirds, at {micros:.1} µs a delivery, \
         {bytes:.0} bytes a connection in the process and 8 KiB in the kernel:\n\n\
         | messages that a client receives | deliveries/s | cores that write | nodes | limited by |\n\
         | --- | --: | --: | --: | --- |\n"
    );
    for messages in MESSAGES {
        let deliveries = messages * CONNECTIONS;
        let cores = deliveries * micros / 1e6;
        let for_cores = nodes(cores, CORES);
        let for_memory = nodes(CONNECTIONS * (bytes + KERNEL_BYTES), MEMORY);
        let limit = if for_cores > for_memory { "CPU" } else { "memory" };
        text.push_str(&format!(
            "| {messages} a second | {:.0}k | {cores:.1} | {:.0} | {limit} |\n",
            deliveries / 1_000.0,
            for_cores.max(for_memory),
        ));
    }
    text
}

/// Returns the nodes that carry a demand; at least 2, so that one can fail.
fn nodes(demand: f64, of_a_node: f64) -> f64 {
    (demand / (of_a_node * PLANNED)).ceil().max(2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_is_scarce() {
        assert_eq!(nodes(16.0, 8.0), 3.0);
        assert_eq!(nodes(16.1, 8.0), 4.0);
        assert_eq!(nodes(0.0, 8.0), 2.0);
        let text = table(10.0, 3_000.0);
        assert!(text.contains("| 0 a second | 0k | 0.0 | 2 | memory |"), "{text}");
        assert!(text.contains("| 10 a second | 10000k | 100.0 | 19 | CPU |"), "{text}");
    }
}
