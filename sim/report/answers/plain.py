"""The comparison as plain data, as `--format json` prints it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sim.report.answers.comparison import Comparison
from sim.report.answers.when_to_use import answers
from sim.report.metrics.statistics import Interval


def comparison_dict(comparison: Comparison, verdict: Sequence[str] = ()) -> dict[str, Any]:
    """Give all services and metrics, also those that the table leaves out, as plain data in SI units."""
    return {
        "scenario": comparison.scenario,
        "platforms": list(comparison.platforms),
        "replications": dict(comparison.replications),
        "paired": comparison.paired,
        "focus": list(comparison.focus),
        "doubts": [each.as_dict() for each in comparison.doubts],
        "metrics": [
            {
                "service": line.service,
                "metric": line.metric.name,
                "unit": line.metric.unit,
                "better": line.metric.better,
                "values": {name: _plain(value) for name, value in line.values.items()},
                "differences": {name: _plain(value) for name, value in line.differences.items()},
                "ratios": dict(line.ratios),
                "best": list(line.best),
                "clear": line.clear,
                "not_comparable": line.untold or None,
            }
            for line in comparison.lines
        ],
        "because": dict(comparison.because) or None,
        "verdict": list(verdict),
        "when_to_use": [answer.as_dict() for answer in answers(comparison)],
    }


def _plain(value: Interval) -> dict[str, float | int | None]:
    return {"mean": value.mean, "half_width_95": value.half, "replications": value.count}
