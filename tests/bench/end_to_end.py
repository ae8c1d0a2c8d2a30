# SPDX-License-Identifier: BSD-3-Clause
"""Whole programs: fl-testpmd between modelled ports beside dpdk-testpmd with vhost."""
import json
import os
import subprocess
import tempfile

import peer_testpmd
from peer_testpmd import PeerError

WIRE = 'model:e1000e,wire=x'
PACKETS_4_GIB = (4 << 30) // 2176  # 2048 bytes of room and 128 of headroom a packet
HUGE_4_GIB = 2400
HUGE_DEFAULT = 220  # dpdk-testpmd's own choice of packets: 179 pages, and what it starts with
MIB = 1 << 20


class OursError(Exception):
    """fl-testpmd did not do its part."""


def fl_testpmd(build, cpus, duration, *options):
    """One run between two modelled ports; what its JSON says."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, 'out.json')
        argv = [os.path.join(build, 'apps', 'fl-testpmd'), '-a', WIRE, '-a', WIRE,
                '--forward-mode=io', f'--cores={cpus[0]}', f'--model-cpu={cpus[-1]}',
                f'--duration={duration}', f'--json={out}', *options]
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=duration + 60, check=False)
        if done.returncode:
            last = ' / '.join(done.stdout.strip().splitlines()[-3:])
            raise OursError(f'fl-testpmd ended with {done.returncode}: {last}')
        with open(out, encoding='utf-8') as f:
            return json.load(f)


def two_cpus():
    cpus = sorted(os.sched_getaffinity(0))
    return cpus[0], cpus[min(1, len(cpus) - 1)]


class Peer:
    """Takes part until it fails for the first time; then the notes say why."""

    def __init__(self, results):
        self.results = results
        self.works = peer_testpmd.program() is not None
        if not self.works:
            results.note('dpdk-testpmd is not installed: no peer end to end or at start '
                         '(Debian: dpdk)')

    def call(self, function, *args):
        if not self.works:
            return None
        try:
            return function(*args)
        except (PeerError, OSError) as e:
            self.works = False
            self.results.note(f'dpdk-testpmd takes no further part: {e}')
            return None


def forward(build, runs, seconds, huge, results, progress):
    """Two cores, io-forward; both sides in turn. Number of failed runs of ours."""
    cpus, failed = two_cpus(), 0
    rows = [(1, 'small pages', [], False)]
    if huge:
        rows += [(n, 'hugepages', ['--mp-alloc=xmemhuge'], True) for n in (1, 4)]
    if cpus[0] == cpus[1]:
        results.note('end to end needs two CPUs; this process may use one')
        return 0
    for bursts, pages, options, peer_huge in rows:
        metric = f'testpmd io-forward on two cores, {64 * bursts} in flight, {pages}'
        peer = Peer(results)
        for i in range(runs):
            progress.show(f'{metric}: run {i + 1} of {runs}')
            try:
                got = fl_testpmd(build, cpus, seconds, f'--tx-first={bursts}', *options)
                results.add(metric, 'Mpps', 'ours', got['total']['mpps'], None)
            except (OursError, OSError, subprocess.TimeoutExpired) as e:
                results.note(f'{metric}: {e}')
                failed += 1
                break
            mpps = peer.call(peer_testpmd.forward_mpps, cpus, peer_huge, seconds, bursts)
            if mpps is not None:
                results.add(metric, 'Mpps', 'peer', mpps, 'dpdk-testpmd virtio-user <-> vhost')
    return failed


def start_row(results, what, side, ms, rss, locked):
    name = 'dpdk-testpmd'
    results.add(f'start, {what}', 'ms', side, ms, f'{name} to its prompt')
    results.add(f'resident memory, {what}', 'MiB', side, rss / MIB, name)
    results.add(f'locked memory, {what}', 'MiB', side, locked / MIB, name)


def start(build, runs, pages, results, progress):
    """From exec to the first packet (ours) or to the prompt (DPDK's); memory then."""
    cpus, failed = two_cpus(), 0
    for what, packets in (('default pool', 0), ('4 GiB pool', PACKETS_4_GIB)):
        peer = Peer(results)
        if packets and pages < HUGE_4_GIB:
            results.note(f'{HUGE_4_GIB} hugepages are not to be had ({pages} are): no peer with a '
                         '4 GiB pool')
            peer.works = False
        options = ['--tx-first'] + ([f'--total-num-mbufs={packets}'] if packets else [])
        for i in range(runs):
            progress.show(f'start, {what}: run {i + 1} of {runs}')
            try:
                got = fl_testpmd(build, cpus, 0.2, *options)
                start_row(results, what, 'ours', got['first_packet_ms'],
                          got['memory']['rss_bytes'], got['memory']['locked_bytes'])
            except (OursError, OSError, subprocess.TimeoutExpired) as e:
                results.note(f'start, {what}: {e}')
                failed += 1
                break
            figures = peer.call(peer_testpmd.start_up, cpus[0], pages >= HUGE_DEFAULT, packets)
            if figures:
                start_row(results, what, 'peer', *figures)
    return failed
