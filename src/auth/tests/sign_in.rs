//! The first account, registration, and sign-in.

use super::*;
use crate::store::{AccountRole, NewUser};

#[tokio::test]
async fn the_one_time_link_makes_an_administrator_who_is_signed_in() {
    let place = place_with(|settings| settings.registration = RegistrationPolicy::Closed);
    let token = place.auth.setup_token(START).await.unwrap().unwrap();
    assert!(token.expose().len() >= 26, "fewer than 128 bits");
    let signed_in = place.auth.setup(&format!(" {} ", token.expose()), account("Ada@Example.org"), after(60)).await.unwrap();
    assert_eq!((signed_in.user.role, signed_in.user.email.as_str()), (AccountRole::Admin, "ada@example.org"));
    let caller = place.auth.authenticate(signed_in.access_token.expose(), after(60)).await.unwrap();
    assert!(caller.as_admin().is_some());
    assert!(place.auth.setup_token(after(61)).await.unwrap().is_none(), "there is an account now");
}

#[tokio::test]
async fn a18_only_the_latest_link_works_and_only_while_it_is_fresh() {
    let place = place();
    assert_eq!(code(&place.auth.setup("guess", account("a@b.c"), START).await), "setup_token_invalid");
    let old = place.auth.setup_token(START).await.unwrap().unwrap();
    let new = place.auth.setup_token(START).await.unwrap().unwrap();
    for (token, now) in [(old.expose().as_str(), START), ("", START), ("guess", START), (new.expose(), after(24 * 3600))] {
        let refused = place.auth.setup(token, account("a@b.c"), now).await.unwrap_err();
        assert_eq!((refused.code(), refused.field()), ("setup_token_invalid", Some("token")));
    }
    assert_eq!(code(&place.auth.setup(new.expose(), account("a@b.c"), after(24 * 3600 - 1)).await), "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a18_of_many_at_once_one_becomes_administrator_and_the_link_is_spent() {
    let place = place();
    let token = place.auth.setup_token(START).await.unwrap().unwrap();
    let race = (0..8).map(|n| {
        let (auth, token) = (place.auth.clone(), token.clone());
        async move { auth.setup(token.expose(), account(&format!("user{n}@example.org")), START).await }
    });
    let codes: Vec<_> = futures_util::future::join_all(race).await.iter().map(code).collect();
    assert_eq!(codes.iter().filter(|code| **code == "ok").count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == "setup_done").count(), 7, "{codes:?}");
    assert_eq!(code(&place.auth.setup(token.expose(), account("late@example.org"), START).await), "setup_done");
}

#[tokio::test]
async fn a_refused_setup_leaves_the_link_good() {
    let place = place();
    let token = place.auth.setup_token(START).await.unwrap().unwrap();
    let short = NewAccount { password: secret("short"), ..account("a@b.c") };
    assert_eq!(code(&place.auth.setup(token.expose(), short, START).await), "invalid_password");
    assert_eq!(code(&place.auth.setup(token.expose(), account("a@b.c"), START).await), "ok");
}

#[tokio::test]
async fn registration_makes_members_and_only_where_it_is_open() {
    let open = place();
    assert_eq!(open.registered("ada@example.org").await.user.role, AccountRole::Member);
    let closed = place_with(|settings| settings.registration = RegistrationPolicy::Closed);
    assert_eq!(code(&closed.auth.register(account("ada@example.org"), START).await), "registration_closed");
    assert_eq!(closed.auth.registration(), RegistrationPolicy::Closed);
}

#[tokio::test]
async fn an_address_has_one_account_however_it_is_written() {
    let place = place();
    place.registered("ada@example.org").await;
    let refused = place.auth.register(account(" ADA@Example.org"), START).await.unwrap_err();
    assert_eq!((refused.code(), refused.field()), ("email_taken", Some("email")));
}

#[tokio::test]
async fn what_is_wrong_with_an_account_is_said_with_its_field() {
    let place = place();
    let cases = [
        (NewAccount { email: secret("ada"), ..account("") }, "invalid_email", "email"),
        (NewAccount { name: secret("\u{202e}"), ..account("a@b.c") }, "invalid_name", "name"),
        (NewAccount { password: secret("1234567"), ..account("a@b.c") }, "invalid_password", "password"),
        (NewAccount { password: secret(&"x".repeat(1 << 20)), ..account("a@b.c") }, "invalid_password", "password"),
    ];
    for (account, code, field) in cases {
        let refused = place.auth.register(account, START).await.unwrap_err();
        assert_eq!((refused.code(), refused.field()), (code, Some(field)));
    }
    assert!(!place.store.has_users().await.unwrap());
}

