//! The text exposition format 0.0.4 of Prometheus: help and type of a metric, then its samples.

use std::fmt::{Display, Write as _};

/// A page of metrics in the making.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    text: String,
}

impl Exposition {
    /// Adds one that goes up and down. Each sample is its labels and its value.
    pub(super) fn gauge(&mut self, name: &str, help: &str, samples: &[(&str, impl Display)]) {
        self.metric(name, "gauge", help, samples);
    }

    /// Adds one that only grows, and begins anew with the program.
    pub(super) fn counter(&mut self, name: &str, help: &str, samples: &[(&str, impl Display)]) {
        self.metric(name, "counter", help, samples);
    }

    /// Adds a histogram: how many values are not above each bound, in all, and their sum. There is one more count than bounds, for
    /// what is above the last.
    pub(super) fn histogram(&mut self, name: &str, help: &str, bounds: &[u64], counts: &[u64], sum: u64) {
        self.head(name, "histogram", help);
        let bounds = bounds.iter().map(ToString::to_string).chain([String::from("+Inf")]);
        let mut so_far = 0;
        for (bound, count) in bounds.zip(counts) {
            so_far += count;
            self.line(format_args!("{name}_bucket{{le=\"{bound}\"}} {so_far}"));
        }
        self.line(format_args!("{name}_sum {sum}"));
        self.line(format_args!("{name}_count {so_far}"));
    }

    /// The page.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn metric(&mut self, name: &str, kind: &str, help: &str, samples: &[(&str, impl Display)]) {
        self.head(name, kind, help);
        for (labels, value) in samples {
            self.line(format_args!("{name}{labels} {value}"));
        }
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.text, "{line}").expect("a string takes all that is written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_what_is_not_above_each_bound() {
        let mut page = Exposition::default();
        page.histogram("hearth_x_seconds", "Help.", &[60, 300], &[2, 0, 1], 999);
        let expected = "# HELP hearth_x_seconds Help.\n# TYPE hearth_x_seconds histogram\n\
                        hearth_x_seconds_bucket{le=\"60\"} 2\nhearth_x_seconds_bucket{le=\"300\"} 2\n\
                        hearth_x_seconds_bucket{le=\"+Inf\"} 3\nhearth_x_seconds_sum 999\nhearth_x_seconds_count 3\n";
        assert_eq!(page.into_text(), expected);
    }
}
