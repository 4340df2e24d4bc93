//! What is asked before anything is done: what will happen in the words of the command line, and what that costs or loses.

use bench_core::ModelRef;
use bench_report::text::count;

use crate::dashboard::home::row::{Key, Over, Row, Stand};

/// Something that can be done about a run, or about all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// End the run.
    Kill,
    /// Run every trial without a verdict.
    Resume,
    /// Try trials that did not pass again, as a new run.
    Retry,
    /// Remove the run.
    Delete,
    /// Put right what is not as it should be.
    Cleanup,
    /// Remove old runs.
    Prune,
    /// Make a page of the run.
    Report,
    /// Compare the marked runs, or the models of this one.
    Compare,
}

/// The arguments of a command.
pub(crate) type Words = Vec<String>;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ask {
    /// What is to be done about which run; none if about no single one.
    pub(super) about: Option<(Act, Key)>,
    pub(super) title: String,
    /// What it is about, what it costs, what it loses: a paragraph each.
    pub(super) says: Vec<String>,
    /// What can be answered besides No.
    pub(super) choices: Vec<Choice>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(super) key: char,
    pub(super) words: String,
    /// What is done then.
    pub(super) command: Words,
}

impl Choice {
    fn new(key: char, words: impl Into<String>, command: &[&str]) -> Self {
        Self {
            key,
            words: words.into(),
            command: command.iter().map(|&word| word.to_owned()).collect(),
        }
    }
}

/// What comes first when something is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum First {
    /// The question.
    Ask(Ask),
    /// A command that only shows what would be done; the question follows from it.
    Look(Words),
    /// A command that changes no run, and so needs no question. What it says is read in a box, or told in a line.
    Do {
        /// The command.
        words: Words,
        /// Whether in a box.
        to_read: bool,
    },
}

/// Why it makes no sense for this run, or for the marked ones; none if it does.
pub(crate) fn refusal(act: Act, row: Option<&Row>, marked: &[&str]) -> Option<&'static str> {
    if let Act::Cleanup | Act::Prune = act {
        return None;
    }
    let Some(row) = row else {
        return Some("no run is chosen");
    };
    if act == Act::Compare {
        return compare(row, marked).err();
    }
    let over = match (&row.key, &row.stand) {
        (Key::Older(_), _) => return Some("results of the older tool are only shown here"),
        (_, Stand::Going(_)) => None,
        (_, Stand::Over(over)) => Some(over),
    };
    match (act, over) {
        (Act::Kill, Some(_)) => Some("it is over already"),
        (Act::Resume | Act::Retry | Act::Delete, None) => Some("it still runs; `x` ends it"),
        (
            Act::Resume | Act::Retry,
            Some(Over {
                refused: Some(refused),
                ..
            }),
        ) if refused.retry || act == Act::Resume => Some(refused.words),
        (Act::Resume, Some(over)) if open(row) == 0 && over.word == "completed" => {
            Some("every trial has a verdict: there is nothing to resume")
        }
        (Act::Retry, Some(_)) if not_passed(row) == 0 => {
            Some("no trial did not pass: there is nothing to try again")
        }
        _ => None,
    }
}

/// What comes first when this is wanted.
///
/// # Errors
/// Why it makes no sense.
pub(super) fn first(act: Act, row: Option<&Row>, marked: &[&str]) -> Result<First, &'static str> {
    if let Some(why) = refusal(act, row, marked) {
        return Err(why);
    }
    let ask = match (act, row) {
        (Act::Cleanup, _) => return Ok(First::Look(vec!["cleanup".into()])),
        (Act::Prune, _) => {
            let words = ["prune", "--older-than", "30d", "--keep", "20"];
            return Ok(First::Look(words.map(Into::into).to_vec()));
        }
        (_, None) => return Err("no run is chosen"),
        (Act::Report, Some(row)) => {
            let words = vec!["report".into(), row.id().into()];
            return Ok(First::Do {
                words,
                to_read: false,
            });
        }
        (Act::Compare, Some(row)) => {
            let words = compare(row, marked)?;
            return Ok(First::Do { words, to_read: true });
        }
        (Act::Kill, Some(row)) => (kill(row), row),
        (Act::Resume, Some(row)) => (resume(row), row),
        (Act::Retry, Some(row)) => (retry(row), row),
        (Act::Delete, Some(row)) => (delete(row), row),
    };
    let (mut ask, row) = ask;
    ask.about = Some((act, row.key.clone()));
    Ok(First::Ask(ask))
}

