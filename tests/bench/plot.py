#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Draws bench.json as an SVG: what each metric costs, as a share of what it costs the peer."""
import argparse
import json
from html import escape

ROW, HEAD, LEFT, UNIT_WIDTH, RIGHT = 18, 64, 400, 300, 190
BETTER, WORSE, TEXT, GRID = '#1f6f8b', '#c4622d', '#222222', '#bbbbbb'
NAMED = {'crypto_aesni_mb': 'crypto_aesni_mb', 'openssl speed': 'openssl'}  # peers that a metric's name does not tell
RATES = ('Mpps', 'Gbit/s')  # of these, more is better
LIMIT = 1.5  # bars longer than this are cut, their figure says how long they are


def cost(row):
    """Ours over the peer's; a rate counts the other way round, so that less is always better."""
    if row['ratio'] is None:
        return None
    return 1 / row['ratio'] if row['unit'] in RATES and row['ratio'] else row['ratio']


def figure(value):
    return f'{value:.3g}' if value < 1000 else f'{value:.0f}'


def text(x, y, content, size=11, anchor='start', weight='normal'):
    return (f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}" '
            f'font-weight="{weight}" fill="{TEXT}">{escape(content)}</text>')


def bar(y, row):
    share = cost(row)
    width = min(share, LIMIT) * UNIT_WIDTH
    colour = BETTER if share <= 1 else WORSE
    label = f'{figure(row["ours"])} against {figure(row["peer"])} {row["unit"]}'
    named = NAMED.get(row['peer_name'])
    name = f'{row["metric"]} ({named})' if named else row['metric']
    return [text(LEFT - 8, y + 12, name, anchor='end'),
            f'<rect x="{LEFT}" y="{y + 3}" width="{width:.1f}" height="{ROW - 6}" '
            f'fill="{colour}"/>',
            text(LEFT + LIMIT * UNIT_WIDTH + 8, y + 12, label)]


def draw(rows):
    rows = [r for r in rows if cost(r) is not None]
    bottom = HEAD + ROW * len(rows)
    width, height = LEFT + int(LIMIT * UNIT_WIDTH) + RIGHT, bottom + 34
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
           f'viewBox="0 0 {width} {height}" font-family="sans-serif">',
           f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
           text(12, 24, 'Faultline beside its peers', 16, weight='bold'),
           text(12, 44, 'Cost (time, instructions, memory) as a share of the peer\'s: '
                'shorter is better, 1.0 is DPDK or the peer named')]
    for tick in (0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5):
        x = LEFT + tick * UNIT_WIDTH
        out.append(f'<line x1="{x:.0f}" y1="{HEAD - 4}" x2="{x:.0f}" y2="{bottom}" '
                   f'stroke="{TEXT if tick == 1 else GRID}" '
                   f'stroke-dasharray="{"5 3" if tick == 1 else "none"}"/>')
        out.append(text(x, bottom + 16, f'{tick:g}', anchor='middle'))
    for i, row in enumerate(rows):
        out += bar(HEAD + ROW * i, row)
    return '\n'.join(out + ['</svg>', ''])


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument('json', nargs='?', default='build/bench.json')
    p.add_argument('svg', nargs='?', default='doc/bench.svg')
    a = p.parse_args()
    with open(a.json, encoding='utf-8') as f:
        rows = json.load(f)
    with open(a.svg, 'w', encoding='utf-8') as f:
        f.write(draw(rows))


if __name__ == '__main__':
    main()
