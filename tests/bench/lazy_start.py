#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A pool of 4 GiB under a small `ulimit -l`: fl-testpmd lazy and pinned, beside dpdk-testpmd.

Ours: runs of both kinds in turn, as a normal user, between two modelled 82574L; what their reports
say, medians. DPDK's: one run a case (each takes seconds and some GiB), to its prompt, or to what it
says when it ends. Run as root it drops to a normal user where a case is one's; cases that need
root, memory or hugepages which are not there are left out, with the reason.
"""
import argparse
import json
import os
import re
import resource
import select
import statistics
import subprocess
import sys
import tempfile
import time

import hugepages
import peer_testpmd

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PACKETS = 1900000
LIMIT_KIB = 8192
NOBODY = 65534
PEER_MIB = 8192      # --no-huge sets aside what -m says; 5120 do not hold the pool
PEER_PAGES = 2400
PEER_SECONDS = 90
MIB = 1 << 20
MARK = '<!-- lazy-start -->'


def as_user(limit_kib):
    """arguments of a normal user's process with that limit (None: as it is, without one)"""
    def limits():
        if limit_kib is not None:
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit_kib << 10, limit_kib << 10))
    more = {'preexec_fn': limits}
    if limit_kib is not None and os.geteuid() == 0:
        more.update(user=NOBODY, group=NOBODY, extra_groups=[])
    return more


# ---- ours

def ours(build, residency, seconds, more):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        out = os.path.join(folder, 'out.json')
        wire = 'model:e1000e,wire=x'
        argv = [os.path.join(build, 'apps', 'fl-testpmd'), '-a', wire, '-a', wire, '--residency',
                residency, '--total-num-mbufs', str(PACKETS), '--forward-mode=io', '--tx-first',
                '--duration', str(seconds), '--json', out]
        argv += more
        r = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, timeout=seconds + 60, check=False,
                           **as_user(LIMIT_KIB))
        if r.returncode:
            sys.exit(f'fl-testpmd ended with {r.returncode}:\n{r.stdout}')
        with open(out, encoding='utf-8') as f:
            return json.load(f)


def figures(j):
    m = j['memory']
    return {'first_packet_ms': j['first_packet_ms'], 'rss_mib': m['rss_bytes'] / MIB,
            'locked_mib': m['locked_bytes'] / MIB, 'mapped_mib': m['mapped_bytes'] / MIB,
            'owned_mib': m['owned_bytes'] / MIB, 'mpps': j['total']['mpps'],
            'misses': m['lazy']['misses'], 'evictions': m['lazy']['evictions']}


def measure(build, runs, seconds, more):
    got = {'pinned': [], 'lazy': []}
    for i in range(runs):
        for residency in ('pinned', 'lazy') if i % 2 else ('lazy', 'pinned'):
            got[residency].append(figures(ours(build, residency, seconds, more)))
            print(f'run {i + 1} of {runs}, {residency}: ' +
                  ', '.join(f'{k} {v:.2f}' for k, v in got[residency][-1].items()), flush=True)
    result = {r: {k: statistics.median(f[k] for f in fs) for k in fs[0]} for r, fs in got.items()}
    result['mpps_ratio'] = statistics.median(
        a['mpps'] / b['mpps'] for a, b in zip(got['lazy'], got['pinned']))
    result['runs'] = runs
    return result


# ---- DPDK's

def status(pid):
    with open(f'/proc/{pid}/status', encoding='ascii') as f:
        return {k: int(v) << 10 for k, v in re.findall(r'^(\w+):\s+(\d+) kB', f.read(), re.M)}


def peer(what, limit_kib, eal):
    """one run up to the prompt, or to its end"""
    case = {'case': what, 'ready_ms': None, 'rss_mib': None, 'locked_mib': None, 'says': []}
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        argv = ['stdbuf', '-oL', peer_testpmd.program(), '-l', '0,1', '--no-pci', '--no-telemetry', *eal,
                '--vdev', 'net_null0', '--vdev', 'net_null1', '--', '-i',
                f'--total-num-mbufs={PACKETS}']
        began = time.monotonic()
        p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder,
                             stderr=subprocess.STDOUT, bufsize=0,
                             env={**os.environ, 'XDG_RUNTIME_DIR': folder}, **as_user(limit_kib))
        text, end = '', began + PEER_SECONDS
        try:
            while 'testpmd> ' not in text:
                if not select.select([p.stdout], [], [], max(0, end - time.monotonic()))[0]:
                    case['says'].append(f'nothing within {PEER_SECONDS} s')
                    break
                more = os.read(p.stdout.fileno(), 65536).decode(errors='replace')
                if not more:
                    break
                text += more
            if 'testpmd> ' in text:
                s = status(p.pid)
                huge = s.get('HugetlbPages', 0)
                case['ready_ms'] = (time.monotonic() - began) * 1e3
                case['rss_mib'] = (s['VmRSS'] + huge) / MIB
                # VmLck counts address space; what of it is there is what is locked
                case['locked_mib'] = (min(s['VmLck'], s['VmRSS']) + huge) / MIB
        finally:
            try:
                p.communicate(b'quit\n', timeout=20)
            except (subprocess.TimeoutExpired, BrokenPipeError):
                p.kill()
                p.communicate()
        case['exit'] = p.returncode
        case['says'] += [ln.strip() for ln in text.splitlines()
                         if re.search(r'mlockall|cannot|fail|error|cause:|No free', ln, re.I)
                         and '1048576 kB' not in ln][:6]
    print(json.dumps(case), flush=True)
    return case


