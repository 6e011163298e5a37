"""A plot as SVG: one panel for each series, logarithmic across, from zero up."""

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT, MARGIN, TOP = 460, 300, 60, 50


def panel(left, title, series):
    highest = max(spread.high for spread in series.values()) * 1.1
    last = math.log10(max(series))

    def across(number):
        return left + MARGIN + math.log10(number) / last * (WIDTH - 2 * MARGIN)

    def up(value):
        return TOP + HEIGHT - MARGIN - value / highest * (HEIGHT - 2 * MARGIN)

    points = [(across(number), up(spread.median)) for number, spread in series.items()]
    lines = [f'<text x="{left + WIDTH / 2}" y="{TOP + HEIGHT - 15}" text-anchor="middle">'
             f"{escape(title)}</text>"]
    for number in series:
        lines.append(f'<text x="{across(number)}" y="{TOP + HEIGHT - MARGIN + 16}" '
                     f'text-anchor="middle">{number:,}</text>')
    step = 10 ** math.floor(math.log10(highest / 2))
    value = 0
    while value <= highest:
        lines.append(f'<path d="M{left + MARGIN} {up(value)}H{left + WIDTH - MARGIN}" '
                     'stroke="#ddd"/>')
        lines.append(f'<text x="{left + MARGIN - 6}" y="{up(value) + 4}" text-anchor="end">'
                     f"{value / 1000:.0f} k</text>")
        value += step
    for number, spread in series.items():
        lines.append(f'<path d="M{across(number)} {up(spread.low)}V{up(spread.high)}" '
                     'stroke="#06c"/>')
    lines.append('<polyline fill="none" stroke="#06c" stroke-width="2" points="'
                 + " ".join(f"{x:.1f},{y:.1f}" for x, y in points) + '"/>')
    lines += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#06c"/>' for x, y in points]
    return lines


def draw(title, panels):
    """`panels`: (title, number → Spread) each."""
    width = WIDTH * len(panels)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{TOP + HEIGHT}" '
             'font-family="sans-serif" font-size="11">',
             '<rect width="100%" height="100%" fill="white"/>',
             f'<text x="{width / 2}" y="24" text-anchor="middle" font-size="14">{escape(title)}'
             "</text>"]
    for position, (name, series) in enumerate(panels):
        lines += panel(position * WIDTH, name, series)
    return "\n".join([*lines, "</svg>", ""])
