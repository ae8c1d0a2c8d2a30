# SPDX-License-Identifier: BSD-3-Clause
"""Lazy pools on a kernel that pins what it maps: what is locked stays small, and no frame is lost."""
from cases_traffic import there_and_back
from guest import same, true

BUDGET = 256 << 10
FRAMES = 40000  # each of the buffers comes round
LIMIT = 4 << 20
# no cache: a buffer comes round when all others that were ever used have, so most of them lie idle
POOL = ('--residency', 'lazy', f'--memlock-budget={BUDGET}', '--total-num-mbufs=36000', '--mbcache=0')


def locked(g, pid):
    """bytes that the process has locked and pinned"""
    text = g.vm.out(f"grep -E '^(VmLck|VmPin|VmRSS)' /proc/{pid}/status")
    kib = {line.split(':')[0]: int(line.split()[1]) for line in text.splitlines()}
    return (kib['VmLck'] + kib['VmPin']) << 10, kib['VmRSS'] << 10


def small_budget(g, model):
    """as an ordinary user: a pool that the limit could never hold, with frames of every buffer of it"""
    nic = g.nic(model)
    node = g.nodes(nic)
    as_user = 'su user -c "exec {}"'
    most = 0
    g.vm.out(f'chown user {node}')
    try:
        pmd = g.testpmd([nic], *POOL, before=f'ulimit -l {LIMIT >> 10}', wrap=as_user).ready()
        pid = g.vm.out('pidof fl-testpmd').split()[-1]
        for _ in range(4):
            there_and_back(nic, frames=FRAMES // 4)
            most = max(most, locked(g, pid)[0])
        report = pmd.quit()
    finally:
        g.vm.out(f'chown root {node}')
    r = report['memory']['lazy']
    true(0 < most <= LIMIT, f'{most} bytes locked at most')
    true(r['misses'] > 0 and r['evictions'] > 0, f'nothing came and went: {r}')
    port = report['ports'][0]
    same((port['rx_packets'], port['tx_packets'], port['rx_dropped'], port['tx_dropped']),
         (FRAMES, FRAMES, 0, 0), 'packets counted by fl-testpmd')
    g.tried(f'lazy pool of 80 MB, ulimit -l {LIMIT >> 10}, {most >> 10} KiB locked at most', [nic], 'MSI-X',
            f'{FRAMES} each way')
