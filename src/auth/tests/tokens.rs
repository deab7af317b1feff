//! Forged, edited and misused tokens.

use data_encoding::BASE64URL_NOPAD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rstest::rstest;
use serde_json::{Value, json};
use sha2::Sha256;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const QUARTER: Duration = Duration::from_secs(900);

fn key(byte: u8) -> Key {
    Secret::new([byte; 32])
}

fn access() -> AccessTokens {
    AccessTokens::new("https://meet.example.org", &key(1), QUARTER)
}

fn claims() -> AccessClaims {
    AccessClaims { user: UserId::from_bytes([1; 10]), session: SessionId::from_bytes([2; 10]) }
}

fn seat() -> SeatClaims {
    SeatClaims {
        room: "abcd-efgh-jkmn".parse().unwrap(),
        participant: ParticipantId::from_bytes([3; 10]),
        user: Some(UserId::from_bytes([4; 10])),
        name: "Ada \"<b>\" Lovelace".into(),
        host: true,
    }
}

fn good_header() -> Value {
    json!({"typ": "at+jwt", "alg": "HS256", "kid": fingerprint(&key(1))})
}

fn good_claims() -> Value {
    json!({
        "iss": "https://meet.example.org", "aud": "hearth-api", "sub": claims().user.to_string(), "sid": claims().session.to_string(),
        "role": "member", "iat": NOW.as_secs(), "exp": NOW.as_secs() + 900, "jti": "x",
    })
}

/// Signs anything with the real key, as a buggy issuer would.
fn forge_raw(header: &str, claims: &str) -> String {
    let message = format!("{}.{}", BASE64.encode(header.as_bytes()), BASE64.encode(claims.as_bytes()));
    let mac = Hmac::<Sha256>::new_from_slice(key(1).expose()).unwrap().chain_update(&message).finalize().into_bytes();
    format!("{message}.{}", BASE64.encode(&mac))
}

fn forge(header: &Value, claims: &Value) -> String {
    forge_raw(&header.to_string(), &claims.to_string())
}

/// `base` with one member replaced, or removed when `value` is `None`.
fn with(mut base: Value, member: &str, value: Option<Value>) -> Value {
    let members = base.as_object_mut().unwrap();
    match value {
        Some(value) => drop(members.insert(member.into(), value)),
        None => drop(members.remove(member).unwrap()),
    }
    base
}

fn verdict(token: &str) -> Result<AccessClaims, TokenError> {
    access().verify(token, NOW)
}

#[test]
fn tokens_say_what_was_put_in() {
    assert_eq!(verdict(access().issue(claims(), "member", NOW).expose()), Ok(claims()));
    let tickets = SeatTokens::tickets("x", &key(1), QUARTER);
    assert_eq!(tickets.verify(tickets.issue(&seat(), NOW).expose(), NOW), Ok(seat()));
    let guest = SeatClaims { user: None, host: false, ..seat() };
    assert_eq!(tickets.verify(tickets.issue(&guest, NOW).expose(), NOW), Ok(guest));
}

#[test]
fn the_forger_of_these_tests_can_write_a_good_token() {
    assert_eq!(verdict(&forge(&good_header(), &good_claims())), Ok(claims()));
}

#[test]
fn every_kind_passes_its_self_test() {
    access().self_test().unwrap();
    SeatTokens::tickets("x", &key(2), QUARTER).self_test().unwrap();
    SeatTokens::resume("x", &key(3), QUARTER).self_test().unwrap();
}

#[test]
fn a_token_expires_to_the_second() {
    let token = access().issue(claims(), "member", NOW);
    let last = NOW.plus(QUARTER - Duration::from_secs(1));
    assert_eq!(access().verify(token.expose(), last), Ok(claims()));
    assert_eq!(access().verify(token.expose(), NOW.plus(QUARTER)), Err(TokenError::Expired));
    assert_eq!(access().verify(token.expose(), Timestamp::from_millis(u64::MAX)), Err(TokenError::Expired));
}

