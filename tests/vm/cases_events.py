# SPDX-License-Identifier: BSD-3-Clause
"""What happens to a device at work: errors, resets, interrupts, and that somebody wants it back."""
import re
import struct
import time

from cases_removal import plug, unplug
from cases_traffic import there_and_back
from guest import PCI, same, true
from peer import ETHERTYPE, SOURCE, Traffic

# What QEMU's monitor calls an error of the kind. QEMU's e1000e sends no error messages (it has no
# control over them), so it is the port before it that finds what the device sent malformed.
ERRORS = {'fatal': 'MALF_TLP', 'non-fatal': 'UNSUP'}

SECOND_MAC = b'\x02\0\0\0\0\x07'
FOREIGN = b'\x02\0\0\0\0\x55'
FRAMES = 50


def by_filter(nic, mac, promiscuous):
    """frames of each kind, and which of them come back from a port with filters"""
    kinds = {'own': (mac, None, True), 'second': (SECOND_MAC, None, True),
             'foreign': (FOREIGN, None, promiscuous), 'broadcast': (b'\xff' * 6, None, True),
             'multicast': (b'\x01\0\x5e\0\0\x05', None, True),
             'other multicast': (b'\x01\0\x5e\x7f\x10\x99', None, promiscuous),
             'VLAN 5': (mac, 5, True), 'VLAN 6': (mac, 6, promiscuous),
             'the last': (mac, None, True)}
    nic.wire.connect(5)
    # what an earlier run left on the way is not ours
    stamp = struct.pack('>Q', time.monotonic_ns())
    for i, (to, vlan, _) in enumerate(kinds.values()):
        tag = struct.pack('>HH', 0x8100, vlan) if vlan else b''
        nic.wire.send([to + SOURCE + tag + ETHERTYPE + stamp + bytes([i]) + bytes(40)] * FRAMES)
    found = [0] * len(kinds)
    end = time.monotonic() + 5
    while found[-1] < FRAMES and time.monotonic() < end:
        nic.wire.send()
        for f in nic.wire.recv():
            at = f.find(ETHERTYPE + stamp)
            if at > 0:
                found[f[at + 10]] += 1
        time.sleep(0.01)
    same(dict(zip(kinds, found)), {k: FRAMES * v[2] for k, v in kinds.items()}, 'frames by filter')


def own_mac(g, nic):
    """what QEMU gave it"""
    text = g.vm.qmp.monitor('info network')
    return bytes.fromhex(re.search(rf'{nic.id}: .*macaddr=([0-9a-f:]+)', text)[1].replace(':', ''))


# ---- errors ----

def said(g, *patterns):
    """the kernel has said all of it, in this order, and nothing else of errors"""
    lines = [ln for ln in g.vm.out('dmesg', 20).splitlines()
             if re.search(r'AER: (?!enabled)|PCIe Bus Error', ln)]
    same(len(lines), len(patterns), f'lines on errors in {lines}')
    for line, p in zip(lines, patterns):
        true(re.search(p, line, re.I), f'"{p}" is not in: {line}')
        g.expect_log(f'(?i){p}')


def error(g, kind):
    """the port before it tells the kernel, which tells us and, of a fatal one, resets the link"""
    nic = g.nic('e1000e')
    mac = own_mac(g, nic)
    pmd = g.testpmd([nic], '-i')
    for line in ('set promisc 0 off', f'mac_addr add 0 {SECOND_MAC.hex(":")}',
                 'mcast_addr add 0 01:00:5e:00:00:05', 'rx_vlan add 5 0', 'vlan set filter on 0'):
        g.vm.out(f"echo '{line}' >{pmd.pipe}")
    pmd.say('start', 'packet forwarding - ports=1', 20)
    by_filter(nic, mac, promiscuous=False)
    t = Traffic(nic.wire, send=None).start(60)
    true(t.wait_for(5000, 20), f'traffic before the error ({t})')
    at = pmd.job.output().count('\n')
    start = time.monotonic()
    g.vm.qmp.monitor(f'pcie_aer_inject_error {nic.bus} {ERRORS[kind]}')
    pmd.job.wait_for('Port 0: device error', 5, at)
    pmd.job.wait_for('Port 0: is back', 5, at)
    took = time.monotonic() - start
    t.stop(0.2)
    true(took < 5, f'back after {took:.1f} s')
    by_filter(nic, mac, promiscuous=False)
    there_and_back(nic, frames=10000)
    reset = ['link has been reset'] if kind == 'fatal' else []
    said(g, rf'AER: Uncorrectable \({kind}\) error message', rf'severity=Uncorrectable \({kind}\)',
         'TLP Header', *reset, 'device recovery successful')
    pmd.say('quit', 'Bye')
    same(pmd.job.wait(10), 0, 'exit status')
    g.tried(f'{kind} error (AER) during traffic, reset', [nic], 'MSI-X', '10000 each way')


