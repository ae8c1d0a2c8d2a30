# SPDX-License-Identifier: BSD-3-Clause
"""The lanes: which kernel, which machines, and which cases on each."""
from dataclasses import dataclass, field, replace

import cases_linux
import cases_models
import fetch
from models import Models
from vm import Nic
import peer

PROGRAMS = ['apps/fl-testpmd', 'apps/fl-devinfo']
MODULES = ['vfio_iommu_type1', 'vfio-pci', 'e1000', 'e1000e', 'bridge']


@dataclass
class Machine:
    name: str
    iommu: str                       # for people
    nics: list = field(default_factory=list)
    devices: list = field(default_factory=list)
    append: str = 'intel_iommu=on,sm_on'
    memory: int = 512
    cpu: str = 'qemu64'
    helper: object = None            # has devices that are not QEMU's, and its arguments for them


@dataclass
class Case:
    name: str
    function: object
    args: tuple = ()

    def run(self, guest):
        self.function(guest, *self.args)


@dataclass
class Lane:
    plan: list
    backend: str
    find_kernel: object
    kernel: object = None
    qemu: object = None

    def ready(self):
        return replace(self, kernel=self.find_kernel(), qemu=fetch.qemu())


def two_nics():
    """a machine as people have it: both chips, an IOMMU of 39 bits with interrupt remapping"""
    return Machine('vt-d', 'VT-d, 39 bits',
                   [Nic('e1000', 2), Nic('e1000e', 3, wire=peer.Dgram)],
                   ['intel-iommu,intremap=on,aw-bits=39'])


def stock():
    return [(two_nics(), [Case('linux: e1000 to e1000e over a bridge', cases_linux.bridge)])]


def with_models():
    """a machine without an IOMMU, whose NICs are ours"""
    machine = Machine('models', 'none', append='', helper=Models('e1000e'))
    return [(machine, [
        *(Case(f'e1000e of Linux, {kind}: ping and TCP to {cases_models.far_name(tap)}',
               cases_models.traffic, (kind, tap))
          for tap in (False, True) for kind in cases_models.KINDS),
        Case('e1000e of Linux: link down and up, from either end', cases_models.link),
        Case('e1000e of Linux: unloaded during traffic and loaded again', cases_models.reload)])]


LANES = {'stock': Lane(stock(), 'container', fetch.stock_kernel),
         'vfio-user': Lane(with_models(), 'vfio-user', fetch.stock_kernel)}
