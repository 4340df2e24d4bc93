//! Checks of the final answer that a model judges.
//!
//! | part | what it does |
//! |---|---|
//! | [`told`] | what the judge is told: whatever is judged is data, between lines that it cannot contain |
//! | [`opinion`] | what its reply has to be: one JSON object with a score, or it is none |
//!
//! A reply that cannot be used is asked for once more, saying what is wrong with it, and after that nobody knows. How
//! the judge is reached is the business of [`crate::judging`].

mod opinion;
mod told;

use bench_core::evidence::Asker;
use bench_core::outcome::Judgement;
use bench_core::{Cost, ModelRef, Operator, Scenario, Usage};
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::time::timeout;

use super::CHECK_TIMEOUT;
use super::finding::{Finding, score as shown};
use crate::gym::GymSession;
use crate::model::{AssistantTurn, Message};
use opinion::Opinion;
pub(crate) use told::SYSTEM_PROMPT;
use told::{FORM, told};

/// Requests for a reply that can be used.
const REPLIES: u32 = 2;

/// Who can ask the judge of a run.
pub(crate) trait AskJudge: Sync {
    /// The judge.
    fn model(&self) -> &ModelRef;

    /// Bytes that it is shown of a text.
    fn most(&self) -> usize;

    /// What was paid for it so far in this trial.
    fn cost(&self) -> Cost;

    /// Asks for a further reply, after so many.
    fn ask<'b>(
        &'b self,
        asker: &'b Asker,
        replies: u32,
        messages: &'b [Message],
    ) -> BoxFuture<'b, Result<(AssistantTurn, Usage), NoReply>>;
}

/// Why a judge gave no reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoReply {
    /// The run's budget has no room for it: the trial stays open.
    OverBudget(String),
    /// It could not be asked, or did not answer.
    Failed {
        error: String,
        /// Every further request would fail too.
        permanent: bool,
    },
}

/// What is judged by what.
pub(super) struct Case<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) criterion: &'a str,
    pub(super) minimum: f64,
    /// Whose result is what was expected.
    pub(super) sql: Option<&'a str>,
    pub(super) answer: Option<&'a str>,
}

/// Has the answer judged.
///
/// No answer, or one of blanks, is false without asking: there is nothing to be judged.
///
/// # Errors
/// The run's budget is used up.
pub(super) async fn check(
    case: &Case<'_>,
    gym: Result<&dyn GymSession, String>,
    judge: &dyn AskJudge,
    asker: &Asker,
) -> Result<Finding, String> {
    let answer = case.answer.unwrap_or_default();
    if answer.trim().is_empty() {
        return Ok(found(false, case.minimum, Value::from("no final answer")));
    }
    let expected = match (case.sql, gym) {
        (None, _) => None,
        (Some(_), Err(problem)) => return Ok(Finding::permanent(problem)),
        (Some(sql), Ok(gym)) => match timeout(CHECK_TIMEOUT, gym.query(sql)).await {
            Ok(Ok(value)) => Some(value),
            Ok(Err(error)) => return Ok(Finding::of_gym(&error).asked(sql)),
            Err(_) => {
                let late = format!("no result within {} s", CHECK_TIMEOUT.as_secs());
                return Ok(Finding::errored(late).asked(sql));
            }
        },
    };
    let told = told(case, answer, expected.as_ref(), judge.most());
    let before = judge.cost();
    let mut judged = Judgement {
        model: judge.model().to_string(),
        ..Judgement::default()
    };
    let finding = match asked(told, judge, asker, &mut judged).await {
        Ok(opinion) => {
            judged.score = Some(opinion.score);
            judged.reasoning = opinion.reasoning;
            found(opinion.score >= case.minimum, case.minimum, shown(opinion.score))
        }
        Err(NoReply::OverBudget(cause)) => return Err(cause),
        Err(NoReply::Failed {
            error,
            permanent: true,
        }) => Finding::permanent(error),
        Err(NoReply::Failed { error, .. }) => Finding::errored(error),
    };
    judged.cost = judge.cost().since(before);
    Ok(Finding {
        judge: Some(judged),
        ..finding
    }
    .asked(case.criterion))
}

fn found(holds: bool, minimum: f64, actual: Value) -> Finding {
    Finding::known(holds, Operator::GreaterThanOrEqual.name(), shown(minimum), actual)
}

