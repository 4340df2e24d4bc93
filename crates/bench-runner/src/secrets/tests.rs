//! Every form in which a secret comes, and what must stay as it is.

use bench_core::Event;
use bench_core::transcript::{Entry, Line, ToolCall};
use chrono::DateTime;
use serde_json::{Value, json};

use super::*;

fn knowing(values: &[&str]) -> Secrets {
    let secrets = Secrets::default();
    for value in values {
        secrets.add(value);
    }
    secrets
}

fn line(arguments: &Value) -> Line {
    Line {
        at: "2026-11-21T22:00:00Z".parse().unwrap(),
        entry: Entry::Note {
            text: arguments.to_string(),
        },
    }
}

#[test]
fn every_form_in_which_a_value_is_repeated_is_found() {
    let pem = "-----BEGIN KEY-----\nMIIEvQIBADAN\nBgkqhkiG9w0B\n-----END KEY-----";
    let secrets = knowing(&[
        "with\"quote",
        "pässwörd",
        "\"in quotes 1\"",
        "Bearer tok-12345",
        pem,
        "a b&c/d e",
    ]);
    for text in [
        "with\"quote",
        r#"{"a": "with\"quote"}"#,
        r#"{"a": "{\"b\": \"with\\\"quote\"}"}"#,
        r"p\u00e4ssw\u00f6rd",
        "in quotes 1",
        "tok-12345",
        "MIIEvQIBADAN",
        "BgkqhkiG9w0B",
        "a+b%26c%2Fd+e",
    ] {
        assert!(secrets.redact(text).contains("[secret]"), "{text}");
    }
    assert_eq!(secrets.redact("-----BEGIN KEY-----"), "-----BEGIN KEY-----");
    secrets.add_password_of("postgres://me:p%40ss-word@host/db");
    assert_eq!(secrets.redact("p@ss-word p%40ss-word"), "[secret] [secret]");
}

#[test]
fn credentials_are_found_as_clients_send_them() {
    let found_all = |secrets: &Secrets, texts: &[&str]| {
        for text in texts {
            assert_eq!(secrets.redact(&format!("<{text}>")), "<[secret]>", "{text}");
        }
    };
    // Of `mÿ:p@ss?&wörd>~~`, in which the ways of writing base64 differ.
    let written = [
        "bcO/OnBAc3M/JnfDtnJkPn5+",
        "bcO_OnBAc3M_JnfDtnJkPn5-",
        "p@ss?&wörd>~~",
        "p%40ss%3F&w%C3%B6rd%3E~~",
    ];
    let address = "http://m%C3%BF:p%40ss%3F&wörd%3E~~@host/v1";
    let secrets = Secrets::default();
    secrets.add_password_of(address);
    found_all(&secrets, &written);
    let secrets = Secrets::default();
    secrets.add_credentials_of(&Url::parse(address).unwrap());
    found_all(&secrets, &written);

    // `me:hunter2hunter2`, filled up or not, and cut off.
    let secrets = Secrets::default();
    secrets.add_password_of("http://me:hunter2hunter2@host");
    let sent = ["bWU6aHVudGVyMmh1bnRlcjI=", "bWU6aHVudGVyMmh1bnRlcjI"];
    found_all(&secrets, &sent);
    found_all(&secrets, &["hunter2hunter2"]);
    assert_eq!(secrets.redact("Basic bWU6aHVudGV…"), "Basic [secret]…");
    // A password that is too short to be looked for: not where both are sent together.
    secrets.add_password_of("http://somebody:pass@host");
    found_all(&secrets, &["c29tZWJvZHk6cGFzcw==", "c29tZWJvZHk6cGFzcw"]);
    assert_eq!(secrets.redact("pass, somebody"), "pass, somebody");

    // Without a password the user is the secret, but only where requests are sent to.
    let secrets = Secrets::default();
    let alone = "http://user-canary@host";
    secrets.add_password_of(alone);
    assert_eq!(secrets.redact("user-canary"), "user-canary");
    secrets.add_credentials_of(&Url::parse(alone).unwrap());
    found_all(&secrets, &["user-canary", "dXNlci1jYW5hcnk6"]);
    secrets.add_credentials_of(&Url::parse("http://host").unwrap());
    assert_eq!(secrets.redact("http://host:"), "http://host:");

    let in_query = "https://host/v1?api-version=2024-10-21&api_key=query%2fcanary";
    secrets.add_credentials_of(&Url::parse(in_query).unwrap());
    found_all(&secrets, &["query/canary", "query%2fcanary", "query%2Fcanary"]);
    assert_eq!(secrets.redact("2024-10-21"), "2024-10-21");
}

