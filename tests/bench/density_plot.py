#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Draws what lane density of tests/vm found (build/vm/density-figures.json) as an SVG, and with --doc
writes it into a page as a table."""
import argparse
import json

from iopf_plot import GRID, rect, text

WIDTH, TOP, FRAME, FOOT = 760, 98, 200, 70
COLOURS = {'pinned': '#d55e00', 'lazy': '#0072b2'}
# what, unit, form of a figure
PANELS = [('processes', 'processes that run', '{:.0f}'), ('mib_per_s', 'MiB enciphered a second, all', '{:.0f}'),
          ('start_ms', 'ms from fork to work, median', '{:.0f}')]
MARK = '<!-- density -->\n'


def panel(x, width, rows, key, title, form):
    top, bar = max(r[key] for r in rows), (width - 60) / len(rows)
    out = [text(x + width / 2, TOP - 26, title, 12),
           f'<line x1="{x + 20}" y1="{TOP + FRAME}" x2="{x + width - 20}" y2="{TOP + FRAME}" stroke="{GRID}"/>']
    for i, r in enumerate(rows):
        height, at = FRAME * r[key] / top, x + 30 + i * bar
        more = '+' if key == 'processes' and r[key] == r['devices'] else ''
        out += [rect(at + 8, TOP + FRAME - height, bar - 16, height, COLOURS[r['residency']]),
                text(at + bar / 2, TOP + FRAME - height - 5, form.format(r[key]) + more),
                text(at + bar / 2, TOP + FRAME + 16, r['residency'])]
    return out


def draw(found):
    rows, height = found['density'], TOP + FRAME + FOOT
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
           f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">', rect(0, 0, WIDTH, height, '#ffffff'),
           text(12, 24, 'How many fit', 16, 'start', 'bold'),
           text(12, 44, f'Processes with {rows[0]["owned_mib"]} MiB of DMA buffers and a device each, of which they use '
                f'{rows[0]["used_mib"]} MiB in turn; a guest of {found["memory_mib"]} MiB', anchor='start')]
    for i, (key, title, form) in enumerate(PANELS):
        out += panel(i * WIDTH / len(PANELS), WIDTH / len(PANELS), rows, key, title, form)
    out.append(text(12, height - 14, 'An emulated machine: only ratios mean anything. Lazy buffers are fresh at each turn, '
                    'as they were given back before.', anchor='start'))
    return '\n'.join(out + ['</svg>', ''])


def table(found):
    lines = ['| buffers | processes that run | MiB/s of all | ms to start, median | MiB of memory for each |',
             '| --- | --- | --- | --- | --- |']
    for r in found['density']:
        before, after = r['available_mib']
        full = r['processes'] == r['devices']
        lines.append(f'| {r["residency"]} | {r["processes"]}{" (all devices there were)" if full else ""} | '
                     f'{r["mib_per_s"]:.0f} | {r["start_ms"]:.0f} | {(before - after) / r["processes"]:.1f} |')
    return '\n'.join(lines) + '\n'


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument('json')
    p.add_argument('svg')
    p.add_argument('--doc', help='page with two marks to write the table between')
    args = p.parse_args()
    with open(args.json, encoding='utf-8') as f:
        found = json.load(f)
    with open(args.svg, 'w', encoding='utf-8') as f:
        f.write(draw(found))
    if args.doc:
        with open(args.doc, encoding='utf-8') as f:
            head, _, tail = f.read().split(MARK)
        with open(args.doc, 'w', encoding='utf-8') as f:
            f.write(head + MARK + table(found) + MARK + tail)


if __name__ == '__main__':
    main()
