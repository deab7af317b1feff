use super::*;
use crate::ids::{SessionId, UserId};

const RULES: AdvanceRules = AdvanceRules { grace: Duration::from_secs(10), idle: Duration::from_secs(1000) };

pub(super) fn session(user: UserId) -> Session {
    Session { id: SessionId::random(), user, generation: 0, created_at: at(0), rotated_at: at(0), expires_at: at(5000) }
}

async fn store_with_session(place: &Place) -> (Store, Session) {
    let store = place.open();
    let session = session(UserId::random());
    store.create_session(session.clone()).await.unwrap();
    (store, session)
}

#[tokio::test]
async fn each_exchange_makes_the_next_generation_and_survives_a_restart() {
    let place = Place::new();
    let (store, first) = store_with_session(&place).await;
    let second = Session { generation: 1, rotated_at: at(100), ..first.clone() };
    assert_eq!(store.advance_session(first.id, 0, at(100), RULES).await.unwrap(), Advance::Advanced(second.clone()));

    let store = place.reopen(store).await;
    assert_eq!(store.session(first.id).await.unwrap(), Some(second));
    let third = Session { generation: 2, rotated_at: at(200), ..first.clone() };
    assert_eq!(store.advance_session(first.id, 1, at(200), RULES).await.unwrap(), Advance::Advanced(third));
}

#[tokio::test]
async fn a9_the_token_before_gives_the_same_successor_within_the_grace() {
    let place = Place::new();
    let (store, first) = store_with_session(&place).await;
    let Advance::Advanced(second) = store.advance_session(first.id, 0, at(100), RULES).await.unwrap() else { panic!() };
    for seconds in [100, 110] {
        let again = store.advance_session(first.id, 0, at(seconds), RULES).await.unwrap();
        assert_eq!(again, Advance::Repeated(second.clone()));
    }
    assert_eq!(store.session(first.id).await.unwrap(), Some(second));
}

#[tokio::test]
async fn a8_the_token_before_after_the_grace_ends_the_sign_in() {
    let place = Place::new();
    let (store, first) = store_with_session(&place).await;
    store.advance_session(first.id, 0, at(100), RULES).await.unwrap();
    let late = Timestamp::from_millis(at(110).as_millis() + 1);
    assert_eq!(store.advance_session(first.id, 0, late, RULES).await.unwrap(), Advance::Reused { user: first.user });
    assert_eq!(store.advance_session(first.id, 1, at(111), RULES).await.unwrap(), Advance::Unknown);
    assert_eq!(store.delete_sessions_of(first.user).await.unwrap(), 0);
}

#[tokio::test]
async fn r13_the_token_before_ends_the_sign_in_when_the_clock_was_set_back() {
    let place = Place::new();
    let (store, first) = store_with_session(&place).await;
    store.advance_session(first.id, 0, at(100), RULES).await.unwrap();
    let outcome = store.advance_session(first.id, 0, at(89), RULES).await.unwrap();
    assert_eq!(outcome, Advance::Reused { user: first.user });
}

#[tokio::test]
async fn a8_an_older_token_ends_the_sign_in_even_within_the_grace() {
    let place = Place::new();
    let (store, first) = store_with_session(&place).await;
    store.advance_session(first.id, 0, at(1), RULES).await.unwrap();
    store.advance_session(first.id, 1, at(2), RULES).await.unwrap();
    assert_eq!(store.advance_session(first.id, 0, at(3), RULES).await.unwrap(), Advance::Reused { user: first.user });
    assert_eq!(store.session(first.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_token_from_the_future_ends_the_sign_in() {
    let place = Place::new();
    let (store, first) = store_with_session(&place).await;
    for presented in [1, u64::MAX] {
        assert_eq!(store.advance_session(first.id, presented, at(1), RULES).await.unwrap(), Advance::Unknown);
        assert_eq!(store.session(first.id).await.unwrap(), None);
        store.create_session(first.clone()).await.unwrap();
    }
}

#[tokio::test]
async fn an_expired_or_idle_sign_in_is_unknown_and_gone() {
    let place = Place::new();
    let (store, first) = store_with_session(&place).await;
    assert_eq!(store.advance_session(SessionId::random(), 0, at(0), RULES).await.unwrap(), Advance::Unknown);

    assert_eq!(store.advance_session(first.id, 0, at(1000), RULES).await.unwrap(), Advance::Unknown);
    assert_eq!(store.session(first.id).await.unwrap(), None);

    let used = Session { generation: 9, rotated_at: at(4500), ..session(first.user) };
    store.create_session(used.clone()).await.unwrap();
    assert!(matches!(store.advance_session(used.id, 9, at(4999), RULES).await.unwrap(), Advance::Advanced(_)));
    assert_eq!(store.advance_session(used.id, 10, at(5000), RULES).await.unwrap(), Advance::Unknown);
    assert_eq!(store.session(used.id).await.unwrap(), None);
}

#[tokio::test]
async fn signing_out_everywhere_ends_only_ones_own_sign_ins() {
    let place = Place::new();
    let (store, other) = store_with_session(&place).await;
    let user = UserId::random();
    let mine: Vec<_> = (0..3).map(|_| session(user)).collect();
    for session in &mine {
        store.create_session(session.clone()).await.unwrap();
    }
    assert!(store.delete_session(mine[0].id).await.unwrap());
    assert!(!store.delete_session(mine[0].id).await.unwrap());
    assert_eq!(store.delete_sessions_of(user).await.unwrap(), 2);
    assert_eq!(store.delete_sessions_of(user).await.unwrap(), 0);

    let store = place.reopen(store).await;
    for session in &mine {
        assert_eq!(store.session(session.id).await.unwrap(), None);
    }
    assert_eq!(store.session(other.id).await.unwrap(), Some(other));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_exchange_one_token_at_once_all_get_the_same_successor() {
    let place = Place::new();
    let (store, first) = store_with_session(&place).await;
    let mut races = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (store, id) = (store.clone(), first.id);
        races.spawn(async move { store.advance_session(id, 0, at(100), RULES).await.unwrap() });
    }
    let outcomes = races.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Advance::Advanced(_))).count(), 1);
    for outcome in outcomes {
        let (Advance::Advanced(session) | Advance::Repeated(session)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(session.generation, 1);
    }
}
