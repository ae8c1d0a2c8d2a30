# SPDX-License-Identifier: BSD-3-Clause
"""The lanes: which kernel, which machines, and which cases on each."""
import glob
import os
import sys
from dataclasses import dataclass, field, replace

import cases_cost as cost
import cases_crypto as crypto
import cases_density as density
import cases_events as events
import cases_fault as fault
import cases_iopf as iopf
import cases_lab as lab
import cases_lazy as lazy
import cases_linux
import cases_models
import cases_refused as refused
import cases_removal as removal
import cases_selftests as selftest
import cases_traffic as traffic
import cases_unsafe as unsafe
import cases_written as written
import cases_wrong as wrong
import fetch
import kernel
from models import Models, Sec
from vm import Endpoint, Nic
import peer

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATCHES = os.path.join(ROOT, 'kernel-patches')
sys.path[1:1] = [PATCHES, os.path.join(PATCHES, 'lab')]
import module     # noqa: E402
import qemu       # noqa: E402
import selftests  # noqa: E402

PROGRAMS = ['apps/fl-testpmd', 'apps/fl-devinfo', 'apps/fl-crypto-perf', 'tests/vm/vm-refuse',
            'tests/vm/vm-cost', 'tests/vm/vm-written', 'tests/vm/vm-events', 'tests/vm/vm-crypto']
MODULES = ['vfio_iommu_type1', 'vfio-pci', 'e1000', 'e1000e', 'bridge', 'hisi_sec2']


@dataclass
class Machine:
    name: str
    iommu: str                       # for people
    nics: list = field(default_factory=list)
    devices: list = field(default_factory=list)
    append: str = 'intel_iommu=on,sm_on'
    memory: int = 512
    disks: tuple = ()                # MiB of each: the first to swap to, the second for files
    nodes: int = 0                   # of NUMA, if any
    cpu: str = 'qemu64'
    backend: str = ''                # in place of the lane's
    helper: object = None            # has devices that are not QEMU's, and its arguments for them
    boot: int = 60                   # seconds that it may take until it answers


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
    warm: object = lambda: True      # nothing that takes minutes is still to be made
    find_qemu: object = fetch.qemu
    modules: list = field(default_factory=lambda: MODULES)
    programs: list = field(default_factory=lambda: PROGRAMS)
    find_programs: object = list     # paths of what else goes into the guest
    left_out: object = str           # why a run of everything has it not: '' = it has
    patience: int = 1                # times that its cases may take longer than others
    kernel: object = None
    qemu: object = None

    def ready(self):
        return replace(self, kernel=self.find_kernel(), qemu=self.find_qemu(),
                       programs=[*self.programs, *self.find_programs()])


PORTS = ['pcie-root-port,id=rp1,bus=pcie.0,addr=5,chassis=1', 'pcie-pci-bridge,id=br1,bus=pcie.0,addr=6']


def full():
    """both chips, one twice, a port to plug into, and two devices that share a group"""
    return Machine('vt-d', 'VT-d, 39 bits',
                   [Nic('e1000', 2), Nic('e1000e', 3), Nic('e1000e', 4, wire=peer.Dgram),
                    Nic('e1000', 1, 'br1', '0000:02:01.0'), Nic('e1000', 2, 'br1', '0000:02:02.0')],
                   ['intel-iommu,intremap=on,aw-bits=39', *PORTS])


def ports():
    """devices behind ports of their own: one, two functions of a group, two of a group each"""
    first = {'multifunction': True}
    return Machine('ports', 'VT-d, 39 bits',
                   [Nic('e1000e', 0, 'rp1', '0000:01:00.0'),
                    Nic('e1000e', 0, 'rp2', '0000:02:00.0', options=first),
                    Nic('e1000e', 0, 'rp2', '0000:02:00.1', function=1),
                    Nic('igb', 0, 'rp3', '0000:03:00.0', options={**first, 'x-pcie-ari-nextfn-1': True}),
                    Nic('igb', 0, 'rp3', '0000:03:00.1', function=1),
                    Nic('e1000', 2)],
                   ['intel-iommu,intremap=on,aw-bits=39',
                    *(f'pcie-root-port,id=rp{i},bus=pcie.0,addr={4 + i},chassis={i}' for i in (1, 2, 3))])


