//! Files of variables as `EnvironmentFile=` of systemd takes them (`systemd.exec(5)`).

use std::iter::Peekable;
use std::str::Chars;

/// The variables that stand in `text`, in their order. What is no assignment is passed over, as systemd does.
pub(super) fn variables(text: &str) -> Vec<(String, String)> {
    let (mut rest, mut found) = (text.chars().peekable(), Vec::new());
    while let Some(&first) = rest.peek() {
        if first.is_ascii_whitespace() {
            rest.next();
        } else if matches!(first, '#' | ';') {
            line(&mut rest);
        } else if let Some(name) = name(&mut rest) {
            found.push((name, value(&mut rest)));
        }
    }
    found
}

/// What stands before the equals sign; `None` where the line has none.
fn name(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut name = String::new();
    loop {
        match rest.next()? {
            '=' => return Some(name.trim_end().to_owned()),
            '\n' => return None,
            letter => name.push(letter),
        }
    }
}

/// What stands behind it: parts in quotes, and then what is in none.
fn value(rest: &mut Peekable<Chars<'_>>) -> String {
    let mut value = String::new();
    loop {
        while rest.next_if(|next| matches!(next, ' ' | '\t' | '\r')).is_some() {}
        if rest.next_if_eq(&'\'').is_some() {
            value.extend(rest.by_ref().take_while(|letter| *letter != '\''));
        } else if rest.next_if_eq(&'"').is_some() {
            quoted(rest, &mut value);
        } else {
            return value + line(rest).trim_end();
        }
    }
}

fn quoted(rest: &mut Peekable<Chars<'_>>, value: &mut String) {
    while let Some(letter) = rest.next() {
        match letter {
            '"' => return,
            '\\' => match rest.next() {
                // Long values go on in the next line.
                Some('\n') | None => {}
                Some(special @ ('"' | '\\' | '`' | '$')) => value.push(special),
                Some(other) => value.extend(['\\', other]),
            },
            letter => value.push(letter),
        }
    }
}

/// The rest of the line, which goes on in the next one behind a backslash.
fn line(rest: &mut Peekable<Chars<'_>>) -> String {
    let mut line = String::new();
    while let Some(letter) = rest.next() {
        match letter {
            '\n' => break,
            '\\' => line.extend(rest.next().filter(|next| *next != '\n')),
            letter => line.push(letter),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("A=1\nB=2", &[("A", "1"), ("B", "2")])]
    #[case("# A=1\n; B=2\n\n  C=3  \n", &[("C", "3")])]
    #[case("# goes on \\\nA=1\nB=2\n", &[("B", "2")])]
    #[case("A = two words # and this\r\n", &[("A", "two words # and this")])]
    #[case("A='it is # \"so\" \\'\nB=", &[("A", "it is # \"so\" \\"), ("B", "")])]
    #[case("A=\"say \\\"so\\\" \\n\"\nB=it's", &[("A", "say \"so\" \\n"), ("B", "it's")])]
    #[case("A=one\\\ntwo\nB=\"one\ntwo\"", &[("A", "onetwo"), ("B", "one\ntwo")])]
    #[case("A=[\"x\", \"y\"]\nnonsense\nB='open", &[("A", "[\"x\", \"y\"]"), ("B", "open")])]
    #[case("A='[\"0.0.0.0:443\"]'", &[("A", "[\"0.0.0.0:443\"]")])]
    #[case("", &[])]
    fn variables_are_read_as_systemd_reads_them(#[case] text: &str, #[case] expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(variables(text), expected);
    }
}
