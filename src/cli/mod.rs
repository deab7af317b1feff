//! The command line: `hearth [serve]`, `hearth setup-link`, `hearth doctor`, `hearth health`, `hearth backup`, `hearth restore`,
//! `hearth upgrade-check`, `hearth config check`, `show` and `example`.

mod arguments;
mod backup;
mod doctor;
mod env_file;
mod health;
mod settings_file;
mod setup_link;
mod upgrade;

use std::ffi::OsString;
use std::io::Write;
use std::num::NonZeroU32;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;

use crate::config::{self, Config, Key, Loaded, LogFormat, Origin, Problems, Sources};
use crate::lifecycle::hardening;
use crate::{app, telemetry};
use arguments::{Arguments, Command, ConfigCommand, Options};

/// How a run of the program ended, as its parent learns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It did what was asked.
    Done,
    /// It failed for another reason than those below.
    Failed,
    /// The command line or the configuration is wrong.
    Misused,
    /// The data are damaged; a restore is due (`EX_IOERR` of sysexits.h).
    Damaged,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            Outcome::Failed => Self::from(1),
            Outcome::Misused => Self::from(2),
            Outcome::Damaged => Self::from(74),
        }
    }
}

/// Does what the program's arguments and environment ask for.
pub fn run() -> ExitCode {
    if let Err(error) = hardening::keep_to_ourselves() {
        best_effort(&mut std::io::stderr(), &format!("hearth: this process can't be closed to others: {error}\n"));
        return Outcome::Failed.into();
    }
    // Variables that are no Unicode can be no settings of ours, or are reported as what they look like.
    let env: Vec<(String, String)> = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect();
    let installed = Path::new(settings_file::INSTALLED);
    dispatch(std::env::args_os(), env, installed, &mut std::io::stdout(), &mut std::io::stderr(), serve).into()
}

/// Runs the server, with its logs.
fn serve(loaded: Loaded, sources: Sources, logs: &telemetry::Settings) -> anyhow::Result<()> {
    // Before any other thread is there: what a thread has of root's powers it keeps.
    let was_root = hardening::give_up_powers_of_root().context("the powers of root can't be given up")?;
    // What is said last stands last.
    let _logs = telemetry::init(logs);
    if was_root {
        tracing::warn!(
            "started as root: all of root's powers but listening on ports below 1024 are given up. A user of its own would be better"
        );
    }
    app::serve(loaded, sources)
}

/// The same with everything from outside passed in.
fn dispatch(
    arguments: impl Iterator<Item = OsString>,
    env: Vec<(String, String)>,
    installed: &Path,
    out: &mut dyn Write,
    err: &mut dyn Write,
    serve: impl FnOnce(Loaded, Sources, &telemetry::Settings) -> anyhow::Result<()>,
) -> Outcome {
    let Arguments { options, command } = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return show_usage(&error, out, err),
    };
    match command.unwrap_or(Command::Serve) {
        Command::Serve => run_server(options, env, err, serve),
        Command::Doctor { json } => match settings_file::load(options, env, installed) {
            Ok((loaded, sources)) => doctor::run(&loaded.config, &sources, json, out, err),
            Err(problems) => show_problems(&problems, err),
        },
        Command::Backup { file } => {
            with(load(options, env, installed), out, err, |config, out, err| backup::backup(config, &file.into(), out, err))
        }
        Command::Restore { file } => {
            with(load(options, env, installed), out, err, |config, out, err| backup::restore(config, &file, out, err))
        }
        Command::UpgradeCheck { json } => {
            with(load(options, env, installed), out, err, |config, out, err| upgrade::check(config, json, out, err))
        }
        Command::SetupLink => with(load(options, env, installed), out, err, setup_link::print),
        Command::Health => match load(options, env, installed) {
            Ok(config) => tell_health(&config, out, err),
            Err(problems) => show_problems(&problems, err),
        },
        Command::Config { command } => about_config(command, || settings_file::load(options, env, installed), out, err),
    }
}