def no_remapping():
    return Machine('no-remapping', 'VT-d, 48 bits, no interrupt remapping', [Nic('e1000e', 3)],
                   ['intel-iommu,intremap=off,aw-bits=48'])


def no_iommu():
    return Machine('no-iommu', 'none', [Nic('e1000e', 3, bind=False)])


def priced():
    """room for an area of 1 GiB in small pages and in hugepages"""
    return Machine('cost', 'VT-d, 48 bits', [Nic('e1000', 2), Nic('e1000e', 3)],
                   ['intel-iommu,intremap=on,aw-bits=48'],
                   'intel_iommu=on,sm_on hugepages=512', 3072)


def unsafe_mode():
    return Machine('unsafe', 'none', [Nic('e1000', 2, bind=False), Nic('e1000e', 3, bind=False)],
                   append='vfio.enable_unsafe_noiommu_mode=1 hugepages=32', backend='noiommu')


def unsafe_large():
    """room for a hugepage of 1 GiB, above 4 GiB, where the 82540EM does not reach"""
    return Machine('unsafe-large', 'none', [Nic('e1000e', 3, bind=False)],
                   append='vfio.enable_unsafe_noiommu_mode=1 hugepagesz=1G hugepages=1 '
                          'hugepagesz=2M hugepages=16',
                   memory=3072, cpu='qemu64,+pdpe1gb', backend='noiommu')


def costs():
    return [*(Case(f'cost: map and unmap 1 GiB, {cost.PAGES[p]}', cost.maps, (p,))
              for p in cost.PAGES),
            *(Case(f'cost: {cost.KINDS[k]} of {m}', cost.interrupts, (m, k))
              for m, k in (('e1000e', 'msix'), ('e1000e', 'intx'), ('e1000', 'intx')))]


def without():
    small = ('--total-num-mbufs=900', '--mbcache=32')  # a pool in one hugepage of 2 MiB
    return [*(Case(f'no IOMMU: {m} by name, {k}', unsafe.traffic, (m, k, *small))
              for m, k in (('e1000e', 'MSI-X'), ('e1000', 'INTx'))),
            Case('refused: no IOMMU, not by name', unsafe.by_name_alone,
                 ('auto', 'container', 'iommufd')),
            Case('refused: no IOMMU, no hugepages', unsafe.no_hugepages)]


def driven():
    """what our driver and the transport do"""
    by_kind = [(m, k) for m, kinds in (('e1000', ['legacy']), ('e1000e', ['legacy', 'msi', 'msix']))
               for k in kinds]
    return [*(Case(f'traffic: {m}, {traffic.KINDS[k][1]}', traffic.by_interrupt, (m, k))
              for m, k in by_kind),
            Case('traffic: a second device joins when areas are mapped', traffic.second_joins),
            Case('kill -9 in mid-traffic and a clean second run', traffic.killed),
            Case('hot-plug and hot-unplug during traffic', removal.hot_plug),
            Case('unbind through sysfs during traffic', removal.unbind),
            *(Case(f'lazy pool, {m}: little is locked, nothing is lost', lazy.small_budget, (m,))
              for m in ('e1000', 'e1000e')),
            Case('ordinary user: memlock just large enough and just too small', refused.memlock)]


def refusals():
    """of a machine where all else is well, with whatever backend"""
    program = [('window', 'no IOVA window large enough', ('window', '1 TiB|0x10000000000|1099511627776')),
               ('exists', 'a mapping that exists already', ('0x10000000', 'exist')),
               ('short', 'a short unmap', ('0x10000000', 'unmap'))]
    return [Case('refused: group not viable', refused.not_viable),
            Case('refused: wrong driver bound, or none', refused.wrong_driver),
            Case('refused: no permission', refused.no_permission),
            Case('refused: no such device', refused.absent),
            Case('refused: device vanished', refused.vanished),
            Case('refused: device in use', refused.in_use),
            Case('refused: a kind of interrupt that the chip has not', refused.no_msi),
            *(Case(f'refused: {name}', refused.by_program, (what, *words)) for what, name, words in program)]


