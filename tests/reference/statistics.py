#!/usr/bin/env python3
"""Reference values for the statistics of bench-core, by other programs and, where possible, other ways.

    python3 -m venv v && v/bin/pip install numpy scipy statsmodels
    v/bin/python tests/reference/statistics.py > tests/reference/statistics.json

The output names the versions it was made with. Every run gives the same. What is compared with it:
crates/bench-core/tests/it/statistics.rs.
"""

import itertools
import json
import math
import platform
import random
from fractions import Fraction

import numpy as np
import scipy
import statsmodels
import statsmodels.api as sm
from scipy import optimize, stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

draw = random.Random(20260102)
Z = stats.norm.ppf(0.975)
POWER = stats.norm.ppf(0.8)


def wilson_rows():
    cases = [(0, 1), (1, 1), (0, 12), (12, 12), (62, 100), (1, 3), (500, 1000), (999_999, 1_000_000)]
    cases += [(draw.randint(0, n), n) for n in (2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 1597, 10946) for _ in range(3)]
    for passed, trials in cases:
        low, high = proportion_confint(passed, trials, alpha=0.05, method="wilson")
        yield {"passed": passed, "trials": trials, "low": max(low, 0.0), "high": min(high, 1.0)}


def repeated_rows():
    """By drawing: the share of all sets of k trials in which one passed, or all. No binomial formula."""
    for trials in (1, 2, 3, 5, 7, 8):
        for passed in range(trials + 1):
            tries = [True] * passed + [False] * (trials - passed)
            pairs = list(itertools.combinations(tries, 2))
            for k in range(1, trials + 1):
                sets = list(itertools.combinations(tries, k))
                yield {
                    "passed": passed,
                    "trials": trials,
                    "k": k,
                    "any": float(Fraction(sum(any(s) for s in sets), len(sets))),
                    "all": float(Fraction(sum(all(s) for s in sets), len(sets))),
                    "disagree": float(Fraction(sum(a != b for a, b in pairs), len(pairs))) if pairs else None,
                }
    for passed, trials, k in ((40, 100, 10), (3, 200, 50), (199, 200, 100), (64, 64, 64)):
        dist = stats.hypergeom(trials, passed, k)
        disagree = 2 * Fraction(passed * (trials - passed), trials * (trials - 1))
        yield {"passed": passed, "trials": trials, "k": k, "any": 1 - dist.pmf(0), "all": dist.pmf(k),
               "disagree": float(disagree)}


def scenarios(count, trials, mean, spread):
    """Flaky scenarios: each has its own rate."""
    rows = []
    for _ in range(count):
        rate = draw.betavariate(mean * spread, (1 - mean) * spread)
        tried = draw.choice(trials)
        rows.append((sum(draw.random() < rate for _ in range(tried)), tried))
    return rows


def effective(spread, squared_error, count, independent):
    seen = count if squared_error < 1e-14 else min(spread / squared_error, 2 * independent)
    return seen * (Z / stats.t.ppf(0.975, count - 1)) ** 2


def cluster_error(rows):
    """Of a regression on nothing but a constant, with errors clustered by scenario; each scenario weighs the same."""
    y, group, weight = [], [], []
    for i, (passed, tried) in enumerate(rows):
        y += [1.0] * passed + [0.0] * (tried - passed)
        group += [i] * tried
        weight += [1.0 / tried] * tried
    model = sm.WLS(y, np.ones(len(y)), weights=weight)
    fit = model.fit(cov_type="cluster", cov_kwds={"groups": np.array(group), "use_correction": False})
    clusters = len(rows)
    return float(fit.params[0]), float(fit.bse[0] * math.sqrt(clusters / (clusters - 1)))