fn about_config(
    command: ConfigCommand,
    load: impl FnOnce() -> Result<(Loaded, Sources), Problems>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Outcome {
    let text = match command {
        ConfigCommand::Check => {
            load().map(|(_, sources)| format!("The configuration is good ({}).\n", settings_file::told(&sources)))
        }
        ConfigCommand::Show => load().map(|(loaded, sources)| shown(&loaded, &sources)),
        ConfigCommand::Example => Ok(config::example()),
    };
    match text {
        Ok(text) => say(out, &text),
        Err(problems) => show_problems(&problems, err),
    }
}

/// Does something that needs the settings, and logs no more than warnings.
fn with(
    config: Result<Config, Problems>,
    out: &mut dyn Write,
    err: &mut dyn Write,
    work: impl FnOnce(&Config, &mut dyn Write, &mut dyn Write) -> Outcome,
) -> Outcome {
    match config {
        Ok(config) => {
            let logs = telemetry::init(&telemetry::Settings {
                directives: String::from("warn"),
                format: telemetry::Format::Pretty,
                lines_per_second: None,
                journal_stream: None,
            });
            let outcome = work(&config, out, err);
            drop(logs);
            outcome
        }
        Err(problems) => show_problems(&problems, err),
    }
}

fn load(options: Options, env: Vec<(String, String)>, installed: &Path) -> Result<Config, Problems> {
    settings_file::load(options, env, installed).map(|(loaded, _)| loaded.config)
}

/// Which file was read, and every setting on a line of its own, with what it is and who says so.
fn shown(loaded: &Loaded, sources: &Sources) -> String {
    let origin = |origin: Origin| match origin {
        Origin::Default => "default",
        Origin::Browser => "set in the browser",
        Origin::File => "configuration file",
        Origin::Environment => "environment",
        Origin::Flag => "command line",
    };
    let line = |(key, value, from): (Key, Option<toml::Value>, Origin)| {
        let value = value.map_or_else(|| String::from("(not set)"), |value| value.to_string());
        format!("{} = {value}  # {}\n", key.name, origin(from))
    };
    let first = format!("# {}\n", settings_file::told(sources));
    std::iter::once(first).chain(loaded.values().into_iter().map(line)).collect()
}

fn run_server(
    options: Options,
    env: Vec<(String, String)>,
    err: &mut dyn Write,
    serve: impl FnOnce(Loaded, Sources, &telemetry::Settings) -> anyhow::Result<()>,
) -> Outcome {
    let journal_stream = env.iter().find(|(name, _)| name == "JOURNAL_STREAM").map(|(_, stream)| stream.clone());
    // The installed file is named by its unit; whoever starts a program by hand beside it means another.
    let file = settings_file::named(&options, &env);
    let sources = Sources::new(file.as_deref(), env.into_iter(), options.into());
    let loaded = match sources.load() {
        Ok(loaded) => loaded,
        Err(problems) => return show_problems(&problems, err),
    };
    let logs = log_settings(&loaded.config.log, journal_stream);
    match serve(loaded, sources, &logs) {
        Ok(()) => Outcome::Done,
        Err(error) => {
            let outcome = if error.is::<app::DamagedData>() { Outcome::Damaged } else { Outcome::Failed };
            best_effort(err, &format!("hearth: {error:#}\n"));
            outcome
        }
    }
}

fn tell_health(config: &Config, out: &mut dyn Write, err: &mut dyn Write) -> Outcome {
    match health::ask(&config.server.listen) {
        Ok(()) => say(out, "The server is ready.\n"),
        Err(error) => {
            best_effort(err, &format!("hearth: {error}\n"));
            Outcome::Failed
        }
    }
}

fn log_settings(config: &config::Log, journal_stream: Option<String>) -> telemetry::Settings {
    let format = match config.format {
        LogFormat::Auto => telemetry::Format::Auto,
        LogFormat::Pretty => telemetry::Format::Pretty,
        LogFormat::Json => telemetry::Format::Json,
        LogFormat::Journald => telemetry::Format::Journald,
    };
    let lines_per_second = NonZeroU32::new(config.lines_per_second);
    telemetry::Settings { directives: config.level.clone(), format, lines_per_second, journal_stream }
}

/// Help and version are asked for, and are no failure; everything else that clap stops for is.
fn show_usage(error: &clap::Error, out: &mut dyn Write, err: &mut dyn Write) -> Outcome {
    if error.use_stderr() {
        best_effort(err, &error.render().to_string());
        Outcome::Misused
    } else {
        say(out, &error.render().to_string())
    }
}

fn show_problems(problems: &Problems, err: &mut dyn Write) -> Outcome {
    for problem in problems {
        best_effort(err, &format!("config: {problem}\n"));
    }
    Outcome::Misused
}

/// Writes what was asked for. A reader that went away early, as in `hearth config example | head`, has what it wanted.
fn say(out: &mut dyn Write, text: &str) -> Outcome {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Outcome::Done,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Outcome::Done,
        Err(_) => Outcome::Failed,
    }
}

/// Writes what helps; when nobody can read it, the exit status still tells.
fn best_effort(err: &mut dyn Write, text: &str) {
    drop(err.write_all(text.as_bytes()));
}

#[cfg(test)]
mod tests;
