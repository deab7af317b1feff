//! Reads Rust source just well enough to see which paths it names: comments and literals are skipped, the rest is cut into words
//! and marks. It knows no macros and resolves no re-exports; what a macro names in plain sight is seen, because it is words too.

/// A word (identifier, keyword or number), `::`, or a single other character; with its line, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    text: String,
    line: usize,
}

/// One file, cut into tokens.
pub struct Source {
    tokens: Vec<Token>,
    lines: usize,
}

/// A path that a file names, from the crate's root on. `*` stands for everything, and alone for the whole crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    pub line: usize,
    pub path: Vec<String>,
}

impl Mention {
    pub fn starts_with(&self, path: &str) -> bool {
        let wanted: Vec<_> = path.split("::").collect();
        self.path.len() >= wanted.len() && self.path.iter().zip(wanted).all(|(part, wanted)| part == wanted)
    }
}

/// The paths that a file names.
#[derive(Debug, Default)]
pub struct Paths {
    /// Into this crate, resolved to its root.
    pub inner: Vec<Mention>,
    /// Everything else: other crates, but also local types and modules in scope.
    pub outer: Vec<Mention>,
}

impl Source {
    pub fn read(text: &str) -> Self {
        Self { tokens: cut(text), lines: text.lines().count() }
    }

    /// The line on which a word first stands.
    pub fn says(&self, word: &str) -> Option<usize> {
        self.tokens.iter().find(|token| token.text == word).map(|token| token.line)
    }

    /// The modules that are declared here, inline or not.
    pub fn modules(&self) -> Vec<Mention> {
        let pairs = self.tokens.windows(3).filter(|three| three[0].text == "mod" && matches!(three[2].text.as_str(), ";" | "{"));
        pairs.map(|three| Mention { line: three[1].line, path: vec![three[1].text.clone()] }).collect()
    }

    /// Whether there is nothing but attributes and `mod name;` lines.
    pub fn is_only_modules(&self) -> bool {
        let mut at = 0;
        while at < self.tokens.len() {
            match self.text(at) {
                "#" => at = self.after_group(at + usize::from(self.text(at + 1) == "!") + 1),
                "pub" => at += 1,
                "mod" if self.text(at + 2) == ";" => at += 3,
                _ => return false,
            }
        }
        true
    }

    /// How many lines there are outside of `#[cfg(test)]` items.
    pub fn lines_without_tests(&self) -> usize {
        const INNER: [&str; 8] = ["#", "!", "[", "cfg", "(", "test", ")", "]"];
        const OUTER: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
        if self.has(0, &INNER) {
            return 0;
        }
        let (mut lines, mut at) = (self.lines, 0);
        while at < self.tokens.len() {
            if self.has(at, &OUTER) {
                let end = self.end_of_item(at + OUTER.len());
                let last = self.tokens.get(end).map_or(self.lines, |token| token.line);
                lines = lines.saturating_sub(last + 1 - self.tokens[at].line);
                at = end;
            }
            at += 1;
        }
        lines
    }

