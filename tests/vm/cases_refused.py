# SPDX-License-Identifier: BSD-3-Clause
"""What cannot be is refused in one message that names the cause and the remedy."""
import re

from cases_traffic import there_and_back
from guest import PCI, same, true


BRIDGE = '0000:00:06.0'


def errors(text):
    return [line for line in text.splitlines() if re.match(r'faultline: \S+: error:', line)
            or re.match(r'error: ', line)]


def refused(g, nic, *words, command=None, before='', wrap='{}', status=1, uri=None):
    """one error message, which matches every one of `words`"""
    command = command or f'fl-testpmd -a {uri or g.uri(nic)} --duration 1'
    job = g.spawn(wrap.format(command), before)
    rc = job.wait(20)
    text = job.output()
    said = errors(text)
    same(len(said), 1, f'error messages in\n{text}\n')
    for w in words:
        true(re.search(w, said[0], re.I), f'"{w}" is not in: {said[0]}')
    same(rc, status, f'exit status after: {text}')
    g.vm.log += f"REFUSED: {said[0]}\n"


def no_vfio(g):
    bound = [n for n in g.machine.nics if g.driver(n.address) == 'vfio-pci']
    for n in bound:
        g.bind(n, None)
    g.unload('vfio_pci', 'vfio_pci_core', 'irqbypass', 'vfio_iommu_type1', 'vfio')
    refused(g, g.nic('e1000e'), 'modprobe vfio-pci')
    g.prepare()


def not_viable(g):
    """and the remedy is one"""
    a, b = [n for n in g.machine.nics if n.bus == 'br1']
    same(g.group(a), g.group(b), 'groups of the devices behind the bridge')
    g.load('e1000')
    g.bind(b, 'e1000')
    remedies = [f'{b.address} vfio-pci']
    hot_plug = g.driver(BRIDGE)
    if hot_plug:
        remedies.append(f'{BRIDGE} none')
    refused(g, a, 'not viable', rf'{b.address} .e1000', *remedies)
    g.bind(b, 'vfio-pci')
    if hot_plug:
        g.vm.out(f'echo {BRIDGE} >{PCI}/drivers/{hot_plug}/unbind')
    pmd = g.testpmd([a]).ready()
    there_and_back(a, frames=1000)
    pmd.quit()
    if hot_plug:
        g.vm.out(f'echo {BRIDGE} >{PCI}/drivers/{hot_plug}/bind')
    g.unload('e1000')


def wrong_driver(g):
    nic = g.nic('e1000e')
    g.load('e1000e')
    g.bind(nic, 'e1000e')
    refused(g, nic, 'e1000e', 'vfio-pci', 'driverctl|driver_override')
    same(g.driver(nic.address), 'e1000e', 'driver')
    g.bind(nic, None)
    refused(g, nic, 'no driver|not bound|bound to none', 'vfio-pci')
    g.bind(nic, 'vfio-pci')
    g.unload('e1000e')


def no_permission(g):
    refused(g, g.nic('e1000e'), '/dev/vfio/', 'permission|chown', wrap='su user -c "exec {}"')


def absent(g):
    refused(g, None, '0000:00:1e.0', 'no such', uri=f'pci:0000:00:1e.0,iommu={g.lane.backend}')


def vanished(g):
    """the device goes for good while it runs: its driver is told, and so is who asks for it again"""
    nic = g.nic('e1000e')
    pmd = g.testpmd([nic], '-i')
    pmd.say('start', 'packet forwarding - ports=1', 20)
    there_and_back(nic, frames=1000)
    g.vm.out(f'echo 1 >{PCI}/devices/{nic.address}/remove', 30)
    pmd.job.wait_for('Port 0: removed', 5)
    pmd.say('port reset 0', 'no such PCI device')
    pmd.say('quit', 'Bye')
    pmd.job.wait(10)
    said = errors(pmd.job.output())
    same(len(said), 1, f'error messages: {said}')
    g.vm.out(f'echo 1 >{PCI}/rescan', 20)
    g.bind(nic, 'vfio-pci')


