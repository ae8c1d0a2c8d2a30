#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""fl-devinfo on this machine, and on made-up ones: sysfs and /dev trees in a temporary folder."""
import json
import os
import re
import shutil
import subprocess
import tempfile

from app import DEVINFO, check, run, testpmd

NOBODY = 65534


def put(root, path, text=''):
    path = os.path.join(root, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as f:
        f.write(text if isinstance(text, bytes) else text.encode())


def link(root, path, target):
    path = os.path.join(root, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.symlink(target, path)


def config(*ext):
    """config space of PCI Express with a list of extended capabilities"""
    c = bytearray(4096)
    at = 0x100
    for i, cap in enumerate(ext):
        after = at + 0x10 if i + 1 < len(ext) else 0
        c[at:at + 4] = (cap | 1 << 16 | after << 20).to_bytes(4, 'little')
        at += 0x10
    return bytes(c)


def device(root, addr, vendor, dev, cls, driver=None, group=None, iommu=None):
    at = f'bus/pci/devices/{addr}'
    for name, text in (('vendor', vendor), ('device', dev), ('class', cls), ('irq', '0'),
                       ('numa_node', '1'), ('revision', '0x00'), ('subsystem_vendor', '0x0000'),
                       ('subsystem_device', '0x0000'), ('reset', '')):
        put(root, f'{at}/{name}', text + '\n')
    put(root, f'{at}/resource', '0x0 0x0 0x0\n' * 7)
    if driver:
        os.makedirs(os.path.join(root, f'bus/pci/drivers/{driver}'), exist_ok=True)
        link(root, f'{at}/driver', f'../../drivers/{driver}')
    if group is not None:
        link(root, f'{at}/iommu_group', f'../../../../kernel/iommu_groups/{group}')
        link(root, f'kernel/iommu_groups/{group}/devices/{addr}', f'../../../../bus/pci/devices/{addr}')
    if iommu:
        link(root, f'{at}/iommu', f'../../virtual/iommu/{iommu}')
        os.makedirs(os.path.join(root, 'class/iommu', iommu), exist_ok=True)


def nic(root, addr, driver=None, group=None, iommu=None):
    device(root, addr, '0x8086', '0x10d3', '0x020000', driver, group, iommu)


def container(sys, dev):
    """VFIO is loaded, as in Debian's kernels: no iommufd"""
    put(dev, 'vfio/vfio')
    put(sys, 'module/vfio_iommu_type1/parameters/dma_entry_limit', '65535\n')
    put(sys, 'module/vfio_iommu_type1/parameters/allow_unsafe_interrupts', 'N\n')
    put(sys, 'module/vfio/parameters/enable_unsafe_noiommu_mode', 'N\n')
    os.makedirs(os.path.join(sys, 'bus/pci/drivers/vfio-pci'), exist_ok=True)


class Machine:
    def __init__(self, tmp, name):
        self.sys, self.dev = os.path.join(tmp, name, 'sys'), os.path.join(tmp, name, 'dev')
        os.makedirs(self.sys)
        os.makedirs(self.dev)
        self.roots = ('--sysfs', self.sys, '--devfs', self.dev)

    def list(self, *args):
        out = json.loads(run(DEVINFO, '--json', *args, *self.roots).stdout)
        return {d['address']: d for d in out}

    def text(self):
        return run(DEVINFO, *self.roots).stdout

    def doctor(self, rc=0, **more):
        j = json.loads(run(DEVINFO, 'doctor', '--json', *self.roots, rc=rc, **more).stdout)
        j['by_name'] = {c['check']: c for c in j['checks']}
        for c in j['checks']:
            check(c['found'] and c['why'] and (c['ok'] or c['fix']), f'a cause and a remedy: {c}')
        return j


def lists(tmp):
    m = Machine(tmp, 'intel')
    nic(m.sys, '0000:01:00.0', 'e1000e', 4, 'dmar0')
    nic(m.sys, '0000:01:00.1', 'vfio-pci', 5, 'dmar0')
    nic(m.sys, '0000:01:00.2', 'vfio-pci', 6, 'dmar0')
    device(m.sys, '0000:01:00.3', '0x8086', '0x2918', '0x060100', 'lpc_ich', 6)
    nic(m.sys, '0000:01:00.4')
    device(m.sys, '0000:02:00.0', '0x1af4', '0x1041', '0x020000', 'virtio-pci', 7)
    container(m.sys, m.dev)
    put(m.dev, 'vfio/5')
    put(m.dev, 'vfio/6')
    put(m.sys, 'kernel/iommu_groups/5/reserved_regions',
        '0x0000000000000000 0x0000000000ffffff direct\n0x00000000fee00000 0x00000000feefffff msi\n')
    put(m.sys, 'bus/pci/devices/0000:01:00.1/config', config(0x01, 0x0f, 0x13, 0x1b))
    put(m.sys, 'bus/pci/devices/0000:01:00.1/reset_method', 'flr bus\n')
    put(m.sys, 'bus/pci/devices/0000:01:00.2/config', config(0x01))
    out = m.list()
    check(len(out) == 5 and list(out) == sorted(out), f'a bridge is not listed, the rest in order ({list(out)})')
    check(len(m.list('--all')) == 6, '--all lists it')
    held = out['0000:01:00.0']
    check(held['our_driver'] == 'net_e1000' and held['bound_to'] == 'e1000e' and
          not held['ready_by'] and held['iommu_group'] == 4 and held['reset'] == 'yes' and
          held['numa_node'] == 1 and held['uri'] == 'pci:0000:01:00.0' and held['ats'] is None,
          f'held: {held}')
    check('is bound to e1000e' in held['obstacle'] and
          'driverctl set-override 0000:01:00.0 vfio-pci' in held['obstacle'], 'with a remedy')
    ready = out['0000:01:00.1']
    check(ready['ready_by'] == ['container'] and ready['obstacle'] is None and
          ready['iommu'] == 'dmar0' and ready['iommu_kind'] == 'Intel VT-d' and
          ready['ats'] and ready['pri'] and ready['pasid'] and ready['reset'] == 'flr bus' and
          not ready['iommufd'] and ready['cdev'] is None, f'ready: {ready}')
    check(ready['reserved_iova'] == [{'first': 0, 'last': 0xffffff, 'type': 'direct'},
                                     {'first': 0xfee00000, 'last': 0xfeefffff, 'type': 'msi'}],
          f"reserved: {ready['reserved_iova']}")
    bad = out['0000:01:00.2']
    check(not bad['group_viable'] and '0000:01:00.3 (lpc_ich)' in bad['obstacle'] and
          'driverctl set-override 0000:01:00.3 vfio-pci' in bad['obstacle'] and
          '0000:01:00.3 (lpc_ich)' in bad['group_members'], f'viability: {bad}')
    check(bad['ats'] is False and bad['pri'] is False and bad['pasid'] is False, 'no capabilities')
    check('is in no IOMMU group' in out['0000:01:00.4']['obstacle'], 'no IOMMU before it')
    check(out['0000:02:00.0']['our_driver'] is None, 'not ours')
    text = m.text()
    for part in ('not ready: 0000:01:00.0 is bound to e1000e', 'IOMMU Intel VT-d (dmar0), group 5',
                 'reserved IOVA 0x0-0xffffff (direct), 0xfee00000-0xfeefffff (msi)',
                 'ready, by container: fl-testpmd -a pci:0000:01:00.1', 'ATS yes, PRI yes, PASID yes',
                 'ATS ?, PRI ?, PASID ? (only root can see)', 'with 0000:01:00.3 (lpc_ich)', 'reset flr bus'):
        check(part in text, f'the text has "{part}":\n{text}')


def kinds(tmp):
    m = Machine(tmp, 'kinds')
    for i, (name, kind) in enumerate((('ivhd0', 'AMD-Vi'), ('smmu3.0x000000002b400000', 'Arm SMMUv3'),
                                      ('smmu.0x000000002b500000', 'Arm SMMU'), ('0000:00:05.0', None))):
        nic(m.sys, f'0000:0{i + 1}:00.0', 'vfio-pci', i, name)
        d = m.list()[f'0000:0{i + 1}:00.0']
        check(d['iommu'] == name and d['iommu_kind'] == (kind or name), f'kind of {name}: {d}')


def iommufd(tmp):
    m = Machine(tmp, 'iommufd')
    nic(m.sys, '0000:01:00.0', 'vfio-pci', 3, 'dmar1')
    put(m.sys, 'kernel/irq/24/chip_name', 'IR-PCI-MSIX-0000:01:00.0\n')
    put(m.sys, 'bus/pci/devices/0000:01:00.0/vfio-dev/vfio0/dev', '511:0\n')
    put(m.dev, 'iommu')
    put(m.dev, 'vfio/devices/vfio0')
    d = m.list()['0000:01:00.0']
    check(d['iommufd'] and d['cdev'] == 'vfio0' and d['ready_by'] == ['iommufd'], f'iommufd: {d}')
    check('iommufd vfio0' in m.text() and 'ready, by iommufd:' in m.text(), 'as text')
    j = m.doctor()
    check(j['by_name']['/dev/iommu']['ok'] and j['by_name']['device nodes']['ok'], 'nodes')
    check(not j['by_name']['/dev/vfio/vfio']['ok'] and j['hardware_can_run'], 'no container is needed')
    container(m.sys, m.dev)
    put(m.dev, 'vfio/3')
    check(m.list()['0000:01:00.0']['ready_by'] == ['iommufd', 'container'], 'both ways')
    text = run(DEVINFO, 'doctor', *m.roots).stdout
    check('Hardware: ready, by iommufd or container.' in text, text)


def noiommu(tmp):
    m = Machine(tmp, 'noiommu')
    nic(m.sys, '0000:01:00.0', 'vfio-pci', 0)
    put(m.sys, 'kernel/iommu_groups/0/name', 'vfio-noiommu\n')
    container(m.sys, m.dev)
    put(m.sys, 'module/vfio/parameters/enable_unsafe_noiommu_mode', 'Y\n')
    put(m.dev, 'vfio/noiommu-0')
    d = m.list()['0000:01:00.0']
    check(not d['ready_by'] and 'iommu=noiommu' in d['obstacle'] and
          d['iommu_kind'] == 'none (no-IOMMU mode)', f'only by name: {d}')
    c = m.doctor()['by_name']
    check(c['IOMMU']['ok'] is False and c['no-IOMMU mode off']['ok'] is False and
          'reaches all memory' in c['no-IOMMU mode off']['found'], f'{c}')


def hostile(tmp):
    m = Machine(tmp, 'hostile')
    nic(m.sys, '0000:01:00.0', 'e1000e', 1)
    at = 'bus/pci/devices/0000:01:00.0'
    put(m.sys, f'{at}/numa_node', b'\xff\xfe\0\n')
    put(m.sys, f'{at}/reset_method', b'\x1b[2Jflr\xff' + b'x' * 5000)
    put(m.sys, 'kernel/iommu_groups/1/reserved_regions',
        b'\0\xff\n' + b'z' * 9000 + b'\n0x1 0x2\n' + b'0x1000 0x1fff m\xffsi\n' * 100)
    loop = bytearray(config(0x01, 0x02))
    loop[0x110:0x114] = (0x02 | 1 << 16 | 0x100 << 20).to_bytes(4, 'little')
    for c in (b'', b'\xff' * 4096, bytes(loop), config(0x01)[:0x102], b'\x01' * 4096):
        put(m.sys, f'{at}/config', c)
        d = m.list()['0000:01:00.0']
        check(d['ats'] is False and d['pri'] is False, f'capabilities of {c[:4]}: {d}')
    check(d['numa_node'] == -1 and d['reset'].startswith('?[2Jflr?x') and len(d['reset']) < 100, f'{d}')
    check(d['reserved_iova'] == [{'first': 0x1000, 'last': 0x1fff, 'type': 'm?si'}] * 16, f'{d}')
    check('\x1b' not in m.text(), 'no escape sequences')
    put(m.sys, f'{at}/vendor', b'\xff' * 100)
    run(DEVINFO, '--json', '--all', *m.roots, rc=None)
    put(m.sys, 'kernel/irq/1/chip_name', b'\xff' * 3000)
    put(m.sys, 'kernel/mm/hugepages/hugepages-2048kB/nr_hugepages', b'\n')
    put(m.sys, 'kernel/mm/hugepages/hugepages-2048kB/free_hugepages', b'-x')
    put(m.sys, 'module/vfio_iommu_type1/parameters/dma_entry_limit', b'\xff')
    m.doctor()


def doctors(tmp):
    j = json.loads(run(DEVINFO, 'doctor', '--json').stdout)
    check(j['models_can_run'] and len(j['checks']) >= 16, 'models run everywhere')
    text = run(DEVINFO, 'doctor').stdout
    check('OK' in text and 'Models: ready' in text, 'as text')

    m = Machine(tmp, 'debian')
    nic(m.sys, '0000:01:00.0', 'vfio-pci', 5, 'dmar0')
    container(m.sys, m.dev)
    put(m.dev, 'vfio/5')
    put(m.sys, 'kernel/irq/9/chip_name', 'IR-IO-APIC\n')
    j = m.doctor()
    ok = {name: c['ok'] for name, c in j['by_name'].items()}
    hardware = ('IOMMU', 'interrupt remapping', 'vfio-pci', 'group viability', 'a device',
                '/dev/vfio/vfio', 'type1', 'group nodes')
    check(all(ok[c] for c in hardware), f'a machine that has it all: {ok}')
    check(not ok['/dev/iommu'] and not ok['device nodes'], 'but iommufd')
    check('Intel VT-d' in j['by_name']['IOMMU']['found'], 'which IOMMU')

    put(m.sys, 'kernel/irq/9/chip_name', 'IO-APIC\n')
    c = m.doctor()['by_name']['interrupt remapping']
    check(c['ok'] is False and 'allow_unsafe_interrupts' in c['fix'], f'not remapped: {c}')
    put(m.sys, 'module/vfio_iommu_type1/parameters/allow_unsafe_interrupts', 'Y\n')
    check(m.doctor()['by_name']['interrupt remapping']['ok'], 'the risk is accepted')
    put(m.sys, 'module/vfio_iommu_type1/parameters/dma_entry_limit', '2\n')
    c = m.doctor()['by_name']['type1']
    check(c['ok'] is False and 'dma_entry_limit' in c['fix'], f'too few entries: {c}')
    device(m.sys, '0000:01:00.1', '0x8086', '0x2918', '0x060100', 'lpc_ich', 5)
    c = m.doctor()['by_name']
    check(c['group viability']['ok'] is False and '(lpc_ich)' in c['group viability']['fix'] and
          c['a device']['ok'] is False, f'a group in use: {c}')

    nic(m.sys, '0000:02:00.0', 'vfio-pci', 9, 'dmar0')
    put(m.dev, 'vfio/9')
    put(m.sys, 'module/vfio_iommu_type1/parameters/dma_entry_limit', '65535\n')
    check('fault' not in m.doctor()['by_name']['type1']['found'], 'a type1 without the patches')
    put(m.sys, 'module/vfio_iommu_fault/refcnt', '1\n')
    j = m.doctor()
    check('mappings may fault' in j['by_name']['type1']['found'], 'the patches are there')
    check(j['by_name']['group viability']['ok'] is False and j['hardware_can_run'],
          f'one device is enough: {j}')

    empty = Machine(tmp, 'empty')
    j = empty.doctor()
    ok = {name: c['ok'] for name, c in j['by_name'].items()}
    check(not j['hardware_can_run'] and not any(ok[c] for c in hardware if c != 'group viability') and
          ok['interrupt remapping'] is None and not ok['/dev/net/tun'] and not ok['hugepages'],
          f'a machine that has nothing: {ok}')
    check('no network or crypto device' in empty.text().lower(), 'empty list')


def as_user(tmp):
    """an ordinary user, to whom a node is closed and who may lock little"""
    m = Machine(tmp, 'user')
    nic(m.sys, '0000:01:00.0', 'vfio-pci', 5, 'dmar0')
    container(m.sys, m.dev)
    put(m.dev, 'vfio/5')
    os.chmod(os.path.join(m.dev, 'vfio/vfio'), 0o666)
    os.chmod(os.path.join(m.dev, 'vfio/5'), 0o400)
    user = {'user': NOBODY, 'group': NOBODY} if os.geteuid() == 0 else {}
    uid = NOBODY if user else os.geteuid()
    program = shutil.copy(DEVINFO, tmp)  # where everybody may run it
    limit = ['sh', '-c', 'ulimit -l 64; exec "$@"', 'sh', program]

    def ask(*args):
        r = subprocess.run([*limit, *args, *m.roots], capture_output=True, text=True, timeout=30, **user)
        check(r.returncode == 0, f'{args}: {r.stdout}{r.stderr}')
        return json.loads(r.stdout)

    d = ask('--json')[0]
    check(f'chown {uid} {m.dev}/vfio/5' in d['obstacle'] and
          f'SUBSYSTEM=="vfio", OWNER="{uid}"' in d['obstacle'], f'no permission: {d}')
    c = {c['check']: c for c in ask('doctor', '--json')['checks']}
    check(c['/dev/vfio/vfio']['ok'] and c['group nodes']['ok'] is False and
          f'chown {uid} {m.dev}/vfio/5' in c['group nodes']['fix'], f'nodes: {c}')
    put(m.dev, 'vfio/6')  # somebody else's
    os.chmod(os.path.join(m.dev, 'vfio/6'), 0o400)
    os.chmod(os.path.join(m.dev, 'vfio/5'), 0o666)
    other = {c['check']: c for c in ask('doctor', '--json')['checks']}['group nodes']
    check(other['ok'] and '1 usable' in other['found'], f'one node is enough: {other}')
    lock = c['RLIMIT_MEMLOCK']
    check(lock['ok'] is False and '64 KiB' in lock['found'] and
          re.search(r"' >> /etc/security/limits.conf.*LimitMEMLOCK=\d+K.*prlimit --pid \d+", lock['fix']), f'{lock}')

    # what it says of fl-testpmd is what fl-testpmd maps
    says = int(re.search(r'locks (\d+) KiB', lock['found'])[1])
    r = testpmd('-a', 'model:e1000e,wire=x', '-a', 'model:e1000e,wire=x', '-i', input='dump_memzone\nquit\n')[1]
    maps = sum(int(n) for n in re.findall(r' len=(\d+) ', r.stdout)) >> 10
    check(maps <= says <= maps * 5 // 4, f'fl-testpmd maps {maps} KiB, the doctor says {says}')


def features():
    j = json.loads(run(DEVINFO, 'features', 'model:e1000e', '--json').stdout)
    check(j['driver'] == 'net_e1000' and j['chip'] == '82574L', 'who')
    check(j['features']['link_status'] and j['offloads']['rx_vlan_strip'], 'what')
    check(j['limits']['receive queues'] == 2, 'how many')
    md = run(DEVINFO, 'features', 'model:e1000e', '--md').stdout
    check(md.startswith('| feature | net_e1000, 82574L |\n| --- | --- |\n'), 'Markdown')
    check(all(ln.startswith('| ') and ln.endswith(' |') for ln in md.strip().split('\n') if ln),
          'Markdown rows')
    check('|  |' not in md and '' not in j['offloads'], 'no row without a name')
    check('features' in run(DEVINFO, 'features', 'model:e1000e').stdout.lower(), 'text')
    check('e1000e' in [m['name'] for m in json.loads(run(DEVINFO, 'models', '--json').stdout)], 'models')
    for uri, driver in (('model:hisi_sec', 'crypto_hisi_sec'), ('soft:openssl', 'crypto_soft')):
        j = json.loads(run(DEVINFO, 'features', uri, '--json').stdout)
        cbc = next(a for a in j['algorithms'] if a['name'] == 'aes-cbc')
        check(j['driver'] == driver and cbc['key_bytes'] == {'min': 16, 'max': 32, 'step': 8}, j)
        check(re.search(r'aes-cbc +16, 24, 32 +16 ', run(DEVINFO, 'features', uri).stdout), 'text')
    for bad in (('features', 'model:nope'), ('features', 'soft:nope'), ('what',), ('doctor', 'me'), ('features',)):
        check(run(DEVINFO, *bad, rc=1).stderr, f'{bad} says why')


if __name__ == '__main__':
    with tempfile.TemporaryDirectory() as t:
        os.chmod(t, 0o755)
        for test in (lists, kinds, iommufd, noiommu, hostile, doctors, as_user):
            test(t)
    features()