def happenings():
    """errors, resets, interrupts, and who is asked for a device and does not listen"""
    return [*(Case(f'AER: {kind} error during traffic', events.error, (kind,)) for kind in events.ERRORS),
            Case('hot reset under a port, filters restored', events.hot_reset_port),
            Case('hot reset: two functions of a group, one open', events.hot_reset, ('rp2', 0)),
            Case('hot reset: two functions of a group each, refused for one', events.hot_reset, ('rp3', -16)),
            Case('reset: FLR', events.reset, ('igb', 'flr', 'FLR')),
            Case('reset: of the bus, by the kernel', events.reset, ('e1000e', 'bus', 'of its bus')),
            Case('reset: of the bus, as the function has none', events.reset, ('e1000e', '', 'of its bus, asked for as such')),
            Case('reset: none to be had', events.reset, ('e1000', '')),
            Case('interrupts: e1000e, MSI-X grown, INTx', events.interrupts, ('e1000e', 'MSI-X', 'INTx')),
            Case('interrupts: e1000, INTx', events.interrupts, ('e1000', 'INTx')),
            Case('unbind while the program ignores it', events.ignored),
            Case('hot-unplug while nobody looks', events.away)]


def only_stock():
    """what takes modules that can go, or a kernel without iommufd"""
    return [Case('dirty-page log: all that is pinned', written.all_pinned),
            Case('refused: no /dev/vfio', refused.no_vfio),
            Case('refused: iommufd absent', refused.no_iommufd),
            Case('refused: no-IOMMU mode absent', refused.no_noiommu),
            Case('refused: entry limit reached', refused.entries)]


def stock():
    return [(full(), [Case("linux: its own drivers and a bridge lose nothing", cases_linux.bridge),
                      *driven(), *refusals(), *only_stock()]),
            (no_remapping(), [Case('refused: no interrupt remapping', refused.no_remapping)]),
            (no_iommu(), [Case('refused: no IOMMU', refused.no_iommu)])]


def iommufd():
    return [(full(), [*driven(), *refusals(),
                      Case('refused: dirty-page log of an IOMMU without one', written.refused),
                      Case("kernel's own tests: vfio-pci, of a kernel without patches", selftest.vfio_pci,
                           ('e1000e', '6.12'))]),
            (priced(), costs()),
            (unsafe_mode(), without()),
            (unsafe_large(), [Case('no IOMMU: a pool in a page of 1 GiB', unsafe.traffic,
                                   ('e1000e', 'MSI-X'))]),
            (ports(), happenings()),
            (no_remapping(), [Case('refused: no interrupt remapping', refused.no_remapping)]),
            (no_iommu(), [Case('refused: no IOMMU', refused.no_iommu)])]


def fragment(name):
    return os.path.join(ROOT, 'config', 'kernel', f'{name}.config')


def built_kernel():
    return kernel.built('6.12', [fragment('lanes')])


def built_kernel_is_warm():
    return kernel.is_built('6.12', [fragment('lanes')])


def with_models(chip):
    """a machine without an IOMMU, whose NICs are ours"""
    machine = Machine(f'models-{chip}', 'none', append='', helper=Models(chip))
    return (machine, [
        *(Case(f'{chip} of Linux, {kind}: ping and TCP to {cases_models.far_name(tap)}',
               cases_models.traffic, (kind, tap))
          for tap in (False, True) for kind in cases_models.OF_CHIP[chip]),
        Case(f'{chip} of Linux: link down and up, from either end', cases_models.link),
        Case(f'{chip} of Linux: unloaded during traffic and loaded again', cases_models.reload)])


def sec(chip, function, translates, options=''):
    """a SEC2 behind an IOMMU that remaps its interrupts, as Linux wants four of them, and its DMA or not"""
    return Machine(f'{chip}-{function}{options}', f'VT-d{"" if translates else ", of interrupts alone"}',
                   devices=['intel-iommu,intremap=on,caching-mode=on,aw-bits=48', PORTS[0]],
                   append=f'slab_debug=FZP intel_iommu={"on,sm_on" if translates else "off"}',
                   helper=Sec(chip, function, options))


