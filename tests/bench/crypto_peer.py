#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
The software device beside dpdk-test-crypto-perf with crypto_aesni_mb: the same library below both.
Runs alternate, so that what else the machine does meets both sides; medians count. On a machine
that others use, --fifo keeps them off the CPUs while a run lasts. Prints a table and writes a JSON
array of {metric, unit, ours, peer, peer_name, ratio}.
"""
import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

import end_to_end
import hugepages

HERE = os.path.dirname(os.path.abspath(__file__))
PEER = 'crypto_aesni_mb'
UNIT = 'Gbit/s'
SIZES = (64, 1024, 16384)
PAGES = 220  # hugepages for the peer's 8192 buffers of 16 KiB
TIMEOUT = 120

# (name, options that both sides take, those of one side)
CASES = (
    ('aes-128-cbc', ['--optype', 'cipher-only', '--cipher-algo', 'aes-cbc', '--cipher-op',
                     'encrypt', '--cipher-key-sz', '16', '--cipher-iv-sz', '16']),
    ('aes-256-gcm', ['--optype', 'aead', '--aead-algo', 'aes-gcm', '--aead-op', 'encrypt',
                     '--aead-key-sz', '32', '--aead-iv-sz', '12', '--aead-aad-sz', '16',
                     '--digest-sz', '16']),
    ('sha2-256-hmac', ['--optype', 'auth-only', '--auth-algo', 'sha2-256-hmac', '--auth-op',
                       'generate', '--auth-key-sz', '32', '--digest-sz', '32']),
)
# what the SEC driver's own cost is measured on (ours_crypto.c)
OFFLOAD = ('aes-128-cbc', 64)
OFFLOAD_METRICS = ('SEC2 V2 op, burst 32', 'SEC2 V3 op, burst 32')
COMMON = ['--ptest', 'throughput', '--burst-sz', '32', '--silent']


class SideError(Exception):
    """One side did not do its part; the text says why."""


def run(argv, fifo, who):
    done = subprocess.run((['chrt', '-f', '1'] if fifo else []) + argv, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT, check=False)
    if done.returncode:
        last = ' / '.join(done.stdout.strip().splitlines()[-3:])
        raise SideError(f'{who} ended with {done.returncode}: {last}')
    return done.stdout


def peer_run(cpus, huge, fifo, options, size, ops):
    """Gbit/s, and TSC ticks an op. The peer's main thread spins until the other is done: it has a CPU of its own."""
    memory = ['--in-memory', '--single-file-segments'] if huge else ['--no-huge', '--no-shconf']
    out = run(['dpdk-test-crypto-perf', '--lcores', f'0@{cpus[0]},1@{cpus[-1]}', '--no-pci',
               '--no-telemetry', '-m', str(2 * PAGES), *memory, '--vdev', PEER, '--', '--devtype',
               PEER, *COMMON, *options, '--buffer-sz', str(size), '--total-ops', str(ops),
               '--csv-friendly'], fifo, 'dpdk-test-crypto-perf')
    row = re.search(rf'^\d+,{size},32,(\d+),(\d+),(?:[^,]*,){{3}}([\d.]+),([\d.]+)$', out, re.M)
    if not row or int(row.group(2)) != ops:
        raise SideError('dpdk-test-crypto-perf printed no row of all its ops')
    return float(row.group(3)), float(row.group(4))


def ours_gbps(build, cpus, uri, fifo, options, size, ops):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, 'out.json')
        run([os.path.join(build, 'apps', 'fl-crypto-perf'), '-a', uri, '-l', str(cpus[-1]), *COMMON,
             *options, '--buffer-sz', str(size), '--total-ops', str(ops), '--duration', '10',
             '--json', out], fifo, 'fl-crypto-perf')
        with open(out, encoding='utf-8') as f:
            row = json.load(f)['results'][0]
    if row['failed_ops']:
        raise SideError(f'fl-crypto-perf: {row["failed_ops"]} ops failed')
    return row['gbit_per_s']


def beside_driver(results, ticks):
    """What the CPU needs for the whole of such an op stands beside what an offload of it costs."""
    for metric in results.metrics:
        if metric in OFFLOAD_METRICS:
            results.add(metric, results.metrics[metric]['unit'], 'peer', ticks, PEER)


def total_ops(size, quick):
    """About a third of a second of an idle core, whatever the size."""
    return max(32, int((1 if quick else 8) * 1e5 / (1 + size / 1024)) // 32 * 32)


def measure(build, runs, quick, huge, results, progress, uri='soft:ipsec-mb', fifo=False):
    """Adds samples to `results`; what a side could not do goes to the notes."""
    if not shutil.which('dpdk-test-crypto-perf'):
        results.note('dpdk-test-crypto-perf is not installed: no peer of the software device '
                     '(Debian: dpdk)')
        return 0
    cpus = end_to_end.two_cpus()
    try:
        for _ in range(runs):
            for name, options in CASES:
                for size in SIZES:
                    metric, ops = f'{name}, {size} B', total_ops(size, quick)
                    ours = ours_gbps(build, cpus, uri, fifo, options, size, ops)
                    progress.show(f'{metric}: ours {ours:.2f}')
                    results.add(metric, UNIT, 'ours', ours, PEER)
                    peer, ticks = peer_run(cpus, huge, fifo, options, size, ops)
                    progress.show(f'{metric}: {PEER} {peer:.2f}')
                    results.add(metric, UNIT, 'peer', peer, PEER)
                    if (name, size) == OFFLOAD:
                        beside_driver(results, ticks)
    except (SideError, OSError, subprocess.TimeoutExpired) as e:
        results.note(f'crypto: {e}')
        return 1
    return 0


def main():
    import run as bench  # the table and its samples are those of make bench
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument('--build', default='build', help='build folder')
    p.add_argument('--runs', type=int, default=7, help='samples of each side behind each median')
    p.add_argument('--uri', default='soft:ipsec-mb', help='our device')
    p.add_argument('--fifo', action='store_true', help='both sides under SCHED_FIFO (root)')
    p.add_argument('--quick', action='store_true', help='short runs')
    p.add_argument('--out', help='JSON to write (BUILD/crypto-peer.json)')
    a = p.parse_args()
    results, progress = bench.Results(), bench.Progress()
    with hugepages.reserve(PAGES, PAGES, results.note) as pages:
        failed = measure(a.build, a.runs, a.quick, pages >= PAGES, results, progress, a.uri,
                         a.fifo)
    progress.show('')
    rows = list(results.rows())
    print(bench.table(rows))
    for text in results.notes:
        print(f'note: {text}')
    with open(a.out or os.path.join(a.build, 'crypto-peer.json'), 'w', encoding='utf-8') as f:
        json.dump(rows, f, indent=1)
        f.write('\n')
    ratios = [r['ratio'] for r in rows if r['ratio']]
    if ratios:
        print(f'ratio: {min(ratios):.2f} to {max(ratios):.2f}, median '
              f'{statistics.median(ratios):.2f}; load average {os.getloadavg()[0]:.1f}')
    return 1 if failed or not rows else 0


if __name__ == '__main__':
    sys.exit(main())