#[rstest]
#[case("none")]
#[case("None")]
#[case("nOnE")]
#[case("")]
fn a1_a_token_without_signature_is_refused(#[case] alg: &str) {
    let header = with(good_header(), "alg", Some(json!(alg)));
    let signed = forge(&header, &good_claims());
    let unsigned = &signed[..=signed.rfind('.').unwrap()];
    for token in [&signed, unsigned, unsigned.trim_end_matches('.')] {
        assert_eq!(verdict(token), Err(TokenError::Invalid), "{token}");
    }
    let good = forge(&good_header(), &good_claims());
    assert_eq!(verdict(&good[..=good.rfind('.').unwrap()]), Err(TokenError::Invalid));
}

#[rstest]
#[case("HS384")]
#[case("HS512")]
#[case("RS256")]
#[case("ES256")]
#[case("EdDSA")]
fn a2_another_algorithm_is_refused(#[case] alg: &str) {
    assert_eq!(verdict(&forge(&with(good_header(), "alg", Some(json!(alg))), &good_claims())), Err(TokenError::Invalid));
}

#[test]
fn a2_the_public_key_id_is_no_secret_that_verifies() {
    let forger = AccessTokens::new("https://meet.example.org", &{ Secret::new(kid_as_key()) }, QUARTER);
    assert_eq!(verdict(forger.issue(claims(), "admin", NOW).expose()), Err(TokenError::Invalid));
}

fn kid_as_key() -> [u8; 32] {
    let mut bytes = [0; 32];
    let kid = fingerprint(&key(1));
    bytes[..kid.len()].copy_from_slice(kid.as_bytes());
    bytes
}

#[rstest]
#[case("kid", json!("../../etc/passwd"))]
#[case("kid", json!("another"))]
#[case("kid", json!(""))]
#[case("jku", json!("https://evil.example/keys"))]
#[case("jwk", json!({"kty": "oct", "k": "AAAA"}))]
#[case("x5u", json!("https://evil.example/cert"))]
#[case("x5c", json!(["AAAA"]))]
#[case("crit", json!(["exp"]))]
#[case("cty", json!("JWT"))]
#[case("zip", json!("DEF"))]
#[case("b64", json!(false))]
fn a3_a_header_that_we_do_not_write_is_refused(#[case] member: &str, #[case] value: Value) {
    assert_eq!(verdict(&forge(&with(good_header(), member, Some(value)), &good_claims())), Err(TokenError::Invalid));
}

#[test]
fn a3_a_header_without_key_id_or_type_is_refused() {
    for member in ["kid", "typ", "alg"] {
        assert_eq!(verdict(&forge(&with(good_header(), member, None), &good_claims())), Err(TokenError::Invalid), "{member}");
    }
}

#[rstest]
fn a4_times_of_another_type_are_refused(
    #[values("exp", "nbf", "iat")] member: &str,
    #[values(
        "\"1900000000\"",
        "1900000000.5",
        "1900000000.0",
        "1.9e9",
        "null",
        "1e400",
        "-1",
        "[]",
        "true",
        "18446744073709551616"
    )]
    value: &str,
) {
    let claims = with(good_claims(), member, Some(json!("HERE"))).to_string().replace("\"HERE\"", value);
    assert_eq!(verdict(&forge_raw(&good_header().to_string(), &claims)), Err(TokenError::Invalid), "{claims}");
}

#[rstest]
fn a4_every_claim_is_required(#[values("iss", "aud", "sub", "sid", "role", "iat", "exp", "jti")] member: &str) {
    assert_eq!(verdict(&forge(&good_header(), &with(good_claims(), member, None))), Err(TokenError::Invalid));
}

#[test]
fn a4_a_claim_given_twice_or_unknown_is_refused() {
    let twice = good_claims().to_string().replacen('{', "{\"exp\":9900000000,", 1);
    assert_eq!(verdict(&forge_raw(&good_header().to_string(), &twice)), Err(TokenError::Invalid));
    let unknown = with(good_claims(), "admin", Some(json!(true)));
    assert_eq!(verdict(&forge(&good_header(), &unknown)), Err(TokenError::Invalid));
}

