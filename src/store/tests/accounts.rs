use super::super::tables::Table;
use super::*;
use crate::ids::UserId;

const TOKEN: [u8; 32] = [7; 32];

#[tokio::test]
async fn an_account_is_found_by_id_and_address_and_survives_a_restart() {
    let place = Place::new();
    let store = place.open();
    assert!(!store.has_users().await.unwrap());
    let user = store.create_user(ada(), at(0)).await.unwrap();
    assert_eq!((user.email.as_str(), user.role, user.created_at), ("ada@example.org", AccountRole::Member, at(0)));
    assert_eq!(user.password_hash.expose(), "$argon2id$one");

    let store = place.reopen(store).await;
    assert!(store.has_users().await.unwrap());
    assert_eq!(store.user(user.id).await.unwrap().as_ref(), Some(&user));
    assert_eq!(store.user_by_email("ada@example.org").await.unwrap(), Some(user));
    assert_eq!(store.user_by_email("ada@example.or").await.unwrap(), None);
    assert_eq!(store.user(UserId::random()).await.unwrap(), None);
}

#[tokio::test]
async fn a_new_password_replaces_the_old_and_nothing_else() {
    let place = Place::new();
    let store = place.open();
    let user = store.create_user(ada(), at(0)).await.unwrap();
    assert!(store.set_password_hash(user.id, String::from("$argon2id$two")).await.unwrap());
    assert!(!store.set_password_hash(UserId::random(), String::from("$argon2id$two")).await.unwrap());

    let store = place.reopen(store).await;
    let changed = store.user(user.id).await.unwrap().unwrap();
    assert_eq!(changed.password_hash.expose(), "$argon2id$two");
    assert_eq!(User { password_hash: user.password_hash.clone(), ..changed }, user);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_ask_for_one_address_at_once_one_gets_it() {
    let place = Place::new();
    let store = place.open();
    let mut races = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let store = store.clone();
        races.spawn(async move { store.create_user(ada(), at(0)).await });
    }
    let outcomes = races.join_all().await;
    let winners: Vec<_> = outcomes.iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    assert!(outcomes.iter().flat_map(Result::as_ref).all(|user| user == winners[0]));
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Err(StoreError::EmailTaken)).count(), 49);
    assert_eq!(store.user_by_email("ada@example.org").await.unwrap().as_ref(), Some(winners[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_set_up_at_once_one_becomes_the_administrator() {
    let place = Place::new();
    let store = place.open();
    store.put_setup_token(TOKEN, at(60)).await.unwrap();
    let mut races = tokio::task::JoinSet::new();
    for number in 0..50 {
        let store = store.clone();
        races.spawn(async move { store.create_first_admin(TOKEN, somebody(number), at(0)).await });
    }
    let outcomes = races.join_all().await;
    let winners: Vec<_> = outcomes.iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(winners[0].role, AccountRole::Admin);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Err(StoreError::SetupDone)).count(), 49);
}

#[tokio::test]
async fn a_setup_token_counts_once_in_time_and_only_the_latest() {
    let place = Place::new();
    let store = place.open();
    let invalid = Err(StoreError::SetupTokenInvalid);
    assert_eq!(store.create_first_admin(TOKEN, ada(), at(0)).await, invalid);
    store.put_setup_token([8; 32], at(60)).await.unwrap();
    store.put_setup_token(TOKEN, at(60)).await.unwrap();
    assert_eq!(store.create_first_admin([8; 32], ada(), at(0)).await, invalid);
    assert_eq!(store.create_first_admin(TOKEN, ada(), at(60)).await, invalid);
    assert!(!store.has_users().await.unwrap());

    let store = place.reopen(store).await;
    let admin = store.create_first_admin(TOKEN, ada(), at(59)).await.unwrap();
    assert_eq!(admin.role, AccountRole::Admin);
    assert_eq!(store.create_first_admin(TOKEN, somebody(2), at(59)).await, Err(StoreError::SetupDone));
}

#[tokio::test]
async fn a_setup_token_is_worth_nothing_once_there_is_an_account() {
    let place = Place::new();
    let store = place.open();
    store.put_setup_token(TOKEN, at(60)).await.unwrap();
    store.create_user(ada(), at(0)).await.unwrap();
    assert_eq!(store.create_first_admin(TOKEN, somebody(2), at(0)).await, Err(StoreError::SetupDone));
}

#[tokio::test]
async fn a_damaged_account_is_reported_by_name_and_the_others_are_served() {
    let place = Place::new();
    let store = place.open();
    let broken = store.create_user(ada(), at(0)).await.unwrap();
    let whole = store.create_user(somebody(2), at(0)).await.unwrap();
    plant(&store, Table::Users, broken.id.as_bytes(), b"\x01garbage that is no record");

    let store = place.reopen(store).await;
    let error = store.user(broken.id).await.unwrap_err();
    let key = data_encoding::HEXLOWER.encode(broken.id.as_bytes());
    assert_eq!(error, StoreError::Damaged { tree: "users", key });
    assert_eq!(store.user_by_email("ada@example.org").await, Err(error));
    assert_eq!(store.user(whole.id).await.unwrap(), Some(whole));
}

#[tokio::test]
async fn an_oversized_account_is_refused_wholly() {
    let place = Place::new();
    let store = place.open();
    let new = NewUser { name: "n".repeat(70_000), ..ada() };
    assert_eq!(store.create_user(new, at(0)).await, Err(StoreError::TooLarge));
    assert_eq!(store.user_by_email("ada@example.org").await.unwrap(), None);
    assert!(!store.is_degraded());
}