def in_use(g):
    nic = g.nic('e1000e')
    pmd = g.testpmd([nic]).ready()
    refused(g, nic, 'in use|open elsewhere')
    there_and_back(nic, frames=1000)
    pmd.quit()


def no_iommufd(g):
    nic = g.nic('e1000e')
    refused(g, nic, 'iommufd', 'CONFIG_IOMMUFD|CONFIG_VFIO_DEVICE_CDEV', 'container',
            uri=f'pci:{nic.address},iommu=iommufd')


def no_noiommu(g):
    nic = g.nic('e1000e')
    refused(g, nic, 'iommu', uri=f'pci:{nic.address},iommu=noiommu')


def no_msi(g):
    """a kind of interrupt that the chip has not"""
    nic = g.nic('e1000')
    refused(g, nic, 'irq', command=f'fl-testpmd -a {g.uri(nic)} --vfio-intr=msi --duration 1')


def entries(g):
    """type1's own limit of mappings"""
    limit = '/sys/module/vfio_iommu_type1/parameters/dma_entry_limit'
    old = g.vm.out(f'cat {limit}')
    g.vm.out(f'echo 8 >{limit}')
    nic = g.nic('e1000e')
    refused(g, nic, r'\b8\b', 'dma_entry_limit', command=f'vm-refuse entries {g.uri(nic)} 8', status=0)
    g.vm.out(f'echo {old} >{limit}')


def by_program(g, what, *words):
    """what only a program can bring about (guest/refuse.c), which checks what it is answered"""
    nic = g.nic('e1000e')
    refused(g, nic, *words, command=f'vm-refuse {what} {g.uri(nic)}', status=0)


def memlock(g):
    """an ordinary user who owns the group: the limit is just large enough, then just too small"""
    nic = g.nic('e1000e')
    node = g.nodes(nic)
    as_user = 'su user -c "exec {}"'
    pinned = ('--residency=pinned',)
    g.vm.out(f'chown user {node}')
    try:
        pmd = g.testpmd([nic], *pinned, before='ulimit -l unlimited', wrap=as_user).ready()
        need = pmd.quit()['memory']['pinned_bytes']
        true(need > 0 and need % 1024 == 0, f'{need} bytes are pinned')
        pmd = g.testpmd([nic], *pinned, before=f'ulimit -l {need // 1024}', wrap=as_user).ready()
        there_and_back(nic, frames=10000)
        pmd.quit()
        refused(g, nic, 'locked', 'ulimit -l', r'limit \d{4,} KiB', wrap=as_user,
                command=f'fl-testpmd -a {g.uri(nic)} {pinned[0]} --duration 1',
                before=f'ulimit -l {need // 1024 - 4}')
    finally:
        g.vm.out(f'chown root {node}')
    g.tried(f'ordinary user, ulimit -l {need // 1024}', [nic], 'MSI-X', '10000 each way')


def no_remapping(g):
    """without interrupt remapping VFIO refuses, unless it is told that everybody is trusted"""
    nic = g.nic('e1000e')
    refused(g, nic, 'interrupt remapping', 'allow_unsafe_interrupts')
    owner = 'iommufd' if g.lane.backend == 'iommufd' else 'vfio_iommu_type1'
    unsafe = f'/sys/module/{owner}/parameters/allow_unsafe_interrupts'
    g.vm.out(f'echo 1 >{unsafe}')
    try:
        pmd = g.testpmd([nic], '--rx-intr').ready()
        there_and_back(nic, frames=10000)
        pmd.quit()
    finally:
        g.vm.out(f'echo 0 >{unsafe}')
    g.expect_log('No interrupt remapping support')
    g.tried('allow_unsafe_interrupts=1', [nic], 'MSI-X', '10000 each way')


def no_iommu(g):
    refused(g, g.nic('e1000e'), 'iommu', 'intel_iommu=on')
