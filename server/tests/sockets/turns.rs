//! Writes at the end of the turns of event loops: without the task of the connection, from several loops, and to clients
//! that do not read.

use std::{
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

use gateway::{
    delivery::{frame::Frame, outbound::Pushed, turn},
    runtime::{memory::MemoryBudget, tasks::Tasks},
};

use crate::test_connection::{Calls, TestConnection};

/// The number of messages from each loop.
const MESSAGES: usize = 2_000;

#[tokio::test]
async fn writes_frames_of_one_turn_in_one_write_without_task_of_connection() {
    let mut connection = TestConnection::open(1 << 20).await;
    connection.tasks.spawn_until_stopped(turn::write_at_end_of_turns());
    tokio::task::yield_now().await;
    for round in 0..2 {
        for number in 0..50 {
            connection.push(&format!("{round} {number}"));
        }
        for number in 0..50 {
            assert_eq!(connection.client.text().await, format!("{round} {number}"));
        }
    }
    let Calls { reads, writes } = &*connection.calls;
    assert_eq!((reads.load(Ordering::Relaxed), writes.load(Ordering::Relaxed)), (1, 2));
    assert_eq!(connection.outbound.bytes(), 0);
}

#[tokio::test]
async fn continues_in_order_after_client_that_did_not_read_reads_again() {
    let mut connection = TestConnection::open(64 << 20).await;
    connection.tasks.spawn_until_stopped(turn::write_at_end_of_turns());
    tokio::task::yield_now().await;
    let filler = "x".repeat(8_000);
    for round in 0..3 {
        // More than the buffers of the kernel hold, in many turns.
        for number in 0..MESSAGES {
            connection.push(&format!("{round} {number} {filler}"));
            if number % 10 == 0 {
                tokio::task::yield_now().await;
            }
        }
        assert!(connection.outbound.bytes() > 0, "the client's socket is blocked");
        for number in 0..MESSAGES {
            assert_eq!(connection.client.text().await, format!("{round} {number} {filler}"));
        }
        while connection.outbound.bytes() > 0 {
            tokio::task::yield_now().await;
        }
    }
    connection.push("the end");
    assert_eq!(connection.client.text().await, "the end");
}

#[tokio::test]
async fn keeps_order_of_each_of_three_loops_that_push_to_one_connection() {
    let mut connection = TestConnection::open(64 << 20).await;
    connection.tasks.spawn_until_stopped(turn::write_at_end_of_turns());
    let filler = "x".repeat(500);
    let loops: Vec<_> = (0..3)
        .map(|number| {
            let (outbound, tasks, filler) = (Arc::clone(&connection.outbound), Tasks::default(), filler.clone());
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    // The last thread has no loop that writes, so its frames wake the connection.
                    if number < 2 {
                        tasks.spawn_until_stopped(turn::write_at_end_of_turns());
                    }
                    for message in 0..MESSAGES {
                        let frame = Frame::text("other", &format!("{number} {message} {filler}"));
                        assert_eq!(outbound.push(frame), Pushed::Queued);
                        if message % 7 == 0 {
                            tokio::task::yield_now().await;
                        }
                    }
                    // A runtime that ends leaves what it has not written to the connection.
                });
            })
        })
        .collect();
    let mut next = [0; 3];
    for _ in 0..3 * MESSAGES {
        let text = connection.client.text().await;
        let mut words = text.split(' ').map(str::parse::<usize>);
        let (number, message) = (words.next().unwrap().unwrap(), words.next().unwrap().unwrap());
        assert_eq!(message, next[number], "loop {number}");
        next[number] += 1;
    }
    for handle in loops {
        handle.join().unwrap();
    }
}

#[tokio::test]
async fn closes_slow_consumer_and_continues_to_write_to_others() {
    let mut slow = TestConnection::open(64 << 10).await;
    let mut other = TestConnection::open(64 << 10).await;
    slow.tasks.spawn_until_stopped(turn::write_at_end_of_turns());
    let filler = "x".repeat(8_000);
    while slow.outbound.push(Frame::text("other", &filler)) == Pushed::Queued {
        other.push("one of many");
        assert_eq!(other.client.text().await, "one of many");
    }
    assert_eq!(slow.client.close_code().await, 4508);
    other.push("later");
    assert_eq!(other.client.text().await, "later");
}

#[tokio::test]
async fn releases_memory_of_connection_that_was_lost_before_its_frames_were_written() {
    let budget = MemoryBudget::new(usize::MAX);
    let connection = TestConnection::within(64 << 20, &budget).await;
    connection.tasks.spawn_until_stopped(turn::write_at_end_of_turns());
    tokio::task::yield_now().await;
    let filler = "x".repeat(8_000);
    for _ in 0..MESSAGES {
        connection.push(&filler);
    }
    while connection.calls.writes.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    let TestConnection { client, outbound, tasks, .. } = connection;
    // The reset ends the connection while most frames wait.
    client.stream.set_zero_linger().unwrap();
    drop(client);
    assert!(tasks.stop(Duration::from_secs(20)).await, "the connection does not end");
    assert!(outbound.bytes() > 0, "everything was written before the reset");
    assert_eq!(budget.used(), 0);
}
