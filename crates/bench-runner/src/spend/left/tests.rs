//! Transcripts of dead workers, and what they are worth.

use super::*;
use crate::spend::lost_call;

fn used(input: u64, output: u64) -> Usage {
    Usage {
        input_tokens: Some(input),
        output_tokens: Some(output),
        ..Usage::default()
    }
}

const NOBODY: Paid = Paid {
    model: false,
    judge: false,
};
const MODEL: Paid = Paid {
    model: true,
    judge: false,
};
const JUDGE: Paid = Paid {
    model: false,
    judge: true,
};
const BOTH: Paid = Paid {
    model: true,
    judge: true,
};

fn attempt() -> Entry {
    Entry::Attempt { attempt: 1 }
}

fn asked() -> Entry {
    Entry::User {
        prompt: 0,
        text: String::new(),
    }
}

fn reply(dollars: f64) -> Entry {
    Entry::Assistant {
        turn: 1,
        text: String::new(),
        reasoning: String::new(),
        tool_calls: Vec::new(),
        stop_reason: String::new(),
        served_by: None,
        request_id: None,
        usage: used(3, 4),
        cost_usd: Some(Usd::from(dollars)),
        unknown_calls: 0,
        took_ms: 1,
        first_token_ms: None,
        raw: serde_json::Value::Null,
    }
}

#[test]
fn what_a_dead_worker_paid_is_found_once_with_what_was_under_way() {
    let shown = |entries: Vec<Entry>, begun, settled| {
        left_in(entries, begun, settled, MODEL).map(|spent| (spent.turns, spent.cost.to_string()))
    };
    let unknown = |turns, cost: &str| Some((turns, cost.to_owned()));
    let first = || vec![attempt(), asked(), reply(1.0)];
    assert_eq!(shown(vec![attempt()], 1, 0), None, "the gym was being opened");
    assert_eq!(
        shown(vec![attempt(), asked()], 1, 0),
        unknown(0, "unknown (1 call)")
    );
    let two = || [first(), vec![attempt(), asked(), reply(0.5), reply(0.25)]].concat();
    let all = "≥ $1.75 + 1 call of unknown cost";
    assert_eq!(shown(two(), 2, 0), unknown(3, all));
    let last = "≥ $0.7500 + 1 call of unknown cost";
    assert_eq!(
        shown(two(), 2, 1),
        unknown(2, last),
        "the first one is counted already"
    );
    assert_eq!(shown(two(), 2, 2), None);
    let answered = Entry::ToolResult {
        turn: 1,
        call_id: String::new(),
        tool: String::new(),
        gym: String::new(),
        is_error: false,
        text: String::new(),
        structured: serde_json::Value::Null,
        cut_bytes: 0,
        took_ms: 30,
    };
    let free = left_in([two(), vec![answered]].concat(), 2, 0, NOBODY).unwrap();
    assert_eq!((free.turns, free.cost), (3, Cost::default()));
    assert_eq!((free.tool_calls, free.took_ms), (1, 33));
}

#[test]
fn requests_that_came_to_nothing_are_found_however_the_turn_went_on() {
    let shown = |entries: Vec<Entry>, begun, settled| {
        left_in(entries, begun, settled, MODEL).map(|spent| spent.cost.to_string())
    };
    let unknown = |text: &str| Some(text.to_owned());
    let retrying = || vec![attempt(), asked(), lost_call(), lost_call()];
    assert_eq!(
        shown(retrying(), 1, 0),
        unknown("unknown (3 calls)"),
        "two, and the one under way"
    );
    let mut answered = reply(1.0);
    if let Entry::Assistant { unknown_calls, .. } = &mut answered {
        *unknown_calls = 2;
    }
    let healed = || [retrying(), vec![answered.clone()]].concat();
    let once = unknown("≥ $1.00 + 3 calls of unknown cost");
    assert_eq!(shown(healed(), 1, 0), once, "the reply names the same two");
    let older = vec![attempt(), asked(), answered.clone()];
    assert_eq!(shown(older, 1, 0), once, "without lines of their own");
    let retried = [retrying(), vec![attempt()]].concat();
    assert_eq!(
        shown(retried, 2, 0),
        unknown("unknown (3 calls)"),
        "never less, although a gym was being opened"
    );
    // It may be the settled one, or one after it.
    assert_eq!(shown(healed(), 2, 1), unknown("unknown (5 calls)"));
}

