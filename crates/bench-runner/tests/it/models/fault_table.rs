//! The fault table: what happens to a turn when its provider or the network misbehaves, in every wire format, with the
//! retries that a run makes. The table as printed is the contract.
//!
//! The clock is a value: it stands still while a retry waits and while a server is silent, and is moved on; only the
//! exchanges themselves, over real sockets, take real time.

mod faults;
mod server;

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bench_runner::model::{
    ErrorClass, ModelClient, ModelError, RetryPolicy, TurnReply, TurnRequest, Wait, take_turn_with_retries,
};
use futures_util::future::BoxFuture;

use super::exchanges::Notes;
use super::talk::Talk;
use faults::{FORMATS, Format, Row, rows};
use server::{Clock, serve};

#[tokio::test(start_paused = true)]
async fn every_fault_has_its_class_attempts_waits_and_outcome() {
    let rows = rows();
    assert!(rows.len() >= 30);
    let mut table = String::new();
    line(
        &mut table,
        ["fault", "formats", "class", "requests", "waits", "outcome"],
    );
    for row in &rows {
        let mut results: Vec<[String; 4]> = Vec::new();
        for format in row.formats {
            results.push(played(row, *format).await);
        }
        results.dedup();
        let [result] = results.as_slice() else {
            panic!("{}: formats differ: {results:#?}", row.fault)
        };
        let formats = if row.formats.len() == FORMATS.len() {
            "all".to_owned()
        } else {
            row.formats
                .iter()
                .map(|format| format.name())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let [class, requests, waits, outcome] = result;
        line(&mut table, [row.fault, &formats, class, requests, waits, outcome]);
    }
    insta::assert_snapshot!("fault_table", table);
}

fn line(table: &mut String, cells: [&str; 6]) {
    let [fault, formats, class, requests, waits, outcome] = cells;
    let line = format!("{fault:<48} {formats:<18} {class:<16} {requests:>8}  {waits:<28} {outcome}");
    writeln!(table, "{}", line.trim_end()).unwrap();
}

/// Class, requests, waits and outcome of a row in one format.
async fn played(row: &Row, format: Format) -> [String; 4] {
    let clock = Clock::default();
    let url = serve((row.acts)(format), format.good(), row.always, clock.clone()).await;
    let url = if row.nobody_there {
        "http://127.0.0.1:1".to_owned()
    } else {
        url
    };
    let notes = Arc::new(Notes::default());
    let mut talk = Talk::with(&format.model(row.stream), &url);
    talk.timeout = Duration::from_mins(10);
    talk.offer("t", "", faults::schema());
    talk.witness = Some(Arc::clone(&notes));
    let retried = Arc::new(Retried {
        inner: Timed {
            inner: Arc::clone(&talk.client),
            failures: Mutex::default(),
            clock,
        },
        waits: Mutex::default(),
    });
    talk.client = Arc::clone(&retried) as Arc<dyn ModelClient>;
    let outcome = talk.ask().await;

    let attempts: Vec<u32> = notes.take().iter().map(|exchange| exchange.attempt).collect();
    let failures = retried.inner.failures.lock().unwrap();
    let sent = failures.len() + usize::from(outcome.is_ok());
    assert_eq!(
        attempts,
        (1..=u32::try_from(sent).unwrap()).collect::<Vec<_>>(),
        "{}",
        row.fault
    );
    let class = failures
        .first()
        .map_or("-".to_owned(), |error| class_name(error.class));
    assert!(
        failures.iter().all(|error| class_name(error.class) == class),
        "{}: {failures:#?}",
        row.fault
    );
    let waits = shown_waits(&retried.waits.lock().unwrap(), &failures, row.fault);
    [class, sent.to_string(), waits, shown_outcome(&outcome)]
}

fn class_name(class: ErrorClass) -> String {
    serde_json::to_value(class).unwrap().as_str().unwrap().to_owned()
}

/// Drawn waits by their bounds, those that were asked for by what was asked; both hold.
fn shown_waits(waits: &[Duration], failures: &[ModelError], fault: &str) -> String {
    let policy = RetryPolicy::default();
    let mut shown = Vec::new();
    for (nth, (wait, failure)) in waits.iter().zip(failures).enumerate() {
        let bound = policy.max_delay.min(policy.base_delay * (1 << nth));
        let drawn = (Duration::ZERO, bound, format!("≤{}s", bound.as_secs()));
        let (least, most, text) = failure.retry_after.map_or(drawn, |asked| {
            // Of a long one some time has passed, where it was asked for as a date.
            let seconds = asked.as_secs_f64();
            let seconds = if seconds > 20.0 {
                (seconds / 5.0).ceil() * 5.0
            } else {
                seconds
            };
            let text = format!("{seconds} s asked");
            (asked, asked.mul_f64(1.1), text)
        });
        assert!(
            (least..=most).contains(wait),
            "{fault}: {wait:?} is not within {least:?} and {most:?}"
        );
        shown.push(text);
    }
    match shown.as_slice() {
        [] => "-".to_owned(),
        [first, second, third, .., last] => format!("{first} {second} {third} … {last}"),
        few => few.join(" "),
    }
}

fn shown_outcome(outcome: &Result<TurnReply, ModelError>) -> String {
    match outcome {
        Ok(reply) => {
            let turn = &reply.turn;
            let calls = turn.tool_calls.iter();
            let calls = calls.map(|call| format!("{}={}", call.id, call.arguments));
            let said = std::iter::once(turn.text.clone()).chain(calls);
            let said: Vec<String> = said.filter(|said| !said.is_empty()).collect();
            let tokens = match reply.usage.output_tokens {
                None => ", tokens unknown",
                Some(_) => "",
            };
            format!("reply: {}{tokens}", said.join(" "))
        }
        Err(error) if error.class.concerns_all_requests() => "errored, as all trials of the model".to_owned(),
        Err(error) if error.may_heal() => "errored, may be tried again".to_owned(),
        Err(_) => "errored".to_owned(),
    }
}

/// A model that is asked again as in a run.
struct Retried {
    inner: Timed,
    waits: Mutex<Vec<Duration>>,
}

impl ModelClient for Retried {
    fn model(&self) -> &bench_core::ModelRef {
        self.inner.model()
    }

    fn take_turn<'a>(&'a self, request: &'a TurnRequest<'a>) -> BoxFuture<'a, Result<TurnReply, ModelError>> {
        Box::pin(async move {
            let note = |wait: Wait<'_>| self.waits.lock().unwrap().push(wait.delay);
            take_turn_with_retries(&self.inner, request, &RetryPolicy::default(), &(), &note).await
        })
    }
}

/// Lets the clock run while an exchange lasts, until its server falls silent.
struct Timed {
    inner: Arc<dyn ModelClient>,
    failures: Mutex<Vec<ModelError>>,
    clock: Clock,
}

impl ModelClient for Timed {
    fn model(&self) -> &bench_core::ModelRef {
        self.inner.model()
    }

    fn take_turn<'a>(&'a self, request: &'a TurnRequest<'a>) -> BoxFuture<'a, Result<TurnReply, ModelError>> {
        Box::pin(async move {
            self.clock.run();
            let outcome = self.inner.take_turn(request).await;
            self.clock.stand_still();
            if let Err(error) = &outcome {
                self.failures.lock().unwrap().push(error.clone());
            }
            outcome
        })
    }
}
