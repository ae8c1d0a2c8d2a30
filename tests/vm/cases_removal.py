# SPDX-License-Identifier: BSD-3-Clause
"""Devices that come and go while packets flow."""
import time

import vm as guests
from cases_traffic import there_and_back
from guest import PCI, same, true
from peer import Traffic


def plug(g, nic):
    """QEMU plugs it into its port; a driver of the kernel's may have been quicker than we are"""
    g.vm.plug(nic)
    g.vm.out(f'i=0; until [ -e {PCI}/devices/{nic.address}/driver_override ]; do '
             'sleep 0.1; i=$((i+1)); [ $i -lt 200 ] || exit 1; done', 30)
    g.bind(nic, 'vfio-pci')


def unplug(g, nic):
    """as when somebody presses the button of the slot; the guest has to let go of it"""
    start = time.monotonic()
    g.vm.unplug(nic, 30)
    return time.monotonic() - start


def hot_plug(g):
    """comes, goes and comes again under a running fl-testpmd; another port loses nothing"""
    still, nic = g.nic('e1000e'), guests.Nic('e1000e', 0, 'rp1', '0000:01:00.0')
    pmd = g.testpmd([still], '-i', '--hot-plug', '--no-flush-rx', '--port-topology=loop')
    pmd.say('start', 'packet forwarding - ports=1', 20)
    beside = Traffic(still.wire, send=None).start(80)
    plug(g, nic)
    pmd.say('stop', 'Done')
    pmd.say(f'port attach {g.uri(nic)}', 'Port 1 is attached')
    pmd.say('port start 1', 'Port 1:')
    pmd.say('start', 'packet forwarding - ports=2')
    there_and_back(nic, frames=10000)
    t = Traffic(nic.wire, send=None).start(60)
    true(t.wait_for(1000, 10), f'traffic before it goes ({t})')
    took = unplug(g, nic)
    t.stop(0.2)
    pmd.job.wait_for('Port 1: removed', 10)
    true(took < 15, f'the guest let go of it after {took:.0f} s')
    plug(g, nic)
    pmd.job.wait_for('Port 1: is back', 10)
    there_and_back(nic, frames=10000)
    beside.stop()
    same((beside.lost, beside.wrong), (0, 0), f'frames of the port beside ({beside})')
    same(beside.received, beside.sent, 'frames of the port beside')
    pmd.say('quit', 'Bye')
    same(pmd.job.wait(10), 0, 'exit status')
    unplug(g, nic)
    g.tried('hot-plug and hot-unplug during traffic', [nic, still], 'MSI-X',
            f'10000 each way twice; {beside.received} beside')


def unbind(g):
    """root takes the device from vfio-pci while it runs: that must not hang"""
    nic = g.nic('e1000e')
    pmd = g.testpmd([nic], '--hot-plug').ready()
    t = Traffic(nic.wire, send=None).start(60)
    true(t.wait_for(5000, 20), f'traffic before the unbind ({t})')
    start = time.monotonic()
    g.vm.out(f'echo {nic.address} >{PCI}/drivers/vfio-pci/unbind', 30)
    took = time.monotonic() - start
    pmd.job.wait_for('Port 0: removed', 5)
    t.stop(0.2)
    true(took < 5, f'unbind took {took:.1f} s')
    same(g.driver(nic.address), None, 'driver')
    g.bind(nic, 'vfio-pci')
    pmd.job.wait_for('Port 0: is back', 10)
    there_and_back(nic, frames=10000)
    pmd.quit()
    g.tried('unbind by sysfs during traffic, then bound again', [nic], 'MSI-X', '10000 each way')
