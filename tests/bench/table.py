# SPDX-License-Identifier: Apache-2.0
"""The results as text."""


def number(value):
    if value >= 1e6:
        return f"{value / 1e6:.2f} M"
    if value >= 1e4:
        return f"{value / 1e3:.1f} k"
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def line(row):
    text = f"  {row.what:<44} {number(row.value.median):>8} {row.unit:<8}"
    if row.ratio:
        text += (f" {row.ratio.median:6.2f} x {row.beside:<28}"
                 f" [{row.ratio.low:.2f} … {row.ratio.high:.2f}]")
    if row.wanted:
        sign, bound = row.wanted
        text += f"  {'ok' if row.met() else 'NOT'} {'≤' if sign == '<=' else '≥'} {bound:g}"
    return text.rstrip()


def show(title, rows, notes=()):
    print(f"\n{title}", flush=True)
    for row in rows:
        print(line(row), flush=True)
    for note in notes:
        print(f"  ({note})", flush=True)