#[tokio::test]
async fn sign_in_takes_the_address_however_it_is_written_and_makes_a_new_session() {
    let place = place();
    let first = place.registered("ada@example.org").await;
    let second = place.login(" ADA@example.org ", PASSWORD, both(1)).await.unwrap();
    assert_eq!(first.user, second.user);
    let session = |signed_in: SignedIn| place.auth.0.refresh.read(signed_in.refresh_token.expose()).unwrap().session;
    assert_ne!(session(first), session(second), "a14: every sign-in has a session of its own");
}

#[tokio::test]
async fn a11_a_wrong_password_and_an_unknown_account_are_told_alike() {
    let place = place();
    place.registered("ada@example.org").await;
    let attempts = [
        ("ada@example.org", "wrong horse"),
        ("ada@example.org", ""),
        ("bob@example.org", PASSWORD),
        ("not an address", PASSWORD),
    ];
    let mut answers = Vec::new();
    for (email, password) in attempts {
        let error = place.login(email, password, both(0)).await.unwrap_err();
        answers.push((error.code(), error.field(), error.to_string()));
    }
    assert_eq!(answers[0].0, "wrong_credentials");
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn a13_a_password_of_a_mebibyte_is_refused_and_not_counted() {
    let place = place();
    place.registered("ada@example.org").await;
    for _ in 0..50 {
        let refused = place.login("ada@example.org", &"x".repeat(1 << 20), both(0)).await;
        assert_eq!(code(&refused), "invalid_password");
    }
    assert_eq!(code(&place.login("ada@example.org", PASSWORD, both(0)).await), "ok");
}

#[tokio::test]
async fn a12_failures_are_limited_for_known_and_unknown_accounts_alike_and_end_by_themselves() {
    let place = place_with(|settings| settings.limits.failures_per_account = Rate::new(3, Duration::from_secs(90)));
    place.registered("ada@example.org").await;
    for email in ["ada@example.org", "nobody@example.org"] {
        for _ in 0..3 {
            assert_eq!(code(&place.login(email, "wrong horse", both(0)).await), "wrong_credentials");
        }
        let refused = place.login(email, PASSWORD, both(0)).await.unwrap_err();
        assert!(matches!(refused, AuthError::Throttled { retry_after } if retry_after == Duration::from_secs(30)), "{refused:?}");
        assert!(refused.to_string().contains("30 seconds"), "{refused}");
    }
    assert_eq!(code(&place.login("ada@example.org", PASSWORD, both(30)).await), "ok");
}

#[tokio::test]
async fn an_outage_does_not_count_as_a_failure() {
    let place = place_with(|settings| settings.limits.failures_per_account = Rate::new(1, Duration::from_secs(90)));
    place.store.close().await.unwrap();
    for _ in 0..5 {
        let refused = place.login("ada@example.org", PASSWORD, both(0)).await;
        assert_eq!(code(&refused), "storage_unavailable");
        assert!(!refused.unwrap_err().to_string().contains("closed"), "the cause is for the log");
    }
}

#[tokio::test]
async fn a_dated_hash_is_renewed_at_sign_in() {
    use argon2::password_hash::PasswordHasher as _;
    let place = place();
    let older = argon2::Argon2::new(
        argon2::Algorithm::Argon2id,
        argon2::Version::V0x13,
        argon2::Params::new(64, 1, 1, Some(32)).unwrap(),
    );
    let password_hash = older.hash_password_with_salt(PASSWORD.as_bytes(), &[7; 16]).unwrap().to_string();
    let (email, name) = (String::from("ada@example.org"), String::from("Ada"));
    let user = place.store.create_user(NewUser { email, name, role: AccountRole::Member, password_hash }, START).await.unwrap();
    assert_eq!(code(&place.login("ada@example.org", "wrong horse", both(0)).await), "wrong_credentials");
    assert_eq!(place.store.user(user.id).await.unwrap().unwrap(), user, "a wrong password renews nothing");
    assert_eq!(code(&place.login("ada@example.org", PASSWORD, both(0)).await), "ok");
    let renewed = place.store.user(user.id).await.unwrap().unwrap().password_hash;
    assert!(renewed.expose().contains("m=19456,t=2,p=1"), "{}", renewed.expose());
    assert_eq!(code(&place.login("ada@example.org", PASSWORD, both(0)).await), "ok");
}