def with_sec(machine):
    what = f'SEC {machine.helper.chip} {machine.helper.function}'
    return (machine, [
        Case(f'{what}: probe and self-tests', crypto.selftest),
        Case(f'{what}: self-tests with fuzzing', crypto.selftest, (10,)),
        Case(f'{what}: AF_ALG beside the generic code', crypto.compare, (40,)),
        Case(f'{what}: FLR during traffic', crypto.reset),
        Case(f'{what}: unbind during traffic', crypto.unbind),
        Case(f'{what}: hot-unplug during traffic', crypto.unplug),
        Case(f'{what}: debugfs', crypto.debugfs)])


def with_faults(chip, options=''):
    return (sec(chip, 'PF', False, f'{options},inject=bd:{crypto.EACH}'),
            [Case(f'SEC {chip} PF: {crypto.FAULTS}', crypto.errors)])


def with_ours(chip, function):
    machine = sec(chip, function, True, ',workers=1')
    return (machine, [Case(f'SEC {chip} {function}: our driver through VFIO, {way}', crypto.ours, (way,))
                      for way in ('container', 'iommufd')])


# ---- devices that fault in ----

FAULT_PROGRAMS = ['apps/fl-testpmd', 'apps/fl-devinfo', 'apps/fl-crypto-perf', 'tests/vm/vm-crypto',
                  'tests/vm/vm-fault']
FAULT_MODULES = ['vfio_iommu_type1', 'vfio-pci', 'virtio_blk', 'crc32c_generic', 'ext4']
SEC = 'fl-hisi-sec'
SERIES = sorted(glob.glob(os.path.join(PATCHES, 'linux-6.12', '*.patch')))
# of linux-source: series, fragments, patches
BUILDS = {'fault-iommufd': ('7.2', [fragment('faults')], []),
          'series': ('6.12', [fragment('faults'), fragment('selftests')], SERIES),
          'lockdep': ('6.12', [fragment('faults'), fragment('selftests'), fragment('lockdep')], SERIES)}


def faulting(name='faults', stage=2, memory=1024, disks=(2048, 64), nics=True, atc=1024):
    """two SEC2 that fault in, each behind a port, one NIC that cannot, and a port to plug into"""
    first = ',x-flts=on' if stage == 1 else ''
    options = {'atc': atc}
    return Machine(f'{name}-stage{stage}', f'VT-d with page requests, stage {stage}',
                   [Endpoint(SEC, 'rp1', '0000:01:00.0', options), Endpoint(SEC, 'rp2', '0000:02:00.0', options),
                    *([Nic('e1000e', 2)] if nics else [])],
                   ['intel-iommu,intremap=on,device-iotlb=on,aw-bits=48,x-scalable-mode=on,'
                    f'x-pasid-mode=on,x-pri=on{first}',
                    *(f'pcie-root-port,id=rp{i},bus=pcie.0,addr={4 + i},chassis={i}' for i in (1, 2, 3))],
                   'intel_iommu=on,sm_on', memory, disks, 2, 'max')


def lab_itself():
    return [Case('lab: the device can fault, and VFIO has it', lab.ready, (SEC,)),
            Case('lab: a disk to swap to', lab.swaps),
            Case('lab: a disk for files', lab.file_system)]


OF_MEMORY = ['dontneed', 'fork', 'collapse', 'split', 'compact', 'migrate', 'drop-caches']
BY_NOTIFIER = ['map-over', 'munmap', 'mremap', 'mremap-stays', 'mprotect-none', 'mprotect-read', 'file-hole',
               'file-cut']
OF_RANGES = ['both-at-once', 'counters', 'stream', 'prefault', 'dirty', 'pin-ranges', 'pinned-inside', 'convert',
             'outside', 'permission']
OF_LIFE = ['close', 'reset', 'stop', 'unmap']
BY_US = ['watched', 'cut', 'forbidden', 'budget']


