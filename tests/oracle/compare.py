"""Holds the figures of the `stats` crate against lifelines, scipy and numpy on random cohorts.

`cargo xtask oracle` runs it. It makes the cohorts from a seed, has the program `oracle` beside it answer all of them,
and compares every number. The first that differs is printed with its cohort, and the status is DIFFERS: not 1, with
which Python ends when it could not compare at all.

    python3 compare.py [--seed N] [--cohorts N] [--only INDEX] -- PROGRAM [ARGUMENT]...
"""

import argparse
import json
import math
import random
import subprocess
import sys
import warnings
from fractions import Fraction

import lifelines
import numpy as np
import scipy
from scipy import stats

# What may lie between two numbers, relative to theirs where that is above 1 (rates: always).
ESTIMATE = 1e-9
INTERVAL = 1e-6
EXACT = 0.0

DIFFERS = 3

LEVELS = [0.8, 0.9, 0.95, 0.95, 0.99]
SHAPES = [
    "scattered",
    "tie-free",
    "heavy ties",
    "all censored",
    "all events",
    "tie-free, all events",
    "one subject",
    "one cut date",
]
CHANGES = ["few distinct", "many distinct", "scores", "distinct and zeros", "zeros", "equal", "one"]


class Difference(Exception):
    """Two numbers that should agree and do not."""


# Cohorts


def subjects(rng):
    """How many, from 1 to 400, small ones often."""
    return rng.choice([rng.randint(1, 12), rng.randint(13, 87), rng.randint(88, 400), 400])


def observations(rng, shape, causes):
    """Times with causes, 0 for a censored one."""
    n = 1 if shape == "one subject" else subjects(rng)
    if "tie-free" in shape:
        times = rng.sample(range(1, 5000), n)
    elif shape == "heavy ties":
        times = [rng.randrange(rng.randint(1, 8)) for _ in range(n)]
    else:
        times = [rng.randrange(1500) for _ in range(n)]
    if shape == "all censored":
        return [(time, 0) for time in times]
    any_cause = list(range(1, causes + 1))
    if "all events" in shape:
        return [(time, rng.choice(any_cause)) for time in times]
    if shape == "one cut date":
        cut = rng.randint(1, 1500)
        return [(time, rng.choice(any_cause)) if time < cut else (cut, 0) for time in times]
    share = rng.random()
    return [(time, rng.choice(any_cause) if rng.random() < share else 0) for time in times]


def changes(rng, shape):
    """Differences within subjects; tenths, so that equal ones are equal doubles."""
    signed = lambda magnitudes: [rng.choice([-1, 1, 1]) * one / 10 for one in magnitudes]
    if shape == "few distinct":
        return signed(rng.sample(range(1, 400), rng.randint(1, 25)))
    if shape == "many distinct":
        return signed(rng.sample(range(1, 4000), rng.randint(26, 300)))
    if shape == "scores":
        return [float(rng.randint(-8, 5)) for _ in range(rng.randint(2, 120))]
    if shape == "distinct and zeros":
        return signed(rng.sample(range(1, 400), rng.randint(1, 30))) + [0.0] * rng.randint(1, 4)
    value = {"zeros": 0.0, "equal": 0.7, "one": -1.5}[shape]
    return [value] * (1 if shape == "one" else rng.randint(2, 9))