def mean_rows():
    cases = [scenarios(s, t, m, c) for s, t, m, c in (
        (2, (3,), 0.5, 2), (6, (1,), 0.5, 2), (12, (5,), 0.9, 2), (12, (10,), 0.95, 30), (16, (1,), 0.6, 1),
        (30, (5,), 0.95, 1), (100, (1,), 0.9, 1), (100, (3,), 0.3, 2), (150, (4, 5), 0.7, 4), (40, (1, 2, 3), 0.2, 3),
        (300, (10,), 0.5, 0.5), (1000, (2,), 0.1, 2), (100, (10,), 0.5, 1e6))]
    cases += [[(3, 3)] * 12, [(0, 2)] * 5, [(1, 2)] * 30, [(2, 2), (1, 2)], [(1, 1)] * 100]
    for rows in cases:
        rate, error = cluster_error(rows)
        count = len(rows)
        independent = count * stats.hmean([n for _, n in rows])
        trials = effective(rate * (1 - rate), error**2, count, independent)
        low, high = proportion_confint(rate * trials, trials, alpha=0.05, method="wilson")
        yield {"scenarios": rows, "rate": rate, "standard_error": error, "effective_trials": trials,
               "low": max(low, 0.0), "high": min(high, 1.0)}


def tango(gained, lost, pairs):
    """The limits at which the score test turns: the other shares at their likeliest, found from the likelihood itself."""
    b, c, n = gained * pairs, lost * pairs, pairs

    def likeliest(d):
        """Share of lost pairs that makes the data likeliest, at a difference of d."""
        least, most = max(0.0, -d), (1 - d) / 2

        def slope(x):
            up = (b / (x + d) if x + d > 0 else math.inf) if b > 0 else 0.0
            up += (c / x if x > 0 else math.inf) if c > 0 else 0.0
            rest = 1 - 2 * x - d
            return up - 2 * (n - b - c) / rest if rest > 0 else -math.inf

        if n - b - c < 1e-12:
            return most
        inside = (most - least) * 1e-13
        low, high = least + inside, most - inside
        if slope(low) <= 0:
            return least
        if slope(high) >= 0:
            return most
        return optimize.brentq(lambda x: max(-1e12, min(1e12, slope(x))), low, high, xtol=1e-16, rtol=1e-15, maxiter=500)

    def score(d):
        variance = (2 * likeliest(d) + d * (1 - d)) / n
        distance = gained - lost - d
        if variance <= 0:
            return math.copysign(math.inf, distance) if distance else 0.0
        return distance / math.sqrt(variance)

    def clip(f):
        return lambda d: max(-1e6, min(1e6, f(d)))

    seen, edge = gained - lost, 1e-13
    low = -1.0 if seen <= -1 + edge else optimize.brentq(clip(lambda d: score(d) - Z), -1 + edge, seen, xtol=1e-15, rtol=1e-14)
    high = 1.0 if seen >= 1 - edge else optimize.brentq(clip(lambda d: score(d) + Z), seen, 1 - edge, xtol=1e-15, rtol=1e-14)
    return low, high


def flips_p(rows):
    """All ways to swap the two models in each scenario, by SciPy, where they can be counted; else by hand, as fractions."""
    differences = [Fraction(b, m) - Fraction(a, n) for (a, n), (b, m) in rows]
    if len(rows) <= 12:
        whole = [float(d * math.lcm(*(m * n for (_, n), (_, m) in rows))) for d in differences]
        found = stats.permutation_test((np.array(whole), np.zeros(len(whole))), lambda x, y: np.sum(x - y),
                                       permutation_type="samples", n_resamples=np.inf, vectorized=False)
        return float(found.pvalue)
    ways = {Fraction(0): 1}
    for d in differences:
        after = {}
        for total, count in ways.items():
            for signed in (total + d, total - d):
                after[signed] = after.get(signed, 0) + count
        ways = after
    seen = abs(sum(differences))
    return float(Fraction(sum(c for total, c in ways.items() if abs(total) >= seen), 2 ** len(differences)))