# ---- what guest/events.c checks ----

def events(g, what, *nics, status=0, seconds=30):
    """runs it to its end; what it said"""
    job = g.spawn(f'vm-events {what} ' + ' '.join(g.uri(n) for n in nics))
    rc = job.wait(seconds)
    text = job.output()
    same(rc, status, f'exit status after: {text}')
    return text


def interrupts(g, model, *kinds):
    nic = g.nic(model)
    text = events(g, 'irq', nic)
    for k in kinds:
        true(f'{k} ok' in text, f'no "{k} ok" in: {text}')
    same(g.hard_interrupts(nic), {}, 'interrupts left behind')
    added = 'vectors added, ' if 'MSI-X' in kinds else ''
    g.tried(f'interrupts: {added}INTx unmasked by eventfd', [nic], ', '.join(kinds))


def reset(g, model, method, how=''):
    """by a method that the kernel is left with; without one by our hot reset, if the bus has any"""
    nic = g.nic(model)
    path = f'{PCI}/devices/{nic.address}/reset_method'
    g.vm.out(f'[ ! -e {path} ] || echo {method} >{path}')
    try:
        text = events(g, 'reset', nic)
    finally:
        g.vm.out(f'[ ! -e {path} ] || echo default >{path}')
    true(f'reset: {0 if how else -95}\n' in text, text)
    g.tried(f'reset: {how}' if how else 'no reset is to be had', [nic])


def hot_reset(g, bus, alone):
    """of two functions; what comes of it when one is open alone: 0 or what refuses it"""
    a, b = [n for n in g.machine.nics if n.bus == bus]
    same(g.group(a) == g.group(b), alone == 0, 'whether they are in one group')
    text = events(g, 'bus', a)
    true(f'hot reset: {alone}\n' in text, text)
    if alone:
        true(re.search(rf'would also reset {b.address}, ', text), text)
    text = events(g, 'bus', a, b)
    true('hot reset: 0\n' in text, text)
    g.tried('hot reset of two functions' + (', refused for one' if alone else ''), [a, b])


def hot_reset_port(g):
    """a port is as it was after it, filters too"""
    nic = g.nic('e1000e')
    mac = own_mac(g, nic)
    job = g.spawn(f'vm-events port {g.uri(nic)}')
    job.wait_for('ready', 20)
    for promiscuous in (False, True):
        if promiscuous:
            job.kill('USR2')
            job.wait_for('promiscuous: 0', 5)
        by_filter(nic, mac, promiscuous)
        lines = job.output().count('\n')
        job.kill('USR1')
        job.wait_for('^reset', 10, lines)
        by_filter(nic, mac, promiscuous)
    there_and_back(nic, frames=10000)
    job.kill('INT')
    same(job.wait(10), 0, f'exit status after: {job.output()}')
    g.tried('hot reset under a port, filters restored', [nic], 'MSI-X', '10000 each way')


# ---- wanted back ----

def ignored(g):
    """nobody reacts, threads poll on: the kernel asks twice, 10 s apart, and then gets it"""
    nics = [g.nic('e1000e'), g.nic('e1000')]
    jobs = [g.spawn(f'vm-events ignore {g.uri(n)}') for n in nics]
    for job in jobs:
        job.wait_for('waiting', 20)
    start = time.monotonic()
    unbinds = [g.spawn(f'sh -c "echo {n.address} >{PCI}/drivers/vfio-pci/unbind"') for n in nics]
    for job in unbinds:
        same(job.wait(30), 0, 'status of the unbind')
    took = time.monotonic() - start
    true(8 < took < 20, f'the unbind took {took:.1f} s')
    for job, nic in zip(jobs, nics):
        job.wait_for('gone', 5)
        g.bind(nic, 'vfio-pci')
        same(job.wait(15), 0, f'exit status after: {job.output()}')
    g.tried('unbind while the program ignores the request', nics)


def away(g):
    """QEMU pulls the device while nobody looks; then it is given back, and comes again"""
    nic = g.nic('e1000e')
    job = g.spawn(f'vm-events away {g.uri(nic)}')
    job.wait_for('waiting', 20)
    took = unplug(g, nic)
    job.wait_for('gone', 10)
    true(took < 20, f'the guest let go of it after {took:.0f} s')
    plug(g, nic)
    same(job.wait(20), 0, f'exit status after: {job.output()}')
    g.tried('hot-unplug while nobody looks, then back', [nic])
