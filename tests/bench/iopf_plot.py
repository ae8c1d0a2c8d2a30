#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Draws the "iopf" rows of fl-crypto-perf --json as an SVG, what each way of faulting in loses, and
with --doc writes them into a page as a table. Rows of several files, of guests with one kernel each,
stand side by side; each is held against the pinned one of its own file."""
import argparse
import json
from html import escape
from math import log10

LEFT, TOP, FRAME, FOOT, WIDTH = 62, 92, 250, 104, 980
# who resolves, and what comes with a fault: (name, colour)
MODEL = {('vfio-user', '1'): ('one page a fault', '#d55e00'),
         ('vfio-user', '512'): ('512 pages a fault', '#56b4e9'),
         ('vfio-user', 'adaptive'): ('adaptive', '#0072b2'),
         ('vfio-user', 'prefetch'): ('prefetch', '#009e73')}
GUEST = {('kernel', '1'): ('patches, one page a fault (as in 2021)', '#d55e00'),
         ('kernel', '512'): ('patches, 512 pages a fault', '#cc79a7'),
         ('kernel', 'adaptive'): ('patches, adaptive', '#0072b2'),
         ('kernel', 'prefetch'): ('patches, prefetch', '#009e73'),
         ('iommufd', '1'): ('userspace, one page a fault', '#e69f00'),
         ('iommufd', 'adaptive'): ('userspace, adaptive', '#56b4e9')}
PEER, FRESH, TEXT, GRID = '#999999', '#222222', '#222222', '#d4d4d4'
MARK = '<!-- iopf -->\n'
FLOOR, CEILING = 0.1, 100  # % of the axis, which is logarithmic


def y_of(percent):
    share = log10(max(percent, FLOOR) / FLOOR) / log10(CEILING / FLOOR)
    return TOP + FRAME * (1 - share)


def text(x, y, content, size=11, anchor='middle', weight='normal'):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
            f'font-weight="{weight}" fill="{TEXT}">{escape(content)}</text>')


def rect(x, y, width, height, colour):
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{max(height, 0.5):.1f}" '
            f'fill="{colour}"/>')


def bar(x, width, percent, label, colour):
    y = y_of(percent)
    return [rect(x, y, width - 2, TOP + FRAME - y, colour),
            text(x + (width - 2) / 2, y - 4, label, 9)]


def percent(value):
    return f'{value * 100:.1f}' if value < 0.0995 else f'{value * 100:.0f}'


def way(row):
    return row['resolver'], row['fault_around']


def group(x, width, rows, ways):
    """The columns of one message, sent so often; behind each the published figure for it."""
    out, bars = [], [r for r in rows if way(r) in ways]
    shown = next((r for r in bars if 'published' in r), None)
    step = width / (len(bars) + bool(shown))
    at = x
    for r in bars:
        out += bar(at, step, r['throughput_loss'] * 100, percent(r['throughput_loss']),
                   ways[way(r)][1])
        if r['fresh_page_loss']:
            y = y_of(r['fresh_page_loss'] * 100)
            out.append(f'<line x1="{at - 1:.1f}" y1="{y:.1f}" x2="{at + step - 1:.1f}" '
                       f'y2="{y:.1f}" stroke="{FRESH}" stroke-width="2"/>')
        out.append(text(at + step / 2 - 1, TOP + FRAME + 13, str(r['faults']), 9))
        at += step
        if r is shown:
            p = r['published']
            out += bar(at, step, p['throughput_loss'] * 100, percent(p['throughput_loss']), PEER)
            out.append(text(at + step / 2 - 1, TOP + FRAME + 13, str(p['faults']), 9))
            at += step
    r = rows[0]
    out.append(text(x + width / 2, TOP + FRAME + 32,
                    f'{r["message_bytes"] / 1048576:g} MiB, {r["times"]} '
                    f'time{"s" if r["times"] > 1 else ""}', 12))
    return out


def legend(y, ways):
    out, x = [], LEFT
    for name, colour in [*ways.values(), ('Kunpeng 920, published for VFIO IOPF', PEER),
                         ("the kernel's fresh pages", None)]:
        if x + 20 + 5.6 * len(name) > WIDTH:
            x, y = LEFT, y + 16
        out += [rect(x, y - 9, 10, 10, colour) if colour else
                f'<line x1="{x}" y1="{y - 4}" x2="{x + 12}" y2="{y - 4}" stroke="{FRESH}" stroke-width="2"/>',
                text(x + 14, y, name, anchor='start')]
        x += 26 + 6.2 * len(name)
    return out


NOTE = {False: 'Grey bars are another machine\'s and another device\'s, with the kernel patches of 2021; no other '
               'rows were published.',
        True: 'An emulated machine: only ratios between its own bars mean anything. Grey bars are hardware, with the '
              'patches of 2021.'}


def runs(rows):
    n = sorted({r['runs'] for r in rows})
    return f'{n[0]} to {n[-1]}' if len(n) > 1 else n[0]


def draw(rows, ways):
    groups = {}
    for r in rows:
        groups.setdefault((r['message_bytes'], r['times']), []).append(r)
    height = TOP + FRAME + FOOT
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
           f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
           rect(0, 0, WIDTH, height, '#ffffff'),
           text(12, 24, 'What faulting in costs', 16, 'start', 'bold'),
           text(12, 44, 'Throughput lost against pinned buffers, %, logarithmic; shorter is better. '
                f'Fresh buffers each run, medians of {runs(rows)} alternating runs',
                anchor='start')]
    for tick in (0.1, 1, 10, 100):
        y = y_of(tick)
        out += [f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - 12}" y2="{y:.1f}" '
                f'stroke="{GRID}"/>', text(LEFT - 6, y + 4, f'{tick:g} %', anchor='end')]
    out += [text(LEFT - 6, TOP + FRAME + 13, 'faults', 9, 'end')]
    width = (WIDTH - 12 - LEFT) / len(groups)
    for i, g in enumerate(groups.values()):
        out += group(LEFT + i * width + 8, width - 16, g, ways)
    out += legend(TOP + FRAME + 56, ways)
    out.append(text(LEFT, TOP + FRAME + 92, NOTE[ways is GUEST], anchor='start'))
    return '\n'.join(out + ['</svg>', ''])


def lost(row):
    """in %; less than nothing is noise"""
    return f"{row['throughput_loss'] * 100:.1f}"


def published(rows):
    row = next((r for r in rows if 'published' in r), None)
    if not row:
        return '-'
    was = row['published']
    around = row['fault_around']
    return (f"{was['throughput_loss'] * 100:.1f} ({was['faults']}), "
            f"{'one page' if around == '1' else around + ' pages'} a fault")


def table(rows, ways):
    """a line for each message and count: loss and faults of each way"""
    lines = ['| message, MiB | times | ' + ' | '.join(name for name, _ in ways.values()) +
             ' | fresh pages alone | Kunpeng 920, published |',
             '| --- | --- ' + '| --- ' * (len(ways) + 2) + '|']
    for size, times in dict.fromkeys((r['message_bytes'], r['times']) for r in rows):
        here = [r for r in rows if (r['message_bytes'], r['times']) == (size, times)]
        of = {way(r): r for r in here}
        losses = [f"{lost(of[w])} ({of[w]['faults']})" if w in of else '-' for w in ways]
        fresh = max(r['fresh_page_loss'] for r in here) * 100
        lines.append(f'| {size >> 20} | {times} | ' + ' | '.join(losses) +
                     f' | {fresh:.1f} | {published(here)} |')
    return '\n'.join(lines) + '\n'


def into(page, text):
    with open(page, encoding='utf-8') as f:
        head, _, tail = f.read().split(MARK)
    with open(page, 'w', encoding='utf-8') as f:
        f.write(head + MARK + text + MARK + tail)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument('json', nargs='+')
    p.add_argument('svg')
    p.add_argument('--doc', help='page with two marks to write the table between')
    args = p.parse_args()
    rows = []
    for path in args.json:
        with open(path, encoding='utf-8') as f:
            rows += json.load(f)['iopf']
    rows.sort(key=lambda r: (r['message_bytes'], r['times']))
    ways = GUEST if {r['resolver'] for r in rows} & {'kernel', 'iommufd'} else MODEL
    with open(args.svg, 'w', encoding='utf-8') as f:
        f.write(draw(rows, ways))
    if args.doc:
        into(args.doc, table(rows, ways))


if __name__ == '__main__':
    main()
