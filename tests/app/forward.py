#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""io-forwarding between two modelled ports: the report, the words scripts grep, start-up, limits."""
import os
import re
import resource
import signal
import subprocess
import time

from app import TESTPMD, check, run, testpmd

WIRE = ('-a', 'model:e1000e,wire=x', '-a', 'model:e1000e,wire=x')


def report():
    j, r = testpmd(*WIRE, '--forward-mode=io', '--tx-first', '--duration', '1',
                   '--record-core-cycles', '--record-burst-stats')
    t, m = j['total'], j['memory']
    check(len(j['ports']) == 2 and [p['port'] for p in j['ports']] == [0, 1], 'two ports')
    for p in j['ports']:
        check(p['driver'] == 'net_e1000' and re.fullmatch('([0-9a-f]{2}:){5}[0-9a-f]{2}', p['mac']),
              'driver and address')
        check(p['rx_packets'] > 64 and p['tx_packets'] > 64, 'packets went around')
        check(p['rx_bytes'] >= 60 * p['rx_packets'], 'bytes')
        check(p['transport'] == 'vfio-user' and p['chip'] == '82574L', 'what it is')
        check(not p['removed'] and p['rx_nombuf'] == p['rx_errors'] == 0, 'no errors')
    for key in ('rx_packets', 'tx_packets', 'rx_dropped', 'tx_dropped'):
        check(t[key] == sum(p[key] for p in j['ports']), f'total of {key}')
    check(0 <= t['tx_packets'] - t['rx_packets'] <= 64, 'what was sent was received')
    check(t['mpps'] > 0 and t['cycles_per_packet'] > 0, 'rates')
    check(abs(t['mpps'] * j['duration_s'] - t['rx_packets'] / 1e6) < 0.01 * t['rx_packets'] / 1e6 + 0.002, 'mpps fits')
    check(0.9 < j['duration_s'] < 3, 'duration')
    check(j['mode'] == 'io' and j['residency'] == 'lazy', 'mode, residency')
    check(m['rss_bytes'] > 0 and m['locked_bytes'] == 0 and m['pinned_bytes'] == 0,
          'models lock nothing')
    check(0 < j['first_packet_ms'] < 2000, 'first packet')
    for words in ('Forward statistics for port 0', 'Forward statistics for port 1',
                  '+++++++++++++++ Accumulated forward statistics for all ports',
                  'RX-packets: ', 'RX-dropped: ', 'RX-total: ', 'TX-packets: ', 'TX-dropped: ',
                  'TX-total: ', 'Telling cores to stop...', 'Done.', 'Bye...', 'CPU cycles/packet=',
                  'RX-bursts : ', 'TX-bursts : '):
        check(words in r.stdout, f'output says {words}')
    tail = r.stdout[r.stdout.index('Accumulated'):]
    check(int(re.search(r'RX-packets: (\d+)', tail)[1]) == t['rx_packets'], 'block and report agree')


def big_pool():
    """4 GiB of packets under the usual memlock limit: quick, and hardly resident"""
    def limit():
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (64 << 10, 64 << 10))
    best, j = 1e9, None
    for _ in range(5):  # the machine may be busy
        j, _ = testpmd(*WIRE, '--tx-first', '--duration', '0.2', '--total-num-mbufs=1980000',
                       preexec_fn=limit)
        best = min(best, j['first_packet_ms'])
        if best < 150:
            break
    check(j['memory']['owned_bytes'] >= 4 << 30, '4 GiB owned')
    check(j['memory']['rss_bytes'] < 512 << 20, 'not touched')
    check(best < 150, f'first packet after {best} ms')


def locked_as_kernel():
    """what the app calls locked is VmLck + VmPin as the kernel has it"""
    p = subprocess.Popen([TESTPMD, '-i', *WIRE], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         text=True)
    p.stdin.write('start\nsleep 100\ndump_physmem\nsleep 20000\n')
    p.stdin.flush()
    for line in p.stdout:
        m = re.search(r'locked_bytes=(\d+)', line)
        if m:
            break
    with open(f'/proc/{p.pid}/status') as f:
        text = f.read()
    kernel = sum(int(kb) << 10 for kb in re.findall(r'^Vm(?:Lck|Pin):\s+(\d+) kB', text, re.M))
    p.send_signal(signal.SIGTERM)  # during a sleep of 20 s: it must not wait for its end
    begun = time.monotonic()
    out, _ = p.communicate(timeout=10)
    check(time.monotonic() - begun < 5, 'a signal ends a sleeping script')
    check(p.returncode == 0 and 'Bye...' in out, 'and ends it well')
    check(m and int(m[1]) == kernel, f'locked: ours {m and m[1]}, kernel {kernel}')


