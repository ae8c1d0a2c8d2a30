# SPDX-License-Identifier: BSD-3-Clause
"""What faulting in costs, by who resolves: fl-crypto-perf --ptest iopf on a SEC that faults, and how many
of its faults each column needs. Time is stored, never judged: build/vm/iopf-RESOLVER.json, for
tests/bench/iopf_plot.py. With FL_FIGURES in the environment it takes minutes, and all that a page shows."""
import contextlib
import json
import os
import time

from guest import same, true

MIB, PAGE = 1 << 20, 4096
SEC = 'fl-hisi-sec'
RESOLVER = {'container': 'kernel', 'iommufd': 'iommufd'}
# message, times, rounds
QUICK = [(MIB, '1,10', 3)]
FULL = [(MIB, '1,100,1000', 5), (10 * MIB, '1,100', 5), (10 * MIB, '1000', 1)]
FULL_SECONDS = 1500


@contextlib.contextmanager
def nodes_left_alone(g):
    """NUMA balancing takes all pages away each second to see who uses them, and devices lose them, too"""
    knob = '/proc/sys/kernel/numa_balancing'
    before = g.vm.out(f'[ ! -e {knob} ] || {{ cat {knob}; echo 0 >{knob}; }}')
    try:
        yield
    finally:
        g.vm.out(f'[ ! -e {knob} ] || echo {before} >{knob}')


def measured(g, size, times, rounds, seconds):
    """rows of its report"""
    out = '/tmp/iopf.json'
    g.vm.out(f'fl-crypto-perf -a {g.uri(g.nic(SEC))} --ptest iopf --buffer-sz {size} --times {times} '
             f'--rounds {rounds} --timeout 20000 --json {out} 2>&1', seconds)
    return json.loads(g.vm.out(f'cat {out}'))['iopf']


def judge(rows, resolver):
    """of one message, sent so often"""
    pages = 2 * rows[0]['message_bytes'] // PAGE
    n = {r['fault_around']: r['faults'] for r in rows}
    same({r['pages'] for r in rows}, {pages}, f'pages that the device could reach in the end; faults {n}')
    same({r['resolver'] for r in rows if r['residency'] == 'lazy'}, {resolver}, 'who resolves')
    same((n['none'], n['prefetch']), (0, 0), f'faults of what is pinned or fetched before, of {n}')
    true(pages <= n['1'] <= pages * 1.1, f'a fault a page: {n}')
    true(n['512'] <= 2 * (1 + pages // 1024) + 2, f'a fault 512 pages: {n}')
    true(2 <= n['adaptive'] <= n['1'] / 30, f'adaptive, at most a thirtieth of {n["1"]}: {n}')


def columns(g):
    full = bool(os.environ.get('FL_FIGURES'))
    if full:
        g.vm.deadline = time.monotonic() + FULL_SECONDS
    rows = []
    with nodes_left_alone(g):
        for how in FULL if full else QUICK:
            rows += measured(g, *how, FULL_SECONDS if full else 80)
    resolver = RESOLVER[g.backend]
    for size, times in dict.fromkeys((r['message_bytes'], r['times']) for r in rows):
        judge([r for r in rows if (r['message_bytes'], r['times']) == (size, times)], resolver)
    folder = os.path.join(g.vm.build, 'vm')
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, f'iopf-{resolver}.json'), 'w') as f:
        json.dump({'iopf': rows, 'kernel': g.lane.kernel.version, 'qemu': g.lane.qemu.version}, f, indent=1)
    of = {r['fault_around']: r['faults'] for r in rows if (r['message_bytes'], r['times']) == (MIB, 1)}
    g.rows.append({'table': 'fault', 'what': '1 MiB once: faults of one page each, and adaptive', 'device': SEC,
                   'iommu': g.machine.iommu, 'kernel': g.lane.kernel.version, 'qemu': g.lane.qemu.version,
                   'seen': f'{of["1"]} and {of["adaptive"]} faults'})