#[rstest]
#[case("iss", json!("https://evil.example"))]
#[case("iss", json!(["https://meet.example.org"]))]
#[case("aud", json!("hearth-join"))]
#[case("aud", json!(["hearth-api", "hearth-join"]))]
#[case("aud", json!(""))]
#[case("sub", json!("*"))]
#[case("sub", json!("../admin"))]
#[case("sid", json!(""))]
fn a_claim_that_is_not_ours_is_refused(#[case] member: &str, #[case] value: Value) {
    assert_eq!(verdict(&forge(&good_header(), &with(good_claims(), member, Some(value)))), Err(TokenError::Invalid));
}

#[test]
fn a5_no_kind_passes_for_another_even_under_one_key() {
    let issuer = "https://meet.example.org";
    let (tickets, resume) = (SeatTokens::tickets(issuer, &key(1), QUARTER), SeatTokens::resume(issuer, &key(1), QUARTER));
    let (ticket, resumption) = (tickets.issue(&seat(), NOW), resume.issue(&seat(), NOW));
    let bearer = access().issue(claims(), "member", NOW);
    for foreign in [&ticket, &resumption] {
        assert_eq!(verdict(foreign.expose()), Err(TokenError::Invalid));
    }
    for foreign in [&bearer, &resumption] {
        assert_eq!(tickets.verify(foreign.expose(), NOW), Err(TokenError::Invalid));
    }
    for foreign in [&bearer, &ticket] {
        assert_eq!(resume.verify(foreign.expose(), NOW), Err(TokenError::Invalid));
    }
}

#[test]
fn a5_type_and_audience_are_each_enough_to_refuse() {
    let typ = with(good_header(), "typ", Some(json!("join+jwt")));
    assert_eq!(verdict(&forge(&typ, &good_claims())), Err(TokenError::Invalid));
    let audience = with(good_claims(), "aud", Some(json!("hearth-join")));
    assert_eq!(verdict(&forge(&good_header(), &audience)), Err(TokenError::Invalid));
}

#[test]
fn a7_an_edited_claim_is_refused() {
    let token = access().issue(claims(), "member", NOW);
    let parts: Vec<&str> = token.expose().split('.').collect();
    let text = String::from_utf8(BASE64.decode(parts[1].as_bytes()).unwrap()).unwrap();
    let edited = text.replace("\"member\"", "\"admin\"");
    assert_ne!(edited, text);
    let edited = format!("{}.{}.{}", parts[0], BASE64.encode(edited.as_bytes()), parts[2]);
    assert_eq!(verdict(&edited), Err(TokenError::Invalid));
}

#[test]
fn a7_the_key_of_another_instance_is_refused() {
    let other = AccessTokens::new("https://meet.example.org", &key(9), QUARTER);
    assert_eq!(verdict(other.issue(claims(), "admin", NOW).expose()), Err(TokenError::Invalid));
}

#[test]
fn what_is_no_token_at_all_is_refused() {
    let huge = format!("{}.{}.{}", "a".repeat(5000), "b".repeat(5000), "c".repeat(5000));
    for text in ["", ".", "..", "...", "a.b.c", "Bearer x", "\u{0}", "é.é.é", &huge] {
        assert_eq!(verdict(text), Err(TokenError::Invalid), "{text:.20}");
    }
}

#[test]
fn r13_a_token_of_before_the_clock_was_set_back_is_void_and_a_correction_voids_none() {
    let token = access().issue(claims(), "member", NOW);
    let at = |seconds: i64| Timestamp::from_millis(NOW.as_millis().checked_add_signed(seconds * 1000).unwrap());
    for (seconds, outcome) in [(-60, Ok(claims())), (-61, Err(TokenError::Expired)), (-31_536_000, Err(TokenError::Expired))] {
        assert_eq!(access().verify(token.expose(), at(seconds)), outcome, "{seconds}");
    }
}
