# SPDX-License-Identifier: BSD-3-Clause
"""The lab itself: what a device needs that faults in is there, in hardware and in the kernel."""
import base64
import struct

from guest import PCI, same, true

# extended capabilities of PCI Express, and bits of them
ATS, PRI, PASID = 0x0f, 0x13, 0x1b
ATS_PAGE_ALIGNED, ATS_ENABLED = 1 << 5, 1 << 31  # of the word at 4: capability, then control
PRI_TAGGED = 1 << 31                             # of the word at 4: control, then status
# of VT-d's extended capability register
PRS, PASIDS, PDS = 1 << 29, 1 << 40, 1 << 42


def extended(g, device):
    """{capability: its words} of a device's configuration space"""
    raw = base64.b64decode(g.vm.out(f'base64 {PCI}/devices/{device.address}/config'))
    same(len(raw), 4096, 'bytes of configuration space')
    found, at = {}, 0x100
    while at:
        head = struct.unpack_from('<I', raw, at)[0]
        found[head & 0xffff] = struct.unpack_from('<4I', raw, at)
        at = head >> 20
    return found


def ready(g, model):
    """each device of this model can fault, and is one that VFIO hands over by itself"""
    ecap = int(g.vm.out('cat /sys/class/iommu/dmar0/intel-iommu/ecap'), 16)
    true(ecap & PRS and ecap & PDS and ecap & PASIDS, f'VT-d without page requests: ecap {ecap:#x}')
    for device in (n for n in g.machine.nics if n.model == model):
        found = extended(g, device)
        true(found.keys() >= {ATS, PRI, PASID}, f'{device.id} has capabilities {sorted(found)}')
        true(found[ATS][1] & ATS_PAGE_ALIGNED, f'{device.id}: ATS {found[ATS][1]:#x} is not page aligned')
        true(found[ATS][1] & ATS_ENABLED, f'{device.id}: the kernel has not turned ATS on')
        true(found[PRI][1] & PRI_TAGGED, f'{device.id}: answers to page requests without PASID')
        members = g.vm.out(f'ls {PCI}/devices/{device.address}/iommu_group/devices').split()
        same(members, [device.address], 'devices of the group')
        g.vm.out(f'[ -c /dev/vfio/{g.group(device)} ]')
        same(g.driver(device.address), 'vfio-pci', 'driver')


def swaps(g):
    """what does not fit into memory goes to the disk and comes back"""
    total = int(g.vm.out("awk '/^MemTotal/ {print $2}' /proc/meminfo"))
    with g.swap():
        # of /dev/shm, which is swapped as the memory of a process is
        text = g.vm.out(f'mount -o remount,size={total * 2}k /dev/shm; '
                        f'dd if=/dev/zero of=/dev/shm/x bs=1M count={total * 17 // 16 >> 10} 2>&1; '
                        "awk '/^SwapTotal/ {t = $2} /^SwapFree/ {print t - $2}' /proc/meminfo; "
                        'rm /dev/shm/x', 60)
        true(int(text.split()[-1]) > total // 16, f'KiB swapped: {text}')


def file_system(g):
    """a file on a disk, which may be written back and truncated under a mapping"""
    with g.files() as folder:
        g.vm.out(f'echo something >{folder}/x; sync; truncate -s 0 {folder}/x')
