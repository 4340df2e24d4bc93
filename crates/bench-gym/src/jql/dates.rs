//! Points in time as queries write them.
//!
//! A day (`2025-11-03`, `2025/11/03`), an instant (`2025-11-03 09:15`, RFC 3339), a distance from now
//! (`-7d`, `"1w 2d"`; minutes `m`, hours `h`, days `d`, weeks `w`) or a function such as `startOfDay(-1d)`.
//! "Now" is the database's clock. Weeks start on Monday; all times are UTC.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

/// A point in time, as exact as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Day(NaiveDate),
    Instant(DateTime<Utc>),
}

impl Moment {
    /// The instant, or midnight at the start of the day.
    pub(super) fn instant(self) -> DateTime<Utc> {
        match self {
            Self::Day(day) => day.and_time(NaiveTime::MIN).and_utc(),
            Self::Instant(instant) => instant,
        }
    }

    /// The day, or the day the instant falls on.
    pub(super) fn day(self) -> NaiveDate {
        match self {
            Self::Day(day) => day,
            Self::Instant(instant) => instant.date_naive(),
        }
    }
}

/// Reads what stands in a query; `None` if it is no point in time.
pub(super) fn read(text: &str, now: DateTime<Utc>) -> Option<Moment> {
    let text = text.trim();
    if let Some(distance) = distance(text, None) {
        return now.checked_add_signed(distance).map(Moment::Instant);
    }
    for format in ["%Y-%m-%d", "%Y/%m/%d"] {
        if let Ok(day) = NaiveDate::parse_from_str(text, format) {
            return Some(Moment::Day(day));
        }
    }
    for format in [
        "%Y-%m-%d %H:%M",
        "%Y/%m/%d %H:%M",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%dT%H:%M:%S",
    ] {
        if let Ok(instant) = NaiveDateTime::parse_from_str(text, format) {
            return Some(Moment::Instant(instant.and_utc()));
        }
    }
    DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|instant| Moment::Instant(instant.to_utc()))
}

/// `-7d`, `+2h`, `1w 2d`; a bare number counts in `unit` where one is given.
fn distance(text: &str, unit: Option<char>) -> Option<TimeDelta> {
    let (negative, parts) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut total = TimeDelta::zero();
    let mut parts = parts.split_whitespace().peekable();
    parts.peek()?;
    for part in parts {
        let digits = part.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let count: i64 = digits
            .parse()
            .ok()
            .filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        let mut letters = part[digits.len()..].chars();
        let step = match (letters.next().or(unit)?, letters.next()) {
            ('m', None) => TimeDelta::try_minutes(count),
            ('h', None) => TimeDelta::try_hours(count),
            ('d', None) => TimeDelta::try_days(count),
            ('w', None) => TimeDelta::try_weeks(count),
            _ => None,
        };
        total = total.checked_add(&step?)?;
    }
    Some(if negative { -total } else { total })
}

/// The functions that give a point in time, as error messages list them.
pub(super) const FUNCTIONS: &[&str] = &[
    "now",
    "startOfDay",
    "endOfDay",
    "startOfWeek",
    "endOfWeek",
    "startOfMonth",
    "endOfMonth",
    "startOfYear",
    "endOfYear",
];

/// The value of a function; `None` if there is no such function or its argument makes no sense.
///
/// The argument moves the result: `startOfMonth(-1)` is the start of last month, `startOfDay(2h)` two o'clock.
pub(super) fn call(name: &str, arguments: &[String], now: DateTime<Utc>) -> Option<Moment> {
    let name = name.to_ascii_lowercase();
    let argument = match arguments {
        [] => None,
        [one] if name != "now" => Some(one.as_str()),
        _ => return None,
    };
    if name == "now" {
        return Some(Moment::Instant(now));
    }
    let (end, unit) = match name.strip_prefix("startof") {
        Some(unit) => (false, unit),
        None => (true, name.strip_prefix("endof")?),
    };
    let bare: Option<i32> = argument.and_then(|text| text.parse().ok());
    let start = start_of(unit, now.date_naive(), bare.unwrap_or(0))?;
    let mut instant = start.and_time(NaiveTime::MIN).and_utc();
    if end {
        let next = start_of(unit, start, 1)?;
        instant = next.and_time(NaiveTime::MIN).and_utc() - TimeDelta::seconds(1);
    }
    if let (Some(text), None) = (argument, bare) {
        instant = instant.checked_add_signed(distance(text, None)?)?;
    }
    Some(Moment::Instant(instant))
}

