//! Names of runs and items. They come from outside (arguments, file names), so they are parsed, never pasted.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::StateError;

/// Name of a run and of its folder: `run_YYYYMMDD_HHMMSS_<8 hex>`, time in UTC.
///
/// The first three of the hex digits are the fraction of the second (in 1/4096), the others are random: ids order by
/// the time at which their run was created, to a quarter of a millisecond.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct RunId(String);

const PREFIX: &str = "run_";
const STAMP: &str = "%Y%m%d_%H%M%S";

impl RunId {
    /// A new name for a run created at `now`.
    pub fn generate(now: DateTime<Utc>) -> Self {
        let (random, _, _, _) = Uuid::new_v4().as_fields();
        // A leap second counts on beyond its second; it sorts as the end of that.
        let nanos = u64::from(now.timestamp_subsec_nanos()).min(999_999_999);
        let (fraction, random) = (nanos * 0x1000 / 1_000_000_000, random & 0x000f_ffff);
        Self(format!(
            "{PREFIX}{}_{fraction:03x}{random:05x}",
            now.format(STAMP)
        ))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `text` could be the start of a run id, with or without its leading `run_`.
    pub(crate) fn has_prefix(&self, text: &str) -> bool {
        self.0.starts_with(text) || self.0[PREFIX.len()..].starts_with(text)
    }
}

/// Checks by hand instead of with a date parser: a list checks every name in a folder of maybe 100,000.
fn is_run_id(text: &str) -> bool {
    let Some(rest) = text.strip_prefix(PREFIX) else {
        return false;
    };
    let bytes = rest.as_bytes();
    if bytes.len() != 24 || bytes[8] != b'_' || bytes[15] != b'_' {
        return false;
    }
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0_u32, |sum, digit| {
            digit.is_ascii_digit().then(|| sum * 10 + u32::from(digit - b'0'))
        })
    };
    let (date, time) = (&bytes[..8], &bytes[9..15]);
    let date = match (number(&date[..4]), number(&date[4..6]), number(&date[6..])) {
        (Some(year), Some(month), Some(day)) => NaiveDate::from_ymd_opt(year.cast_signed(), month, day),
        _ => None,
    };
    let time = match (number(&time[..2]), number(&time[2..4]), number(&time[4..])) {
        (Some(hour), Some(minute), Some(second)) => NaiveTime::from_hms_opt(hour, minute, second),
        _ => None,
    };
    let hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    date.is_some() && time.is_some() && bytes[16..].iter().all(hex)
}

impl TryFrom<String> for RunId {
    type Error = StateError;

    fn try_from(text: String) -> Result<Self, StateError> {
        if is_run_id(&text) {
            Ok(Self(text))
        } else {
            Err(StateError::BadRunId { text })
        }
    }
}

/// Name of one item (for us: a trial) inside a run: 1 to 120 of `[a-z0-9._~-]`, and neither `.` nor `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ItemId(String);

/// Longest item id, in bytes: leaves room for file extensions below the usual limit of 255.
const ITEM_ID_MAX: usize = 120;

impl ItemId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn item_id_fault(text: &str) -> Option<&'static str> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._~-".contains(&b);
    if text.is_empty() {
        Some("it is empty")
    } else if text.len() > ITEM_ID_MAX {
        Some("it is longer than 120 characters")
    } else if !text.bytes().all(allowed) {
        Some("only a-z, 0-9 and . _ ~ - are allowed")
    } else if text == "." || text == ".." {
        Some("it is a folder's own name")
    } else {
        None
    }
}

impl TryFrom<String> for ItemId {
    type Error = StateError;

    fn try_from(text: String) -> Result<Self, StateError> {
        match item_id_fault(&text) {
            None => Ok(Self(text)),
            Some(reason) => Err(StateError::BadItemId { text, reason }),
        }
    }
}

macro_rules! text_id {
    ($id:ident) => {
        impl FromStr for $id {
            type Err = StateError;

            fn from_str(text: &str) -> Result<Self, StateError> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$id> for String {
            fn from(id: $id) -> Self {
                id.0
            }
        }

        impl AsRef<str> for $id {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

text_id!(RunId);
text_id!(ItemId);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn generated_ids_parse_sort_by_time_and_differ() {
        let earlier = RunId::generate("2026-01-02T03:04:05Z".parse().unwrap());
        let later = RunId::generate("2026-01-02T03:04:06Z".parse().unwrap());
        assert!(earlier.as_str().starts_with("run_20260102_030405_"));
        assert!(earlier < later);
        let within = |nanos: u32| RunId::generate(DateTime::from_timestamp(0, nanos).unwrap());
        for (one, next) in [(0, 250_000), (999_000_000, 999_500_000), (4_000_000, 5_000_000)] {
            assert!(within(one) < within(next), "{one} {next}");
        }
        assert!(within(999_999_999).as_str().parse::<RunId>().is_ok());
        assert_eq!(earlier.as_str().parse::<RunId>().unwrap(), earlier);
        // Two may be the same by chance, ten are not.
        let same_moment: BTreeSet<_> = (0..10).map(|_| RunId::generate(DateTime::UNIX_EPOCH)).collect();
        assert!(same_moment.len() > 1, "{same_moment:?}");
    }

    #[test]
    fn run_ids_from_outside_are_checked_to_the_letter() {
        let good = "run_20260102_030405_0badcafe";
        assert!(good.parse::<RunId>().is_ok());
        for bad in [
            "",
            "latest",
            "run_",
            "../run_20260102_030405_0badcafe",
            "run_20260102_030405_0badcafe/",
            "run_20260102_030405_0badcaf",
            "run_20260102_030405_0badcafee",
            "run_20260102_030405_0BADCAFE",
            "run_20260102_030405-0badcafe",
            "run_20261302_030405_0badcafe",
            "run_20260230_030405_0badcafe",
            "run_20260102_030461_0badcafe",
            "run_20260102_030405_0badcaf\u{e9}",
            "run_20260102_250405_0badcafe",
            "run_+0260102_030405_0badcafe",
            "run_20260102_0304\u{665}_0badcafe",
            "bg_20260102_030405_0badcafe",
        ] {
            assert!(bad.parse::<RunId>().is_err(), "{bad:?} was accepted");
        }
        for index in 0..good.len() {
            let mut bytes = good.as_bytes().to_vec();
            bytes[index] = b'/';
            assert!(String::from_utf8(bytes).unwrap().parse::<RunId>().is_err());
        }
    }

    #[test]
    fn item_ids_never_leave_their_folder() {
        for good in ["a", "close-ticket~gpt-5.1~3", "...", ".hidden", &"x".repeat(120)] {
            assert!(good.parse::<ItemId>().is_ok(), "{good:?} was refused");
        }
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "../x",
            "a\\b",
            "A",
            "a b",
            "ü",
            "a\0",
            "a\n",
            &"x".repeat(121),
        ] {
            assert!(bad.parse::<ItemId>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn ids_are_checked_when_read_from_json_too() {
        assert!(serde_json::from_str::<ItemId>(r#""../x""#).is_err());
        assert!(serde_json::from_str::<RunId>(r#""run_x""#).is_err());
    }
}
