# SPDX-License-Identifier: BSD-3-Clause
"""
Instructions a packet, counted by callgrind inside the timed functions only: free of noise, so
that small differences show. The counts include what the work calls and one warm-up sixteenth.
"""
import os
import re
import shutil
import subprocess
import tempfile

BURST = 32
PACKETS = 65536
TIMEOUT = 120
# metric, arguments of the bench program, timed function of ours and of the peer
WORK = (
    ('ring SP/SC', ['--suite=ring', '--only=SP/SC, burst 32'], 'ours_ring', 'peer_ring'),
    ('ring MP/MC', ['--suite=ring', '--only=MP/MC, burst 32'], 'ours_ring', 'peer_ring'),
    ('packet alloc+free', ['--suite=pool', '--only=packet alloc+free, small pages, burst 32'],
     'ours_pools', 'peer_pools'),
    ('e1000 rx', ['--suite=driver', '--only=rx, burst 32'], 'ours_rx', 'peer_rx'),
    ('e1000 tx', ['--suite=driver', '--only=tx, burst 32'], 'ours_tx', 'peer_tx'),
    ('e1000 io-forward', ['--suite=driver', '--only=forward, burst 32'], 'ours_forward',
     'peer_forward'),
    ('SEC2 V3 enqueue', ['--suite=crypto', '--only=V3 enqueue, burst 32'], 'ours_crypto_enqueue',
     None),
    ('SEC2 V3 dequeue', ['--suite=crypto', '--only=V3 dequeue, burst 32'], 'ours_crypto_dequeue',
     None),
)


def with_hugetlbfs(argv, folder):
    """
    The command with a hugetlbfs of its own, in a mount namespace that ends with it: valgrind's
    address space is too small for what DPDK reserves without one.
    """
    return ['unshare', '--mount', 'sh', '-c',
            f'mount -t hugetlbfs -o pagesize=2M none {folder} && exec "$@"', 'sh',
            *argv, f'--huge-dir={folder}']


def count(program, args, function, huge_dir=None):
    """Instructions per object or packet of one run; None where it gave none."""
    argv = ['valgrind', '--tool=callgrind', '--callgrind-out-file=/dev/null',
            f'--toggle-collect={function}', program, *args, '--runs=1', '--one-core']
    if huge_dir:
        argv = with_hugetlbfs(argv, huge_dir)
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return None
    total = re.search(r'Collected : (\d+)', done.stderr)
    samples = len(re.findall(r'^sample\t', done.stdout, re.M))
    if not total or not samples or not int(total.group(1)):
        return None
    return int(total.group(1)) / (samples * (PACKETS + PACKETS // 16))


def measure(build, huge, results, progress):
    program = os.path.join(build, 'tests', 'bench', 'bench')
    if not shutil.which('valgrind'):
        results.note('valgrind is not installed: no instruction counts')
        return
    for what, args, ours, peer in WORK:
        metric = f'{what}, burst {BURST}'
        driver = '--suite=driver' in args
        for side, function, only in (('ours', ours, '--no-peer'), ('peer', peer, '--no-ours')):
            if not function or (side == 'peer' and driver and not huge):
                continue
            progress.show(f'instructions, {metric}: {side}')
            if side == 'peer' and driver:
                with tempfile.TemporaryDirectory() as folder:
                    got = count(program, [*args, only, '--huge'], function, folder)
            else:
                got = count(program, [*args, only], function)
            if got is None:
                results.note(f'no instruction count of {metric} ({side})')
            else:
                results.add(f'{metric}, instructions', 'instructions', side, got,
                            {'r': 'rte_ring', 'p': 'rte_pktmbuf'}.get(what[0], 'net_e1000_em'))
