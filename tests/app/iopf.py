#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""fl-crypto-perf --ptest iopf: what is in its report, how many faults each column needs, what it
refuses. How much time they cost is for a quiet machine: see doc/crypto-perf.md."""
import json
import os
import re
import signal
import subprocess
import tempfile

from app import BUILD, check, run

PERF = os.path.join(BUILD, 'apps', 'fl-crypto-perf')
COLUMNS = [('pinned', 'none'), ('lazy', '1'), ('lazy', '512'), ('lazy', 'adaptive'),
           ('lazy', 'prefetch')]
MIB, PAGE = 1 << 20, 4096
PUBLISHED = {(MIB, 1, '1'): (0.634, 518), (MIB, 100, '1'): (0.229, 1058),
             (10 * MIB, 1, '512'): (0.326, 13)}


def iopf(*args, rc=0):
    """one run with --json; returns its rows and output"""
    with tempfile.NamedTemporaryFile('r', suffix='.json') as f:
        r = run(PERF, '--ptest', 'iopf', *args, '--json', f.name, rc=rc)
        return json.load(f)['iopf'], r


def shape(rows, sizes, times, rounds, resolver='vfio-user'):
    check([(x['message_bytes'], x['times'], x['residency'], x['fault_around']) for x in rows] ==
          [(s, t, *c) for s in sizes for t in times for c in COLUMNS], 'a row a case and column')
    for x in rows:
        check(type(x['faults']) is int and type(x['pages']) is int and
              type(x['throughput_loss']) is float and x['throughput_loss'] < 1, f'types: {x}')
        check(x['resolver'] == ('none' if x['residency'] == 'pinned' else resolver), f'resolver: {x}')
        check(x['runs'] == rounds and x['gbit_per_s'] > 0 and x['run_us'] > 0, f'runs: {x}')
        key = (x['message_bytes'], x['times'], x['fault_around'])
        p = x.get('published')
        check((key in PUBLISHED) == bool(p), f'published figures: {x}')
        if p:
            check((p['throughput_loss'], p['faults']) == PUBLISHED[key] and
                  p['hardware'] == 'Kunpeng 920', f'published figures: {p}')
        t = x['fault_latency_us']
        check(t['p50'] <= t['p99'] and (t['avg'] > 0) == (x['faults'] > 0), f'latency: {x}')
        if x['residency'] == 'pinned':
            check(x['throughput_loss'] == 0, f'what all is held against: {x}')


def faults(rows):
    """of one size, however often the message is sent"""
    pages = 2 * rows[0]['message_bytes'] // PAGE
    n = {x['fault_around']: x['faults'] for x in rows}
    for x in rows:
        check(x['pages'] == pages, f'in the end all is mapped: {x}')
    check(n['none'] == n['prefetch'] == 0, f'pinned and prefetched: {n}')
    check(pages <= n['1'] <= pages * 1.05, f'a fault a page: {n}')
    check(2 <= n['512'] <= 2 * (1 + pages // 1024) + 2, f'a fault 512 pages: {n}')
    if pages == 512:
        check(2 <= n['adaptive'] <= min(17, n['1'] / 30), f'a few: {n}')


def report():
    rows, r = iopf('-a', 'model:hisi_sec', '--buffer-sz', f'65536,{MIB}', '--times', '1,100',
                   '--rounds', '3')
    shape(rows, [65536, MIB], [1, 100], 3)
    for i in range(0, len(rows), len(COLUMNS)):
        faults(rows[i:i + len(COLUMNS)])
    for words in ('medians of 3 alternating runs', 'Kunpeng 920', 'not this machine'):
        check(words in r.stdout, f'{words}: {r.stdout}')
    check(re.search(rf'^ +{MIB} +1 +lazy +1 .* 63\.4 +518$', r.stdout, re.M) and
          len(re.findall(r'^ +\d+ +\d+ +(pinned|lazy)', r.stdout, re.M)) == len(rows),
          f'the table: {r.stdout}')
    r = run(PERF, '-a', 'model:hisi_sec', '--ptest', 'iopf', '--buffer-sz', '4096', '--times', '1',
            '--rounds', '1', '--csv')
    lines = r.stdout.strip().split('\n')
    check(len(lines) == 1 + len(COLUMNS) and len({ln.count(',') for ln in lines}) == 1, lines)


def others():
    """a device without DMA, other ciphers, sizes that are no pages"""
    rows, _ = iopf('-a', 'soft:', '--buffer-sz', '10000', '--times', '2', '--rounds', '1',
                   '--cipher-algo', 'aes-ctr')
    check([x['faults'] for x in rows] == [0] * len(COLUMNS), f'software does not fault: {rows}')
    check({x['resolver'] for x in rows} == {'none'}, f'nobody resolves: {rows}')
    rows, _ = iopf('-a', 'model:hisi_sec,faults=off', '--buffer-sz', '8192', '--times', '1', '--rounds', '1')
    shape(rows, [8192], [1], 1, 'post')
    rows, _ = iopf('-a', 'model:hisi_sec', '--buffer-sz', '10000', '--times', '2', '--rounds', '1',
                   '--cipher-algo', 'aes-ctr', '--cipher-op', 'decrypt')
    shape(rows, [10000], [2], 1)
    check(rows[1]['faults'] == 6, f'three pages each: {rows[1]}')


def refusals():
    for args, words in (
            (('-a', 'soft:', '-a', 'soft:openssl'), 'one device'),
            (('-a', 'soft:', '--burst-sz', '2'), 'one op at a time'),
            (('-a', 'soft:', '--qps', '2'), 'one op at a time'),
            (('-a', 'soft:', '--interrupt'), 'one op at a time'),
            (('-a', 'soft:', '--plot', 'x.svg'), 'iopf_plot.py'),
            (('-a', 'soft:', '--buffer-sz', '0'), 'no bytes'),
            (('-a', 'soft:', '--times', '0'), 'want LIST')):
        r = run(PERF, '--ptest', 'iopf', *args, rc=2)
        check(words in r.stderr, f'{args}: {r.stderr}')
    r = run(PERF, '--ptest', 'iopf', '-a', 'soft:', '--optype', 'aead', rc=1)
    check('cipher-only' in r.stderr, r.stderr)
    r = run(PERF, '-a', 'soft:', '--times', '3', rc=2)
    check('--ptest=iopf' in r.stderr, r.stderr)


def failures():
    """a device that goes wrong in the middle: said, and the rows before stay"""
    for what, words in (('phase@40', 'no answer within 500 ms'), ('bd@40', 'came back: error')):
        rows, r = iopf('-a', f'model:hisi_sec,inject={what}', '--buffer-sz', '4096', '--times',
                       '1,10', '--rounds', '1', '--timeout', '500', rc=1)
        check(words in r.stderr and len(rows) == len(COLUMNS), f'{what}: {r.stderr} {rows}')
    with tempfile.NamedTemporaryFile('r', suffix='.json') as f:
        cmd = [PERF, '-a', 'model:hisi_sec', '--ptest', 'iopf', '--times', '1,1000000',
               '--buffer-sz', '4096', '--rounds', '1', '--json', f.name]
        with subprocess.Popen(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
            while 'prefetch' not in p.stdout.readline():
                check(p.poll() is None, 'a first row comes')
            p.send_signal(signal.SIGINT)
            _, err = p.communicate(timeout=10)
        check(p.returncode == 0 and not err and len(json.load(f)['iopf']) == len(COLUMNS),
              f'SIGINT ends it, with the rows it has: {p.returncode} {err}')


report()
others()
refusals()
failures()