/// The question after a command showed what it would do.
pub(super) fn after_look(mut command: Words, shown: &str) -> Ask {
    let title = match command.first().map(String::as_str) {
        Some("cleanup") => "Put this right?",
        _ => "Remove these runs?",
    };
    let mut says = vec![shown.trim_end().to_owned()];
    if command.first().is_some_and(|word| word == "prune") {
        says.push(
            "What is removed cannot be brought back. Other ages and numbers: `bench-cli prune --help`."
                .into(),
        );
    }
    command.push("--no-dry-run".into());
    let choice = Choice {
        key: 'y',
        words: "do it".into(),
        command,
    };
    Ask {
        about: None,
        title: title.into(),
        says,
        choices: vec![choice],
    }
}

fn kill(row: &Row) -> Ask {
    let progress = &row.progress;
    let without = progress
        .trials_done
        .saturating_sub(row.progress.outcomes.scored() + row.progress.outcomes.unscored);
    let without = match without {
        0 => String::new(),
        n => format!(", {n} of them without a verdict"),
    };
    let says = format!(
        "{} of {} are over and are kept{without}. Those under way are cancelled: they are over then, too, without a verdict; `resume` runs them and the rest.",
        progress.trials_done,
        trials(progress.trials_total)
    );
    Ask {
        about: None,
        title: format!("End {}?", row.id()),
        says: vec![about(row), says],
        choices: vec![Choice::new('y', "end it", &["kill", row.id()])],
    }
}

fn resume(row: &Row) -> Ask {
    let says = match open(row) {
        0 => "Every trial has a verdict; only the end is missing.".to_owned(),
        n => format!(
            "Runs {n} of {} in the background: those without a verdict. {}",
            trials(row.progress.trials_total),
            cost(row)
        ),
    };
    Ask {
        about: None,
        title: format!("Resume {}?", row.id()),
        says: vec![about(row), says],
        choices: vec![Choice::new(
            'y',
            "resume it",
            &["resume", row.id(), "--background"],
        )],
    }
}

/// Of one run its models; of several the runs, the one that was marked first before the others.
fn compare(row: &Row, marked: &[&str]) -> Result<Words, &'static str> {
    let mut runs = marked.to_vec();
    if runs.len() < 2 && !runs.contains(&row.id()) {
        runs.push(row.id());
    }
    if runs.len() < 2 && !row.models.contains(", ") {
        return Err("it has one model only: mark another run with Space, and compare with that");
    }
    Ok(["compare"].into_iter().chain(runs).map(str::to_owned).collect())
}

fn retry(row: &Row) -> Ask {
    let counts = &row.progress.outcomes;
    let (errored, failed, all) = (counts.errored, counts.failed + counts.limit, not_passed(row));
    let id = row.id();
    let mut choices = Vec::new();
    if errored > 0 && errored < all {
        let words = format!("{} that errored", trials(errored));
        choices.push(Choice::new(
            'e',
            words,
            &["retry", id, "--errored", "--background"],
        ));
    }
    if failed > 0 && failed < all {
        let words = format!("{} that failed or hit a limit", trials(failed));
        choices.push(Choice::new(
            'f',
            words,
            &["retry", id, "--failed", "--background"],
        ));
    }
    let words = match all {
        1 => "the one trial that did not pass".to_owned(),
        n => format!("all {n} trials that did not pass"),
    };
    choices.push(Choice::new('a', words, &["retry", id, "--background"]));
    Ask {
        about: None,
        title: format!("Try trials of {id} again?"),
        says: vec![
            about(row),
            format!(
                "They are run in the background as a new run; this one stays as it is. {}",
                cost(row)
            ),
        ],
        choices,
    }
}

fn delete(row: &Row) -> Ask {
    let says = match row.progress.trials_done as usize {
        0 => "No trial is finished; the run's plan and logs are removed from the disk. They cannot be brought back.".to_owned(),
        over => format!(
            "{} with transcripts, logs and verdicts are removed from the disk. They cannot be brought back.",
            count(over, "finished trial")
        ),
    };
    Ask {
        about: None,
        title: format!("Remove {}?", row.id()),
        says: vec![about(row), says],
        choices: vec![Choice::new(
            'y',
            "remove it for good",
            &["prune", row.id(), "--no-dry-run"],
        )],
    }
}

