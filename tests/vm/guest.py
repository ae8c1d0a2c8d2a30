# SPDX-License-Identifier: BSD-3-Clause
"""What a case sees: the guest, its devices, and words for what is done to them."""
import contextlib
import json
import re

PCI = '/sys/bus/pci'
STATE = f'''
for d in {PCI}/devices/*; do
	b=none; [ ! -e $d/driver ] || b=$(readlink $d/driver)
	read c <$d/class; read n <$d/enable
	case $c in 0x0604*) n=-;; esac
	echo "${{d##*/}} ${{b##*/}} enabled $n"
done
ls /dev/vfio /dev/vfio/devices 2>/dev/null
grep -sE '^(vfio|e1000|hisi)' /proc/modules | cut -d' ' -f1-3 | sort
grep -E '^(HugePages_Free|Mlocked)' /proc/meminfo
'''


class Skip(Exception):
    """a case that cannot run here; the text says why"""


class Guest:
    def __init__(self, vm, lane, machine):
        self.vm, self.lane, self.machine = vm, lane, machine
        self.expected, self.expected_reports = [], []  # what the kernel may say, as regular expressions
        self.rows = []
        self.jobs = []

    def prepare(self):
        """what every machine starts from: modules in, the NICs of the machine with vfio-pci"""
        wanted = 'vfio*|irqbypass' + ('|virtio*' if self.machine.disks else '')
        self.vm.out(f'for m in $(cat /mod/order); do case $m in {wanted}) '
                    'insmod /mod/$m.ko || exit 1;; esac; done', 30)
        for nic in self.machine.nics:
            if nic.bind:
                self.bind(nic, 'vfio-pci')

    def load(self, *names):
        """modules; a kernel that has none of a name has it built in"""
        self.vm.out(''.join(f'[ ! -e /mod/{n}.ko ] || insmod /mod/{n}.ko || exit 1\n' for n in names), 30)

    def unload(self, *names):
        self.vm.out(''.join(f'[ ! -e /mod/{n}.ko ] || rmmod {n} || exit 1\n' for n in names), 30)

    def bind(self, nic, driver):
        """driver None: to none"""
        dev = f'{PCI}/devices/{nic.address}'
        self.vm.out(f'[ ! -e {dev}/driver ] || echo {nic.address} >{dev}/driver/unbind\n'
                    f'echo {driver or ""} >{dev}/driver_override', 20)
        if driver:
            self.vm.out(f'echo {nic.address} >{PCI}/drivers_probe; [ -e {dev}/driver ]', 20)

    def driver(self, address):
        rc, text = self.vm.sh(f'basename $(readlink {PCI}/devices/{address}/driver)')
        return None if rc else text.strip()

    def group(self, nic):
        return int(self.vm.out(f'basename $(readlink {PCI}/devices/{nic.address}/iommu_group)'))

    def nodes(self, nic):
        """what a user must own to drive it"""
        if self.lane.backend == 'container':
            return f'/dev/vfio/{self.group(nic)}'
        cdev = self.vm.out(f'ls {PCI}/devices/{nic.address}/vfio-dev')
        return f'/dev/iommu /dev/vfio/devices/{cdev}'

    def nic(self, model, which=0):
        return [n for n in self.machine.nics if n.model == model][which]

    def spawn(self, command, before=''):
        job = self.vm.spawn(command, before)
        self.jobs.append(job)
        return job

    def testpmd(self, nics, *options, before='', wrap='{}'):
        return Testpmd(self, nics, options, before, wrap)

    @property
    def backend(self):
        return self.machine.backend or self.lane.backend

    def uri(self, nic):
        return f'pci:{nic.address},iommu={self.backend}'

    def hard_interrupts(self, nic):
        """{kind: count} of what vfio-pci has asked for: intx, msi, msix"""
        found = {}
        for line in self.vm.out('cat /proc/interrupts').splitlines():
            m = re.search(rf'vfio-(\w+?)(?:\[\d+\])?\({nic.address}\)', line)
            if m:
                counts = sum(int(n) for n in line.split(':', 1)[1].split()[:2])
                found[m[1]] = found.get(m[1], 0) + counts
        return found

    @contextlib.contextmanager
    def swap(self, disk='/dev/vda'):
        """the first of the machine's disks takes what memory does not hold"""
        self.vm.out(f'mkswap {disk} >/dev/null && swapon {disk}')
        try:
            yield
        finally:
            self.vm.out(f'swapoff {disk}', 60)

    @contextlib.contextmanager
    def files(self, disk='/dev/vdb'):
        """a folder on the second of the machine's disks"""
        self.vm.out('for m in $(cat /mod/order); do case $m in crc*|libcrc*|mbcache|jbd2|ext4) '
                    '[ -e /sys/module/$m ] || insmod /mod/$m.ko || exit 1;; esac; done', 30)
        self.vm.out(f'mke2fs {disk} >/dev/null && mkdir -p /mnt && mount -t ext4 {disk} /mnt', 30)
        try:
            yield '/mnt'
        finally:
            self.vm.out('umount /mnt', 30)

    def stop_all(self):
        """ends what a case left running"""
        for job in self.jobs:
            if job.status() is None:
                job.kill(9)
                job.wait(10)

    def jobs_said(self):
        """what is left running is asked to end, as it may then tell what it counted"""
        text = ''
        for job in self.jobs:
            if job.status() is None:
                job.kill('INT')
                self.vm.sh('sleep 1')
            text += f'\n-- {job.name}, status {job.status()}:\n{job.output()[-1500:]}'
        return text

    def state(self):
        """what a case must leave as it found it"""
        return self.vm.out(STATE, 20)

    def say(self, text):
        """a line below that of the case"""
        self.rows.append({'table': 'said', 'what': text})

    def expect_log(self, pattern):
        re.compile(pattern)
        self.expected.append(pattern)

    def expect_report(self, pattern):
        """the kernel's checks of itself tell of this, with a trace"""
        re.compile(pattern)
        self.expected_reports.append(pattern)

    def tried(self, what, nics, interrupt='', packets=''):
        """a row of the table in doc/vfio.md"""
        self.rows.append({
            'what': what, 'kernel': self.lane.kernel.version, 'qemu': self.lane.qemu.version,
            'iommu': self.machine.iommu, 'device': ', '.join(n.model for n in nics),
            'backend': self.backend, 'interrupt': interrupt, 'packets': packets})

    def cost(self, what, container, iommufd):
        """a row of the other table there; nanoseconds"""
        self.rows.append({'table': 'cost', 'what': what, 'container': span(container),
                          'iommufd': span(iommufd), 'ratio': f'{iommufd / container:.2f}'})


