# SPDX-License-Identifier: BSD-3-Clause
"""fl-testpmd in a guest sends back what the peer sends: nothing may be lost."""
from guest import same, true
from peer import Traffic

FRAMES = 100000
KINDS = {'legacy': ('intx', 'INTx'), 'msi': ('msi', 'MSI'), 'msix': ('msix', 'MSI-X')}


def there_and_back(out, back=None, frames=FRAMES, seconds=60):
    t = Traffic(out.wire, back.wire if back else None, frames).run(seconds)
    same((t.received, t.lost, t.wrong), (frames, 0, 0), f'frames that came back ({t})')


def by_interrupt(g, model, kind):
    """the forwarding thread sleeps whenever nothing comes, so interrupts are what drives it"""
    nic = g.nic(model)
    pmd = g.testpmd([nic], '--rx-intr', f'--vfio-intr={kind}').ready()
    there_and_back(nic)
    counts = g.hard_interrupts(nic)
    same(list(counts), [KINDS[kind][0]], 'kinds of interrupt in use')
    true(sum(counts.values()) > 0, f'no interrupt was counted: {counts}')
    port = pmd.quit()['ports'][0]
    same((port['rx_packets'], port['tx_packets'], port['rx_dropped'], port['tx_dropped']),
         (FRAMES, FRAMES, 0, 0), 'packets counted by fl-testpmd')
    same(g.hard_interrupts(nic), {}, 'interrupts left behind')
    g.tried('traffic, sleeping on interrupts', [nic], KINDS[kind][1], f'{FRAMES} each way')


def second_joins(g):
    """two devices, two groups, one container; the second comes when areas are mapped"""
    a, b = g.nic('e1000e'), g.nic('e1000e', 1)
    true(g.group(a) != g.group(b), 'the devices are in one group')
    pmd = g.testpmd([a], '-i')
    pmd.say('start', 'packet forwarding - ports=1', 20)
    there_and_back(a, frames=1000)
    pmd.say('stop', 'Done')
    pmd.say(f'port attach {g.uri(b)}', 'Port 1 is attached')
    pmd.say('port start 1', 'Port 1:')
    pmd.say('start', 'packet forwarding - ports=2')
    there_and_back(a, b)
    there_and_back(b, a)
    opened = g.vm.out(f'ls -l /proc/{pmd.job.pid}/fd')
    if g.lane.backend == 'container':
        same(opened.count('/dev/vfio/vfio'), 1, 'containers')
    else:
        same(opened.count('/dev/iommu'), 1, 'files of iommufd')
    pmd.say('quit', 'Bye')
    same(pmd.job.wait(10), 0, 'exit status')
    g.tried('second device joins when areas are mapped', [a, b], 'MSI-X', f'{FRAMES} each way')


def killed(g):
    """kill -9 in mid-traffic: the kernel takes the device back; a second run starts clean"""
    nic = g.nic('e1000e')
    pmd = g.testpmd([nic]).ready()
    t = Traffic(nic.wire, send=None).start(60)
    true(t.wait_for(5000, 20), f'traffic before the kill ({t})')
    pmd.job.kill(9)
    same(pmd.job.wait(10), 137, 'exit status')
    t.stop(0.2)
    pmd = g.testpmd([nic]).ready()
    there_and_back(nic)
    pmd.quit()
    g.tried('kill -9 in mid-traffic, then a second run', [nic], 'MSI-X', f'{FRAMES} each way')
