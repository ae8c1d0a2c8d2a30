# SPDX-License-Identifier: BSD-3-Clause
"""Linux's own drivers, as Debian ships them, on our models: they are what they say they are."""
import contextlib

from guest import PCI, Skip, same, true
from models import HostKernel, OtherPort

MB = 4
HERE, THERE = '10.9.0.2', '10.9.0.1'
KINDS = {'MSI-X': (2, 'PCI-MSIX-'), 'MSI': (1, 'PCI-MSI-'), 'INTx': (0, 'IO-APIC')}  # IntMode
OF_CHIP = {'e1000': ['INTx'], 'e1000e': list(KINDS)}
SUM, SEND = 5001, 5002  # TCP ports of the far end


def load(g, kind=None):
    """the driver, with the best kind of interrupt or this one; e1000 knows only one"""
    driver = g.machine.helper.chip
    mode = KINDS[kind or OF_CHIP[driver][0]][0]
    options = '' if driver == 'e1000' else f'IntMode={mode},{mode},{mode}'
    g.vm.out(f'insmod /mod/{driver}.ko {options}', 30)


def unload(g):
    g.unload(g.machine.helper.chip)


def interface(g, port):
    return g.vm.out(f'ls {PCI}/devices/{port.address}/net')


def wait_carrier(g, name, up):
    g.vm.out(f'i=0; until [ "$(cat /sys/class/net/{name}/carrier)" = {up:d} ]; do '
             f'i=$((i+1)); [ $i -lt 150 ] || exit 1; sleep 0.1; done', 20)


@contextlib.contextmanager
def cable(g, tap=False):
    """(our interface, the far end), both with addresses and up; the driver is loaded"""
    models = g.machine.helper
    name = interface(g, models.tapped if tap else models.pair[0])
    far = HostKernel(models, g.vm.dir) if tap else OtherPort(g, interface(g, models.pair[1]))
    try:
        far.out(f'ip addr replace {THERE}/24 dev {far.name} && ip link set {far.name} up')
        far.spawn(f'{far.busybox} nc -ll -p {SUM} -e sha256sum')
        far.spawn(f'{far.busybox} nc -ll -p {SEND} -e cat {far.blob}')
        listening = f'cat /proc/net/tcp* | grep -cE ":({SUM:04X}|{SEND:04X}) .* 0A "'
        far.out(f'until [ $({listening}) = 2 ]; do sleep 0.05; done', 20)
        g.vm.out(f'ip addr add {HERE}/24 dev {name} && ip link set {name} up')
        wait_carrier(g, name, True)
        yield name, far
    finally:
        far.close()


def ping(g, count):
    text = g.vm.out(f'ping -c {count} -i 0.05 -W 3 {THERE}', 60)
    true(', 0% packet loss' in text, text)


def streams(g, far):
    """a TCP stream each way, the checksum of either taken at both ends"""
    for out, blob in ((g.vm.out, '/tmp/blob'), (far.out, far.blob)):
        out(f'[ -s {blob} ] || head -c {MB << 20} /dev/urandom >{blob}', 30)
    same(g.vm.out(f'nc {THERE} {SUM} </tmp/blob', 60), g.vm.out('sha256sum </tmp/blob', 30),
         'stream out of the guest')
    same(g.vm.out(f'nc {THERE} {SEND} </dev/null | sha256sum', 60),
         far.out(f'sha256sum <{far.blob}', 30), 'stream into the guest')


def interrupts(g, name, kind):
    """how many there were of this kind, which has to be the only one"""
    lines = [ln for ln in g.vm.out('cat /proc/interrupts').split('\n') if name in ln]
    true(lines and all(KINDS[kind][1] in ln for ln in lines), '\n'.join(lines))
    return sum(int(n) for ln in lines for n in ln.split(':')[1].split()[:2])


def far_name(tap):
    return "the host's kernel" if tap else 'a second model'


def traffic(g, kind, tap):
    if tap and g.machine.helper.no_tap:
        raise Skip(g.machine.helper.no_tap)
    load(g, kind)
    with cable(g, tap) as (name, far):
        ping(g, 20)
        streams(g, far)
        # the pings alone take some; how many more is a matter of how busy the host is
        true(interrupts(g, name, kind) > 20, 'interrupts are counted')
    unload(g)
    g.tried(f"Linux's {g.machine.helper.chip}, to {far_name(tap)}", [g.machine.helper.tapped], kind,
            f'{MB} MB each way')


def link(g):
    """first the partner goes away and comes back, then we do; Linux leaves the PHY of an 82540EM on,
    as its EEPROM wants to be woken by the LAN, so there a partner that goes is not seen"""
    load(g)
    with cable(g) as (name, far):
        ping(g, 5)
        far.out(f'ip link set {far.name} down')
        if g.machine.helper.chip != 'e1000':
            wait_carrier(g, name, False)
        far.out(f'ip link set {far.name} up')
        wait_carrier(g, name, True)
        g.vm.out(f'until ping -c 1 -W 1 {THERE}; do :; done', 20)
        ping(g, 5)
        g.vm.out(f'ip link set {name} down; ip link set {name} up')
        wait_carrier(g, name, True)
        ping(g, 5)
    unload(g)


def reload(g):
    """the driver goes while frames are under way"""
    load(g)
    with cable(g):
        flood = g.spawn(f'ping -q -i 0.01 -c 10000 {THERE}')
        g.vm.out('sleep 1')
        same(flood.status(), None, 'exit status of the ping that should still run')
        unload(g)
    g.stop_all()
    load(g)
    with cable(g):
        ping(g, 5)
    unload(g)
