#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
make bench: Faultline beside DPDK. Prints one table and writes build/bench.json, an array of
{metric, unit, ours, peer, peer_name, ratio}: medians; null where a side took no part.
"""
import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import threading

import callgrind
import crypto_model
import crypto_peer
import hugepages
import end_to_end

HERE = os.path.dirname(os.path.abspath(__file__))
TICKS = 'TSC ticks'
HUGE_MIN = 160  # of 2 MiB, for everything but the 4 GiB pool
SUITE_TIMEOUT = 120
RUNS_A_PROCESS = 3
BUSY = 0.5  # load average from which the reader is warned


class Results:
    """Samples by metric and side, in the order in which metrics first appeared; and notes."""

    def __init__(self):
        self.metrics = {}
        self.notes = []

    def add(self, metric, unit, side, value, peer_name):
        entry = self.metrics.setdefault(metric, {'unit': unit, 'ours': [], 'peer': [],
                                                 'peer_name': None})
        entry[side].append(value)
        if side == 'peer':
            entry['peer_name'] = peer_name

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)

    def borrow_peers(self):
        """em runs on hugepages only: our figures on small pages stand beside those."""
        for name, entry in self.metrics.items():
            base = self.metrics.get(name.removesuffix(', small pages'))
            if not entry['peer'] and base and base['peer'] and base['unit'] == entry['unit']:
                entry['peer'], entry['peer_name'] = base['peer'], base['peer_name']

    def rows(self):
        self.borrow_peers()
        for name, e in self.metrics.items():
            ours, peer = ((round(statistics.median(e[s]), 3) if e[s] else None)
                          for s in ('ours', 'peer'))
            ratio = round(ours / peer, 3) if ours is not None and peer else None
            yield {'metric': name, 'unit': e['unit'], 'ours': ours, 'peer': peer,
                   'peer_name': e['peer_name'], 'ratio': ratio}


class Progress:
    """One line on a terminal that says what is being measured; nothing elsewhere."""

    def __init__(self):
        self.on = sys.stderr.isatty()

    def show(self, text):
        if self.on:
            sys.stderr.write(f'\r\033[K{text}'[:110])
            sys.stderr.flush()


def peer_of(metric):
    if metric.startswith('ring'):
        return 'rte_ring'
    if metric.startswith('pool'):
        return 'rte_mempool'
    return 'rte_pktmbuf' if metric.startswith('packet') else 'net_e1000_em'


def run_suite(program, args, results, progress):
    """One run of the C program, whose samples come line by line."""
    process = subprocess.Popen([program, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True)
    watchdog = threading.Timer(SUITE_TIMEOUT, process.kill)
    watchdog.start()
    for line in process.stdout:
        kind, *fields = line.rstrip('\n').split('\t')
        if kind == 'note':
            results.note(fields[0])
        elif kind == 'sample':
            metric, side, value = fields
            progress.show(f'{metric}: {side} {value}')
            results.add(metric, TICKS, side, float(value), peer_of(metric))
    errors = process.stderr.read()
    watchdog.cancel()
    if process.wait():
        tail = ' / '.join(errors.strip().splitlines()[-3:])
        results.note(f'bench {" ".join(args)} ended with {process.returncode}: {tail}')
    return process.returncode


def micro(build, runs, huge, results, progress):
    program = os.path.join(build, 'tests', 'bench', 'bench')
    if not os.access(program, os.X_OK):
        raise SystemExit(f'{program} is not there: meson configure {build} -Dbench=enabled, ninja')
    failed = 0
    suites = [['--suite=ring'], ['--suite=pool'], ['--suite=crypto']]
    if huge:
        suites += [['--suite=pool', '--huge'], ['--suite=driver', '--huge']]
    else:
        suites += [['--suite=driver', '--no-peer']]
    # several processes: where the loader puts stack and rings decides over some per cent
    for first in range(0, runs, RUNS_A_PROCESS):
        for suite in suites:
            count = min(RUNS_A_PROCESS, runs - first)
            failed += run_suite(program, [*suite, f'--runs={count}'], results, progress) != 0
    return failed


def cell(value):
    return '-' if value is None else f'{value:.3g}' if abs(value) < 100 else f'{value:.0f}'


def table(rows):
    head = ('metric', 'unit', 'ours', 'peer', 'ratio', 'peer is')
    lines = [head] + [(r['metric'], r['unit'], cell(r['ours']), cell(r['peer']), cell(r['ratio']),
                       r['peer_name'] or '-') for r in rows]
    width = [max(len(line[i]) for line in lines) for i in range(len(head))]
    form = [f'{{:{"<" if i in (0, 1, 5) else ">"}{w}}}' for i, w in enumerate(width)]
    text = ['  '.join(f.format(c) for f, c in zip(form, line)).rstrip() for line in lines]
    return '\n'.join([text[0], '-' * len(text[0]), *text[1:]])


def refresh_doc(path, rows, notes):
    """Replaces what stands between the two marks of the page."""
    begin, end = '<!-- figures: begin -->', '<!-- figures: end -->'
    with open(path, encoding='utf-8') as f:
        page = f.read()
    if begin not in page or end not in page:
        raise SystemExit(f'{path}: the marks of the generated block are missing')
    lines = ['| metric | unit | ours | peer | ratio | peer is |',
             '| --- | --- | ---: | ---: | ---: | --- |']
    lines += [f'| {r["metric"]} | {r["unit"]} | {cell(r["ours"])} | {cell(r["peer"])} | '
              f'{cell(r["ratio"])} | {r["peer_name"] or "-"} |' for r in rows]
    lines += [''] + [f'- {n}' for n in notes]
    block = begin + '\n' + '\n'.join(lines).rstrip() + '\n' + end
    page = re.sub(re.escape(begin) + '.*' + re.escape(end), lambda _: block, page, flags=re.S)
    with open(path, 'w', encoding='utf-8') as f:
        f.write(page)


def arguments():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument('--build', default='build', help='build folder')
    p.add_argument('--runs', type=int, default=15, help='samples behind each median')
    p.add_argument('--quick', action='store_true', help='3 short runs of everything: a smoke test')
    p.add_argument('--out', help='JSON to write (BUILD/bench.json)')
    p.add_argument('--doc', help='page whose block of figures is written anew')
    p.add_argument('--parts', default='micro,callgrind,testpmd,start,crypto',
                   help='what to measure, by comma (default: all)')
    return p.parse_args()


def main():
    a = arguments()
    runs = 3 if a.quick else a.runs
    out = a.out or os.path.join(a.build, 'bench.json')
    parts = a.parts.split(',')
    results, progress = Results(), Progress()
    failed = 0
    load = os.getloadavg()[0]
    if load > BUSY:
        results.note(f'load average {load:.1f} at the start: other programs run beside this, which '
                     'the two-core figures feel most')
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was reserved is given back
    with hugepages.reserve(HUGE_MIN if a.quick else end_to_end.HUGE_4_GIB, HUGE_MIN,
                           results.note) as pages:
        if 'micro' in parts:
            failed += micro(a.build, runs, pages >= HUGE_MIN, results, progress)
        if 'callgrind' in parts:
            callgrind.measure(a.build, pages >= HUGE_MIN, results, progress)
        if 'testpmd' in parts:
            failed += end_to_end.forward(a.build, runs, 0.5 if a.quick else 1.0,
                                         pages >= HUGE_MIN, results, progress)
        if 'start' in parts:
            failed += end_to_end.start(a.build, runs, pages, results, progress)
        if 'crypto' in parts:
            failed += crypto_peer.measure(a.build, 1 if a.quick else runs, a.quick,
                                          pages >= crypto_peer.PAGES, results, progress)
            failed += crypto_model.measure(a.build, 1 if a.quick else 5, results, progress)
    progress.show('')
    rows = list(results.rows())
    print(table(rows))
    for text in results.notes:
        print(f'note: {text}')
    with open(out, 'w', encoding='utf-8') as f:
        json.dump(rows, f, indent=1)
        f.write('\n')
    print(f'{len(rows)} metrics in {out}, medians of {runs} runs')
    if a.doc:
        refresh_doc(a.doc, rows, results.notes)
    return 1 if failed or not rows else 0


if __name__ == '__main__':
    sys.exit(main())
