//! Throughput against latency, as a picture in SVG.

use std::fmt::Write;

use super::Step;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 440.0;
/// Room for the numbers of the axes.
const MARGIN: f64 = 64.0;
const TICKS: u32 = 5;

/// The median and the 99th percentile of the latency over the transactions committed in a second; latencies on a logarithmic axis.
pub fn svg(title: &str, steps: &[Step]) -> String {
    let mut steps: Vec<&Step> = steps.iter().filter(|step| step.latency_ms.p50.is_some()).collect();
    steps.sort_by(|one, other| one.tps.total_cmp(&other.tps));
    let right = steps.iter().map(|step| step.tps).fold(1.0, f64::max) * 1.05;
    let latencies: Vec<f64> =
        steps.iter().flat_map(|step| [step.latency_ms.p50, step.latency_ms.p99]).flatten().collect();
    let low = latencies.iter().copied().fold(f64::INFINITY, f64::min).clamp(0.1, 1e6);
    let high = latencies.iter().copied().fold(low * 10.0, f64::max);
    let (low, high) = (10_f64.powf(low.log10().floor()), 10_f64.powf(high.log10().ceil()));
    let x = |tps: f64| MARGIN + (WIDTH - 2.0 * MARGIN) * tps / right;
    let y = |ms: f64| HEIGHT - MARGIN - (HEIGHT - 2.0 * MARGIN) * (ms / low).log10() / (high / low).log10();

    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{MARGIN}\" y=\"28\" font-size=\"15\">{}</text>\n",
        escaped(title)
    );
    // Writing to a string does not fail.
    for tick in 0..=TICKS {
        let tps = right * f64::from(tick) / f64::from(TICKS);
        let (at, below) = (x(tps), HEIGHT - MARGIN + 18.0);
        let _ = writeln!(text, "<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\">{tps:.0}</text>");
    }
    let mut ms = low;
    while ms <= high * 1.001 {
        let (at, end) = (y(ms), WIDTH - MARGIN);
        let _ = writeln!(
            text,
            "<line x1=\"{MARGIN}\" x2=\"{end}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\n\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{ms}</text>",
            MARGIN - 8.0,
            at + 4.0
        );
        ms *= 10.0;
    }
    let middle = WIDTH / 2.0;
    let _ = writeln!(
        text,
        "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">committed tx/s</text>",
        HEIGHT - 18.0
    );
    let _ = writeln!(text, "<text x=\"14\" y=\"{}\">ms</text>", MARGIN - 12.0);
    let curves = [("p50", "#1667b7", true), ("p99", "#c2410c", false)];
    for (index, (name, colour, median)) in curves.into_iter().enumerate() {
        let of = |step: &Step| if median { step.latency_ms.p50 } else { step.latency_ms.p99 };
        let points: Vec<(f64, f64)> =
            steps.iter().filter_map(|step| Some((x(step.tps), y(of(step)?.max(low))))).collect();
        let line: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            text,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            line.join(" ")
        );
        for (x, y) in points {
            let _ = writeln!(text, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
        let beside = WIDTH - MARGIN - 40.0 * (2 - index) as f64;
        let _ = writeln!(text, "<text x=\"{beside}\" y=\"28\" fill=\"{colour}\">{name}</text>");
    }
    text.push_str("</svg>\n");
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::{super::LatencyMs, *};

    #[test]
    fn every_step_is_a_point_of_each_curve() {
        let step = |tps, p50, p99| Step {
            rate: None,
            tps,
            latency_ms: LatencyMs { p50: Some(p50), p99: Some(p99), ..LatencyMs::default() },
            lost: 0,
        };
        let steps = [step(2_000.0, 30.0, 90.0), step(1_000.0, 20.0, 40.0), step(3_000.0, 200.0, 900.0)];
        let picture = svg("a < b", &steps);
        assert_eq!(picture.matches("<circle").count(), 6);
        assert_eq!(picture.matches("<polyline").count(), 2);
        assert!(picture.contains("a &lt; b") && picture.ends_with("</svg>\n"));
        assert!(!picture.contains("NaN") && !picture.contains("inf"), "{picture}");
        let empty = svg("nothing", &[]);
        assert!(!empty.contains("NaN") && !empty.contains("<circle"), "{empty}");
    }
}
