#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Lazy packet memory in fl-testpmd, what it says of it, and fl-devinfo's questions to it."""
import json
import os
import re
import resource
import subprocess
import tempfile
import time

from app import DEVINFO, TESTPMD, check, run, testpmd

MIB = 1 << 20
LIMIT = 8 * MIB
NOBODY = 65534


def wire(name):
    return ('-a', f'model:e1000e,wire={name}', '-a', f'model:e1000e,wire={name}')


def small_limit():
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (LIMIT, LIMIT))


def big_pool(residency):
    """4 GiB of packets under ulimit -l 8192"""
    j, _ = testpmd(*wire('big' + residency), '--residency', residency, '--total-num-mbufs=1900000',
                   '--forward-mode=io', '--tx-first', '--duration=1', preexec_fn=small_limit)
    m = j['memory']
    check(j['first_packet_ms'] and j['total']['rx_packets'] > 1000, f'packets are forwarded: {j}')
    check(j['total']['rx_dropped'] + j['total']['tx_dropped'] == 0, 'none is lost')
    check(m['owned_bytes'] > 3900 * MIB, 'the pool has its 4 GiB')
    check(m['rss_bytes'] < 64 * MIB and m['locked_bytes'] < LIMIT, f'what is held: {m}')
    return j


def modes():
    j = big_pool('lazy')
    lazy = j['memory']['lazy']
    check(j['residency'] == 'lazy' and lazy['owned_bytes'] > 3900 * MIB, 'the pool is lazy')
    check(0 < lazy['mapped_bytes'] < 64 * MIB and lazy['misses'] > 0, f'little is mapped: {lazy}')
    if os.geteuid(): # root's memory has no such limit
        check(lazy['budget_bytes'] <= LIMIT // 2, f'the budget follows the limit: {lazy}')
    j = big_pool('auto')
    check(j['residency'] == 'lazy', 'auto is lazy where it can be')
    j = big_pool('pinned')
    check(j['residency'] == 'pinned' and j['memory']['mapped_bytes'] > 3900 * MIB, 'pinned is mapped')
    check(j['memory']['lazy']['owned_bytes'] == 0, 'nothing is lazy then')


def turned():
    """a pool that turns into the other kind and back while it forwards"""
    with tempfile.NamedTemporaryFile('w', suffix='.cmd') as f:
        f.write('show residency\nset residency pinned\nsleep 200\nshow residency\n'
                'set residency lazy\nset memlock-budget 1M\nsleep 200\nshow residency\n'
                'show fwd stats all\n')
        f.flush()
        j, r = testpmd(*wire('turn'), '--residency=lazy', '--memlock-budget=2M', '--tx-first',
                       '--total-num-mbufs=20000', '--cmdline-file', f.name)
    names = re.findall(r'Residency: (\w+),', r.stdout)
    check(names[:3] == ['lazy', 'pinned', 'lazy'], f'it turns: {names}')
    check(re.findall(r'Budget: (\d+) KiB', r.stdout) == ['2048', '2048', '1024'], 'budgets')
    check(j['total']['rx_packets'] > 100 and j['residency'] == 'lazy', 'and forwards all the time')


def refusals():
    for args, says in ((['--residency=soft'], 'want pinned, lazy or auto'),
                       (['--memlock-budget=4T'], 'want bytes'), (['--memlock-budget=0'], 'want bytes'),
                       (['--memlock-budget=99999999999G'], 'want bytes'),
                       (['--telemetry='], 'want the path')):
        check(says in run(TESTPMD, *args, rc=2).stderr, f'{args}: {says}')


def ask(who, request):
    return json.loads(run(DEVINFO, 'telemetry', who, request).stdout)[request.split(',')[0]]


def questions(pid, folder):
    table = run(DEVINFO, 'residency', pid).stdout
    check(re.search(r'^fl-testpmd, process ' + pid + r': .* resident, .* locked, ulimit -l:', table),
          f'its first line: {table}')
    check(re.search(r'space 0: budget 4.0 MiB', table), 'the budget')
    check(re.search(r'lazy area at .*\n +0x[0-9a-f]+ +39\.. MiB +\d', table), f'the pool: {table}')
    j = json.loads(run(DEVINFO, 'residency', pid, '--json').stdout)
    area, = j['spaces'][0]['areas']
    check(area['residency'] == 'lazy' and area['misses'] > 0 and
          0 < area['mapped_bytes'] <= area['owned_bytes'], f'its area: {area}')
    check(j['process']['rss_bytes'] > 0 and len(j['spaces'][0]['latency']) == 16, 'the process')
    check(area['va'] == ask(pid, '/pools')[0]['va'], 'it is the pool')

    path = os.path.join(folder, 'faultline', pid + '.sock')
    check(ask(path, '/info')['program'] == 'fl-testpmd', 'by its path')
    commands = ask(pid, '/')
    check(commands == list(ask(pid, '/help')), 'help knows each command')
    for c in commands:
        ask(pid, c)
    check([p['chip'] for p in ask(pid, '/ports')] == ['82574L'] * 2, 'its ports')
    before = ask(pid, '/ports/stats,1')[0]['rx_packets']
    time.sleep(0.2)
    check(ask(pid, '/ports/stats,1')[0]['rx_packets'] > before, 'it counts on')
    check('no such number' in run(DEVINFO, 'telemetry', pid, '/ports,2', rc=1).stderr, 'no third port')
    if os.geteuid() == 0:
        r = run(DEVINFO, 'residency', pid, rc=1, user=NOBODY, group=NOBODY, extra_groups=[])
        check('belongs to another user' in r.stderr, f'another user: {r.stderr}')


def live():
    with tempfile.TemporaryDirectory() as folder:
        os.environ['XDG_RUNTIME_DIR'] = folder
        p = subprocess.Popen([TESTPMD, *wire('live'), '--residency=lazy', '--memlock-budget=4M',
                              '--total-num-mbufs=19000', '--tx-first', '--duration=20', '--telemetry'],
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True)
        try:
            check(p.stderr.readline() == f'Telemetry: {folder}/faultline/{p.pid}.sock\n', 'it says where')
            for _ in range(100):
                if sum(s['rx_packets'] for s in ask(str(p.pid), '/ports/stats')):
                    break
                time.sleep(0.1)
            questions(str(p.pid), folder)
        finally:
            p.terminate()
            p.wait(20)
            p.stderr.close()
        check(p.returncode == 0, f'it ends well: {p.returncode}')
        check(os.listdir(os.path.join(folder, 'faultline')) == [], 'and leaves no socket')
        for who, says in ((str(p.pid), 'no such process'), (str(os.getpid()), 'start it with --telemetry'),
                          (folder + '/none', 'start the program with --telemetry=PATH'),
                          ('x' * 200, 'too long')):
            check(says in run(DEVINFO, 'residency', who, rc=1).stderr, f'{who}: {says}')
        run(DEVINFO, 'residency', rc=1)


refusals()
modes()
turned()
live()
