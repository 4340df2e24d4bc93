#!/usr/bin/env python3
"""How often the interval of a pass rate covers the truth where `few scenarios` is said, and where it is not. No drawing: all
counts that single repetitions of scenarios that are all alike can give, each with its binomial probability.

    python3 tests/reference/few_scenarios.py                 table of the figures in docs/statistics.md

The interval is the one of docs/statistics.md (effective trials, Wilson). Student's quantile needs SciPy.
"""

import sys

from scipy import stats

Z = stats.norm.ppf(0.975)
ON_A_SIDE = 10


def interval(passed, scenarios):
    rate = passed / scenarios
    effective = scenarios - 1 if 0 < passed < scenarios else scenarios  # rate (1 - rate) / standard error squared
    effective *= (Z / stats.t.ppf(0.975, scenarios - 1)) ** 2
    middle = (rate + Z * Z / (2 * effective)) / (1 + Z * Z / effective)
    half = Z * (rate * (1 - rate) / effective + Z * Z / (4 * effective**2)) ** 0.5 / (1 + Z * Z / effective)
    return middle - half, middle + half


def row(scenarios, rate):
    """Coverage of all benchmarks, of those without the flag, and how many those are."""
    all_covered = said_nothing = covered_then = 0.0
    for passed in range(scenarios + 1):
        chance = stats.binom.pmf(passed, scenarios, rate)
        low, high = interval(passed, scenarios)
        covers = low <= rate <= high
        all_covered += chance * covers
        if min(passed, scenarios - passed) >= ON_A_SIDE:
            said_nothing += chance
            covered_then += chance * covers
    return 100 * all_covered, 100 * covered_then / said_nothing, 100 * said_nothing


def main():
    print("scenarios  rate   covered  covered without the flag  without the flag")
    for scenarios in (100, 110, 120, 150, 200, 300, 500):
        for rate in (0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98):
            try:
                of_all, of_those, share = row(scenarios, rate)
            except ZeroDivisionError:
                continue
            print(f"{scenarios:9}  {rate:4}  {of_all:7.1f}  {of_those:24.1f}  {share:16.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
