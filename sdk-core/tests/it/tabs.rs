//! Tabs that share a connection, against a model of the browser: its locks, its channels, and pages that it freezes.

mod browser;

use proptest::prelude::*;
use realtime_gateway_sdk_core::tabs::Role;

use browser::Browser;

/// Something that happens to the browser.
#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Open,
    Close(usize),
    /// The process of a tab ends without any event in it.
    Crash(usize),
    Freeze(usize),
    Resume(usize),
    Hide(usize, bool),
    Wake(usize),
    Request(usize),
    /// The next message to a tab is lost.
    Lose(usize),
    /// The leader sends something to every follower.
    Push,
    /// The leading client ends, such as when another device replaces it.
    End,
    SignOut(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let tab = 0_usize..6;
    prop_oneof![
        8 => (0_u64..3_000).prop_map(Step::Wait),
        2 => Just(Step::Wait(15_000)),
        3 => Just(Step::Open),
        1 => tab.clone().prop_map(Step::Close),
        1 => tab.clone().prop_map(Step::Crash),
        3 => tab.clone().prop_map(Step::Freeze),
        3 => tab.clone().prop_map(Step::Resume),
        2 => (tab.clone(), any::<bool>()).prop_map(|(tab, hidden)| Step::Hide(tab, hidden)),
        1 => tab.clone().prop_map(Step::Wake),
        2 => tab.clone().prop_map(Step::Request),
        2 => tab.clone().prop_map(Step::Lose),
        3 => Just(Step::Push),
        1 => Just(Step::End),
        1 => tab.prop_map(Step::SignOut),
    ]
}

fn take(browser: &mut Browser, step: &Step) {
    match step {
        Step::Wait(millis) => browser.run(*millis),
        Step::Open => {
            browser.open();
        }
        Step::Close(tab) => browser.close(*tab),
        Step::Crash(tab) => browser.crash(*tab),
        Step::Freeze(tab) => browser.freeze(*tab),
        Step::Resume(tab) => browser.resume(*tab),
        Step::Hide(tab, hidden) => browser.hide(*tab, *hidden),
        Step::Wake(tab) => browser.wake(*tab),
        Step::Request(tab) => browser.request(*tab),
        Step::Lose(tab) => browser.lose(*tab),
        Step::Push => browser.push("state"),
        Step::End => browser.end(),
        Step::SignOut(tab) => browser.sign_out(*tab),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, max_shrink_iters: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agree_on_one_leader_whatever_happened(seed: u64, steps in prop::collection::vec(step(), 1..80)) {
        let mut browser = Browser::new(seed);
        browser.open();
        for step in &steps {
            take(&mut browser, step);
        }
        browser.calm();
        browser.run(120_000);
        browser.check_agreement();
    }
}

#[test]
fn next_tab_leads_when_leader_closes() {
    let mut browser = Browser::new(1);
    let [one, two, three] = [(); 3].map(|()| browser.open());
    browser.run(1_000);
    assert_eq!(browser.role(one), &Role::Leading);
    browser.close(one);
    browser.run(1_000);
    assert_eq!((browser.role(one), browser.role(two)), (&Role::Left, &Role::Leading));
    assert_eq!(browser.role(three), &Role::Following(Some(two.to_string())));
}

#[test]
fn silent_leader_is_replaced_after_a_second_and_then_follows() {
    let mut browser = Browser::new(2);
    let [one, two] = [(); 2].map(|()| browser.open());
    browser.run(1_000);
    browser.stop(one);
    browser.run(3_500);
    assert_eq!(browser.role(two), &Role::Leading);
    assert_eq!(browser.role(one), &Role::Leading, "it stands still and has noticed nothing");
    browser.go_on(one);
    browser.run(1_000);
    assert_eq!(browser.role(one), &Role::Following(Some(two.to_string())));
}

#[test]
fn frozen_leader_is_replaced_when_another_tab_needs_leader() {
    let mut browser = Browser::new(3);
    let one = browser.open();
    browser.run(1_000);
    browser.freeze(one);
    browser.run(60_000);
    assert_eq!(browser.role(one), &Role::Frozen { leads: true, leader: None });
    let two = browser.open();
    browser.run(3_000);
    assert_eq!(browser.role(two), &Role::Leading);
    assert!(matches!(browser.role(one), Role::Frozen { leads: false, .. }));
    browser.resume(one);
    browser.run(3_000);
    assert_eq!(browser.role(one), &Role::Following(Some(two.to_string())));
}

#[test]
fn frozen_leader_continues_if_no_tab_needed_leader() {
    let mut browser = Browser::new(4);
    let one = browser.open();
    browser.run(1_000);
    let reign = browser.reign(one);
    browser.freeze(one);
    browser.run(60_000);
    browser.resume(one);
    browser.run(1_000);
    assert_eq!((browser.role(one), browser.reign(one)), (&Role::Leading, reign));
}

#[test]
fn ended_client_keeps_lock_until_new_tab_opens() {
    let mut browser = Browser::new(5);
    let [one, two] = [(); 2].map(|()| browser.open());
    browser.run(1_000);
    browser.end();
    browser.run(60_000);
    assert_eq!((browser.role(one), browser.role(two)), (&Role::Leading, &Role::Left));
    let three = browser.open();
    browser.run(3_000);
    assert_eq!((browser.role(one), browser.role(three)), (&Role::Left, &Role::Leading));
}

#[test]
fn lost_message_starts_new_turn() {
    let mut browser = Browser::new(6);
    let [_, two] = [(); 2].map(|()| browser.open());
    browser.run(1_000);
    let before = browser.turns(two);
    browser.lose(two);
    browser.push("state");
    browser.push("state");
    browser.run(1_000);
    assert_eq!(browser.turns(two), before + 1);
    assert!(matches!(browser.role(two), Role::Following(Some(_))));
}

#[test]
fn sign_out_ends_every_tab() {
    let mut browser = Browser::new(7);
    let tabs = [(); 3].map(|()| browser.open());
    browser.run(1_000);
    browser.sign_out(1);
    browser.run(100);
    assert!(tabs.iter().all(|tab| browser.role(*tab) == &Role::Left));
}

/// Shorter than any timer of a tab: only the queue of the lock makes the next leader within it.
const QUEUE: u64 = 500;

#[test]
fn tab_requests_lock_again_after_freeze_or_deposition() {
    let mut browser = Browser::new(8);
    let [one, two] = [(); 2].map(|()| browser.open());
    browser.run(1_000);
    browser.freeze(two);
    browser.resume(two);
    browser.run(1_000);
    browser.close(one);
    browser.run(QUEUE);
    assert_eq!(browser.role(two), &Role::Leading);
    let three = browser.open();
    browser.run(1_000);
    browser.stop(two);
    browser.run(3_500);
    assert_eq!(browser.role(three), &Role::Leading);
    browser.go_on(two);
    browser.run(1_000);
    browser.close(three);
    browser.run(QUEUE);
    assert_eq!(browser.role(two), &Role::Leading);
}

#[test]
fn frozen_tab_does_not_request_lock() {
    let mut browser = Browser::new(9);
    let [one, two, three] = [(); 3].map(|()| browser.open());
    browser.run(1_000);
    browser.freeze(two);
    browser.close(one);
    assert!(browser.holds_lock(three) && !browser.holds_lock(two));
    browser.run(QUEUE);
    assert_eq!(browser.role(three), &Role::Leading);
}