def question(seed, index):
    """The cohort of this number: depends on nothing but the two."""
    rng = random.Random(f"{seed}:{index}")
    shape = SHAPES[index % len(SHAPES)]
    causes = rng.randint(1, 3)
    all_observations = observations(rng, shape, causes)
    times = sorted({time for time, _ in all_observations})
    asked = [0.0, 0.5, times[-1] + 1.0, times[-1] + 0.25]
    asked += [time + shift for time in rng.sample(times, min(6, len(times))) for shift in (0.0, 0.5)]
    of = rng.choice([1, rng.randint(2, 100), rng.randint(2, 5000)])
    rule = (0.5, 9.5, 0.05, 0.95)
    if index % 2 == 1:
        rule = tuple(round(rng.uniform(*ends), 3) for ends in [(0.1, 5), (0.1, 20), (0.01, 0.6), (0.6, 0.99)])
    of_rule = [rng.randint(1, 400) for _ in range(10)]
    return shape, {
        "confidence": rng.choice(LEVELS),
        "observations": all_observations,
        "causes": causes,
        "times": asked,
        "proportion": (rng.choice([0, of, rng.randint(0, of), rng.randint(0, of)]), of),
        "rate": (rng.choice([0, 1, rng.randint(2, 40), rng.randint(41, 3000)]), round(rng.uniform(0.1, 9000), 3)),
        "differences": changes(rng, CHANGES[index % len(CHANGES)]),
        "p_values": [round(rng.random() ** 3, 6) for _ in range(rng.randint(0, 9))],
        "rule": rule,
        "rule_subjects": rng.randint(1, 100),
        "rule_counts": [(rng.randint(0, n), n) for n in of_rule],
    }


# Comparing


class Tally:
    """How far apart numbers of each kind were at most."""

    def __init__(self):
        self.kinds = {}
        self.halves = 0

    def check(self, kind, where, ours, theirs, allowed, relative=False):
        """One number against another; `None` is undefined and agrees with itself alone."""
        count, largest, _ = self.kinds.get(kind, (0, 0.0, allowed))
        if (ours is None) != (theirs is None):
            raise Difference(f"{kind}, {where}: ours is {ours}, the oracle's {theirs}")
        far = 0.0
        if ours is not None:
            ours, theirs = float(ours), float(theirs)
            size = abs(theirs) if relative else max(1.0, abs(theirs))
            far = abs(ours - theirs) / size if ours != theirs else 0.0
            # Not `far > allowed`: what is no number agrees with nothing.
            if not far <= allowed:
                raise Difference(f"{kind}, {where}: ours is {ours!r}, the oracle's {theirs!r}, {far:.3g} apart")
        self.kinds[kind] = (count + 1, max(largest, far), allowed)

    def ends(self, kind, where, ours, theirs, relative=False):
        """An interval against another."""
        for end, name in enumerate(["lower", "upper"]):
            of = lambda interval: None if interval is None else interval[end]
            self.check(kind, f"{where}, {name}", of(ours), of(theirs), INTERVAL, relative)

    def print(self):
        width = max(map(len, self.kinds))
        print(f"{'':{width}}  compared  largest difference  allowed")
        for kind, (count, largest, allowed) in sorted(self.kinds.items()):
            print(f"{kind:{width}}  {count:8}  {largest:18.2e}  {allowed:7.0e}")


def refused(answer):
    """Whether a test was refused rather than made."""
    return isinstance(answer, dict) and "error" in answer


def first_at_or_below_half(times, limits):
    """The first time at which a limit of a curve is at most one half; a limit that is no number is none."""
    return next((time for time, limit in zip(times, limits) if limit <= 0.5), None)


def exact_median(table):
    """By fractions, and whether the curve is one half exactly there, which no sum of logarithms can tell."""
    curve = Fraction(1)
    for time, at_risk, observed in zip(table.index, table["at_risk"], table["observed"]):
        curve *= Fraction(int(at_risk - observed), int(at_risk))
        if curve <= Fraction(1, 2):
            return time, curve == Fraction(1, 2)
    return None, False


