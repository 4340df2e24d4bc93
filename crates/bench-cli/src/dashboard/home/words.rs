//! What the list says in words.

use bench_report::text;

use super::row::{Row, whole};
use super::{Home, Sort};
use crate::dashboard::paint::{self, short_age};

/// `2 in progress · 1,204 completed`.
pub(super) fn counts(home: &Home) -> String {
    let going = home.rows.iter().filter(|row| row.is_going()).count();
    let reading = if home.reading { ", reading" } else { "" };
    format!(
        "{going} in progress · {} completed{reading}",
        home.rows.len() - going
    )
}

/// Filter, sorting, trouble.
pub(super) fn facts(home: &Home) -> String {
    // What was just asked for is answered first.
    let mut parts: Vec<String> = home.notice.map(str::to_owned).into_iter().collect();
    if home.typing || !home.filter.is_empty() {
        let cursor = if home.typing { "_" } else { "" };
        let found = format!("{cursor}  {} of {}", home.shown.len(), home.rows.len());
        // What is typed is at its end.
        let filter = text::clean_line(&format!("{}.", home.filter));
        let filter = filter.strip_suffix('.').unwrap_or(&filter);
        let free = usize::from(home.size.0).saturating_sub(1 + paint::width(&found));
        parts.push(format!("/{}{found}", paint::end_of(filter, free)));
    }
    if !home.marked.is_empty() {
        parts.push(format!("{} marked", home.marked.len()));
    }
    match home.sort {
        Sort::Newest => {}
        Sort::Harness => parts.push("sorted by harness".to_owned()),
        Sort::Worst => parts.push("fewest verifiers passed first".to_owned()),
    }
    if home.unreadable > 0 {
        parts.push(format!(
            "{} cannot be read: `list` says why",
            text::count(home.unreadable, "run")
        ));
    }
    parts.extend(match home.ended.count {
        0 => None,
        1 => Some(home.ended.last.clone()),
        n => Some(format!("{n} runs ended; the last: {}", home.ended.last)),
    });
    parts.extend(home.trouble.clone());
    parts.join(" · ")
}

/// `openai:gpt-4o ×5`; if it would not fit, without the providers, then the first and how many more: `gpt-4o +8 ×5`.
pub(super) fn models_of(row: &Row, columns: u16) -> String {
    let times = match row.runs {
        0 | 1 => String::new(),
        n => format!(" ×{n}"),
    };
    let free = usize::from(columns).saturating_sub(paint::width(&times));
    if paint::width(&row.models) <= free {
        return format!("{}{times}", row.models);
    }
    let names = row.models.split(", ");
    let names: Vec<&str> = names
        .map(|name| name.split_once(':').map_or(name, |(_, name)| name))
        .collect();
    let joined = names.join(", ");
    match names.split_first() {
        // Cut in the middle, several names would look like one.
        Some((first, others)) if !others.is_empty() && paint::width(&joined) > free => {
            let more = format!(" +{}", others.len());
            let first = paint::fit(first, free.saturating_sub(more.len()));
            format!("{first}{more}{times}")
        }
        _ => format!("{}{times}", paint::fit(&joined, free)),
    }
}

/// `~12m`.
pub(super) fn about(seconds: u64) -> String {
    format!("~{}", short_age(i64::try_from(seconds).unwrap_or(i64::MAX)))
}

/// What there is to say of the chosen run.
pub(super) fn chosen(home: &Home) -> Option<String> {
    let row = home.chosen_at().and_then(|at| home.row(at))?;
    let began = row.started_at.format("%Y-%m-%d %H:%M UTC");
    let mut parts = vec![row.id().to_owned()];
    match row.note(home.now) {
        Some(note) => parts.push(format!("{}: {note}", row.word(home.now))),
        None => parts.push(row.word(home.now).to_owned()),
    }
    if row.is_going() {
        let took = (home.now - row.started_at).to_std().unwrap_or_default();
        parts.push(format!("{} from {began}", whole(took)));
    }
    Some(parts.join(" · "))
}
