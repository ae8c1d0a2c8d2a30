# SPDX-License-Identifier: BSD-3-Clause
"""Devices in the kernel's mode without an IOMMU: taken by that name alone, and never silently."""
import contextlib

from cases_refused import refused
from cases_traffic import there_and_back
from guest import same, true

FRAMES = 100000
TAINT = 'Adding kernel taint for vfio-noiommu group on device'
OPENED = 'vfio-noiommu device opened by user'


@contextlib.contextmanager
def bound(g, nic):
    before = g.driver(nic.address)
    g.bind(nic, 'vfio-pci')
    g.expect_log(f'vfio-pci {nic.address}: {TAINT}')
    try:
        yield
    finally:
        g.bind(nic, before)


def warned(g, text):
    """how often the kernel has said it since the last case"""
    return int(g.vm.out(f'dmesg | grep -c "{text}" || true'))


def traffic(g, model, interrupt, *options):
    nic = g.nic(model)
    with bound(g, nic):
        same(warned(g, TAINT), 1, 'warnings of the kernel that it is tainted')
        pmd = g.testpmd([nic], '--rx-intr', *options).ready()
        there_and_back(nic, frames=FRAMES)
        pmd.quit()
        said = pmd.job.output()
        true('can read and write all memory' in said, f'no warning of ours in:\n{said}')
        same(warned(g, OPENED), 1, 'warnings of the kernel that it was opened')
    g.tried('no IOMMU, asked for by name', [nic], interrupt, f'{FRAMES} each way')


def by_name_alone(g, *others):
    """whatever way is asked for, the remedy names the mode; nothing is opened"""
    nic = g.nic('e1000e')
    with bound(g, nic):
        for way in others:
            refused(g, nic, 'has no IOMMU before it', 'all memory', 'iommu=noiommu',
                    uri=f'pci:{nic.address},iommu={way}')
        same(warned(g, OPENED), 0, 'warnings of the kernel that it was opened')


def no_hugepages(g):
    nic = g.nic('e1000e')
    free = '/proc/sys/vm/nr_hugepages'
    old = g.vm.out(f'cat {free}')
    g.vm.out(f'echo 0 >{free}')
    try:
        with bound(g, nic):
            refused(g, nic, 'hugepage', 'nr_hugepages|hugepages=')
    finally:
        g.vm.out(f'echo {old} >{free}')
