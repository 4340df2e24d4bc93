//! Quantiles of the normal and of Student's distribution at [`CONFIDENCE`], and the normal one of a power.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use super::{CONFIDENCE, number};

/// The chance to find a difference that is there, where a number of trials is asked for.
pub(super) const POWER: f64 = 0.8;
/// Both sides together leave out 1 − confidence.
const UPPER: f64 = 1.0 - (1.0 - CONFIDENCE) / 2.0;

/// 1.959964….
pub(super) fn z() -> f64 {
    Normal::standard().inverse_cdf(UPPER)
}

/// What a difference must be of its standard error to be found with [`POWER`] if it is looked at with others, so many in
/// all: 2.801585… for one alone. Of several the first to be told has to stand against all of them.
pub(super) fn z_with_power(comparisons: usize) -> f64 {
    let outside = (1.0 - CONFIDENCE) / number(comparisons.max(1));
    Normal::standard().inverse_cdf(1.0 - outside / 2.0) + Normal::standard().inverse_cdf(POWER)
}

/// Student's quantile; none without a degree of freedom.
pub(super) fn t(freedom: usize) -> Option<f64> {
    /// From here on the series has all digits. The library loses them: 5 are left at 100,000 degrees.
    const MANY: usize = 1000;
    if freedom > MANY {
        return Some(near_normal(number(freedom)));
    }
    let student = StudentsT::new(0.0, 1.0, number(freedom)).ok()?;
    Some(student.inverse_cdf(UPPER))
}

/// Student's quantile as a series in one over the degrees of freedom (Abramowitz and Stegun 26.7.5).
fn near_normal(freedom: f64) -> f64 {
    let z = z();
    let odd = |factors: &[f64]| z * factors.iter().fold(0.0, |sum, factor| sum * z * z + factor);
    let terms = [
        odd(&[1.0, 1.0]) / 4.0,
        odd(&[5.0, 16.0, 3.0]) / 96.0,
        odd(&[3.0, 19.0, 17.0, -15.0]) / 384.0,
        odd(&[79.0, 776.0, 1482.0, -1920.0, -945.0]) / 92_160.0,
    ];
    z + terms.iter().rev().fold(0.0, |sum, term| (sum + term) / freedom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        assert!((z() - 1.959_963_984_540_054).abs() < 1e-12);
        assert!((z_with_power(1) - 2.801_585_218_112_905).abs() < 1e-12);
        assert_eq!(t(0), None);
    }

    #[test]
    fn quantiles_are_those_of_scipy() {
        for row in crate::statistics::reference("quantiles") {
            let (freedom, theirs) = (row["freedom"].as_u64().unwrap(), row["t"].as_f64().unwrap());
            let ours = t(usize::try_from(freedom).unwrap()).unwrap();
            assert!(
                (ours / theirs - 1.0).abs() < 1e-9,
                "{freedom}: {ours} here, {theirs} there"
            );
        }
    }

    #[test]
    fn the_series_goes_on_where_the_library_ends() {
        let (library, series) = (t(1000).unwrap(), near_normal(1000.0));
        assert!((library - series).abs() < 1e-10, "{library} {series}");
        assert!((t(usize::MAX).unwrap() - z()).abs() < 1e-12);
    }
}