/// Asks until a reply can be used.
async fn asked(
    told: String,
    judge: &dyn AskJudge,
    asker: &Asker,
    judged: &mut Judgement,
) -> Result<Opinion, NoReply> {
    let mut messages = vec![Message::User(told.clone())];
    let mut problem = String::new();
    while judged.replies < REPLIES {
        let (turn, usage) = judge.ask(asker, judged.replies, &messages).await?;
        judged.replies += 1;
        judged.usage += usage;
        match Opinion::of(&turn) {
            Ok(opinion) => return Ok(opinion),
            Err(why) => problem = why,
        }
        let again = format!("Your reply cannot be used: {problem}. {FORM}");
        if turn.text.trim().is_empty() {
            // Providers refuse a conversation with an empty turn in it.
            messages = vec![Message::User(format!("{told}\n\n{again}"))];
        } else {
            messages.push(Message::Assistant(turn));
            messages.push(Message::User(again));
        }
    }
    Err(NoReply::Failed {
        error: format!(
            "the judge {} gave no score: {problem} (asked {REPLIES} times)",
            judge.model()
        ),
        permanent: false,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use bench_core::VerdictStatus;
    use serde_json::json;

    use super::opinion::tests::says;
    use super::told::tests::scenario;
    use super::*;

    /// Replies as it is told to, and keeps what it was asked.
    struct Fake {
        model: ModelRef,
        replies: Mutex<VecDeque<Result<&'static str, NoReply>>>,
        asked: Mutex<Vec<Vec<Message>>>,
    }

    impl Fake {
        fn new(replies: impl IntoIterator<Item = Result<&'static str, NoReply>>) -> Self {
            Self {
                model: "compatible:judge".parse().unwrap(),
                replies: Mutex::new(replies.into_iter().collect()),
                asked: Mutex::default(),
            }
        }
    }

    impl AskJudge for Fake {
        fn model(&self) -> &ModelRef {
            &self.model
        }

        fn most(&self) -> usize {
            200
        }

        fn cost(&self) -> Cost {
            let requests = self.asked.lock().unwrap().len();
            Cost::unknown(u32::try_from(requests).unwrap())
        }

        fn ask<'b>(
            &'b self,
            _: &'b Asker,
            _: u32,
            messages: &'b [Message],
        ) -> BoxFuture<'b, Result<(AssistantTurn, Usage), NoReply>> {
            self.asked.lock().unwrap().push(messages.to_vec());
            let reply = self.replies.lock().unwrap().pop_front().expect("a further reply");
            let usage = Usage {
                input_tokens: Some(100),
                output_tokens: Some(10),
                ..Usage::default()
            };
            Box::pin(std::future::ready(reply.map(|text| (says(text), usage))))
        }
    }

    async fn judged(judge: &Fake, answer: Option<&str>) -> Result<Finding, String> {
        let scenario = scenario();
        let case = Case {
            scenario: &scenario,
            criterion: "Is it polite?",
            minimum: 7.0,
            sql: None,
            answer,
        };
        let asker = Asker {
            verifier: 0,
            name: "polite".into(),
        };
        check(&case, Err("no gym".into()), judge, &asker).await
    }

    #[tokio::test]
    async fn a_reply_that_cannot_be_used_is_asked_for_once_more() {
        let judge = Fake::new([Ok("8/10"), Ok(r#"{"reasoning": "It says please.", "score": 8}"#)]);
        let finding = judged(&judge, Some("Please wait.")).await.unwrap();
        assert_eq!(finding.status, VerdictStatus::True);
        assert_eq!((&finding.expected, &finding.actual), (&json!(7), &json!(8)));
        let judgement = finding.judge.unwrap();
        assert_eq!(judgement.reasoning, "It says please.");
        assert_eq!((judgement.replies, judgement.score), (2, Some(8.0)));
        assert_eq!(judgement.usage.total(), 220);
        assert_eq!(judgement.cost, Cost::unknown(2));
        let second = judge.asked.lock().unwrap()[1].clone();
        assert_eq!(second.len(), 3, "in the same conversation");
        let Message::User(again) = &second[2] else {
            panic!("{second:?}")
        };
        assert!(
            again.starts_with("Your reply cannot be used: it is not one JSON object"),
            "{again}"
        );

        let judge = Fake::new([Ok(r#"{"reasoning": "", "score": 11}"#), Ok("")]);
        let finding = judged(&judge, Some("Please wait.")).await.unwrap();
        let VerdictStatus::Errored { error, permanent } = &finding.status else {
            panic!("{finding:?}")
        };
        assert_eq!(
            error,
            "the judge compatible:judge gave no score: it is empty (asked 2 times)"
        );
        assert!(!permanent);
        let judgement = finding.judge.unwrap();
        assert_eq!(
            (judgement.replies, judgement.score),
            (2, None),
            "and no third time"
        );
    }

    #[tokio::test]
    async fn below_the_minimum_is_false_and_no_answer_is_not_worth_a_question() {
        let judge = Fake::new([Ok(r#"{"reasoning": "Rude.", "score": 6.9}"#)]);
        let finding = judged(&judge, Some("Go away.")).await.unwrap();
        assert_eq!(
            (finding.status, finding.actual),
            (VerdictStatus::False, json!(6.9))
        );
        for nothing in [None, Some(""), Some(" \n")] {
            let nobody = Fake::new([]);
            let finding = judged(&nobody, nothing).await.unwrap();
            assert_eq!(finding.status, VerdictStatus::False);
            assert_eq!((finding.actual, finding.judge), (json!("no final answer"), None));
        }
    }

    #[tokio::test]
    async fn a_judge_that_gives_no_reply_is_no_verdict_and_a_budget_that_is_over_leaves_it_open() {
        let failed = |permanent| NoReply::Failed {
            error: "401".into(),
            permanent,
        };
        for permanent in [true, false] {
            let finding = judged(&Fake::new([Err(failed(permanent))]), Some("x"))
                .await
                .unwrap();
            let error = "401".to_owned();
            assert_eq!(finding.status, VerdictStatus::Errored { error, permanent });
            assert!(finding.judge.is_some(), "what it cost is told");
        }
        let over = Fake::new([Ok("what?"), Err(NoReply::OverBudget("$1 of $1".into()))]);
        assert_eq!(judged(&over, Some("x")).await.unwrap_err(), "$1 of $1");
    }
}
