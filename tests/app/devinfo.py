#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""fl-devinfo on this machine, and on made-up ones: sysfs and /dev trees in a temporary folder."""
import json
import os
import tempfile

from app import DEVINFO, check, run


def put(root, path, text=''):
    path = os.path.join(root, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w') as f:
        f.write(text)


def device(root, addr, vendor, dev, cls, driver=None, group=None):
    at = f'bus/pci/devices/{addr}'
    for name, text in (('vendor', vendor), ('device', dev), ('class', cls), ('irq', '0'),
                       ('numa_node', '1'), ('revision', '0x00'), ('subsystem_vendor', '0x0000'),
                       ('subsystem_device', '0x0000'), ('reset', '')):
        put(root, f'{at}/{name}', text + '\n')
    put(root, f'{at}/resource', '0x0 0x0 0x0\n' * 7)
    if driver:
        os.makedirs(os.path.join(root, f'bus/pci/drivers/{driver}'), exist_ok=True)
        os.symlink(f'../../drivers/{driver}', os.path.join(root, at, 'driver'))
    if group is not None:
        os.makedirs(os.path.join(root, f'kernel/iommu_groups/{group}'), exist_ok=True)
        os.symlink(f'../../../../kernel/iommu_groups/{group}', os.path.join(root, at, 'iommu_group'))


def lists(tmp):
    sys, dev = os.path.join(tmp, 'sys'), os.path.join(tmp, 'dev')
    device(sys, '0000:01:00.0', '0x8086', '0x10d3', '0x020000', 'e1000e', 4)
    device(sys, '0000:01:00.1', '0x8086', '0x10d3', '0x020000', 'vfio-pci', 5)
    device(sys, '0000:01:00.2', '0x8086', '0x10d3', '0x020000', 'vfio-pci', 6)
    device(sys, '0000:01:00.3', '0x8086', '0x2918', '0x060100', 'lpc_ich', 6)
    device(sys, '0000:01:00.4', '0x8086', '0x10d3', '0x020000', None, None)
    device(sys, '0000:02:00.0', '0x1af4', '0x1041', '0x020000', 'virtio-pci', 7)
    put(dev, 'vfio/5')
    roots = ('--sysfs', sys, '--devfs', dev)
    out = {d['address']: d for d in json.loads(run(DEVINFO, '--json', *roots).stdout)}
    check(len(out) == 5, f'a bridge is not listed ({list(out)})')
    check(len(json.loads(run(DEVINFO, '--json', '--all', *roots).stdout)) == 6, '--all lists it')
    held = out['0000:01:00.0']
    check(held['our_driver'] == 'net_e1000' and held['bound_to'] == 'e1000e' and
          held['state'] == 'held by e1000e' and held['iommu_group'] == 4 and held['reset'] and
          held['numa_node'] == 1 and held['uri'] == 'pci:0000:01:00.0', f'held: {held}')
    check('driver_override' in held['remedy'] and '0000:01:00.0' in held['remedy'], 'with a remedy')
    check(out['0000:01:00.1']['state'] == 'ready', f"ready: {out['0000:01:00.1']}")
    bad = out['0000:01:00.2']
    check('not viable' in bad['state'] and '0000:01:00.3' in bad['state'] and 'lpc_ich' in bad['state']
          and '0000:01:00.3 (lpc_ich)' in bad['group_members'], f'viability: {bad}')
    check(out['0000:01:00.4']['state'] == 'no IOMMU group', 'no IOMMU')
    check(out['0000:02:00.0']['our_driver'] is None, 'not ours')
    text = run(DEVINFO, *roots).stdout
    check('0000:01:00.0' in text and 'to mend: modprobe vfio-pci' in text, 'table')


def doctors(tmp):
    j = json.loads(run(DEVINFO, 'doctor', '--json').stdout)
    check(j['models_can_run'] and len(j['checks']) >= 10, 'models run everywhere')
    for c in j['checks']:
        check(c['found'] and c['why'] and (c['ok'] or c['fix']), f'a cause and a remedy: {c}')
    text = run(DEVINFO, 'doctor').stdout
    check('OK' in text and 'Models: ready' in text, 'as text')

    sys, dev = os.path.join(tmp, 'sys'), os.path.join(tmp, 'dev')
    put(dev, 'vfio/vfio')
    os.makedirs(os.path.join(sys, 'bus/pci/drivers/vfio-pci'), exist_ok=True)
    j = json.loads(run(DEVINFO, 'doctor', '--json', '--sysfs', sys, '--devfs', dev).stdout)
    ok = {c['check']: c['ok'] for c in j['checks']}
    check(all(ok[c] for c in ('IOMMU', 'vfio-pci', '/dev/vfio/vfio', 'VFIO groups', 'a device')),
          f'a machine that has it all: {ok}')
    empty = os.path.join(tmp, 'empty')
    os.makedirs(empty)
    j = json.loads(run(DEVINFO, 'doctor', '--json', '--sysfs', empty, '--devfs', empty).stdout)
    ok = {c['check']: c['ok'] for c in j['checks']}
    check(not j['hardware_can_run'] and not any(
        ok[c] for c in ('IOMMU', 'vfio-pci', '/dev/vfio/vfio', 'VFIO groups', 'a device',
                        '/dev/net/tun', 'hugepages')), f'a machine that has nothing: {ok}')
    check('no network or crypto device' in run(DEVINFO, '--sysfs', empty).stdout.lower(), 'empty list')


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
    for bad in (('features', 'model:nope'), ('what',), ('doctor', 'me'), ('features',)):
        check(run(DEVINFO, *bad, rc=1).stderr, f'{bad} says why')


if __name__ == '__main__':
    with tempfile.TemporaryDirectory() as t:
        lists(t)
        doctors(t)
    features()
