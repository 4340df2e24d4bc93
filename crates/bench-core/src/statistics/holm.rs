//! Many comparisons at once: the more often one looks, the likelier chance looks like a difference.

/// p-values as they count when all of them are looked at together (Holm 1979), in the order given: with these at or
/// below 5 %, the chance that *any* of the models is called different wrongly is at most 5 %.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest: f64 = 0.0;
    for (rank, index) in order.iter().enumerate() {
        let left = super::number(p_values.len() - rank);
        largest = largest.max((p_values[*index] * left).min(1.0));
        adjusted[*index] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_pays_most_and_the_order_stays() {
        assert_eq!(holm(&[0.04, 0.01, 0.03]), vec![0.06, 0.03, 0.06]);
        assert_eq!(holm(&[0.7, 0.6]), vec![1.0, 1.0]);
        assert_eq!(holm(&[0.02]), vec![0.02]);
        assert_eq!(holm(&[]), Vec::<f64>::new());
    }
}