def available_mib():
    with open('/proc/meminfo', encoding='ascii') as f:
        return int(re.search(r'MemAvailable:\s+(\d+)', f.read()).group(1)) >> 10


def peers():
    cases, root = [], os.geteuid() == 0
    if not peer_testpmd.program():
        print('dpdk-testpmd is not installed (Debian: dpdk): no peer')
        return cases
    small = ['--no-huge', '--no-shconf', '-m', str(PEER_MIB)]
    huge = ['--in-memory', '--single-file-segments']

    def room(mib):
        if available_mib() > mib + 2048:
            return True
        print(f'{available_mib()} MiB free: a case that takes {mib} is left out')
        return False

    if hugepages.read('free_hugepages') == 0:
        cases.append(peer('hugepages, none set aside; normal user', LIMIT_KIB, huge))
    if room(PEER_MIB):
        cases.append(peer('--no-huge; normal user', LIMIT_KIB, small))
    if root and room(PEER_MIB):
        cases.append(peer('--no-huge; root, no limit', None, small))
    if root and room(2 * PEER_PAGES):
        with hugepages.reserve(PEER_PAGES, PEER_PAGES, print) as pages:
            if pages >= PEER_PAGES:
                cases.append(peer(f'{PEER_PAGES} hugepages set aside; root', None, huge))
                cases.append(peer(f'{PEER_PAGES} hugepages set aside; normal user', LIMIT_KIB,
                                  huge))
    return cases


# ---- the page

def number(v, digits=0):
    return '-' if v is None else f'{v:,.{digits}f}'


def tables(r):
    out = []
    if r.get('ours'):
        o = r['ours']
        out += [f'`ulimit -l {LIMIT_KIB}`, a normal user, {PACKETS:,} packets, '
                f'medians of {o["runs"]} runs in turn:', '',
                '| fl-testpmd | first packet, ms | RSS, MiB | locked, MiB | mapped, MiB | Mpps '
                '| misses | evictions |', '| --- ' * 8 + '|']
        for k in ('lazy', 'pinned'):
            f = o[k]
            out.append(f'| `--residency {k}` | {number(f["first_packet_ms"])} '
                       f'| {number(f["rss_mib"], 1)} | {number(f["locked_mib"], 1)} '
                       f'| {number(f["mapped_mib"], 1)} | {number(f["mpps"], 2)} '
                       f'| {number(f["misses"])} | {number(f["evictions"])} |')
        out += ['', f'Mpps, lazy over pinned: {o["lazy"]["mpps"] / o["pinned"]["mpps"]:.3f} by these '
                    f'medians, {o["mpps_ratio"]:.3f} in the median pair of runs.', '']
    if r.get('peer'):
        out += [f'dpdk-testpmd with as many packets (`ulimit -l {LIMIT_KIB}` where it is a normal '
                "user's), one run each:", '',
                '| dpdk-testpmd | prompt after, ms | RSS, MiB | locked, MiB | what it says |',
                '| --- ' * 5 + '|']
        for c in r['peer']:
            says = '; '.join(f'`{s}`' for s in c['says'][:3])
            if c['ready_ms'] is None:
                says = f'ends with {c["exit"]}: {says}'
            out.append(f'| {c["case"]} | {number(c["ready_ms"])} | {number(c["rss_mib"])} '
                       f'| {number(c["locked_mib"])} | {says.replace("|", "/")} |')
    return '\n'.join(out)


def write_doc(path, r):
    with open(path, encoding='utf-8') as f:
        before, _, after = (f.read().split(MARK) + ['', ''])[:3]
    with open(path, 'w', encoding='utf-8') as f:
        f.write(f'{before}{MARK}\n{tables(r)}\n{MARK}{after}')


def main():
    a = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0])
    a.add_argument('--build', default=os.path.join(ROOT, 'build'))
    a.add_argument('--runs', type=int, default=9, help='of ours, each way (9; 0 = none)')
    a.add_argument('--seconds', type=float, default=3, help='of each (3)')
    a.add_argument('--budget', help="--memlock-budget (the library's choice)")
    a.add_argument('--pin', action='store_true', help='threads that poll have a CPU each')
    a.add_argument('--peer', action='store_true', help='dpdk-testpmd too')
    a.add_argument('--out', help='results as JSON; what is not measured now stays as it is there')
    a.add_argument('--doc', help=f'page to write the tables to, between two lines {MARK}')
    a = a.parse_args()
    r = {}
    if a.out and os.path.exists(a.out):
        with open(a.out, encoding='utf-8') as f:
            r = json.load(f)
    if a.runs:
        more = ['--memlock-budget', a.budget] if a.budget else []
        if a.pin:
            cpus = sorted(os.sched_getaffinity(0))
            more += [f'--cores={cpus[0]}', f'--model-cpu={cpus[-1]}']
        r['ours'] = measure(a.build, a.runs, a.seconds, more)
    if a.peer:
        r['peer'] = peers()
    print(tables(r))
    if a.out:
        with open(a.out, 'w', encoding='utf-8') as f:
            json.dump(r, f, indent=1)
    if a.doc:
        write_doc(a.doc, r)


if __name__ == '__main__':
    main()