/// Which run it is, for people.
fn about(row: &Row) -> String {
    format!("{} · {}", row.harness, row.models)
}

/// What it may cost. Prices are not known here, and a run may have a judge that nobody lists.
fn cost(row: &Row) -> &'static str {
    let is_local = |name: &str| {
        name.parse::<ModelRef>()
            .is_ok_and(|model| model.provider.is_local())
    };
    if row.models.split(", ").all(is_local) {
        "Only a judge, if it has one, may cost money."
    } else {
        "Calls to models may cost money."
    }
}

/// Trials without a verdict.
fn open(row: &Row) -> u32 {
    let counts = &row.progress.outcomes;
    let verdicts = counts.scored() + counts.unscored;
    row.progress.trials_total.saturating_sub(verdicts)
}

/// Trials that did not pass, those that never ended too; those that nothing judges are none of them.
fn not_passed(row: &Row) -> u32 {
    let counts = &row.progress.outcomes;
    let others = counts.passed + counts.unscored;
    row.progress.trials_total.saturating_sub(others)
}

fn trials(n: u32) -> String {
    count(n as usize, "trial")
}

#[cfg(test)]
pub(super) mod tests {
    use bench_core::Progress;
    use bench_core::session::OutcomeCounts;

    use super::*;
    use crate::commands::Refused;
    use crate::dashboard::home::row::tests::ago;
    use crate::dashboard::home::row::{Doing, Going};

    pub(in super::super) fn going() -> Row {
        row(Stand::Going(Going {
            doing: Doing::Running(None),
            cost: None,
            left: None,
        }))
    }

    pub(in super::super) fn over(word: &str) -> Row {
        row(Stand::Over(Over {
            word: word.into(),
            cause: None,
            refused: None,
        }))
    }

    fn row(stand: Stand) -> Row {
        Row {
            key: Key::Run("run_20260102_020405_0badcafe".parse().unwrap()),
            harness: "quickstart".into(),
            models: "oracle, openai:gpt-4o".into(),
            runs: 3,
            progress: Progress {
                trials_total: 60,
                trials_done: 24,
                outcomes: OutcomeCounts {
                    passed: 10,
                    failed: 5,
                    limit: 2,
                    errored: 3,
                    unscored: 1,
                    cancelled: 3,
                },
                ..Progress::default()
            },
            started_at: ago(600),
            stand,
        }
    }

    #[test]
    fn only_what_makes_sense_is_offered() {
        use Act::{Cleanup, Compare, Delete, Kill, Prune, Report, Resume, Retry};
        let all = [Kill, Resume, Retry, Delete, Report, Compare, Cleanup, Prune];
        let offered = |row: Option<&Row>| -> Vec<Act> {
            all.into_iter()
                .filter(|act| refusal(*act, row, &[]).is_none())
                .collect()
        };
        assert_eq!(offered(Some(&going())), [Kill, Report, Compare, Cleanup, Prune]);
        assert_eq!(
            offered(Some(&over("failed"))),
            [Resume, Retry, Delete, Report, Compare, Cleanup, Prune]
        );
        assert_eq!(offered(None), [Cleanup, Prune]);
        let older = Row {
            key: Key::Older("bg_1".into()),
            ..over("completed")
        };
        assert_eq!(
            offered(Some(&older)),
            [Compare, Cleanup, Prune],
            "it is only shown"
        );
        let mut all_passed = over("completed");
        all_passed.progress.outcomes = OutcomeCounts {
            passed: 60,
            ..OutcomeCounts::default()
        };
        assert_eq!(
            offered(Some(&all_passed)),
            [Delete, Report, Compare, Cleanup, Prune]
        );
        all_passed.stand = over("cancelled").stand;
        assert_eq!(
            offered(Some(&all_passed)),
            [Resume, Delete, Report, Compare, Cleanup, Prune],
            "only its end is missing"
        );
    }

    #[test]
    fn what_would_be_refused_is_not_offered_and_says_why() {
        let row = |retry| {
            let mut row = over("failed");
            if let Stand::Over(over) = &mut row.stand {
                let words = "its journal is damaged";
                over.refused = Some(Refused { words, retry });
            }
            row
        };
        let why = |act, retry| refusal(act, Some(&row(retry)), &[]);
        assert_eq!(why(Act::Resume, false), Some("its journal is damaged"));
        assert_eq!(why(Act::Retry, false), None);
        assert_eq!(why(Act::Retry, true), Some("its journal is damaged"));
        assert_eq!(why(Act::Delete, true), None);
    }

