//! One order, from the name to the certificate (RFC 8555 §7.4).

use std::net::IpAddr;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeHandle, ChallengeType, Identifier, NewOrder, Order,
    OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};

use super::challenge::Answered;
use super::error::{is_about_replacing, is_lost_account};
use super::{AcmeClient, AcmeError, Challenges, Kept};
use crate::tls::{Identity, TlsError};

/// The authority's own visit takes a few seconds.
const PATIENCE: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(250)).backoff(1.5).timeout(Duration::from_secs(60));

/// The kind that Let's Encrypt asks for where the certificate is for an address.
const SHORT_LIVED: &str = "shortlived";

/// Orders a certificate for the authority's settings and keeps it.
pub(super) async fn order(authority: &mut AcmeClient, old: Option<&Identity>) -> Result<Identity, AcmeError> {
    let host = authority.host();
    let failed = |error| AcmeError::new(&host, error);
    let mut order = begin(authority, old).await?;
    let (by_http, answered) = prove(authority, &mut order).await?;
    let visited = order.poll_ready(&PATIENCE).await;
    drop(answered);
    match visited {
        Ok(OrderStatus::Invalid) | Err(instant_acme::Error::Api(_)) => {
            return Err(why_invalid(&mut order, &authority.settings.name, by_http).await);
        }
        Err(error) => return Err(failed(error)),
        Ok(_) => {}
    }
    let (key, request) = request(&authority.settings.name)?;
    order.finalize_csr(&request).await.map_err(failed)?;
    let chain = order.poll_certificate(&PATIENCE).await.map_err(failed)?;
    let identity = Identity::from_pem(chain.as_bytes(), key.as_bytes())?;
    if !identity.is_good_for(&authority.settings.name) {
        return Err(AcmeError::Unusable(format!("it is not for {}", authority.settings.name)));
    }
    // Once it is here it is written, even when nobody waits for it any more.
    let directory = authority.settings.directory.clone();
    if let Some(Err(error)) = authority.on_disk(move |kept| kept.keep_certificate(&directory, &chain, &key)).await {
        tracing::warn!(%error, "the new certificate serves, but can't be kept; the next start orders another");
    }
    Ok(identity)
}

/// Places the order; with a new account where the authority has forgotten the old one or closed it.
async fn begin(authority: &mut AcmeClient, old: Option<&Identity>) -> Result<Order, AcmeError> {
    let account = authority.account().await?;
    match place(authority, &account, old).await {
        Err(error) if is_lost_account(&error) => {
            tracing::warn!(%error, "the certificate authority does not take the account any more; a new one is made");
            authority.on_disk(Kept::forget_account).await;
            authority.account = None;
            let account = authority.account().await?;
            place(authority, &account, None).await
        }
        placed => placed,
    }
    .map_err(|error| AcmeError::new(&authority.host(), error))
}

async fn place(authority: &AcmeClient, account: &Account, old: Option<&Identity>) -> Result<Order, instant_acme::Error> {
    let name = &authority.settings.name;
    let identifiers = [name.parse().map_or_else(|_| Identifier::Dns(name.clone()), Identifier::Ip)];
    let mut new = NewOrder::new(&identifiers);
    if let Some(profile) = profile(authority, account) {
        new = new.profile(profile);
    }
    let replaced = old.and_then(|old| CertificateIdentifier::try_from(old.certificate()).ok());
    if let Some(replaced) = replaced {
        let mut replacing = NewOrder::new(&identifiers).replaces(replaced);
        if let Some(profile) = profile(authority, account) {
            replacing = replacing.profile(profile);
        }
        match account.new_order(&replacing).await {
            Err(error) if is_about_replacing(&error) => {
                tracing::debug!(%error, "the order is placed without naming the certificate that it replaces");
            }
            placed => return placed,
        }
    }
    account.new_order(&new).await
}

/// The kind of certificate to ask for.
fn profile<'a>(authority: &'a AcmeClient, account: &Account) -> Option<&'a str> {
    let chosen = authority.settings.profile.as_deref();
    let is_address = authority.settings.name.parse::<IpAddr>().is_ok();
    chosen.or_else(|| (is_address && account.profiles().any(|profile| profile.name == SHORT_LIVED)).then_some(SHORT_LIVED))
}

/// Gets everything ready for the authority's visit and invites it. Tells whether it comes by plain HTTP. What it finds is there as
/// long as the second part lives.
async fn prove(authority: &AcmeClient, order: &mut Order) -> Result<(bool, Vec<Answered>), AcmeError> {
    let failed = |error| AcmeError::new(&authority.host(), error);
    // With both ways open, one after the other is tried.
    let by_http_first = authority.by_http && authority.orders.is_multiple_of(2);
    let (mut by_http, mut answered) = (false, Vec::new());
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(failed)?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let offers = |kind: ChallengeType| authorization.challenges.iter().any(|challenge| challenge.r#type == kind);
        let (http, tls) = (authority.by_http && offers(ChallengeType::Http01), offers(ChallengeType::TlsAlpn01));
        by_http = http && (by_http_first || !tls);
        let kind = if by_http { ChallengeType::Http01 } else { ChallengeType::TlsAlpn01 };
        let mut challenge = authorization.challenge(kind).ok_or(AcmeError::NoWay)?;
        answered.push(answer(&authority.challenges, &challenge, &authority.settings.name, by_http)?);
        challenge.set_ready().await.map_err(failed)?;
    }
    Ok((by_http, answered))
}

fn answer(challenges: &Challenges, challenge: &ChallengeHandle<'_>, name: &str, by_http: bool) -> Result<Answered, TlsError> {
    let authorization = challenge.key_authorization();
    if by_http {
        Ok(challenges.answer_by_http(&challenge.token, authorization.as_str()))
    } else {
        challenges.answer_by_tls(name, authorization.digest().as_ref())
    }
}

/// What the authority says it found.
async fn why_invalid(order: &mut Order, name: &str, by_http: bool) -> AcmeError {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if let Ok(state) = authorization.refresh().await
            && let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref())
        {
            return AcmeError::not_found(name, by_http, Some(problem));
        }
    }
    AcmeError::not_found(name, by_http, None)
}

/// A new key (ECDSA on P-256), as PEM, and the request to certify it.
fn request(name: &str) -> Result<(String, Vec<u8>), TlsError> {
    let key = KeyPair::generate()?;
    let mut parameters = CertificateParams::new(vec![name.to_owned()])?;
    parameters.distinguished_name = DistinguishedName::new();
    let request = parameters.serialize_request(&key)?;
    Ok((key.serialize_pem(), request.der().to_vec()))
}