#[test]
fn an_attempt_that_no_transcript_tells_of_is_a_call_of_unknown_cost() {
    let shown = |entries: Vec<Entry>, begun, settled| {
        left_in(entries, begun, settled, MODEL).map(|spent| spent.cost.to_string())
    };
    let one = || vec![attempt(), asked(), reply(1.0)];
    let unknown = |text: &str| Some(text.to_owned());
    assert_eq!(shown(vec![], 1, 0), unknown("unknown (1 call)"));
    assert_eq!(shown(one(), 2, 0), unknown("≥ $1.00 + 2 calls of unknown cost"));
    // The one in the transcript may be the settled one, or the one after it.
    assert_eq!(shown(one(), 2, 1), unknown("unknown (3 calls)"));
    assert_eq!(shown(vec![], 1, 1), None, "it was counted");
    assert_eq!(left_in(vec![], 1, 0, NOBODY), None, "nobody pays for it");
}

fn judge_asked() -> Entry {
    Entry::JudgeAsked {
        verifier: 0,
        name: "polite".into(),
        model: "compatible:judge".into(),
        text: String::new(),
    }
}

fn judge_replied(dollars: Option<f64>) -> Entry {
    Entry::JudgeReplied {
        verifier: 0,
        text: String::new(),
        reasoning: String::new(),
        stop_reason: String::new(),
        served_by: None,
        request_id: None,
        usage: used(5, 6),
        cost_usd: dollars.map(Usd::from),
        unknown_calls: 0,
        took_ms: 1,
    }
}

#[test]
fn what_judges_were_paid_is_found_too_whoever_serves_the_model() {
    let shown = |more: &[Entry], paid| {
        let all = [attempt(), asked(), reply(1.0)]
            .into_iter()
            .chain(more.iter().cloned());
        let spent = left_in(all, 1, 0, paid).unwrap();
        (
            spent.usage.total(),
            spent.judge_usage.total(),
            spent.cost.to_string(),
        )
    };
    let is = |model, judge, cost: &str| (model, judge, cost.to_owned());
    let waits = [judge_asked()];
    assert_eq!(shown(&waits, BOTH), is(7, 0, "≥ $1.00 + 1 call of unknown cost"));
    let lost = Entry::Lost {
        usage: used(2, 1),
        cost_usd: Some(Usd::from(1.0)),
    };
    let counted = [judge_asked(), lost];
    assert_eq!(
        shown(&counted, BOTH),
        is(7, 3, "≥ $2.00 + 1 call of unknown cost")
    );
    assert_eq!(shown(&waits, JUDGE), is(7, 0, "unknown (1 call)"));
    assert_eq!(
        shown(&waits, MODEL),
        is(7, 0, "$1.00"),
        "the conversation is over"
    );
    assert_eq!(shown(&waits, NOBODY), is(7, 0, "$0"));
    let replied = [judge_asked(), judge_replied(Some(0.25))];
    assert_eq!(shown(&replied, BOTH), is(7, 11, "$1.25"), "nobody is waited for");
    assert_eq!(shown(&replied, JUDGE), is(7, 11, "$0.2500"));
    assert_eq!(shown(&replied, MODEL), is(7, 11, "$1.00"), "a script judges");
    let again = [&replied[..], &waits].concat();
    assert_eq!(
        shown(&again, JUDGE),
        is(7, 11, "≥ $0.2500 + 1 call of unknown cost")
    );
    let unpriced = [judge_asked(), judge_replied(None)];
    assert_eq!(shown(&unpriced, JUDGE), is(7, 11, "unknown (1 call)"));
    assert_eq!(
        left_in([], 1, 0, JUDGE).unwrap().cost,
        Cost::unknown(1),
        "lost with the power"
    );
    let two = [vec![attempt(), asked(), reply(1.0)], replied.to_vec()].concat();
    let maybe_settled = left_in(two, 2, 1, JUDGE).unwrap();
    assert_eq!(
        maybe_settled.cost,
        Cost::unknown(2),
        "its judge's call, and the lost attempt"
    );
}
