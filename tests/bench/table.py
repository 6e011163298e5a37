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


def grid(title, rows, columns, limits):
    """Figures by row and column: `rows` name → (column → value), `columns` column → what it is,
    `limits` column → the most that is good; what exceeds it has an exclamation mark."""
    print(f"\n{title}")
    width = max(map(len, rows))
    names = list(rows)
    print("  " + " " * 40 + "".join(f"{name:>{width + 2}}" for name in names))
    for column, what in columns.items():
        bound = limits.get(column, float("inf"))
        cells = (f"{number(rows[name][column])}{'!' if rows[name][column] > bound else ' '}"
                 for name in names)
        print(f"  {what:<40}" + "".join(f"{cell:>{width + 2}}" for cell in cells))
