//! How people are named: the e-mail address they sign in with and the name that others see.

use std::fmt;
use std::str::FromStr;

/// Most bytes of an e-mail address (RFC 5321 §4.5.3.1.3, without the angle brackets).
pub const MAX_EMAIL_BYTES: usize = 254;
/// Most characters of a person's name.
pub const MAX_PERSON_NAME_CHARS: usize = 60;

/// An e-mail address, in lower case. Whether it receives mail is not known.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

/// Text that is no e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("This is not an e-mail address. Write it like name@example.org.")]
pub struct InvalidEmail;

impl Email {
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address, for the store.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl FromStr for Email {
    type Err = InvalidEmail;

    fn from_str(text: &str) -> Result<Self, InvalidEmail> {
        let text = text.trim();
        if text.len() > MAX_EMAIL_BYTES || text.chars().any(|symbol| symbol.is_whitespace() || is_invisible(symbol)) {
            return Err(InvalidEmail);
        }
        let (local, domain) = text.split_once('@').ok_or(InvalidEmail)?;
        let misshapen =
            local.is_empty() || domain.is_empty() || domain.contains('@') || domain.starts_with('.') || domain.ends_with('.');
        let email = text.to_lowercase();
        // Lower case can be longer than upper case.
        if misshapen || email.len() > MAX_EMAIL_BYTES { Err(InvalidEmail) } else { Ok(Self(email)) }
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[e-mail address]")
    }
}

/// A name to be shown to others.
///
/// Characters that can't be seen (control characters, overrides of the writing direction, zero-width spaces) are taken out, not
/// refused: they come along when a name is pasted, and nobody can mend what he does not see. The joiners that Persian,
/// the Indian scripts and emoji need stay. Any white space becomes a single space.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PersonName(String);

/// Text that is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("A name has 1 to {MAX_PERSON_NAME_CHARS} characters that can be seen.")]
pub struct InvalidName;

impl PersonName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, for the store.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl FromStr for PersonName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let mut name = String::new();
        let mut length = 0;
        let mut is_visible = false;
        let visible = text.chars().filter(|symbol| symbol.is_whitespace() || !is_invisible(*symbol));
        let spaced = visible.map(|symbol| if symbol.is_whitespace() { ' ' } else { symbol });
        for symbol in spaced.skip_while(|symbol| *symbol == ' ') {
            if symbol == ' ' && name.ends_with(' ') {
                continue;
            }
            length += 1;
            // One more may be a space at the end, to be trimmed; the rest of an endless name is not read.
            if length > MAX_PERSON_NAME_CHARS + 1 {
                return Err(InvalidName);
            }
            is_visible |= symbol != ' ' && !is_joiner(symbol);
            name.push(symbol);
        }
        name.truncate(name.trim_end().len());
        if is_visible && name.chars().count() <= MAX_PERSON_NAME_CHARS { Ok(Self(name)) } else { Err(InvalidName) }
    }
}

impl fmt::Debug for PersonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[name]")
    }
}

/// Characters without a picture that can mislead: controls, direction marks and overrides, zero-width spaces, fillers, tags.
const fn is_invisible(symbol: char) -> bool {
    matches!(
        symbol,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// Zero-width non-joiner, zero-width joiner and the selectors of an emoji's look: nothing by themselves.
const fn is_joiner(symbol: char) -> bool {
    matches!(symbol, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Option<String> {
        text.parse::<PersonName>().ok().map(PersonName::into_string)
    }

    #[test]
    fn an_address_is_trimmed_and_in_lower_case() {
        assert_eq!("  Ada.Lovelace@Example.ORG \n".parse::<Email>().unwrap().as_str(), "ada.lovelace@example.org");
        assert_eq!("ada@localhost".parse::<Email>().unwrap().as_str(), "ada@localhost");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.org", "a".repeat(MAX_EMAIL_BYTES));
        let bad = [
            "",
            "ada",
            "@",
            "ada@",
            "@example.org",
            "a@b@c",
            "a da@b.c",
            "ada@b.c\r\nBcc: x@y.z",
            "a\u{202e}@b.c",
            "a@.b",
            "a@b.",
            &long,
        ];
        for text in bad {
            assert!(text.parse::<Email>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn h20_a_name_loses_what_cannot_be_seen() {
        assert_eq!(name("  Ada \t\r\n Lovelace "), Some("Ada Lovelace".into()));
        assert_eq!(name("Ada\u{202e}\u{2066}\u{1b}[31m\0"), Some("Ada[31m".into()));
        assert_eq!(name("Zo\u{eb} \u{1f469}\u{200d}\u{1f680}"), Some("Zo\u{eb} \u{1f469}\u{200d}\u{1f680}".into()));
    }

    #[test]
    fn a_name_that_nobody_can_see_is_none() {
        for text in ["", "   ", "\u{200b}", "\u{200d}\u{fe0f}", "\u{3164}", "\u{202e}\u{202c}", "\u{a0}"] {
            assert_eq!(name(text), None, "{text:?} was taken");
        }
    }

    #[test]
    fn a_name_has_at_most_sixty_characters() {
        assert!(name(&"é".repeat(60)).is_some());
        assert!(name(&format!("{}   ", "é".repeat(60))).is_some());
        assert!(name(&"é".repeat(61)).is_none());
        assert!(name(&"é".repeat(100_000)).is_none());
    }

    #[test]
    fn people_do_not_print() {
        let text = format!("{:?} {:?}", "ada@example.org".parse::<Email>(), "Ada".parse::<PersonName>());
        assert!(!text.contains("ada") && !text.contains("Ada"), "{text}");
    }
}
