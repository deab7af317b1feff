//! Text that people write and other people see: kept as it is, but for what would play tricks on a screen or in a log.

/// One line: no control characters, no direction overrides, white space folded and trimmed.
pub(super) fn one_line(text: &str) -> String {
    let plain: String = text.chars().filter(|&char| !is_trick(char)).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Several lines: as [`one_line`], but line breaks and spacing stay.
pub(super) fn paragraphs(text: &str) -> String {
    let plain: String = text.chars().filter(|&char| matches!(char, '\n' | '\t') || !is_trick(char)).collect();
    plain.trim().to_owned()
}

/// Control characters that are not white space, and Unicode's direction overrides and isolates (attack H20).
fn is_trick(char: char) -> bool {
    (char.is_control() && !char.is_whitespace()) || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h20_control_characters_and_direction_overrides_are_taken_out() {
        assert_eq!(one_line("  Stand\u{202e}up\r\nBcc: x\u{1b}[31m \t now "), "Standup Bcc: x[31m now");
        assert_eq!(paragraphs("one\r\n\ttwo\u{0}\n"), "one\n\ttwo");
        assert_eq!(one_line("Grüße 👩‍💻 مرحبا"), "Grüße 👩‍💻 مرحبا");
    }
}