    #[test]
    fn every_question_says_what_happens_and_what_it_costs() {
        let said = |act, row: &Row| {
            let Ok(First::Ask(ask)) = first(act, Some(row), &[]) else {
                return "nothing".to_owned();
            };
            let choices = ask
                .choices
                .iter()
                .map(|choice| format!("{} {}: {}\n", choice.key, choice.words, choice.command.join(" ")));
            format!(
                "{}\n{}\n{}",
                ask.title,
                ask.says.join("\n"),
                choices.collect::<String>()
            )
        };
        let mut free = over("cancelled");
        free.models = "oracle, noop".into();
        free.progress.outcomes.errored = 0;
        let texts = [
            said(Act::Kill, &going()),
            said(Act::Resume, &over("failed")),
            said(Act::Resume, &free),
            said(Act::Retry, &over("completed")),
            said(Act::Retry, &free),
            said(Act::Delete, &over("failed")),
        ];
        insta::assert_snapshot!(texts.join("\n"), @r"
        End run_20260102_020405_0badcafe?
        quickstart · oracle, openai:gpt-4o
        24 of 60 trials are over and are kept, 6 of them without a verdict. Those under way are cancelled: they are over then, too, without a verdict; `resume` runs them and the rest.
        y end it: kill run_20260102_020405_0badcafe

        Resume run_20260102_020405_0badcafe?
        quickstart · oracle, openai:gpt-4o
        Runs 42 of 60 trials in the background: those without a verdict. Calls to models may cost money.
        y resume it: resume run_20260102_020405_0badcafe --background

        Resume run_20260102_020405_0badcafe?
        quickstart · oracle, noop
        Runs 42 of 60 trials in the background: those without a verdict. Only a judge, if it has one, may cost money.
        y resume it: resume run_20260102_020405_0badcafe --background

        Try trials of run_20260102_020405_0badcafe again?
        quickstart · oracle, openai:gpt-4o
        They are run in the background as a new run; this one stays as it is. Calls to models may cost money.
        e 3 trials that errored: retry run_20260102_020405_0badcafe --errored --background
        f 7 trials that failed or hit a limit: retry run_20260102_020405_0badcafe --failed --background
        a all 49 trials that did not pass: retry run_20260102_020405_0badcafe --background

        Try trials of run_20260102_020405_0badcafe again?
        quickstart · oracle, noop
        They are run in the background as a new run; this one stays as it is. Only a judge, if it has one, may cost money.
        f 7 trials that failed or hit a limit: retry run_20260102_020405_0badcafe --failed --background
        a all 49 trials that did not pass: retry run_20260102_020405_0badcafe --background

        Remove run_20260102_020405_0badcafe?
        quickstart · oracle, openai:gpt-4o
        24 finished trials with transcripts, logs and verdicts are removed from the disk. They cannot be brought back.
        y remove it for good: prune run_20260102_020405_0badcafe --no-dry-run
        ");
    }

    #[test]
    fn marked_runs_are_compared_in_the_order_in_which_they_were_marked() {
        let words = |row: &Row, marked: &[&str]| match first(Act::Compare, Some(row), marked) {
            Ok(First::Do { words, to_read: true }) => words.join(" "),
            other => format!("{other:?}"),
        };
        let (row, mut one) = (over("completed"), over("completed"));
        one.models = "oracle".into();
        let id = row.id();
        assert_eq!(words(&row, &[]), format!("compare {id}"), "its models");
        assert_eq!(words(&row, &["run_b", "run_a"]), "compare run_b run_a");
        assert_eq!(
            words(&one, &["run_b"]),
            format!("compare run_b {id}"),
            "with the chosen one"
        );
        assert!(words(&one, &[]).contains("mark another run"));
        assert!(words(&one, &[id]).contains("mark another run"));
    }

    #[test]
    fn old_runs_are_shown_before_they_are_removed() {
        let Ok(First::Look(words)) = first(Act::Prune, None, &[]) else {
            panic!("not looked at");
        };
        let ask = after_look(words, "run_1\nrun_2\n");
        assert_eq!(ask.says[0], "run_1\nrun_2");
        assert_eq!(
            ask.choices[0].command,
            ["prune", "--older-than", "30d", "--keep", "20", "--no-dry-run"]
        );
    }
}
