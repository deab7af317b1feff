//! Staying signed in, signing out, and what tokens are worth afterwards.

use super::*;
use crate::ids::{ParticipantId, RoomId};

const DAY: u64 = 24 * 3600;

#[tokio::test]
async fn an_access_token_is_good_for_fifteen_minutes() {
    let place = place();
    let signed_in = place.registered("ada@example.org").await;
    assert_eq!(signed_in.expires_in, Duration::from_secs(900));
    assert!(place.is_signed_in(&signed_in, after(899)).await);
    assert!(!place.is_signed_in(&signed_in, after(900)).await);
}

#[tokio::test]
async fn refreshing_gives_new_tokens_of_the_same_session() {
    let place = place();
    let first = place.registered("ada@example.org").await;
    let second = place.auth.refresh(first.refresh_token.expose(), after(1000)).await.unwrap();
    assert_eq!(second.user, first.user);
    assert!(second.refresh_token != first.refresh_token && second.access_token != first.access_token);
    assert!(place.is_signed_in(&second, after(1000)).await);
    assert_eq!(code(&place.auth.refresh(second.refresh_token.expose(), after(2000)).await), "ok");
}

#[tokio::test]
async fn a8_a_used_refresh_token_that_comes_again_ends_the_session_for_thief_and_owner() {
    let place = place();
    let first = place.registered("ada@example.org").await;
    let elsewhere = place.login("ada@example.org", PASSWORD, both(0)).await.unwrap();
    let second = place.auth.refresh(first.refresh_token.expose(), after(1)).await.unwrap();
    assert_eq!(code(&place.auth.refresh(first.refresh_token.expose(), after(12)).await), "unauthenticated");
    assert_eq!(code(&place.auth.refresh(second.refresh_token.expose(), after(12)).await), "unauthenticated");
    assert!(!place.is_signed_in(&second, after(12)).await);
    assert!(place.is_signed_in(&elsewhere, after(12)).await, "another device's session is another family");
}

