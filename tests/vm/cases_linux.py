# SPDX-License-Identifier: BSD-3-Clause
"""The same devices and wires with Linux's own drivers: what is lost with ours, ours has lost."""
from guest import PCI, same
from peer import Traffic

FRAMES = 5000


def bridge(g):
    a, b = g.nic('e1000'), g.nic('e1000e')
    g.load('llc', 'stp', 'bridge', 'e1000', 'e1000e')
    for nic in (a, b):
        g.bind(nic, nic.model)
    ports = [g.vm.out(f'ls {PCI}/devices/{nic.address}/net') for nic in (a, b)]
    g.vm.out('brctl addbr br0; ip link set br0 up; ' +
             '; '.join(f'brctl addif br0 {p}; ip link set {p} up' for p in ports))
    g.vm.out('until [ "$(cat /sys/class/net/br0/brif/*/state | uniq)" = 3 ]; do sleep 0.2; done', 40)
    for out, back in ((a, b), (b, a)):
        t = Traffic(out.wire, back.wire, FRAMES).run(30)
        same((t.received, t.lost, t.wrong), (FRAMES, 0, 0), f'frames {out.model} to {back.model}')
    g.tried("Linux's drivers, bridged", [a, b], 'MSI-X', f'{FRAMES} each way')
    g.vm.out('ip link set br0 down; brctl delbr br0')
    for nic in (a, b):
        g.bind(nic, 'vfio-pci')
    g.unload('e1000e', 'e1000', 'bridge', 'stp', 'llc')