def curve(tally, name, ours, asked, level, durations, events, place, time_of):
    """A survival curve; `place` is where our time lies among the durations, `time_of` the way back."""
    steps_at = sorted({time_of(duration) for duration in durations.tolist()})
    if [step["time"] for step in ours["steps"]] != steps_at:
        raise Difference(f"{name}: steps at other times than {steps_at}")
    fitter = lifelines.KaplanMeierFitter(alpha=1 - level).fit(durations, events)
    table, theirs = fitter.event_table, fitter.survival_function_.iloc[:, 0].to_numpy()
    places = table.index.to_numpy()
    at_risk, observed = table["at_risk"].to_numpy(float), table["observed"].to_numpy(float)
    log_log = fitter.confidence_interval_.to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(observed / (at_risk * (at_risk - observed)))
    scipys = stats.ecdf(stats.CensoredData.right_censored(durations, ~events)).sf
    plain = scipys.confidence_interval(level, method="linear")
    log_log_too = scipys.confidence_interval(level, method="log-log")
    z = stats.norm.ppf(0.5 + level / 2)

    def value(where, time, ours):
        row = np.searchsorted(places, place(time), side="right") - 1
        s = theirs[row] if row >= 0 else 1.0
        tally.check(f"{name}: estimate (lifelines)", where, ours["estimate"], s, ESTIMATE)
        tally.check(f"{name}: estimate (scipy)", where, ours["estimate"], scipys.evaluate(place(time)), ESTIMATE)
        sum_here = greenwood[row] if row >= 0 else 0.0
        error = None if s == 0 else s * math.sqrt(sum_here)
        tally.check(f"{name}: standard error (Greenwood, numpy)", where, ours["standard_error"], error, ESTIMATE)
        limits = [None, None, None, None]
        if 0 < s < 1:
            limits = [
                (plain.low.evaluate(place(time)), plain.high.evaluate(place(time))),
                (s * math.exp(-z * error / s), min(1.0, s * math.exp(z * error / s))),
                tuple(log_log[row]),
                (log_log_too.low.evaluate(place(time)), log_log_too.high.evaluate(place(time))),
            ]
        kinds = [("plain", "plain, scipy"), ("log", "log, numpy")]
        kinds += [("log_log", "log-log, lifelines"), ("log_log", "log-log, scipy")]
        for (key, kind), theirs_here in zip(kinds, limits, strict=True):
            tally.ends(f"{name}: interval ({kind})", where, ours[key], theirs_here)

    for step in ours["steps"]:
        where, here = f"at {step['time']}", place(step["time"])
        row = np.searchsorted(places, here)
        is_there = row < len(places) and places[row] == here
        tally.check(f"{name}: at risk", where, step["at_risk"], at_risk[row] if row < len(places) else 0, EXACT)
        tally.check(f"{name}: events", where, step["events"], observed[row] if is_there else 0, EXACT)
        value(where, step["time"], step["value"])
    for read, time in zip(ours["read"], asked, strict=True):
        value(f"read at {time}", time, read["value"])

    median, is_half = exact_median(table)
    library = None if math.isinf(fitter.median_survival_time_) else fitter.median_survival_time_
    if library != median:
        if not is_half:
            raise Difference(f"{name}: lifelines' median {library} is not the median in fractions, {median}")
        tally.halves += 1
    back = lambda time: None if time is None else time_of(time)
    tally.check(f"{name}: median", "median", ours["median"], back(median), EXACT)
    within = (theirs > 0) & (theirs < 1)
    for end in (0, 1):
        limit = back(first_at_or_below_half(places[within], log_log[within, end]))
        kind = f"{name}: limits of the median (lifelines)"
        tally.check(kind, f"limit {end}", ours["median_limits"][end], limit, EXACT)


def both_curves(tally, ours, asked, level, times, events):
    """Survival, and follow-up with events before censorings: at an equal time who had the event has left."""
    same = lambda time: time
    curve(tally, "survival", ours["survival"], asked, level, times, events, same, lambda time: int(time))
    doubled = np.where(events, 2 * times + 1, 2 * times + 2)
    after = lambda time: 2 * time + 2
    back = lambda time: int(time - 1) // 2
    curve(tally, "follow-up", ours["follow_up"], asked, level, doubled, ~events, after, back)
    for which in ("survival", "follow_up"):
        for read, time in zip(ours[which]["read"], asked, strict=True):
            tally.check("read: at risk", f"at {time}", read["at_risk"], (times >= time).sum(), EXACT)
    for which, left in [("survival", ~events), ("follow_up", events)]:
        for step in ours[which]["steps"]:
            theirs = (left & (times == step["time"])).sum()
            tally.check("steps: censored", f"{which} at {step['time']}", step["censored"], theirs, EXACT)