#[test]
fn what_a_header_proves_is_found_without_its_scheme() {
    let secrets = Secrets::default();
    for (name, value) in [
        ("x-upstream", "bearer tok-canary-1"),
        ("X-Forward", "Basic bWU6aHVudGVyMmh1bnRlcjI="),
        ("Cookie", "sid=cookie-canary-1"),
        ("Authorization", "Digest a b digest-canary"),
        ("x-team", "no-secret-of-us"),
    ] {
        secrets.add_header(name, value);
    }
    for text in [
        "tok-canary-1",
        "bWU6aHVudGVyMmh1bnRlcjI=",
        "bWU6aHVudGVyMmh1bnRlcjI",
        "hunter2hunter2",
        "sid=cookie-canary-1",
        "digest-canary",
    ] {
        assert_eq!(secrets.redact(text), "[secret]", "{text}");
    }
    assert_eq!(secrets.redact("no-secret-of-us"), "no-secret-of-us");
}

#[test]
fn what_was_cut_off_within_a_secret_is_found() {
    let secrets = knowing(&["sk-canary-0123456789", "sk-other-987654321"]);
    let long = format!("{}sk-canary-0123456789", "x".repeat(60));
    let found = json!(long);
    let error = bench_core::Comparison {
        operator: bench_core::Operator::Between,
        expected: json!([1, 2]),
    };
    let error = error.check(&found).unwrap_err().to_string();
    assert!(
        error.contains("sk-canary") && !error.contains("6789"),
        "cut: {error}"
    );
    let said = secrets.redacted(line(&json!(error))).unwrap();
    let kept = serde_json::to_string(&said).unwrap();
    assert!(kept.contains("x[secret]…") && !kept.contains("sk-c"), "{kept}");

    assert_eq!(
        secrets.redact("sk-o… sk-canary-012… sk-canary-0123456789…"),
        "[secret]… [secret]… [secret]…"
    );
    assert_eq!(
        secrets.redact("sk-… and so on… …"),
        "sk-… and so on… …",
        "no more than a habit of naming"
    );
}

#[test]
fn values_that_look_like_parts_of_our_formats_damage_nothing() {
    let secrets = knowing(&[
        "20251130",
        "arguments",
        "assistant",
        "2026-11-21",
        "\"sk-abc-1234567\"",
        "note_text",
    ]);
    let event = Event::TrialRetried {
        trial: "a-20251130~m~1".parse().unwrap(),
        attempt: 1,
        cause: "20251130 sk-abc-1234567".into(),
    };
    let Ok(Event::TrialRetried { trial, cause, .. }) = secrets.redacted(event) else {
        panic!()
    };
    assert_eq!(
        (trial.as_str(), cause.as_str()),
        ("a-20251130~m~1", "[secret] [secret]")
    );
    let call = ToolCall {
        id: "1".into(),
        name: "add".into(),
        arguments: json!({"n": 20_251_130, "arguments": "\"sk-abc-1234567\" 20251130", "when": "2026-11-21"}),
    };
    let clean = secrets.redacted(call).unwrap();
    assert_eq!(
        clean.arguments,
        json!({"n": "[secret]", "arguments": "[secret] [secret]", "when": "[secret]"})
    );
    let said = secrets.redacted(line(&json!({"key": "20251130"}))).unwrap();
    assert_eq!(said.at, line(&json!(0)).at);
    assert_eq!(
        said.entry,
        Entry::Note {
            text: "{\"key\":\"[secret]\"}".into()
        }
    );
}

#[test]
fn words_times_and_numbers_of_our_own_stay_where_nothing_else_can_stand() {
    let outcome = bench_core::Outcome::Unscored;
    assert_eq!(knowing(&["unscored"]).redacted(outcome), Ok(outcome));
    let time: DateTime<chrono::Utc> = "2026-11-21T22:00:00Z".parse().unwrap();
    assert_eq!(knowing(&["2026-11-21"]).redacted(time), Ok(time));
    let seconds = 20_251_130_u64;
    assert_eq!(knowing(&["20251130"]).redacted(seconds), Ok(seconds));
    // No place for a mask, and no word of ours: better nothing than the secret.
    let id: bench_core::TrialId = "a~sk-canary-1~1".parse().unwrap();
    assert_eq!(knowing(&["sk-canary-1"]).redacted(id.clone()), Err(id));
}
