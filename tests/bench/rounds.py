# SPDX-License-Identifier: Apache-2.0
"""Interleaved runs: each round runs every contestant once, so that disturbances of the machine
affect all; ratios are computed within a round and then compared over the rounds."""

import statistics


def interleave(contestants, rounds):
    """`contestants`: name → function that runs it once. Returns name → the results of the rounds."""
    results = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, once in contestants.items():
            results[name].append(once())
    return results


class Spread:
    """Several runs of one thing."""

    def __init__(self, values):
        self.values = sorted(values)
        self.median = statistics.median(values)
        self.low, self.high = self.values[0], self.values[-1]


def ratio(mine, theirs):
    return Spread([a / b for a, b in zip(mine, theirs)])


class Row:
    """One line of the table: `what` of one contestant, beside that of another."""

    def __init__(self, suite, what, values, unit, beside=None, beside_values=None, wanted=None):
        """`wanted`: ("<=" or ">=", bound) for the ratio, or for the value if there is no ratio."""
        self.suite, self.what, self.unit, self.beside = suite, what, unit, beside
        self.value = Spread(values)
        self.other = Spread(beside_values) if beside_values else None
        self.ratio = ratio(values, beside_values) if beside_values else None
        self.wanted = wanted

    def met(self):
        if self.wanted is None:
            return None
        sign, bound = self.wanted
        median = (self.ratio or self.value).median
        return median >= bound if sign == ">=" else median <= bound

    def as_json(self):
        row = {"suite": self.suite, "what": self.what, "unit": self.unit,
               "median": self.value.median, "runs": self.value.values}
        if self.ratio:
            row.update(beside=self.beside, beside_median=self.other.median,
                       beside_runs=self.other.values, ratio=self.ratio.median,
                       ratio_low=self.ratio.low, ratio_high=self.ratio.high)
        if self.wanted:
            row.update(wanted=" ".join(map(str, self.wanted)), met=self.met())
        return row