/// The first day of the unit that holds `day`, moved by `steps` units.
fn start_of(unit: &str, day: NaiveDate, steps: i32) -> Option<NaiveDate> {
    let magnitude = steps.unsigned_abs();
    let by_days = |start: NaiveDate, days: u64| {
        if steps < 0 {
            start.checked_sub_days(Days::new(days))
        } else {
            start.checked_add_days(Days::new(days))
        }
    };
    let by_months = |start: NaiveDate, months: u32| {
        let months = Months::new(months);
        if steps < 0 {
            start.checked_sub_months(months)
        } else {
            start.checked_add_months(months)
        }
    };
    match unit {
        "day" => by_days(day, u64::from(magnitude)),
        "week" => {
            let monday = day.checked_sub_days(Days::new(u64::from(day.weekday().num_days_from_monday())))?;
            by_days(monday, 7 * u64::from(magnitude))
        }
        "month" => by_months(day.with_day(1)?, magnitude),
        "year" => by_months(day.with_day(1)?.with_month(1)?, magnitude.checked_mul(12)?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2025-12-03T09:30:00Z".parse().unwrap() // a Wednesday
    }

    #[test]
    fn reads_days_instants_and_distances() {
        for (text, expected) in [
            ("2025-11-03", "2025-11-03 00:00:00 UTC"),
            ("2025/11/03", "2025-11-03 00:00:00 UTC"),
            ("2025-11-03 07:05", "2025-11-03 07:05:00 UTC"),
            ("2025-11-03T07:05:09+02:00", "2025-11-03 05:05:09 UTC"),
            ("-7d", "2025-11-26 09:30:00 UTC"),
            ("1w 2d", "2025-12-12 09:30:00 UTC"),
            ("-90m", "2025-12-03 08:00:00 UTC"),
            ("+2h", "2025-12-03 11:30:00 UTC"),
        ] {
            assert_eq!(
                read(text, now()).unwrap().instant().to_string(),
                expected,
                "{text}"
            );
        }
        for text in [
            "",
            "-",
            "7",
            "d",
            "-7x",
            "7dd",
            "2025-13-01",
            "yesterday",
            "99999999999999999d",
            "- 1d é",
        ] {
            assert_eq!(read(text, now()), None, "{text}");
        }
    }

    #[test]
    fn functions_find_the_edges_of_units() {
        for (name, argument, expected) in [
            ("now", "", "2025-12-03 09:30:00 UTC"),
            ("startOfDay", "", "2025-12-03 00:00:00 UTC"),
            ("startofday", "-1", "2025-12-02 00:00:00 UTC"),
            ("startOfDay", "-1d", "2025-12-02 00:00:00 UTC"),
            ("endOfDay", "", "2025-12-03 23:59:59 UTC"),
            ("startOfWeek", "", "2025-12-01 00:00:00 UTC"),
            ("endOfWeek", "", "2025-12-07 23:59:59 UTC"),
            ("startOfMonth", "-1", "2025-11-01 00:00:00 UTC"),
            ("endOfMonth", "-1", "2025-11-30 23:59:59 UTC"),
            ("startOfYear", "1", "2026-01-01 00:00:00 UTC"),
        ] {
            let arguments: Vec<String> = Some(argument.to_owned())
                .filter(|a| !a.is_empty())
                .into_iter()
                .collect();
            assert_eq!(
                call(name, &arguments, now()).unwrap().instant().to_string(),
                expected,
                "{name}({argument})"
            );
        }
        let text = |text: &str| vec![text.to_owned()];
        assert_eq!(call("startOfDay", &text("soon"), now()), None);
        assert_eq!(call("now", &text("1d"), now()), None);
        assert_eq!(call("startOfFortnight", &[], now()), None);
        assert_eq!(call("startOfYear", &text("2147483647"), now()), None);
    }
}
