//! Where the settings come from: read at the start, and again whenever somebody asks for it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use toml::{Table, Value};

use super::browser::{self, Change};
use super::declare::{Origin, Reader, SectionInfo, variable};
use super::problem::{Problem, Problems};
use super::{Config, OTHER_VARIABLES, Overrides, check};

/// The largest file that is read as configuration, in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The file, the environment and the command line as they were at the start, to be read as often as one likes. The environment of a
/// running program doesn't change from outside; the files do.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    file: Option<PathBuf>,
    env: Vec<(String, String)>,
    /// The file that some of `env` stand in.
    variables: Option<PathBuf>,
    overrides: Overrides,
    /// Where the settings of the browser lie: what is read first decides, since the data can't move while the server runs.
    browser: OnceLock<PathBuf>,
}

/// Settings that were read and are good, each with its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    origins: BTreeMap<String, Origin>,
}

impl Loaded {
    /// Where the value of `section.key` comes from.
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).copied().unwrap_or(Origin::Default)
    }
}

impl Sources {
    /// The file at `file`, where one is named, the variables of `env`, and what stood on the command line.
    pub fn new(file: Option<&Path>, env: impl Iterator<Item = (String, String)>, overrides: Overrides) -> Self {
        // Nothing else of the environment is kept: it is none of ours, and may be secret.
        let env = env.filter(|(name, _)| name.starts_with("HEARTH_")).collect();
        Self { file: file.map(Path::to_owned), env, variables: None, overrides, browser: OnceLock::new() }
    }

    /// Notes for people which file some of the variables stand in.
    #[must_use]
    pub fn with_variables_of(self, file: Option<PathBuf>) -> Self {
        Self { variables: file, ..self }
    }

    /// The file that some of the variables stand in, where there is one.
    pub fn variables(&self) -> Option<&Path> {
        self.variables.as_deref()
    }

    /// The configuration file that is read, where there is one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Reads everything.
    ///
    /// # Errors
    /// Everything that is wrong. Nothing is written.
    pub fn load(&self) -> Result<Loaded, Problems> {
        let mut problems = Problems::default();
        let file = self.read_file(&mut problems);
        let browser = browser::read(self.browser_file(&file)).unwrap_or_else(|problem| {
            problems.add(problem);
            Table::new()
        });
        self.put_together(browser, file, problems)
    }

    /// What [`Sources::load`] would give after these changes in the browser, and the text of the file with them, for
    /// [`Sources::save`].
    ///
    /// # Errors
    /// Everything that would be wrong, changes that the browser may not make among it. Nothing is written.
    pub fn load_with(&self, changes: &[Change]) -> Result<(Loaded, String), Problems> {
        let mut problems = Problems::default();
        let file = self.read_file(&mut problems);
        let mut browser = browser::read(self.browser_file(&file))?;
        // What can't be set there is told beside what is wrong with the values that can.
        for change in changes {
            match self.decided_elsewhere(change, &file) {
                Some(problem) => problems.add(problem),
                None => browser::apply(&mut browser, change),
            }
        }
        let text = browser::write(&browser);
        Ok((self.put_together(browser, file, problems)?, text))
    }

    /// Writes into `data_dir` what [`Sources::load_with`] gave, so that it is there whole after a crash or not at all.
    ///
    /// # Errors
    /// The system's; what was there before is then still there.
    pub fn save(data_dir: &Path, text: &str) -> std::io::Result<()> {
        browser::save(&data_dir.join(browser::FILE_NAME), text)
    }

    fn put_together(&self, browser: Table, file: Table, mut problems: Problems) -> Result<Loaded, Problems> {
        let sections = Config::sections();
        browser::check(&browser, &sections, &mut problems);
        let mut reader = Reader::new(browser, file, self.env.iter().cloned(), problems);
        let mut config = Config::read(&mut reader);
        if let Some(data_dir) = &self.overrides.data_dir {
            config.server.data_dir.clone_from(data_dir);
            reader.overridden("server", "data_dir");
        }
        if !self.overrides.listen.is_empty() {
            config.server.listen.clone_from(&self.overrides.listen);
            reader.overridden("server", "listen");
        }
        let (origins, mut problems) = reader.finish(&sections, &OTHER_VARIABLES);
        check::check(&config, &mut problems);
        problems.none_or(Loaded { config, origins })
    }

    fn read_file(&self, problems: &mut Problems) -> Table {
        self.file.as_deref().map_or_else(Table::new, |path| {
            read_table(path).unwrap_or_else(|problem| {
                problems.add(problem);
                Table::new()
            })
        })
    }

    /// The settings of the browser lie among the data, and where these are no browser decides.
    fn browser_file(&self, file: &Table) -> &Path {
        self.browser.get_or_init(|| self.data_dir(file).join(browser::FILE_NAME))
    }