class ByDefinition:
    """Incidence and variance of a cause, term by term as they are defined; ties allowed."""

    def __init__(self, times, causes, cause):
        self.times = np.unique(times)
        count = lambda chosen: np.array([(times[chosen] == time).sum() for time in self.times], float)
        self.n = np.array([(times >= time).sum() for time in self.times], float)
        self.d, self.d_here = count(causes > 0), count(causes == cause)
        self.before = np.concatenate([[1.0], np.cumprod((self.n - self.d) / self.n)[:-1]])
        self.incidence = np.cumsum(self.before * self.d_here / self.n)

    def at(self, time):
        """Both at a time."""
        passed = np.searchsorted(self.times, time, side="right")
        if passed == 0:
            return 0.0, 0.0
        n, d, d_here, before, incidence = (
            column[:passed] for column in (self.n, self.d, self.d_here, self.before, self.incidence)
        )
        rest = incidence[-1] - incidence
        # Where all who were left had an event, nothing comes after: the first term is 0 there.
        first = np.divide(rest**2 * d, n * (n - d), out=np.zeros_like(n), where=n > d)
        variance = first + before**2 * d_here * (n - d_here) / n**3 - 2 * rest * before * d_here / n**2
        return incidence[-1], max(0.0, variance.sum())


def log_log_interval(estimate, variance, z):
    """On the scale of log(-log); none at 0 and 1, from which sums of fractions are a few 1e-16 off."""
    if not 1e-12 <= estimate <= 1 - 1e-12:
        return None
    spread = z * math.sqrt(variance) / (estimate * math.log(estimate))
    return estimate ** math.exp(-spread), estimate ** math.exp(spread)


def incidences(tally, ours, asked, level, times, causes, causes_all):
    """Cumulative incidence: by lifelines where no time is tied, and by definition everywhere."""
    z = stats.norm.ppf(0.5 + level / 2)
    tie_free = len(np.unique(times)) == len(times)
    for cause in range(1, causes_all + 1):
        definition, fitter = ByDefinition(times, causes, cause), None
        if tie_free and times.min() > 0:
            fitter = lifelines.AalenJohansenFitter(alpha=1 - level).fit(times, causes, event_of_interest=cause)
            places = fitter.event_table.index.to_numpy()
            estimates = fitter.cumulative_density_.iloc[:, 0].to_numpy()
            variances, bounds = fitter.variance_.to_numpy(), fitter.confidence_interval_.to_numpy()
        values = []
        for step in ours["steps"]:
            values.append((f"cause {cause} at {step['time']}", step["time"], step["causes"][cause - 1]["value"]))
        for read, time in zip(ours["read"], asked, strict=True):
            values.append((f"cause {cause} read at {time}", time, read["causes"][cause - 1]))
        for where, time, value in values:
            estimate, variance = definition.at(time)
            name = "incidence" if tie_free else "incidence with ties"
            tally.check(f"{name}: estimate (numpy)", where, value["estimate"], estimate, ESTIMATE)
            tally.check(f"{name}: variance (numpy)", where, value["standard_error"] ** 2, variance, ESTIMATE)
            interval = log_log_interval(estimate, variance, z)
            tally.ends(f"{name}: interval (log-log, numpy)", where, value["log_log"], interval)
            if fitter is None:
                continue
            row = np.searchsorted(places, time, side="right") - 1
            tally.check("incidence: estimate (lifelines)", where, value["estimate"], estimates[row], ESTIMATE)
            # It divides by zero where the last subject at risk has an event, and says so by no number.
            if math.isfinite(variances[row]):
                ours_squared = value["standard_error"] ** 2
                tally.check("incidence: variance (lifelines)", where, ours_squared, variances[row], ESTIMATE)
                if interval is not None:
                    upper, lower = sorted(bounds[row], reverse=True)
                    tally.ends("incidence: interval (log-log, lifelines)", where, value["log_log"], (lower, upper))
    for row in ours["steps"] + ours["read"]:
        estimates = [cause.get("value", cause)["estimate"] for cause in row["causes"]]
        where, total = f"at {row['time']}", sum(estimates) + row["event_free"]
        tally.check("incidence: sum with the event-free", where, total, 1, ESTIMATE)
        tally.check("incidence: at risk", where, row["at_risk"], (times >= row["time"]).sum(), EXACT)
    for step in ours["steps"]:
        counts = [step["censored"]] + [cause["events"] for cause in step["causes"]]
        for cause, count in enumerate(counts):
            theirs = ((times == step["time"]) & (causes == cause)).sum()
            tally.check("incidence: events and censored", f"{cause} at {step['time']}", count, theirs, EXACT)