def until_signal():
    """no duration, input closed: runs until SIGINT, and still reports"""
    p = subprocess.Popen([TESTPMD, *WIRE, '--tx-first', '--stats-period', '1'],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    for line in p.stdout:
        if 'Throughput (since last show)' in line:
            break
    p.send_signal(signal.SIGINT)
    out, _ = p.communicate(timeout=10)
    check(p.returncode == 0 and 'Accumulated' in out and 'Bye...' in out, 'SIGINT stops cleanly')


def variants():
    """topologies, allocation kinds, queues, threads, generated packets, interrupts"""
    two = ('--tx-first', '--duration', '0.2')
    for args in (('--mp-alloc=anon',), ('--mp-alloc=xmem',), ('--nb-cores=2', '--rxq=2', '--txq=2'),
                 ('--port-topology=chained',), ('--burst=1',), ('--rx-intr',),
                 ('--rx-intr', '--vfio-intr=legacy'), ('--rx-intr', '--vfio-intr=msi'), ('--vfio-intr=msix',),
                 ('--rxd=256', '--txd=256'),
                 ('--enable-rx-cksum', '--enable-scatter', '--max-pkt-len=9000', '--txpkts=64,100,200'),
                 ('--mbcache=0', '-l', '0')):
        j, _ = testpmd(*WIRE, *two, *args)
        check(j['total']['rx_packets'] > 2, f'{args}: packets went around')
    j, _ = testpmd('-a', 'model:e1000e,wire=loop', '--port-topology=loop', *two)
    check(j['total']['rx_packets'] > 64, 'one port, looped')
    j, _ = testpmd(*WIRE, '--portmask=1', '--forward-mode=txonly', '--duration', '0.2')
    check([p['tx_packets'] > 0 for p in j['ports']] == [True, False], 'portmask')


def refusals():
    """what cannot be is told in one line, with what to do, and ends the program: 2 for the command
    line, 1 for the rest"""
    for rc, args, words in (
            (2, ('--burst=0',), 'want a number from 1 to 512'),
            (2, ('--vfio-intr=intx',), 'want legacy|msi|msix'),
            (2, ('--forward-mode=nope',), 'want MODE'),
            (2, ('stray',), 'stray'),
            (2, ('--nope',), 'unrecognized option'),
            (2, ('--no-huge',), 'leave it out: hugepages'),
            (2, ('-n', '4'), 'no EAL'),
            (2, ('-l', '0', '--', '-i'), 'write all options together'),
            (2, ('--vdev=net_null0',), '-a model:'),
            (2, ('--mlockall',), 'nothing locks memory'),
            (2, (*WIRE, '--portmask=0x9'), 'there is no port 3'),
            (2, (*WIRE, '-i', '--duration=1'), 'does not go with -i'),
            (1, ('--duration', '1'), 'No port to forward'),
            (1, ('-a', '01:00.0', '--duration', '1'), 'Cannot open pci:0000:01:00.0'),
            (1, ('-a', 'model:nope', '--duration', '1'), 'Cannot open model:nope'),
            (1, ('-a', 'model:e1000e,wire=tpa:x', '--duration', '1'), "only tap: has a ':'"),
            (1, ('-a', 'vfio-user:/nowhere.sock', '--duration', '1'), 'Cannot open'),
            (1, (*WIRE, '--duration', '1', '--rxd=7'), 'does not start'),
            (1, (*WIRE, '--duration', '1', '--cores=1000'), 'CPU 1000'),
            (1, (*WIRE, '--duration', '1', '--model-cpu=1000'), 'CPU 1000'),
            (1, (*WIRE, '--duration', '1', '--display-xstats=nope'), "no port has 'nope'"),
            (1, (*WIRE, '--duration', '60', '--json', '/nowhere/x.json'), 'Cannot write')):
        r = run(TESTPMD, *args, rc=rc)
        check(words in r.stderr, f'{args}: {r.stderr}')
    r = run(TESTPMD, '-a', 'model:e1000e,wire=one', '--duration', '0.1', '--no-mlockall')
    check('Port 0: no link' in r.stdout, 'a wire with one end is told')


if __name__ == '__main__':
    check(os.path.exists(TESTPMD), 'fl-testpmd is built')
    report()
    big_pool()
    locked_as_kernel()
    until_signal()
    variants()
    refusals()
