# SPDX-License-Identifier: BSD-3-Clause
"""A SEC whose buffers fault in (guest/fault*.c): every byte is checked, whatever happens to the memory."""
import contextlib
import re

from guest import PCI, same, true

SEC = 'fl-hisi-sec'
MIB = 1 << 20
MODEST = 'cd /tmp; ulimit -l 16384'  # an ordinary user: room for rings and contexts, for no buffer


def sec(g, which=0):
    return g.nic(SEC, which)


def held(g):
    """pages that are pinned for devices now, by the kernel's own count"""
    text = g.vm.out('echo 1 >/proc/sys/vm/stat_refresh; grep ^nr_foll_pin /proc/vmstat')  # of all CPUs, by now
    n = dict(line.split() for line in text.splitlines())
    return int(n['nr_foll_pin_acquired']) - int(n['nr_foll_pin_released'])


@contextlib.contextmanager
def nothing_kept(g):
    """no page stays pinned"""
    before = held(g)
    yield
    same(held(g) - before, 0, 'pages that are pinned still')


def seen(text):
    """what a case counted, in a line"""
    return '; '.join(line for line in text.splitlines() if line[:1].isdigit() and 'refused' not in line)


def tried(g, what, text):
    g.rows.append({'table': 'fault', 'what': what, 'device': SEC, 'iommu': g.machine.iommu,
                   'kernel': g.lane.kernel.version, 'qemu': g.lane.qemu.version, 'seen': text})


def fault(g, case, size=0, extra='', seconds=60, before='', wrap='{}', which=0):
    """one case of vm-fault; what it said"""
    command = f'vm-fault {case} {g.uri(sec(g, which))} {int(size)} {extra}'
    with nothing_kept(g):
        rc, text = g.vm.sh(f'{before}\n{wrap.format(command)}', seconds)
        true(rc == 0 and text.strip().endswith('right'), f'{command}: status {rc}:\n{text.strip()}')
    return text


def case(g, name, size=0):
    tried(g, name, seen(fault(g, name, size)))


@contextlib.contextmanager
def users(g, device):
    """an ordinary user owns it meanwhile"""
    node = g.nodes(device)
    g.vm.out(f'chown user {node}')
    try:
        yield
    finally:
        g.vm.out(f'chown root {node}')


def cold(g, mib=256):
    """more than the user may lock, many times over"""
    with users(g, sec(g)):
        text = fault(g, 'cold', mib * MIB, seconds=80, before=MODEST, wrap='su user -c "exec {}"')
    tried(g, f'{mib} MiB out of memory that nobody ever touched, as an ordinary user', seen(text))


def crowded(g):
    """source and destination together are larger than the machine's memory"""
    total = int(g.vm.out("awk '/^MemTotal/ {print $2}' /proc/meminfo")) << 10
    size = total * 5 // 8 // MIB * MIB
    with g.swap():
        text = fault(g, 'crowded', size, seconds=85)
    tried(g, f'2 x {size // MIB} MiB of data, {total // MIB} MiB of memory, swap on', seen(text))


def swapped(g, name):
    with g.swap():
        case(g, name)


def of_a_disk(g, name):
    """the file lies in a file system that writes back"""
    with g.files() as folder:
        tried(g, f'{name}, ext4', seen(fault(g, name, extra=folder)))


def huge(g, name):
    pages = '/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages'
    g.vm.out(f'echo 8 >{pages}; [ $(cat {pages}) = 8 ]')
    try:
        case(g, name)
    finally:
        g.vm.out(f'echo 0 >{pages}')


def second(g, name):
    """with a device that cannot fault"""
    tried(g, name, seen(fault(g, name, extra=g.uri(g.nic('e1000e')))))


def all_well(g):
    """whatever became of others, the device does its work"""
    fault(g, 'both-at-once')


def let_go(g):
    """what it had open is closed by the kernel, which may go on for some ms after its end"""
    g.vm.out(f'for n in {g.nodes(sec(g))}; do i=0; until (exec 9<>$n) 2>/dev/null; do '
             'usleep 10000; i=$((i+1)); [ $i -lt 500 ] || exit 1; done; done', 20)


def killed(g):
    """with page requests of its device under way"""
    with nothing_kept(g):
        for _ in range(3):
            job = g.spawn(f'vm-fault hold {g.uri(sec(g))}')
            job.wait_for('^pending', 20)
            g.vm.out('usleep 30000')
            job.kill(9)
            same(job.wait(20), 137, 'exit status')
            let_go(g)
            all_well(g)
    tried(g, 'kill -9 while page requests wait', '3 times')


def held_back(g):
    expect_no_retry(g)
    case(g, 'held-back')


def expect_no_retry(g):
    """what a userfaultfd holds back is not waited for, which CONFIG_DEBUG_VM shows traces of, whoever asks so;
    what is wrong has a heading, too"""
    g.expect_log(r'Call Trace:|\? lockdep_')


def killed_held_back(g):
    """what it waits for would never come: another process has the userfaultfd, and sleeps"""
    expect_no_retry(g)
    with nothing_kept(g):
        job = g.spawn(f'vm-fault held-back-for-ever {g.uri(sec(g))}')
        job.wait_for('^pending', 20)
        holder = re.search(r'^pending (\d+)', job.output(), re.M)[1]
        job.kill(9)
        same(job.wait(20), 137, 'exit status')
        let_go(g)
        all_well(g)
        g.vm.out(f'kill -9 {holder}')
    tried(g, 'kill -9 while pages wait for a userfaultfd that nobody answers', 'ends at once')


def unplugged(g):
    """by the button of its slot, and plugged in again; the last of a guest, as lockdep knows of locks that pciehp
    takes in either order, says so once, and is silent from then on"""
    device = sec(g)
    g.expect_report(r'pciehp/\d+ is trying to acquire lock:\n.*ctrl->reset_lock.*pciehp_unconfigure_device')
    with nothing_kept(g):
        job = g.spawn(f'vm-fault leave {g.uri(device)}')
        job.wait_for('^pending', 20)
        g.vm.qmp('device_del', id=device.id)
        g.vm.qmp.wait_event('DEVICE_DELETED', 40, device=device.id)
        same(job.wait(20), 0, f'exit status of vm-fault, which said:\n{job.output()}\n')
        g.vm.qmp('device_add', **device.device())
        g.vm.out(f'i=0; until [ -e {PCI}/devices/{device.address}/driver_override ]; do '
                 'sleep 0.1; i=$((i+1)); [ $i -lt 200 ] || exit 1; done', 30)
        g.bind(device, 'vfio-pci')
        all_well(g)
    tried(g, 'hot-unplug while page requests wait, plugged in again', seen(job.output()))