    fn data_dir(&self, file: &Table) -> PathBuf {
        let in_env = self.variable("server", "data_dir").map(PathBuf::from);
        let in_file = || file.get("server")?.get("data_dir")?.as_str().map(PathBuf::from);
        let data_dir = self.overrides.data_dir.clone().or(in_env).or_else(in_file);
        data_dir.unwrap_or_else(|| Config::default().server.data_dir)
    }

    fn variable(&self, section: &str, key: &str) -> Option<&str> {
        let name = variable(section, key);
        self.env.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// Why the browser does not decide this: somebody wrote it down by hand, and that counts.
    fn decided_elsewhere(&self, change: &Change, file: &Table) -> Option<Problem> {
        let Change { section, key, .. } = change;
        let refuse = |what: &str, mend: &str| Some(Problem::new(format!("{section}.{key}"), what, mend));
        let sections: Vec<SectionInfo> = Config::sections();
        if !browser::is_offered(&sections, section, key) {
            return refuse("this can't be set in the browser", "set it in the configuration file");
        }
        if self.variable(section, key).is_some() {
            return refuse("the environment decides this", "change the variable, or remove it there first");
        }
        let in_file = file.get(section).and_then(Value::as_table).is_some_and(|keys| keys.contains_key(key));
        if in_file { refuse("the configuration file decides this", "change it there, or remove it there first") } else { None }
    }
}

/// Reads a file as TOML.
pub(super) fn read_table(path: &Path) -> Result<Table, Problem> {
    let name = path.display().to_string();
    let unreadable = |error: &dyn std::fmt::Display| {
        Problem::new(&name, format!("the file can't be read: {error}"), "give the path of a file that this user may read")
    };
    let size = std::fs::metadata(path).map_err(|error| unreadable(&error))?.len();
    if size > MAX_FILE_BYTES {
        return Err(Problem::new(&name, "the file is larger than 1 MiB", "give the path of a configuration file"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(&error))?;
    text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| 1 + text.bytes().take(span.start).filter(|byte| *byte == b'\n').count());
        let message = error.message().replace('\n', " ");
        Problem::new(&name, format!("line {line} is not TOML: {message}"), "`hearth config example` prints a file to start from")
    })
}

#[cfg(test)]
mod tests {
    use super::super::ice::{Confidential, HIDDEN, IceAccess};
    use super::super::keys;
    use super::*;

    /// A configuration file and a data directory.
    struct Place {
        dir: tempfile::TempDir,
        env: Vec<(String, String)>,
    }

    impl Place {
        fn with(file: &str, browser: &str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("hearth.toml"), file).unwrap();
            if !browser.is_empty() {
                std::fs::write(dir.path().join(browser::FILE_NAME), browser).unwrap();
            }
            Self { dir, env: Vec::new() }
        }

        fn sources(&self) -> Sources {
            let overrides = Overrides { data_dir: Some(self.dir.path().to_owned()), listen: Vec::new() };
            Sources::new(Some(&self.dir.path().join("hearth.toml")), self.env.iter().cloned(), overrides)
        }

        fn load(&self) -> Result<Loaded, Problems> {
            self.sources().load()
        }

