//! Any function can be called from any thread.

use std::thread;

use gateway_core::GW_OK;

use crate::library::{close, deadline, handle, opened, take};

#[test]
fn clients_of_many_threads_do_not_affect_each_other() {
    let conversation = || {
        let client = opened();
        let mut texts = Vec::new();
        for round in 0..50_u64 {
            texts.push(handle(client, round, b"{\"type\":\"connect\"}\n"));
            texts.push(handle(client, round, b"{\"type\":\"token_failed\",\"message\":\"none\"}\n"));
            texts.push(take(client, 1));
            texts.push((0, format!("{:?}", deadline(client))));
        }
        assert_eq!(close(client), GW_OK);
        texts
    };
    let expected = conversation();
    thread::scope(|scope| {
        let others: Vec<_> = (0..8).map(|_| scope.spawn(conversation)).collect();
        for other in others {
            assert_eq!(other.join().unwrap(), expected);
        }
    });
}

#[test]
fn calls_for_one_client_wait_for_each_other() {
    let client = opened();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for now in 0..200 {
                    assert_eq!(handle(client, now, b"{\"type\":\"tick\"}\n").0, GW_OK);
                    assert_eq!(take(client, 1).0, GW_OK);
                    deadline(client);
                }
            });
        }
    });
    close(client);
}

#[test]
fn client_can_be_closed_by_another_thread() {
    for _ in 0..100 {
        let client = opened();
        thread::scope(|scope| {
            let calls = scope.spawn(|| (0..).find(|now| handle(client, *now, b"{\"type\":\"tick\"}\n").0 != GW_OK));
            thread::yield_now();
            assert_eq!(close(client), GW_OK);
            calls.join().unwrap();
        });
    }
}