    /// The paths that are named in this file, which is the module `file` (from the crate's root on).
    pub fn paths(&self, file: &[String]) -> Paths {
        let mut paths = Paths::default();
        let mut module = file.to_vec();
        let mut opened = Vec::new();
        let mut depth = 0_usize;
        let mut at = 0;
        while at < self.tokens.len() {
            match self.text(at) {
                "mod" if self.text(at + 2) == "{" => {
                    module.push(self.text(at + 1).to_owned());
                    opened.push(depth);
                    at += 2;
                    continue;
                }
                "{" => depth += 1,
                "}" => {
                    depth = depth.saturating_sub(1);
                    if opened.last() == Some(&depth) {
                        opened.pop();
                        module.pop();
                    }
                }
                _ if self.begins_path(at) => {
                    let mut found = Vec::new();
                    let line = self.tokens[at].line;
                    at = self.tree(at, &[], &mut found);
                    found.into_iter().for_each(|path| paths.add(line, path, &module));
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
        paths
    }

    /// A word that is followed by `::`, or imported as it stands.
    fn begins_path(&self, at: usize) -> bool {
        let before = if at == 0 { "" } else { self.text(at - 1) };
        let imported = before == "use" || (at > 1 && self.has(at - 2, &["extern", "crate"]));
        is_word(self.text(at)) && (self.text(at + 1) == "::" || imported)
    }

    /// Reads a path with its groups, each member of a group as a path of its own. Answers where it ends.
    fn tree(&self, mut at: usize, prefix: &[String], found: &mut Vec<Vec<String>>) -> usize {
        let mut path = prefix.to_vec();
        loop {
            match self.text(at) {
                "{" => return self.group(at + 1, &path, found),
                // Inside of a group: the thing before the brace itself.
                "self" if !path.is_empty() => {}
                word if word == "*" || is_word(word) => path.push(word.to_owned()),
                // Whatever this is (`::<` for one), the path ends before it.
                _ => break,
            }
            at += 1;
            if self.text(at) != "::" {
                break;
            }
            at += 1;
        }
        found.push(path);
        at
    }

    fn group(&self, mut at: usize, prefix: &[String], found: &mut Vec<Vec<String>>) -> usize {
        loop {
            at = match self.text(at) {
                "" | "}" => return at + 1,
                "as" => at + 2,
                word if word == "*" || word == "{" || is_word(word) => self.tree(at, prefix, found),
                _ => at + 1,
            };
        }
    }

    /// The last token of the item that begins here.
    fn end_of_item(&self, mut at: usize) -> usize {
        while at < self.tokens.len() {
            match self.text(at) {
                ";" => return at,
                "{" => return self.after_group(at) - 1,
                "(" | "[" => at = self.after_group(at),
                _ => at += 1,
            }
        }
        at
    }

    /// The token after the bracket that closes the one here.
    fn after_group(&self, mut at: usize) -> usize {
        let mut depth = 0_usize;
        while at < self.tokens.len() {
            match self.text(at) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            at += 1;
            if depth == 0 {
                break;
            }
        }
        at
    }

    fn has(&self, at: usize, texts: &[&str]) -> bool {
        texts.iter().enumerate().all(|(offset, text)| self.text(at + offset) == *text)
    }

    fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &token.text)
    }
}

impl Paths {
    fn add(&mut self, line: usize, path: Vec<String>, module: &[String]) {
        let mut resolved = match path.first().map(String::as_str) {
            // The library's own name, as `main.rs` says it.
            Some("crate" | "hearth") => Vec::new(),
            Some("self" | "super") => module.to_vec(),
            Some(_) => {
                self.outer.push(Mention { line, path });
                return;
            }
            None => return,
        };
        for part in path {
            match part.as_str() {
                "crate" | "hearth" | "self" => {}
                "super" => {
                    resolved.pop();
                }
                _ => resolved.push(part),
            }
        }
        if resolved.is_empty() {
            resolved.push("*".to_owned());
        }
        self.inner.push(Mention { line, path: resolved });
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphanumeric() || first == '_')
}

/// Cuts source text into tokens, without comments, strings, characters and the marks of lifetimes.
fn cut(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let char_at = |at: usize| chars.get(at).copied().unwrap_or('\0');
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let start = at;
        match (char_at(at), char_at(at + 1)) {
            ('/', '/') => at = (at..chars.len()).find(|at| char_at(*at) == '\n').unwrap_or(chars.len()),
            ('/', '*') => at = after_block_comment(&chars, at),
            ('"', _) => at = after_quoted(&chars, at, '"'),
            ('\'', '\\') => at = after_quoted(&chars, at, '\''),
            ('\'', _) => at += if char_at(at + 2) == '\'' { 3 } else { 1 },
            (':', ':') => {
                tokens.push(Token { text: "::".to_owned(), line });
                at += 2;
            }
            (first, _) if first.is_alphanumeric() || first == '_' => {
                while char_at(at).is_alphanumeric() || char_at(at) == '_' {
                    at += 1;
                }
                let word: String = chars[start..at].iter().collect();
                let hashes = (at..).take_while(|at| char_at(*at) == '#').count();
                if matches!(word.as_str(), "r" | "br" | "cr") && char_at(at + hashes) == '"' {
                    at = after_raw_string(&chars, at + hashes + 1, hashes);
                } else if word == "r" && hashes == 1 {
                    at += 1;
                } else {
                    tokens.push(Token { text: word, line });
                }
            }
            (first, _) => {
                if !first.is_whitespace() {
                    tokens.push(Token { text: first.to_string(), line });
                }
                at += 1;
            }
        }
        line += chars[start..at.min(chars.len())].iter().filter(|passed| **passed == '\n').count();
    }
    tokens
}

fn after_block_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while at < chars.len() {
        match chars[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn after_quoted(chars: &[char], start: usize, quote: char) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn after_raw_string(chars: &[char], start: usize, hashes: usize) -> usize {
    let closes = |at: &usize| chars[*at] == '"' && (1..=hashes).all(|next| chars.get(at + next) == Some(&'#'));
    (start..chars.len()).find(closes).map_or(chars.len(), |at| at + 1 + hashes)
}