def proportions_and_rates(tally, ours, asked):
    """Clopper-Pearson and Wilson by scipy's binomial test, Poisson limits by its chi-squared quantiles."""
    level, (x, n) = asked["confidence"], asked["proportion"]
    where, answer = f"{x}/{n} at {level}", ours["proportion"]
    test = stats.binomtest(x, n)
    tally.check("proportion: estimate", where, answer["estimate"], test.statistic, ESTIMATE)
    tally.ends("proportion: Clopper-Pearson", where, answer["clopper_pearson"], test.proportion_ci(level, "exact"))
    tally.ends("proportion: Wilson", where, answer["wilson"], test.proportion_ci(level, "wilson"))
    bound = stats.binomtest(x, n, alternative="less").proportion_ci(level, "exact").high
    tally.check("proportion: one-sided upper bound", where, answer["upper_bound"], bound, INTERVAL)
    x, person_time = asked["rate"]
    where, tail = f"{x} in {person_time} at {level}", (1 - level) / 2
    limits = (stats.chi2.ppf(tail, 2 * x) / 2 if x else 0.0, stats.chi2.isf(tail, 2 * x + 2) / 2)
    tally.check("rate: estimate", where, ours["rate"]["estimate"], x / person_time, ESTIMATE, relative=True)
    limits = [end / person_time for end in limits]
    tally.ends("rate: exact Poisson", where, ours["rate"]["exact"], limits, relative=True)


def paired(tally, ours, asked):
    """Signed ranks, the estimate of change, the paired t, and what describes the differences."""
    values = np.array(asked["differences"])
    where = f"{len(values)} differences"
    summary = ours["summary"]
    deviation = np.std(values, ddof=1) if len(values) > 1 else None
    tally.check("summary: mean", where, summary["mean"], np.mean(values), ESTIMATE)
    tally.check("summary: standard deviation", where, summary["sd"], deviation, ESTIMATE)
    for key, share in [("min", 0), ("q1", 0.25), ("median", 0.5), ("q3", 0.75), ("max", 1)]:
        theirs = np.quantile(values, share, method="averaged_inverted_cdf")
        tally.check("summary: quartiles of type 2", f"{where}, {key}", summary[key], theirs, ESTIMATE)

    first, second = np.triu_indices(len(values))
    walsh = np.median((values[first] + values[second]) / 2)
    tally.check("change: Hodges-Lehmann", where, ours["hodges_lehmann"], walsh, ESTIMATE)

    other_than_zero = values[values != 0]
    test = ours["signed_rank"]
    if refused(test) != (len(other_than_zero) == 0):
        raise Difference(f"change: signed rank, {where}: {test}")
    if not refused(test):
        exact = len(other_than_zero) <= 25 and len(np.unique(np.abs(other_than_zero))) == len(other_than_zero)
        if exact:
            theirs = stats.wilcoxon(other_than_zero, zero_method="wilcox", method="exact")
        else:
            theirs = stats.wilcoxon(values, zero_method="wilcox", correction=True, method="asymptotic")
        name = "change: signed rank, " + ("exact" if exact else "normal")
        tally.check("change: signed rank is exact", where, test["exact"], exact, EXACT)
        tally.check("change: zeros", where, test["zeros"], len(values) - len(other_than_zero), EXACT)
        tally.check("change: rank sum", where, min(test["positive"], test["negative"]), theirs.statistic, ESTIMATE)
        tally.check(f"{name}, p", where, test["p"], theirs.pvalue, ESTIMATE)

    test = ours["paired_t"]
    if refused(test) != (len(set(asked["differences"])) == 1):
        raise Difference(f"change: paired t, {where}: {test}")
    if not refused(test):
        theirs = stats.ttest_1samp(values, 0)
        numbers = {"mean": np.mean(values), "standard_error": stats.sem(values), "freedom": theirs.df}
        for key, number in {**numbers, "t": theirs.statistic, "p": theirs.pvalue}.items():
            tally.check(f"change: paired t, {key}", where, test[key], number, ESTIMATE)
        interval = theirs.confidence_interval(asked["confidence"])
        tally.ends("change: paired t, interval", where, test["interval"], interval)


