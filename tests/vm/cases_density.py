# SPDX-License-Identifier: BSD-3-Clause
"""How many processes with 64 MiB of DMA buffers each a guest of 1 GiB holds (guest/density.c), whose buffers are
pinned and whose fault in. Counts are judged, time is not; build/vm/density-figures.json, for tests/bench/density_plot.py."""
import json
import os
import time

from guest import PCI, true

SECONDS = 20
PATIENCE = 800
TIMES = 5       # as many lazy ones as pinned
DEVICES = 80    # so many are enough to say so; with FL_FIGURES in the environment until memory is


def devices_wanted():
    return 176 if os.environ.get('FL_FIGURES') else DEVICES


def devices(g):
    """addresses of all the accelerators"""
    return g.vm.out(f'cd {PCI}/devices; grep -l 0x19e5 */vendor').replace('/vendor', '').split()


def bind(g, addresses, driver):
    g.vm.out(f'for a in {" ".join(addresses)}; do cd {PCI}/devices/$a\n'
             '[ ! -e driver ] || echo $a >driver/unbind\n'
             f'echo {driver or ""} >driver_override\n'
             f'[ -z "{driver or ""}" ] || echo $a >{PCI}/drivers_probe; done', 120)


def crowd(g, residency, addresses):
    uris = ' '.join(f'pci:{a},iommu={g.backend}' for a in addresses)
    rc, text = g.vm.sh(f'vm-density {residency} {SECONDS} {uris} 2>/tmp/density.err', PATIENCE)
    said = g.vm.out('tail -c 1500 /tmp/density.err')
    true(rc == 0, f'vm-density {residency}: status {rc}\n{text}\n{said}')
    found = json.loads(text.strip().splitlines()[-1])
    g.vm.out('dmesg -C 2>/dev/null; true')
    return found, said


def density(g):
    g.vm.deadline = time.monotonic() + 2 * PATIENCE
    g.expect_log(r'.*')     # who finds no memory is killed by the system, which says so at length
    addresses = devices(g)
    bind(g, addresses, 'vfio-pci')
    rows, said = {}, {}
    for residency in ('pinned', 'lazy'):
        rows[residency], said[residency] = crowd(g, residency, addresses)
    bind(g, addresses, None)
    folder = os.path.join(g.vm.build, 'vm')
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, 'density-figures.json'), 'w') as f:
        json.dump({'density': list(rows.values()), 'kernel': g.lane.kernel.version, 'qemu': g.lane.qemu.version,
                   'memory_mib': g.machine.memory}, f, indent=1)
    pinned, lazy = (rows[r]['processes'] for r in ('pinned', 'lazy'))
    true(pinned >= 3, f'{pinned} pinned processes: {rows}')
    true(rows['lazy']['least_turns'] > 0, f'one of the lazy ones never had a turn: {rows}\n{said}')
    true(lazy >= TIMES * pinned, f'{lazy} lazy processes, {pinned} pinned: {rows}\n{said}')
    g.rows.append({'table': 'fault', 'what': 'density', 'device': f'{len(addresses)} fl-hisi-sec',
                   'iommu': g.machine.iommu, 'kernel': g.lane.kernel.version, 'qemu': g.lane.qemu.version,
                   'seen': f'{pinned} processes pinned, {lazy} lazy'})
