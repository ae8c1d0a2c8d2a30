# SPDX-License-Identifier: BSD-3-Clause
"""What a case sees: the guest, its devices, and words for what is done to them."""
import re

PCI = '/sys/bus/pci'
STATE = f'''
for d in {PCI}/devices/*; do
	[ -e $d/driver ] && b=$(basename $(readlink $d/driver)) || b=none
	echo "${{d##*/}} $b enabled $(cat $d/enable)"
done
ls /dev/vfio 2>/dev/null
grep -E '^(vfio|e1000)' /proc/modules | cut -d' ' -f1-3
grep -E '^(HugePages_Free|Mlocked)' /proc/meminfo
'''


class Skip(Exception):
    """a case that cannot run here; the text says why"""


class Guest:
    def __init__(self, vm, lane, machine):
        self.vm, self.lane, self.machine = vm, lane, machine
        self.expected = []  # what the kernel may say, as regular expressions
        self.rows = []
        self.jobs = []

    def prepare(self):
        """what every machine starts from: modules in, the NICs of the machine with vfio-pci"""
        self.vm.out('for m in $(cat /mod/order); do case $m in vfio*|irqbypass) '
                    'insmod /mod/$m.ko || exit 1;; esac; done', 30)
        for nic in self.machine.nics:
            if nic.bind:
                self.bind(nic, 'vfio-pci')

    def load(self, *names):
        self.vm.out(' && '.join(f'insmod /mod/{n}.ko' for n in names), 30)

    def unload(self, *names):
        self.vm.out(' && '.join(f'rmmod {n}' for n in names), 30)

    def bind(self, nic, driver):
        """driver None: to none"""
        dev = f'{PCI}/devices/{nic.address}'
        self.vm.out(f'[ ! -e {dev}/driver ] || echo {nic.address} >{dev}/driver/unbind\n'
                    f'echo {driver or ""} >{dev}/driver_override', 20)
        if driver:
            self.vm.out(f'echo {nic.address} >{PCI}/drivers_probe; [ -e {dev}/driver ]', 20)

    def driver(self, nic):
        rc, text = self.vm.sh(f'basename $(readlink {PCI}/devices/{nic.address}/driver)')
        return None if rc else text.strip()

    def group(self, nic):
        return int(self.vm.out(f'basename $(readlink {PCI}/devices/{nic.address}/iommu_group)'))

    def nic(self, model, which=0):
        return [n for n in self.machine.nics if n.model == model][which]

    def spawn(self, command, before=''):
        job = self.vm.spawn(command, before)
        self.jobs.append(job)
        return job

    def stop_all(self):
        """ends what a case left running"""
        for job in self.jobs:
            if job.status() is None:
                job.kill(9)
                job.wait(10)

    def state(self):
        """what a case must leave as it found it"""
        return self.vm.out(STATE, 20)

    def expect_log(self, pattern):
        re.compile(pattern)
        self.expected.append(pattern)

    def tried(self, what, nics, interrupt='', packets=''):
        """a row of the table in doc/vfio.md"""
        self.rows.append({
            'what': what, 'kernel': self.lane.kernel.version, 'qemu': self.lane.qemu.version,
            'iommu': self.machine.iommu, 'device': ', '.join(n.model for n in nics),
            'backend': self.lane.backend, 'interrupt': interrupt, 'packets': packets})


def same(got, want, what):
    if got != want:
        raise AssertionError(f'{what}: {got}, expected {want}')


def true(ok, what):
    if not ok:
        raise AssertionError(what)