def needed(rows, differences, low, high, seen, differ, together=1):
    """What would be found, and what it takes to find what is seen, where so many are compared at once."""
    wanted = 0.05 if abs(seen) < 0.005 else abs(seen)
    alone = (high - low) / 2 / Z
    detectable = alone * (stats.norm.isf(0.025 / together) + POWER)
    ratio = (detectable / wanted) ** 2
    count = len(rows)
    # Each scenario that differs is a toss: so many tosses of one side have to be rare enough.
    least = next(n for n in range(1, 99) if stats.binomtest(n, n).pvalue * together <= 0.05)
    factor = max(ratio, least / max(differ, 1)) if differ < least else ratio
    in_all = max(math.ceil(count * factor - 1e-9), count + 1, least)
    return detectable, {"difference": wanted, "scenarios": in_all, "repetitions": repetitions(rows, differences, ratio, least)}


def repetitions(rows, differences, ratio, least):
    """So many for each scenario and model; or in words why no number is told."""
    if len(rows) < least:
        return "never_suffice"
    tosses = [[[1.0] * p + [0.0] * (n - p) for p, n in pair] for pair in rows]
    within = [sum(stats.sem(side) ** 2 for side in pair) for pair in tosses if all(len(side) > 1 for side in pair)]
    variance = float(np.var(differences, ddof=1))
    if 2 * len(within) <= len(rows) or variance <= 1e-14:
        return "unknown"
    share = min(1.0, float(np.mean(within)) / variance)
    if 1 / ratio <= 1 - share:
        return "never_suffice"
    now = float(stats.hmean([n for pair in rows for _, n in pair]))
    in_all = math.ceil(now * share / (1 / ratio - 1 + share) - 1e-9)
    return {"suffice": max(in_all, math.ceil(now - 1e-9) + 1)}


def verdict(p, low, high, seen):
    if p > 0.05 or low <= 0 <= high:
        return "inconclusive"
    return "better" if seen > 0 else "worse"


def pair_rows():
    plans = ((6, (1,), 0.5, 2, 0.0), (8, (3,), 0.5, 2, 0.3), (11, (5,), 0.9, 2, 0.0), (12, (1, 2, 3), 0.6, 2, -0.3),
             (12, (10,), 0.5, 30, 0.0), (30, (5,), 0.8, 1, -0.1), (100, (1,), 0.6, 2, 0.0), (100, (3,), 0.6, 2, 0.15),
             (60, (4, 5), 0.7, 4, 0.05), (200, (2,), 0.5, 1, 0.04), (150, (1,), 0.9, 1, -0.1), (40, (10,), 0.5, 1e6, 0.05))
    cases = []
    for count, trials, mean, spread, shift in plans:
        rows = []
        for _ in range(count):
            rate = draw.betavariate(mean * spread, (1 - mean) * spread)
            both = []
            for r in (rate, min(1.0, max(0.0, rate + shift))):
                tried = draw.choice(trials)
                both.append((sum(draw.random() < r for _ in range(tried)), tried))
            rows.append(tuple(both))
        cases.append(rows)
    cases += [[((3, 3), (3, 3))] * 9 + [((0, 3), (0, 3))] * 3, [((1, 2), (1, 2))] * 20, [((0, 4), (4, 4))] * 5,
              [((0, 1), (1, 1))] * 6, [((5, 5), (4, 5))] * 15, [((1, 1), (10, 10))] * 20 + [((1, 1), (9, 10))] * 10]
    for rows in cases:
        a = np.array([p / n for (p, n), _ in rows])
        b = np.array([p / n for _, (p, n) in rows])
        d = b - a
        count = len(rows)
        gained, lost = float(np.mean(b * (1 - a))), float(np.mean(a * (1 - b)))
        believed = [n if n == m else min(n, m) / 2 for (_, n), (_, m) in rows]
        independent = count * stats.hmean(believed)
        seen = float(np.mean(d))
        squared_error = float(stats.sem(d)) ** 2
        pairs = effective(gained + lost - seen**2, squared_error, count, independent)
        low, high = tango(gained, lost, pairs)
        up, down = int(np.sum(d > 1e-12)), int(np.sum(d < -1e-12))
        detectable, enough = needed(rows, d, low, high, seen, up + down)
        p = flips_p(rows)
        row = {"pairs": [[list(x), list(y)] for x, y in rows], "before": float(np.mean(a)), "after": float(np.mean(b)),
               "difference": seen, "low": low, "high": high, "p_value": p, "gained": up, "lost": down,
               "detectable": detectable, "needed": enough, "verdict": verdict(p, low, high, seen)}
        if all(n == 1 for pair in rows for _, n in pair):
            row["mcnemar"] = float(mcnemar([[0, up], [down, 0]], exact=True).pvalue)
        if np.std(d) > 1e-12:
            again = stats.bootstrap((d,), np.mean, method="percentile", n_resamples=100_000, vectorized=True,
                                    rng=np.random.default_rng(1))
            row["bootstrap"] = [float(again.confidence_interval.low), float(again.confidence_interval.high)]
        yield row