def fault_data(by_kernel):
    """what every byte has to be, whoever resolves"""
    def each(names, function=fault.case):
        return [Case(f'fault: {n}', function, (n,)) for n in names]

    with_files = [Case(f'fault: {n}, of a disk', fault.of_a_disk, (n,))
                  for n in (['file-hole', 'file-cut', 'drop-caches'] if by_kernel else [])]
    held_back = [Case('fault: memory that somebody holds back', fault.held_back),
                 Case('fault: kill -9 while memory is held back', fault.killed_held_back)]
    return [Case('fault: 256 MiB that nobody touched, as an ordinary user', fault.cold), *each(OF_RANGES),
            *each([*OF_MEMORY, *(BY_NOTIFIER if by_kernel else BY_US)]),
            *each(['pageout'], fault.swapped), *each(['hugetlb'], fault.huge), *with_files, *each(OF_LIFE),
            *(held_back if by_kernel else []),
            Case('fault: kill -9 while page requests wait', fault.killed),
            *each(['beside', *(['one-container', 'old-container'] if by_kernel else [])], fault.second),
            Case('fault: hot-unplug while page requests wait', fault.unplugged)]


def fault_cases(by_kernel=True):
    """of every lane: what devices read and write is right, whatever happens to the memory"""
    return [(faulting(), [*lab_itself(), *fault_data(by_kernel)]),
            (faulting('few', memory=320, nics=False), [Case('fault: more data than memory', fault.crowded)]),
            (faulting(stage=1), [Case('lab: first stage: the device can fault, and VFIO has it', lab.ready, (SEC,)),
                                 *(Case(f'first stage: fault: {n}', fault.case, (n,))
                                   for n in ('counters', 'dontneed', 'fork', 'reset'))])]


def programs_of(name):
    """what this lane has of the kernel's own tests; Debian's module that ours replaces"""
    if name == 'fault-type1':
        return [*selftests.built(), fetch.one(f'{fetch.stock_kernel().modules[0]}/kernel/drivers/vfio',
                                              'vfio_iommu_type1.ko.xz')]
    return selftests.built('7.2') + (selftests.built() if name != 'fault-iommufd' else [])


def answered_wrongly(name):
    """page requests that the IOMMU answers as it should not, and with iommufd the process that resolves"""
    here = [('the queue is full', wrong.full), ('answers of nobody', wrong.strays)]
    if name == 'fault-iommufd':
        here.append(('an answer ends page requests', wrong.failure))
    return [*(Case(f'wrong: {what}', function, (SEC,)) for what, function in here),
            *(Case(f'wrong: the process {how}', wrong.process, (SEC, how))
              for how in (wrong.PROCESS if name == 'fault-iommufd' else []))]


def own_tests(name):
    """what the kernel of this lane has of tests"""
    series = '7.2' if name == 'fault-iommufd' else '6.12'
    cases = {'vfio_fault': Case("kernel's own tests: mappings that fault", selftest.vfio_fault, (SEC,)),
             'leak': Case('mappings that fault: nothing leaks', selftest.leak, (SEC,)),
             'replaced': Case("patched modules: loaded, replaced by Debian's, and back", selftest.replaced, (SEC,)),
             'vfio': Case("kernel's own tests: vfio-pci", selftest.vfio_pci, (SEC, series)),
             'iopf': Case('cost: faults of one page, of 512, adaptive, and prefetch', iopf.columns)}
    which = {'fault-type1': ['replaced', 'vfio_fault', 'leak', 'iopf'], 'fault-iommufd': ['vfio', 'iopf'],
             'series': ['vfio_fault', 'vfio', 'iopf'], 'lockdep': ['vfio_fault', 'leak', 'vfio']}
    plan = [(faulting('own', disks=(), atc=8192), [*(cases[c] for c in which[name]), *answered_wrongly(name)])]
    if name == 'series':    # nothing of it is changed, and a kernel that watches itself takes many minutes for it
        plan.append((Machine('own-mock', 'none', memory=1024, append=''),
                     [Case("kernel's own tests: iommufd", selftest.iommufd, ('iommufd', 80)),
                      Case("kernel's own tests: iommufd, each allocation failing", selftest.iommufd,
                           ('iommufd_fail_nth', 80))]))
    return plan


