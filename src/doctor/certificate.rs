//! Whether the certificate that the server shows is good: its dates, its names, and who signed it.

use super::Settings;
use super::finding::{Check, Finding};
use crate::clock::Timestamp;
use crate::tls::Presented;

const RENEW: &str = "renew it; where the server gets its certificate by itself, its log says why it could not: \
                     journalctl -u hearth | grep -i certificate";

pub(super) fn judge(settings: &Settings, presented: Option<&Presented>, now: Timestamp) -> Vec<Finding> {
    let Some(presented) = presented else {
        let checks = [Check::CertificateDates, Check::CertificateNames, Check::CertificateChain];
        let skip = |check| Finding::skipped(check, "The certificate can be looked at only while the server shows it.");
        return checks.map(skip).into();
    };
    vec![judge_dates(presented, now), judge_names(settings, presented), judge_chain(settings, presented)]
}

fn judge_dates(presented: &Presented, now: Timestamp) -> Finding {
    const CHECK: Check = Check::CertificateDates;
    let Presented { not_before, not_after, .. } = *presented;
    let (left, life) = (not_after.since(now), not_after.since(not_before));
    let days = left.as_secs() / 86_400;
    if now < not_before {
        let sentence = format!("The certificate is good from {not_before} on only, and the clock says {now}.");
        Finding::bad(CHECK, sentence, "set the clock: sudo timedatectl set-ntp true")
    } else if now > not_after {
        Finding::bad(CHECK, format!("The certificate has expired ({not_after}); browsers let nobody in."), RENEW)
    } else if left < life / 3 {
        Finding::warning(CHECK, format!("The certificate expires in {days} days ({not_after}) and should be new by now."), RENEW)
    } else {
        Finding::good(CHECK, format!("The certificate is good for {days} more days."))
    }
}

fn judge_names(settings: &Settings, presented: &Presented) -> Finding {
    const CHECK: Check = Check::CertificateNames;
    let Some((name, _)) = &settings.public else {
        return Finding::skipped(CHECK, "No public name is configured that the certificate would have to be good for.");
    };
    if presented.covers(name) {
        return Finding::good(CHECK, format!("The certificate is good for {name}."));
    }
    let names = if presented.names.is_empty() { String::from("no name at all") } else { presented.names.join(", ") };
    Finding::bad(
        CHECK,
        format!("The certificate is good for {names}, and not for {name}."),
        format!("get one for {name}: correct server.public_url, or put one for it into tls.certificate_file and tls.key_file"),
    )
}

fn judge_chain(settings: &Settings, presented: &Presented) -> Finding {
    const CHECK: Check = Check::CertificateChain;
    if presented.trusted {
        return Finding::good(CHECK, "Browsers know who signed the certificate.");
    }
    match settings.public.as_ref().filter(|_| settings.of_the_internet) {
        Some((name, _)) => Finding::warning(
            CHECK,
            format!(
                "Browsers don't know who signed the certificate ({}), and warn everybody who opens {name}.",
                presented.issuer
            ),
            "let the server get one that they know: mode = \"acme\" in [tls], with TCP port 443 open to the world; or put the whole chain into \
             tls.certificate_file",
        ),
        None => Finding::good(
            CHECK,
            "This place vouches for itself, as usual in a local network; the page /trust tells devices once.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;

    use super::super::finding::Outcome;
    use super::super::tests::settings;
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const BEGIN: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn presented(names: &[&str], trusted: bool) -> Presented {
        Presented {
            hash: [0; 32],
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            not_before: BEGIN,
            not_after: BEGIN.plus(DAY * 90),
            trusted,
            issuer: String::from("CN=somebody"),
        }
    }

    #[rstest]
    #[case(0, Outcome::Good)]
    #[case(59, Outcome::Good)]
    #[case(61, Outcome::Warning)]
    #[case(91, Outcome::Bad)]
    fn o10_a_certificate_is_to_be_renewed_in_the_last_third_of_its_life(#[case] day: u32, #[case] outcome: Outcome) {
        assert_eq!(judge_dates(&presented(&[], true), BEGIN.plus(DAY * day)).outcome, outcome);
    }

    #[test]
    fn o10_a_certificate_of_the_future_speaks_for_a_clock_that_is_behind() {
        let found = judge_dates(&presented(&[], true), Timestamp::from_millis(0));
        assert_eq!(found.outcome, Outcome::Bad);
        assert!(found.mend.unwrap().contains("set-ntp true"));
    }

    #[rstest]
    #[case("meet.example.org", &["meet.example.org"], Outcome::Good)]
    #[case("meet.example.org", &["*.example.org"], Outcome::Good)]
    #[case("meet.example.org", &["example.org"], Outcome::Bad)]
    #[case("meet.example.org", &[], Outcome::Bad)]
    fn o10_a_certificate_is_for_the_public_name(#[case] name: &str, #[case] names: &[&str], #[case] outcome: Outcome) {
        assert_eq!(judge_names(&settings(name), &presented(names, true)).outcome, outcome);
    }

    #[rstest]
    #[case(true, true, Outcome::Good)]
    #[case(true, false, Outcome::Warning)]
    #[case(false, true, Outcome::Good)]
    #[case(false, false, Outcome::Good)]
    fn o10_only_names_of_the_internet_need_an_authority_that_browsers_know(
        #[case] of_the_internet: bool,
        #[case] trusted: bool,
        #[case] outcome: Outcome,
    ) {
        let settings = Settings { of_the_internet, ..settings("meet.example.org") };
        assert_eq!(judge_chain(&settings, &presented(&[], trusted)).outcome, outcome);
    }

    #[test]
    fn o10_without_a_server_nothing_is_said_of_its_certificate() {
        let findings = judge(&settings("meet.example.org"), None, BEGIN);
        assert_eq!(findings.len(), 3);
        assert!(findings.iter().all(|finding| finding.outcome == Outcome::Skipped));
    }
}
