# SPDX-License-Identifier: Apache-2.0
"""A plot as SVG: panels of one or two curves, logarithmic across, from zero up."""

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT, MARGIN, TOP = 460, 300, 60, 50


COLOURS = ("#06c", "#999")


def curve(series, across, up, colour):
    points = [(across(number), up(spread.median)) for number, spread in series.items()]
    lines = [f'<path d="M{across(number):.1f} {up(spread.low):.1f}V{up(spread.high):.1f}" '
             f'stroke="{colour}"/>' for number, spread in series.items()]
    lines.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="'
                 + " ".join(f"{x:.1f},{y:.1f}" for x, y in points) + '"/>')
    return lines + [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]


def panel(left, title, curves):
    numbers = list(next(iter(curves.values())))
    highest = max(spread.high for series in curves.values() for spread in series.values()) * 1.1

    def across(number):
        return (left + MARGIN
                + math.log10(number) / math.log10(max(numbers)) * (WIDTH - 2 * MARGIN))

    def up(value):
        return TOP + HEIGHT - MARGIN - value / highest * (HEIGHT - 2 * MARGIN)

    lines = [f'<text x="{left + WIDTH / 2}" y="{TOP + HEIGHT - 15}" text-anchor="middle">'
             f"{escape(title)}</text>"]
    for number in numbers:
        lines.append(f'<text x="{across(number):.1f}" y="{TOP + HEIGHT - MARGIN + 16}" '
                     f'text-anchor="middle">{number:,}</text>')
    step = 10 ** math.floor(math.log10(highest / 2))
    while highest / step > 6:
        step *= 2
    for tick in range(int(highest / step) + 1):
        y = up(tick * step)
        lines.append(f'<path d="M{left + MARGIN} {y:.1f}H{left + WIDTH - MARGIN}" stroke="#ddd"/>')
        lines.append(f'<text x="{left + MARGIN - 6}" y="{y + 4:.1f}" text-anchor="end">'
                     f"{tick * step / 1000:.0f} k</text>")
    for (name, series), colour in zip(curves.items(), COLOURS):
        lines += curve(series, across, up, colour)
        last = series[numbers[-1]].median
        lines.append(f'<text x="{left + WIDTH - MARGIN + 6}" y="{up(last) + 4:.1f}" '
                     f'fill="{colour}">{escape(name)}</text>')
    return lines


def draw(title, panels):
    """`panels`: (title, name → number → Spread) each."""
    width = WIDTH * len(panels)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{TOP + HEIGHT}" '
             'font-family="sans-serif" font-size="11">',
             '<rect width="100%" height="100%" fill="white"/>',
             f'<text x="{width / 2}" y="24" text-anchor="middle" font-size="14">{escape(title)}'
             "</text>"]
    for position, (name, curves) in enumerate(panels):
        lines += panel(position * WIDTH, name, curves)
    return "\n".join([*lines, "</svg>", ""])