def together_rows(pairs):
    """Groups of the cases above, looked at together."""
    for group in ([0, 1], [6, 7, 8], list(range(len(pairs)))):
        rows = [pairs[i] for i in group]
        adjusted = multipletests([row["p_value"] for row in rows], method="holm")[1]
        found = []
        for row, p in zip(rows, adjusted):
            both = [(tuple(x), tuple(y)) for x, y in row["pairs"]]
            d = np.array([b / m - a / n for (a, n), (b, m) in both])
            differ = row["gained"] + row["lost"]
            detectable, enough = needed(both, d, row["low"], row["high"], row["difference"], differ, len(rows))
            said = verdict(p, row["low"], row["high"], row["difference"])
            found.append({"p_adjusted": float(p), "detectable": detectable, "needed": enough, "verdict": said})
        yield {"cases": group, "found": found}


def tango_rows():
    """Besides what the pairs above need: whole counts, as they are published."""
    for b, c, n in ((0, 0, 12), (1, 7, 21), (12, 2, 50), (0, 5, 44), (53, 16, 150), (10, 10, 20), (1, 0, 1), (400, 350, 5000)):
        low, high = tango(b / n, c / n, n)
        yield {"gained": b, "lost": c, "pairs": n, "low": low, "high": high}


def mcnemar_rows():
    for b, c in ((0, 0), (1, 0), (5, 15), (7, 1), (6, 0), (40, 61), (3, 3), (250, 300), (1000, 1100)):
        p = 1.0 if b + c == 0 else float(mcnemar([[0, b], [c, 0]], exact=True).pvalue)
        yield {"gained": b, "lost": c, "p_value": min(p, 1.0)}


def holm_rows():
    for count in (1, 2, 3, 6, 15):
        p = [draw.random() ** 3 for _ in range(count)]
        yield {"p_values": p, "adjusted": [float(x) for x in multipletests(p, method="holm")[1]]}


def quantile_rows():
    for freedom in (1, 2, 3, 4, 5, 6, 9, 11, 29, 99, 149, 999, 1_000, 1_001, 9_999, 99_999, 1_000_000):
        yield {"freedom": freedom, "t": float(stats.t.ppf(0.975, freedom))}


values = {
    "made_with": {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__,
                  "statsmodels": statsmodels.__version__},
    "wilson": list(wilson_rows()),
    "repeated": list(repeated_rows()),
    "means": list(mean_rows()),
    "pairs": list(pair_rows()),
    "tango": list(tango_rows()),
    "mcnemar": list(mcnemar_rows()),
    "holm": list(holm_rows()),
    "quantiles": list(quantile_rows()),
}
values["together"] = list(together_rows(values["pairs"]))
# A line a case: small, and a change can be read.
parts = []
for name, part in values.items():
    rows = json.dumps(part) if isinstance(part, dict) else "[\n" + ",\n".join(json.dumps(row) for row in part) + "\n]"
    parts.append(f"{json.dumps(name)}: {rows}")
print("{\n" + ",\n".join(parts) + "\n}")
