//! One conversation with a bit of everything, at every detail.

use serde_json::Value;

use super::*;

fn show(entries: Vec<Entry>, detail: Detail) -> String {
    let at = "2026-01-02T03:04:05Z".parse().unwrap();
    entries
        .into_iter()
        .map(|e| entry(&Line { at, entry: e }, detail))
        .collect()
}

fn conversation() -> Vec<Entry> {
    let call = ToolCall {
        id: "1".into(),
        name: "create_issue".into(),
        arguments: serde_json::json!({"summary": "Crash"}),
    };
    vec![
        Entry::System {
            text: "You are careful.".into(),
        },
        Entry::User {
            prompt: 0,
            text: "File a bug.\n".into(),
        },
        Entry::Assistant {
            turn: 1,
            text: String::new(),
            reasoning: "a bug\nit is".into(),
            tool_calls: vec![call],
            stop_reason: "tool_use".into(),
            served_by: Some("m-2026-01-01".into()),
            request_id: Some("req_1".into()),
            usage: Usage {
                input_tokens: Some(10),
                output_tokens: Some(2),
                ..Usage::default()
            },
            cost_usd: None,
            unknown_calls: 0,
            took_ms: 1_200,
            first_token_ms: Some(300),
            raw: Value::Null,
        },
        Entry::ToolResult {
            turn: 1,
            call_id: "1".into(),
            tool: "create_issue".into(),
            gym: "tracker".into(),
            is_error: false,
            text: (1..=14)
                .map(|n| format!("line {n} \x1b[2J"))
                .collect::<Vec<_>>()
                .join("\n"),
            structured: Value::Null,
            cut_bytes: 17,
            took_ms: 3,
        },
        Entry::Note {
            text: "model waited 3 s".into(),
        },
    ]
}

#[test]
fn brief_shows_the_way_of_the_talk() {
    insta::assert_snapshot!(show(conversation(), Detail::Brief), @r#"
    --- user
    File a bug.

    --- assistant, turn 1 (1.20s, first word after 300ms, 10 tokens in, 2 out)
    → create_issue {"summary":"Crash"}
    ← create_issue: ok (3ms)
      line 1 ␛[2J
      line 2 ␛[2J
      line 3 ␛[2J
      line 4 ␛[2J
      line 5 ␛[2J
      line 6 ␛[2J
      line 7 ␛[2J
      line 8 ␛[2J
      line 9 ␛[2J
      line 10 ␛[2J
      line 11 ␛[2J
      line 12 ␛[2J
      … 2 further lines
      (the model did not see 17 bytes of this)
    * model waited 3 s
    "#);
}

#[test]
fn full_leaves_nothing_out() {
    let full = show(conversation(), Detail::Full);
    for part in [
        "You are careful.",
        "  (served by m-2026-01-01, stop reason tool_use, request req_1)",
        "  ~ a bug",
        "  ~ it is",
        "line 14 ␛[2J",
    ] {
        assert!(full.contains(part), "{part} is missing in {full}");
    }
    assert!(!full.contains('\x1b'));
}

#[test]
fn on_a_screen_arguments_take_lines_and_long_texts_are_folded() {
    let mut said = conversation();
    let Entry::Assistant {
        tool_calls,
        reasoning,
        ..
    } = &mut said[2]
    else {
        unreachable!()
    };
    tool_calls[0].arguments =
        serde_json::json!({"summary": "Crash \u{1b}[2J", "labels": ["a", "b"], "text": "x".repeat(40)});
    *reasoning = "thought\n".repeat(9);
    insta::assert_snapshot!(show(said.clone(), Detail::Folded), @r#"
    --- system
    You are careful.

    --- user
    File a bug.

    --- assistant, turn 1 (1.20s, first word after 300ms, 10 tokens in, 2 out)
      (served by m-2026-01-01, stop reason tool_use, request req_1)
      ~ thought
      ~ thought
      ~ thought
      ~ thought
      … 5 further lines
    → create_issue
        {
          "summary": "Crash \u001b[2J",
          "labels": [
            "a",
            "b"
          ],
          "text": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        }
    ← create_issue: ok (3ms)
      line 1 ␛[2J
      line 2 ␛[2J
      line 3 ␛[2J
      line 4 ␛[2J
      line 5 ␛[2J
      line 6 ␛[2J
      … 8 further lines
      (the model did not see 17 bytes of this)
    * model waited 3 s
    "#);
    let whole = show(said, Detail::Unfolded);
    assert!(whole.contains("line 14") && !whole.contains('…'), "{whole}");
    assert_eq!(whole.matches("~ thought").count(), 9);
}

#[test]
fn a_request_that_came_to_nothing_is_told() {
    let lost = |usage, cost_usd| show(vec![Entry::Lost { usage, cost_usd }], Detail::Brief);
    let counted = Usage {
        input_tokens: Some(100),
        output_tokens: Some(20),
        ..Usage::default()
    };
    insta::assert_snapshot!(lost(counted, Some(Usd::from(0.25))), @"* a request came to nothing, and cost $0.2500 (120 tokens)");
    insta::assert_snapshot!(lost(Usage::default(), None), @"* a request came to nothing, and may have been paid");
}

#[test]
fn what_verifiers_say_between_steps_is_told_where_it_changes() {
    let change = |name: &str, status| Checked {
        verifier: 0,
        name: name.into(),
        status,
    };
    let errored = VerdictStatus::Errored {
        error: "gone\nnow".into(),
        permanent: false,
    };
    let all = vec![
        Entry::Checked {
            step: 0,
            changes: vec![
                change("exists", VerdictStatus::False),
                change("alone", VerdictStatus::True),
            ],
        },
        Entry::Checked {
            step: 3,
            changes: vec![
                change("exists", VerdictStatus::True),
                change("alone", VerdictStatus::False),
                change("\u{1b}[2J", errored),
            ],
        },
    ];
    insta::assert_snapshot!(show(all.clone(), Detail::Brief), @r"
    ✓ alone: held before the first tool call
    ✓ exists: held after tool call 3
    ✗ alone: did not hold after tool call 3
    ! ␛[2J: not known after tool call 3: gone⏎now
    ");
    assert!(show(all, Detail::Full).contains("· exists: did not hold before the first tool call"));
}

#[test]
fn a_text_without_end_is_folded_too() {
    let long = Entry::User {
        prompt: 0,
        text: "word ".repeat(100_000),
    };
    assert!(show(vec![long.clone()], Detail::Folded).len() < 2_000);
    assert!(show(vec![long], Detail::Unfolded).len() > 499_000);
}