def adjusted(tally, ours, p_values):
    """Holm by his definition: the largest of what each smaller or equal p is multiplied to."""
    ranked = sorted(p_values)
    for index, p in enumerate(p_values):
        theirs = max(min(1.0, (len(ranked) - rank) * one) for rank, one in enumerate(ranked) if one <= p)
        tally.check("Holm", f"p {index}", ours[index], theirs, ESTIMATE)


def stopping(tally, ours, asked):
    """The boundary by tails of scipy's beta distribution."""
    prior_events, prior_others, limit, certainty = asked["rule"]
    above = lambda events, n: stats.beta.sf(limit, prior_events + events, prior_others + n - events)
    for (events, n), probability in zip(asked["rule_counts"], ours["probabilities"], strict=True):
        tally.check("stopping: probability", f"{events} in {n}", probability, above(events, n), ESTIMATE)
    rows = {n: events for events, first, last in ours["rows"] for n in range(first, last + 1)}
    for n in range(1, asked["rule_subjects"] + 1):
        stops = np.flatnonzero(above(np.arange(n + 1), n) > certainty)
        theirs = int(stops[0]) if len(stops) else None
        tally.check("stopping: boundary", f"among {n}", ours["boundary"][n - 1], theirs, EXACT)
        tally.check("stopping: boundary by rows", f"among {n}", rows.get(n), theirs, EXACT)


def compare(tally, asked, ours):
    """All figures of one cohort."""
    times = np.array([time for time, _ in asked["observations"]])
    causes = np.array([cause for _, cause in asked["observations"]])
    both_curves(tally, ours, asked["times"], asked["confidence"], times, causes > 0)
    incidences(tally, ours["incidence"], asked["times"], asked["confidence"], times, causes, asked["causes"])
    proportions_and_rates(tally, ours, asked)
    paired(tally, ours, asked)
    adjusted(tally, ours["holm"], asked["p_values"])
    stopping(tally, ours["stopping"], asked)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=2013)
    parser.add_argument("--cohorts", type=int, default=200)
    parser.add_argument("--only", type=int)
    parser.add_argument("program", nargs="+")
    options = parser.parse_args()
    # Both libraries divide by zero at the ends of a curve and say so; that a time is tied must not pass unseen.
    warnings.simplefilter("ignore", RuntimeWarning)
    warnings.filterwarnings("error", message=".*Tied event times")

    indices = range(options.cohorts) if options.only is None else [options.only]
    cohorts = [question(options.seed, index) for index in indices]
    sizes = [len(asked["observations"]) for _, asked in cohorts]
    print(f"seed {options.seed}; {len(cohorts)} cohorts of {min(sizes)} to {max(sizes)} subjects")
    print(f"lifelines {lifelines.__version__}, scipy {scipy.__version__}, numpy {np.__version__}", flush=True)
    lines = "".join(json.dumps(asked) + "\n" for _, asked in cohorts)
    answers = subprocess.run(options.program, input=lines, stdout=subprocess.PIPE, text=True, check=True).stdout
    tally = Tally()
    for index, (shape, asked), line in zip(indices, cohorts, answers.splitlines(), strict=True):
        try:
            compare(tally, asked, json.loads(line))
        except Difference as difference:
            print(f"\ncohort {index} ({shape}) differs: {difference}")
            print(f"again: cargo xtask oracle --seed {options.seed} --only {index}")
            print(f"as it was asked of the program:\n{json.dumps(asked)}")
            sys.exit(DIFFERS)
    tally.print()
    print(f"medians at which the curve is one half exactly, where lifelines rounds to above it: {tally.halves}")
    print("agreed")


if __name__ == "__main__":
    main()
