//! What the nodes count, read from their `/metrics`.

use std::collections::BTreeMap;

/// The numbers of one page, those of a family that differ in labels together.
#[derive(Debug, Clone, Default)]
pub(super) struct Page {
    sums: BTreeMap<String, f64>,
    /// By family: for each upper bound, in seconds, how many were within it.
    buckets: BTreeMap<String, Vec<(f64, f64)>>,
}

impl Page {
    pub(super) fn read(text: &str) -> Self {
        let mut page = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, number)) = line.rsplit_once(' ') else { continue };
            let Ok(number) = number.parse::<f64>() else { continue };
            let (family, labels) = name.split_once('{').unwrap_or((name, ""));
            match family.strip_suffix("_bucket") {
                Some(histogram) => {
                    let bound = labels.strip_prefix("le=\"").and_then(|rest| rest.strip_suffix("\"}"));
                    let bound = match bound {
                        Some("+Inf") => f64::INFINITY,
                        Some(bound) => bound.parse().unwrap_or(f64::INFINITY),
                        None => continue,
                    };
                    page.buckets.entry(histogram.to_owned()).or_default().push((bound, number));
                }
                None => *page.sums.entry(family.to_owned()).or_default() += number,
            }
        }
        page
    }

    /// A counter or gauge, over all labels.
    pub(super) fn number(&self, family: &str) -> f64 {
        self.sums.get(family).copied().unwrap_or_default()
    }
}

/// By how much a counter grew.
pub(super) fn growth(before: &Page, after: &Page, family: &str) -> f64 {
    (after.number(family) - before.number(family)).max(0.0)
}

/// The times of a histogram that several nodes added between two pages each.
#[derive(Debug, Default)]
pub(super) struct Times(Vec<(f64, f64)>);

impl Times {
    pub(super) fn between(pages: &[(Page, Page)], family: &str) -> Self {
        let mut sum: Vec<(f64, f64)> = Vec::new();
        for (before, after) in pages {
            let (Some(before), Some(after)) = (before.buckets.get(family), after.buckets.get(family)) else {
                continue;
            };
            sum.resize(after.len(), (0.0, 0.0));
            for ((sum, (_, before)), (bound, after)) in sum.iter_mut().zip(before).zip(after) {
                *sum = (*bound, sum.1 + after - before);
            }
        }
        Self(sum)
    }

    /// How long that many in a hundred took at most, in milliseconds; evenly spread within a bucket. None if there are none.
    pub(super) fn percentile(&self, percent: f64) -> Option<f64> {
        let total = self.0.last()?.1;
        if total <= 0.0 {
            return None;
        }
        let rank = total * percent / 100.0;
        let (mut low, mut below) = (0.0, 0.0);
        for (bound, within) in &self.0 {
            if *within >= rank {
                let share = if within > &below { (rank - below) / (within - below) } else { 1.0 };
                let high = if bound.is_finite() { *bound } else { low };
                return Some((low + (high - low) * share) * 1_000.0);
            }
            (low, below) = (*bound, *within);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "# TYPE sent counter\nsent{peer=\"a\"} 10\nsent{peer=\"b\"} 5\nt_bucket{le=\"0.01\"} 0\n\
                          t_bucket{le=\"0.02\"} 0\nt_bucket{le=\"+Inf\"} 0\nt_sum 0\nt_count 0\n";
    const AFTER: &str = "sent{peer=\"a\"} 30\nsent{peer=\"b\"} 6\nt_bucket{le=\"0.01\"} 50\n\
                         t_bucket{le=\"0.02\"} 100\nt_bucket{le=\"+Inf\"} 100\nt_sum 1.2\nt_count 100\n";

    #[test]
    fn counters_grow_and_percentiles_lie_within_their_bucket() {
        let (before, after) = (Page::read(BEFORE), Page::read(AFTER));
        assert_eq!(growth(&before, &after, "sent"), 21.0);
        assert_eq!(growth(&before, &after, "absent"), 0.0);
        let pages = [(before.clone(), after.clone()), (before, after)];
        let times = Times::between(&pages, "t");
        assert_eq!(times.percentile(50.0), Some(10.0));
        assert_eq!(times.percentile(75.0), Some(15.0));
        assert_eq!(times.percentile(100.0), Some(20.0));
        assert_eq!(Times::between(&pages, "absent").percentile(50.0), None);
    }
}