def crowded():
    """a SEC for each of many processes; nothing watches their ports, which would take an interrupt each"""
    n = density.devices_wanted()
    return Machine('crowded', f'VT-d with page requests, {n} devices',
                   devices=['intel-iommu,intremap=on,device-iotlb=on,aw-bits=48,x-scalable-mode=on,'
                            'x-pasid-mode=on,x-pri=on',
                            *(f'pcie-root-port,id=rp{i},bus=pcie.0,addr={2 + i // 8:#x}.{i % 8},multifunction=on,'
                              f'chassis={i + 1},hotplug=off,io-reserve=0' for i in range(n)),
                            *(f'{SEC},id=sec{i},bus=rp{i},qps=16' for i in range(n))],
                   append='intel_iommu=on,sm_on pcie_ports=compat', memory=1024, boot=240)


def patched_kernel():
    """Debian's own, with our two modules in place of its one"""
    k = fetch.stock_kernel()
    return k._replace(modules=[*k.modules, module.built(k.version)])


def built_for(name):
    return kernel.built(*BUILDS[name])


def last(name):
    """the file that says on what kernel a lane passed last"""
    return os.path.join(fetch.CACHE, 'lab', name)


def passed(name):
    """the lane did, as a whole"""
    if name in BUILDS:
        os.makedirs(os.path.dirname(last(name)), exist_ok=True)
        with open(last(name), 'w') as f:
            f.write(kernel.key_of(*BUILDS[name][1:]))


def has_passed(name):
    """on the kernel that it would run on now"""
    try:
        with open(last(name)) as f:
            return f.read() == kernel.key_of(*BUILDS[name][1:])
    except FileNotFoundError:
        return False


def why_left_out(name):
    """of a run of everything: lockdep, which takes as long as the others together, if it passed; what never ran here"""
    if name == 'lockdep' and has_passed(name):
        return 'it passed on this kernel'
    known = kernel.is_built(*BUILDS[name]) or os.path.exists(last(name))
    return '' if known else 'its kernel is not in the cache'


def ticking(plan):
    """a slow guest loses a timer that QEMU raises once, and that processor's clock with it; ticks come again"""
    return [(replace(m, append=f'{m.append} highres=off nohz=off'), cases) for m, cases in plan]


def fault_lanes():
    def lane(name, backend, find_kernel, warm, **more):
        plan = [*own_tests(name), *fault_cases(backend == 'container')]
        plan = ticking(plan) if name == 'lockdep' else plan
        return Lane(plan, backend, find_kernel, warm, qemu.built, FAULT_MODULES, FAULT_PROGRAMS,
                    lambda: programs_of(name), **more)

    def built(name, backend, **more):
        return lane(name, backend, lambda: built_for(name),
                    lambda: qemu.is_built() and kernel.is_built(*BUILDS[name]),
                    left_out=lambda: why_left_out(name), **more)

    return {'fault-type1': lane('fault-type1', 'container', patched_kernel, qemu.is_built),
            'fault-iommufd': built('fault-iommufd', 'iommufd'),
            'series': built('series', 'container'),
            'lockdep': built('lockdep', 'container', patience=4),
            'density': Lane([(crowded(), [Case('density: processes with pinned and with lazy buffers',
                                               density.density)])],
                            'container', patched_kernel, qemu.is_built, qemu.built, FAULT_MODULES,
                            ['tests/vm/vm-density'])}


def crypto_lane():
    return [with_sec(sec('V2', 'PF', False)), with_sec(sec('V3', 'PF', True, ',workers=2')),
            with_sec(sec('V3', 'VF', False, ',qps=64,caps=on')), with_faults('V2'),
            with_faults('V3', ',caps=on'), with_ours('V2', 'PF'), with_ours('V3', 'PF'),
            with_ours('V3', 'VF')]


LANES = {'stock': Lane(stock(), 'container', fetch.stock_kernel),
         'events': Lane([(ports(), happenings())], 'container', fetch.stock_kernel),
         'iommufd': Lane(iommufd(), 'iommufd', built_kernel, built_kernel_is_warm,
                         find_programs=lambda: selftests.built('7.2')),
         'crypto': Lane(crypto_lane(), 'vfio-user', built_kernel, built_kernel_is_warm),
         'vfio-user': Lane([with_models('e1000e'), with_models('e1000')], 'vfio-user', fetch.stock_kernel),
         **fault_lanes()}