        fn change(&self, changes: &[Change]) -> Result<Loaded, Problems> {
            let (loaded, text) = self.sources().load_with(changes)?;
            Sources::save(self.dir.path(), &text).unwrap();
            assert_eq!(self.load().unwrap(), loaded, "what was written reads as what was tried");
            Ok(loaded)
        }
    }

    fn change(key: &str, value: Option<Value>) -> Change {
        let (section, key) = key.split_once('.').unwrap();
        Change { section: section.to_owned(), key: key.to_owned(), value }
    }

    fn told(problems: &Problems) -> Vec<String> {
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_was_set_in_the_browser_wins_over_defaults_and_over_nothing_else() {
        let mut place = Place::with(
            "[meetings]\nmax_participants = 4",
            "[server]\nname = \"Browser\"\n[meetings]\nmax_participants = 3\nguests_allowed = false\n[log]\nlevel = \"debug\"",
        );
        place.env.push((String::from("HEARTH_LOG_LEVEL"), String::from("warn")));
        let loaded = place.load().unwrap();
        let Config { server, meetings, log, .. } = &loaded.config;
        assert_eq!((server.name.as_str(), meetings.max_participants, meetings.guests_allowed), ("Browser", 4, false));
        assert_eq!(log.level, "warn");
        let origins = ["server.name", "meetings.max_participants", "log.level", "server.data_dir", "relay.enabled"];
        let expected = [Origin::Browser, Origin::File, Origin::Environment, Origin::Flag, Origin::Default];
        assert_eq!(origins.map(|key| loaded.origin(key)), expected);
    }

    #[test]
    fn the_browsers_file_lies_where_the_data_are_whoever_says_where_that_is() {
        let place = Place::with("", "[server]\nname = \"Browser\"");
        let data_dir = place.dir.path().to_str().unwrap().to_owned();
        let name = |sources: Sources| sources.load().unwrap().config.server.name;
        let env = [(String::from("HEARTH_SERVER_DATA_DIR"), data_dir.clone())];
        assert_eq!(name(Sources::new(None, env.into_iter(), Overrides::default())), "Browser");
        let file = place.dir.path().join("hearth.toml");
        std::fs::write(&file, format!("[server]\ndata_dir = \"{data_dir}\"")).unwrap();
        assert_eq!(name(Sources::new(Some(&file), std::iter::empty(), Overrides::default())), "Browser");
    }

    #[test]
    fn what_the_browser_may_not_set_is_refused_and_so_is_a_file_that_has_it() {
        let place = Place::with("[server]\nname = \"File\"", "");
        let changes = [
            change("server.name", Some("Browser".into())),
            change("server.data_dir", Some("/srv".into())),
            change("server.nonsense", Some("x".into())),
            change("meetings.max_participants", Some(50.into())),
            change("accounts.registration", Some("perhaps".into())),
        ];
        let expected = [
            "server.name: the configuration file decides this — change it there, or remove it there first",
            "server.data_dir: this can't be set in the browser — set it in the configuration file",
            "server.nonsense: this can't be set in the browser — set it in the configuration file",
            "accounts.registration: \"perhaps\" is not \"open\" or \"closed\" (set in the browser) — write \"open\" or \"closed\"",
            "meetings.max_participants: 50 is out of range — write a number from 2 to 8",
        ];
        assert_eq!(told(&place.change(&changes).unwrap_err()), expected);
        assert!(!place.dir.path().join(browser::FILE_NAME).exists());
        let place = Place::with("", "[server]\ndata_dir = \"/srv\"");
        let told = told(&place.load().unwrap_err());
        assert_eq!(told.len(), 1);
        assert!(
            told[0].starts_with("server.data_dir: this can't be set in the browser, but stands in settings.toml"),
            "{told:?}"
        );
    }

    #[test]
    fn changes_are_written_privately_and_can_be_taken_back() {
        let place = Place::with("", "");
        let loaded = place.change(&[change("server.name", Some("Ours".into())), change("limits.connections", Some(50.into()))]);
        assert_eq!(loaded.unwrap().config.limits.connections, 50);
        let path = place.dir.path().join(browser::FILE_NAME);
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        let loaded = place.change(&[change("server.name", None)]).unwrap();
        assert_eq!((loaded.config.server.name.as_str(), loaded.origin("server.name")), ("Hearth", Origin::Default));
        assert!(!std::fs::read_to_string(&path).unwrap().contains("[server]"));
    }

    #[test]
    fn a_secret_that_is_not_shown_stays_with_its_addresses_and_with_no_others() {
        let place = Place::with("", "");
        let server = |url: &str, secret: &str| {
            let mut table = Table::new();
            table.insert(String::from("urls"), Value::Array(vec![url.into()]));
            table.insert(String::from("secret"), secret.into());
            Value::Table(table)
        };
        let servers = |list: Vec<Value>| [change("ice.servers", Some(Value::Array(list)))];
        place.change(&servers(vec![server("turn:a.org", "hush a"), server("turn:b.org", "hush b")])).unwrap();
        let shown = place.load().unwrap().values().into_iter().find(|(key, ..)| key.name == "ice.servers").unwrap().1.unwrap();
        assert!(!shown.to_string().contains("hush") && shown.to_string().contains("turn:b.org"), "{shown}");
        let loaded = place.change(&servers(vec![server("turn:b.org", HIDDEN)])).unwrap();
        let secret = Confidential::Inline(crate::ids::Secret::new(String::from("hush b")));
        assert_eq!(loaded.config.ice.servers.0[0].access, IceAccess::SharedSecret { secret, ttl_seconds: 3600 });
        let refused = told(&place.change(&servers(vec![server("turn:evil.org", HIDDEN)])).unwrap_err());
        assert!(refused[0].contains("secret has to be written again"), "{refused:?}");
    }

    #[test]
    fn a_damaged_file_of_the_browser_is_told_and_never_passed_over() {
        let place = Place::with("", "[server\n");
        let told = told(&place.load().unwrap_err());
        assert!(told.len() == 1 && told[0].contains("is not TOML") && told[0].contains("set aside"), "{told:?}");
        assert!(place.change(&[]).is_err());
    }

    #[test]
    fn every_key_that_is_offered_is_described_and_every_difference_is_found() {
        assert!(keys().iter().all(|key| key.doc.len() > 10), "{:?}", keys());
        let (one, mut other) = (Config::default(), Config::default());
        assert!(one.differences(&other).is_empty());
        other.server.name = String::from("Other");
        other.relay.threads = Some(1);
        let names: Vec<String> = one.differences(&other).into_iter().map(|key| key.name).collect();
        assert_eq!(names, ["server.name", "relay.threads"]);
    }
}