class Testpmd:
    """fl-testpmd in the guest, with a pipe for commands if started with -i"""

    def __init__(self, guest, nics, options, before, wrap):
        self.guest, self.vm = guest, guest.vm
        self.report = f'/tmp/report{self.vm.count}'
        ports = ' '.join(f'-a {guest.uri(n)}' for n in nics)
        command = f'fl-testpmd {ports} --json {self.report} {" ".join(options)}'
        if '-i' in options:
            self.pipe = f'/tmp/pipe{self.vm.count}'
            before += f'\nmkfifo {self.pipe}; exec 9<>{self.pipe}'
            command += ' <&9'
        self.job = guest.spawn(wrap.format(command), before)

    def ready(self, seconds=20):
        self.job.wait_for('packet forwarding - ports', seconds)
        return self

    def say(self, line, answer, seconds=10):
        """a command, and what has to come of it"""
        at = int(self.vm.out(f'wc -l </tmp/{self.job.name}.out'))
        self.vm.out(f"echo '{line}' >{self.pipe}")
        self.job.wait_for(answer, seconds, at)

    def quit(self, seconds=10):
        """ends it as a user would; its report"""
        self.job.kill('INT')
        status = self.job.wait(seconds)
        same(status, 0, f'exit status of fl-testpmd, which said:\n{self.job.output()}\n')
        return json.loads(self.vm.out(f'cat {self.report}'))


def span(ns):
    unit, size = ('s', 1e9) if ns >= 1e9 else ('ms', 1e6) if ns >= 1e6 else ('µs', 1e3)
    return f'{ns / size:.3g} {unit}'


def same(got, want, what):
    if got != want:
        raise AssertionError(f'{what}: {got}, expected {want}')


def true(ok, what):
    if not ok:
        raise AssertionError(what)
