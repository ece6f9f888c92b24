//! Blocks: the sessions that they refuse, their end, and the revision of changes.

use std::time::Duration;

use realtime_gateway_protocol::{BlockReason, Timestamp, TokenId, UserId};

use super::{
    Subject, reconcile_request,
    sessions::{ONE, live, open, session, user},
};
use crate::{Admission, Block, BlockOutcome, BlockedTokens, SessionRecord, TokenClaims};

fn block(subject: &Subject, tokens: BlockedTokens) -> Block {
    let until = Timestamp::from_millis(subject.now().millis() + 600_000);
    let reason = BlockReason::new("spam");
    Block { tokens, until, since: subject.now(), reason }
}

fn token(id: &str) -> TokenId {
    TokenId::new(id).unwrap()
}

fn with_token(subject: &Subject, id: &str, issued_at: Option<Timestamp>, jti: Option<&str>) -> SessionRecord {
    let token = TokenClaims { issued_at, id: jti.map(token) };
    SessionRecord { token, ..session(subject, id) }
}

async fn keep(subject: &Subject, block: &Block) {
    assert_eq!(subject.store.block(&user(), block.clone()).await.unwrap(), BlockOutcome::Kept);
}

pub async fn block_refuses_sessions_until_it_ends(subject: &Subject) {
    let all = block(subject, BlockedTokens::All);
    keep(subject, &all).await;
    assert_eq!(open(subject, session(subject, "a"), ONE).await, Err(Admission::Blocked(all.clone())));
    assert_eq!(live(subject).await, [""; 0], "a refusal admits nothing");
    let other = SessionRecord { user: UserId::new("v").unwrap(), ..session(subject, "b") };
    assert_eq!(open(subject, other, ONE).await, Ok(vec![]), "another user is free");
    assert_eq!(subject.store.blocks_of(&user()).await.unwrap(), [all]);
    subject.pass(Duration::from_millis(599_999));
    assert!(open(subject, session(subject, "c"), ONE).await.is_err());
    subject.pass(Duration::from_millis(1));
    assert_eq!(open(subject, session(subject, "d"), ONE).await, Ok(vec![]));
    assert_eq!(subject.store.blocks_of(&user()).await.unwrap(), []);
}

pub async fn block_of_earlier_tokens_admits_later_ones(subject: &Subject) {
    let border = subject.now();
    let earlier = block(subject, BlockedTokens::IssuedBefore(border));
    keep(subject, &earlier).await;
    let refused = Err(Admission::Blocked(earlier));
    let before = Timestamp::from_millis(border.millis() - 1);
    assert_eq!(open(subject, with_token(subject, "a", Some(before), None), ONE).await, refused);
    assert_eq!(open(subject, with_token(subject, "b", None, None), ONE).await, refused, "no iat counts as earlier");
    assert_eq!(open(subject, with_token(subject, "c", Some(border), None), ONE).await, Ok(vec![]));
}

pub async fn block_of_one_token_admits_others(subject: &Subject) {
    let one = block(subject, BlockedTokens::Id(token("t1")));
    keep(subject, &one).await;
    let opened = open(subject, with_token(subject, "a", None, Some("t1")), ONE).await;
    assert_eq!(opened, Err(Admission::Blocked(one)));
    assert_eq!(open(subject, with_token(subject, "b", None, Some("t2")), ONE).await, Ok(vec![]));
    assert_eq!(open(subject, with_token(subject, "c", None, None), ONE).await, Ok(vec!["b".into()]));
}

pub async fn block_replaces_only_block_of_its_kind(subject: &Subject) {
    let all = block(subject, BlockedTokens::All);
    let (one, two) = (block(subject, BlockedTokens::Id(token("1"))), block(subject, BlockedTokens::Id(token("2"))));
    let earlier = block(subject, BlockedTokens::IssuedBefore(subject.now()));
    for block in [&all, &one, &two, &earlier] {
        keep(subject, block).await;
    }
    subject.pass(Duration::from_secs(1));
    let later = block(subject, BlockedTokens::IssuedBefore(subject.now()));
    keep(subject, &later).await;
    keep(subject, &Block { reason: None, ..one.clone() }).await;
    let expected = [all, two, later, Block { reason: None, ..one }];
    assert_eq!(subject.store.blocks_of(&user()).await.unwrap(), expected);
    assert_eq!(subject.store.unblock(&user()).await.unwrap(), 4);
    assert_eq!(subject.store.unblock(&user()).await.unwrap(), 0);
    assert_eq!(open(subject, with_token(subject, "a", None, Some("1")), ONE).await, Ok(vec![]));
}

pub async fn limits_blocks_of_user(subject: &Subject) {
    for n in 0..Block::MAX_PER_USER {
        keep(subject, &block(subject, BlockedTokens::Id(token(&n.to_string())))).await;
    }
    let beyond = block(subject, BlockedTokens::All);
    assert_eq!(subject.store.block(&user(), beyond.clone()).await.unwrap(), BlockOutcome::TooMany);
    assert_eq!(subject.store.blocks_of(&user()).await.unwrap().len(), Block::MAX_PER_USER);
    keep(subject, &block(subject, BlockedTokens::Id(token("7")))).await;
    subject.pass(Duration::from_secs(600));
    let again = block(subject, BlockedTokens::All);
    keep(subject, &again).await;
    assert_eq!(subject.store.blocks_of(&user()).await.unwrap(), [again], "those that ended count no more");
}

pub async fn does_not_restore_blocked_session(subject: &Subject) {
    open(subject, session(subject, "a"), ONE).await.unwrap();
    let all = block(subject, BlockedTokens::All);
    keep(subject, &all).await;
    for id in ["a", "lost"] {
        let restored = subject.store.restore_session(session(subject, id), ONE).await.unwrap();
        assert_eq!(restored, Admission::Blocked(all.clone()), "{id}");
    }
}

pub async fn reads_block_changes_by_revision(subject: &Subject) {
    let store = &subject.store;
    let revision = async || store.reconcile(reconcile_request(&[])).await.unwrap().block_revision;
    let begun = revision().await;
    assert_eq!(store.block_changes(0, 10).await.unwrap().users, []);
    let users: Vec<UserId> = ["u1", "u2", "u3"].map(|user| UserId::new(user).unwrap()).into();
    let all = block(subject, BlockedTokens::All);
    for user in &users {
        store.block(user, all.clone()).await.unwrap();
    }
    assert_eq!(revision().await, begun + 3);
    let first = store.block_changes(begun, 2).await.unwrap();
    assert_eq!((first.users.len(), first.more, first.revision), (2, true, begun + 2));
    let second = store.block_changes(first.revision, 2).await.unwrap();
    assert_eq!(second.users, [(users[2].clone(), vec![all.clone()])]);
    assert_eq!((second.more, second.revision), (false, begun + 3));

    store.unblock(&users[0]).await.unwrap();
    let changes = store.block_changes(second.revision, 10).await.unwrap();
    assert_eq!(changes.users, [(users[0].clone(), vec![])], "an end of all blocks is a change");
    assert_eq!(store.block_changes(changes.revision, 10).await.unwrap().users, []);
    assert_eq!(store.block_changes(0, 10).await.unwrap().users.len(), 3);

    subject.pass(Duration::from_secs(3_601));
    subject.sweep().await;
    assert_eq!(store.block_changes(0, 10).await.unwrap().users, [], "what has ended is forgotten");
    assert_eq!(revision().await, begun + 4);
}