#[tokio::test]
async fn a8_two_generations_back_there_is_no_grace() {
    let place = place();
    let first = place.registered("ada@example.org").await;
    let second = place.auth.refresh(first.refresh_token.expose(), after(1)).await.unwrap();
    let third = place.auth.refresh(second.refresh_token.expose(), after(2)).await.unwrap();
    assert_eq!(code(&place.auth.refresh(first.refresh_token.expose(), after(3)).await), "unauthenticated");
    assert!(!place.is_signed_in(&third, after(3)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a9_two_tabs_that_refresh_at_once_get_the_same_successor() {
    let place = place();
    let first = place.registered("ada@example.org").await;
    let token = first.refresh_token.expose();
    let (one, two) = tokio::join!(place.auth.refresh(token, after(1)), place.auth.refresh(token, after(1)));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert!(one.refresh_token == two.refresh_token);
    let late = place.auth.refresh(token, after(11)).await.unwrap();
    assert!(late.refresh_token == one.refresh_token);
    for tab in [&one, &two, &late] {
        assert!(place.is_signed_in(tab, after(11)).await);
    }
    assert_eq!(code(&place.auth.refresh(one.refresh_token.expose(), after(12)).await), "ok");
}

#[tokio::test]
async fn a_session_ends_after_seven_idle_days() {
    let place = place();
    let used = place.registered("ada@example.org").await;
    let idle = place.login("ada@example.org", PASSWORD, both(0)).await.unwrap();
    assert_eq!(used.refresh_expires_in, Duration::from_secs(7 * DAY));
    let used = place.auth.refresh(used.refresh_token.expose(), after(6 * DAY)).await.unwrap();
    assert_eq!(code(&place.auth.refresh(idle.refresh_token.expose(), after(7 * DAY)).await), "unauthenticated");
    assert_eq!(code(&place.auth.refresh(used.refresh_token.expose(), after(12 * DAY)).await), "ok");
}

#[tokio::test]
async fn a_session_ends_after_thirty_days_however_much_it_is_used() {
    let place = place();
    let mut signed_in = place.registered("ada@example.org").await;
    for day in (5..30).step_by(5) {
        signed_in = place.auth.refresh(signed_in.refresh_token.expose(), after(day * DAY)).await.unwrap();
    }
    signed_in = place.auth.refresh(signed_in.refresh_token.expose(), after(30 * DAY - 60)).await.unwrap();
    assert_eq!(signed_in.refresh_expires_in, Duration::from_secs(60), "the cookie lives no longer than the session");
    assert!(place.is_signed_in(&signed_in, after(30 * DAY - 1)).await);
    assert!(!place.is_signed_in(&signed_in, after(30 * DAY)).await, "an access token does not outlive its session");
    assert_eq!(code(&place.auth.refresh(signed_in.refresh_token.expose(), after(30 * DAY)).await), "unauthenticated");
}

#[tokio::test]
async fn a10_signing_out_takes_effect_at_once_and_on_this_device_only() {
    let place = place();
    let here = place.registered("ada@example.org").await;
    let there = place.login("ada@example.org", PASSWORD, both(0)).await.unwrap();
    let session = place.auth.authenticate(here.access_token.expose(), START).await.unwrap().session();
    assert_eq!(place.auth.logout(here.refresh_token.expose()).await.unwrap(), Some(session));
    assert!(!place.is_signed_in(&here, START).await);
    assert_eq!(code(&place.auth.refresh(here.refresh_token.expose(), START).await), "unauthenticated");
    assert!(place.is_signed_in(&there, START).await);
    assert!(place.auth.logout(here.refresh_token.expose()).await.is_ok(), "signing out twice is no error");
}

#[tokio::test]
async fn a10_signing_out_everywhere_ends_every_session_of_the_account_and_no_other() {
    let place = place();
    let ada = [place.registered("ada@example.org").await, place.login("ada@example.org", PASSWORD, both(0)).await.unwrap()];
    let bob = place.registered("bob@example.org").await;
    place.auth.logout_everywhere(bob.user.id).await.unwrap();
    assert!(!place.is_signed_in(&bob, START).await);
    for signed_in in &ada {
        assert!(place.is_signed_in(signed_in, START).await);
    }
    place.auth.logout_everywhere(ada[0].user.id).await.unwrap();
    for signed_in in &ada {
        assert!(!place.is_signed_in(signed_in, START).await);
        assert_eq!(code(&place.auth.refresh(signed_in.refresh_token.expose(), START).await), "unauthenticated");
    }
}

#[tokio::test]
async fn a_foreign_refresh_token_ends_nothing() {
    let (place, other) = (place(), place());
    let signed_in = place.registered("ada@example.org").await;
    let foreign = other.registered("ada@example.org").await;
    for token in
        [foreign.refresh_token.expose().as_str(), foreign.access_token.expose(), signed_in.access_token.expose(), "", "a.0.b"]
    {
        assert_eq!(code(&place.auth.refresh(token, after(1)).await), "unauthenticated");
        assert_eq!(place.auth.logout(token).await.unwrap(), None);
    }
    assert!(place.is_signed_in(&signed_in, after(1)).await);
}

#[tokio::test]
async fn a5_only_an_access_token_signs_a_request() {
    let place = place();
    let signed_in = place.registered("ada@example.org").await;
    let (room, participant) = (RoomId::random(), ParticipantId::random());
    let seat = SeatClaims { room, participant, user: Some(signed_in.user.id), name: "Ada".into(), host: true };
    let (ticket, resume) = (place.auth.issue_ticket(&seat, START), place.auth.issue_resume(&seat, START));
    for token in [&ticket, &resume, &signed_in.refresh_token, &secret(""), &secret("Bearer x")] {
        assert_eq!(code(&place.auth.authenticate(token.expose(), START).await), "unauthenticated");
    }
    for token in [&resume, &signed_in.access_token, &signed_in.refresh_token] {
        assert_eq!(place.auth.verify_ticket(token.expose(), START), Err(TokenError::Invalid));
    }
    for token in [&ticket, &signed_in.access_token, &signed_in.refresh_token] {
        assert_eq!(place.auth.verify_resume(token.expose(), START), Err(TokenError::Invalid));
    }
}

#[tokio::test]
async fn a_ticket_is_good_for_a_minute_and_a_resume_token_for_a_day() {
    let place = place();
    let seat = SeatClaims {
        room: RoomId::random(),
        participant: ParticipantId::random(),
        user: None,
        name: "Guest".into(),
        host: false,
    };
    let (ticket, resume) = (place.auth.issue_ticket(&seat, START), place.auth.issue_resume(&seat, START));
    assert_eq!(place.auth.verify_ticket(ticket.expose(), after(59)), Ok(seat.clone()));
    assert_eq!(place.auth.verify_ticket(ticket.expose(), after(60)), Err(TokenError::Expired));
    assert_eq!(place.auth.verify_resume(resume.expose(), after(DAY - 1)), Ok(seat));
    assert_eq!(place.auth.verify_resume(resume.expose(), after(DAY)), Err(TokenError::Expired));
}

#[tokio::test]
async fn tokens_outlive_a_restart_and_die_with_their_key() {
    let place = place();
    let signed_in = place.registered("ada@example.org").await;
    let restarted = Auth::open(settings(&place.home), place.store.clone()).unwrap();
    assert_eq!(code(&restarted.authenticate(signed_in.access_token.expose(), START).await), "ok");
    for name in ["access.key", "refresh.key"] {
        std::fs::remove_file(place.home.path().join("keys").join(name)).unwrap();
    }
    let rotated = Auth::open(settings(&place.home), place.store.clone()).unwrap();
    assert_eq!(code(&rotated.authenticate(signed_in.access_token.expose(), START).await), "unauthenticated");
    assert_eq!(code(&rotated.refresh(signed_in.refresh_token.expose(), START).await), "unauthenticated");
}

#[tokio::test]
async fn a19_a_key_open_to_others_keeps_the_program_from_starting() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = place();
    let path = place.home.path().join("keys/refresh.key");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(Auth::open(settings(&place.home), place.store.clone()), Err(KeyError::Exposed { mode: 0o644, .. })));
}

#[tokio::test]
async fn nothing_secret_prints() {
    let place = place();
    let signed_in = place.registered("ada@example.org").await;
    let text = format!("{:?} {:?} {signed_in:?}", place.auth, account("ada@example.org"));
    for hidden in [PASSWORD, signed_in.access_token.expose(), signed_in.refresh_token.expose(), "$argon2id"] {
        assert!(!text.contains(hidden), "{text}");
    }
}
