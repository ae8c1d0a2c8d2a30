# SPDX-License-Identifier: BSD-3-Clause
"""A guest: QEMU, the shell on its second serial line, and QEMU's control socket.

The first serial line is the kernel's console, kept in a file. All that can wait has a limit, and
QEMU itself is under timeout(1), so that nothing outlives the run, not even a killed harness.
"""
import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import peer
from qmp import Qmp


class GuestError(Exception):
    """the guest or QEMU is gone, or does not answer"""


class Nic:
    """A device of a machine: a QEMU model in a slot of a bus, with a wire to a peer."""

    def __init__(self, model, slot, bus='pcie.0', address=None, wire=peer.Stream, bind=True,
                 function=0, options=None):
        self.model, self.slot, self.bus, self.wire_kind = model, slot, bus, wire
        self.function, self.options = function, options or {}
        self.bind = bind  # to vfio-pci, before the first case
        self.address = address or f'0000:00:{slot:02x}.0'
        self.id = f'{model}-{bus.split(".")[0]}-{slot}-{function}'
        self.wire = None

    def device(self):
        return {**self.options, 'driver': self.model, 'id': self.id, 'netdev': self.wire.name,
                'romfile': '', 'bus': self.bus, 'addr': f'{self.slot:#x}.{self.function:x}'}


class Endpoint:
    """A device of a machine without a wire, behind a port of its own that it may be pulled out of."""
    wire_kind = wire = None

    def __init__(self, model, bus, address, options=None, bind=True):
        self.model, self.bus, self.address, self.bind = model, bus, address, bind
        self.options = options or {}
        self.id = f'{model}-{bus}'

    def device(self):
        return {**self.options, 'driver': self.model, 'id': self.id, 'bus': self.bus, 'addr': '0x0'}


class Job:
    """A program in the background of a guest; what it writes stands in a file there."""

    def __init__(self, vm, name):
        self.vm, self.name = vm, name
        self.pid = int(vm.out(f'cat /tmp/{name}.pid'))

    def output(self):
        return self.vm.out(f'cat /tmp/{self.name}.out')

    def status(self):
        """exit status, None while it runs"""
        text = self.vm.sh(f'cat /tmp/{self.name}.rc')[1].strip()
        return int(text) if text.isdigit() else None

    def kill(self, sig):
        return self.vm.sh(f'kill -{sig} {self.pid}')[0] == 0

    def wait(self, seconds):
        """exit status; GuestError if it does not end"""
        tries = seconds * 10 * self.vm.patience
        rc, _ = self.vm.sh(f'i=0; while [ ! -s /tmp/{self.name}.rc ] && [ $i -lt {tries} ]; '
                           'do sleep 0.1; i=$((i+1)); done', seconds + 5)
        status = self.status()
        if rc or status is None:
            raise GuestError(f'{self.name} did not end within {seconds} s:\n{self.output()}')
        return status

    def wait_for(self, pattern, seconds, after=0):
        """until its output has a line (behind so many) that matches, as grep -E has it"""
        tries = seconds * 10 * self.vm.patience
        rc, _ = self.vm.sh(f'i=0; until tail -n +{after + 1} /tmp/{self.name}.out | '
                           f'grep -qE "{pattern}"; do '
                           f'[ -s /tmp/{self.name}.rc ] && exit 1; i=$((i+1)); '
                           f'[ $i -gt {tries} ] && exit 1; sleep 0.1; done', seconds + 5)
        if rc:
            raise GuestError(f'{self.name}: no "{pattern}" within {seconds} s:\n{self.output()}')


class VM:
    def __init__(self, machine, qemu, kernel, initramfs, build=None, limit=300, patience=1):
        self.machine, self.qemu, self.kernel = machine, qemu, kernel
        self.patience = patience  # times that all of it may take longer
        self.dir = tempfile.mkdtemp(prefix='fl-vm-')
        self.build = build
        self.limit = limit * patience
        self.deadline = time.monotonic() + self.limit
        self.count = 0
        self.wires = []
        self.log = ''
        self.text = b''
        self.proc = self.shell = self.qmp = None
        try:
            self._start(initramfs)
        except BaseException:
            self.close()
            raise

    def path(self, name):
        return os.path.join(self.dir, name)

    def _listen(self, name):
        s = socket.socket(socket.AF_UNIX)
        s.bind(self.path(name))
        s.listen(1)
        s.settimeout(15)
        return s

    def _wire(self, nic):
        """QEMU's end of the device's wire, if it has one"""
        if not nic.wire_kind:
            return None
        nic.wire = nic.wire_kind(self.dir, 'wire-' + nic.id)
        self.wires.append(nic.wire)
        return nic.wire.netdev()

    def _disks(self):
        """QEMU's arguments for empty disks that are gone after the run: /dev/vda, /dev/vdb ..."""
        args = []
        for i, size in enumerate(self.machine.disks):
            path = self.path(f'disk{i}')
            with open(path, 'wb') as f:
                f.truncate(size << 20)
            args += ['-blockdev', f'driver=file,node-name=disk{i},filename={path}',
                     '-device', f'virtio-blk-pci,drive=disk{i},bus=pcie.0,addr={0x1c + i:#x}']
        return args

    def _argv(self, initramfs):
        m = self.machine
        args = ['setpriv', '--pdeathsig', 'TERM', 'timeout', '-s', 'KILL', str(self.limit), *self.qemu.argv, *self.qemu.firmware,
                '-machine', 'q35', '-accel', 'tcg,thread=multi', '-cpu', m.cpu, '-smp', '2',
                '-m', str(m.memory), '-nodefaults', '-nographic', '-no-reboot',
                '-serial', f'file:{self.path("console")}',
                '-chardev', f'socket,id=sh,path={self.path("sh")}', '-serial', 'chardev:sh',
                '-qmp', f'unix:{self.path("qmp")}',
                # hot-plug as hardware does it, by the port's own interrupt
                '-global', 'ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off',
                '-kernel', self.kernel.image, '-initrd', initramfs, '-append',
                # QEMU's TSC is one for all processors; a starved guest doubts it, and falls back to ticks, which stop.
                # a lane that wants the kernel to test its crypto turns it on
                'console=ttyS0 loglevel=5 panic=-1 no_timer_check tsc=reliable cryptomgr.notests=1 ' + m.append]
        for i in range(m.nodes):
            args += ['-object', f'memory-backend-ram,id=node{i},size={m.memory // m.nodes}M',
                     '-numa', f'node,nodeid={i},memdev=node{i}']
        for d in m.devices:
            args += ['-device', d]
        args += self._disks()
        if m.helper:
            args += m.helper.start(self.build, self.dir, m.memory)
        for nic in m.nics:
            netdev = self._wire(nic)
            args += ['-netdev', json.dumps(netdev)] if netdev else []
            args += ['-device', json.dumps(nic.device())]
        return args

    def _start(self, initramfs):
        shell, control = self._listen('sh'), self._listen('qmp')
        with open(self.path('qemu'), 'w') as out:
            self.proc = subprocess.Popen(self._argv(initramfs), stdin=subprocess.DEVNULL, stdout=out,
                                         stderr=out, start_new_session=True)
        try:
            self.shell = shell.accept()[0]
            self.qmp = Qmp(control.accept()[0])
        except OSError as e:
            raise GuestError(f'QEMU does not start: {e}: {self._said()}') from e
        finally:
            shell.close()
            control.close()
        self._answer(self.machine.boot * self.patience)

    def _said(self):
        text = ''
        for name in ('qemu', 'fl-model', 'console'):
            if os.path.exists(self.path(name)):
                with open(self.path(name), errors='replace') as f:
                    text += f.read()
        return text[-3000:]

    def _answer(self, seconds):
        """what comes before the end mark of request self.count"""
        mark = re.compile(rb'(?:^|\n)@%d (\d+)\n' % self.count)
        end = min(time.monotonic() + seconds, self.deadline)
        while True:
            m = mark.search(self.text)
            if m:
                text, self.text = self.text[:m.start()], self.text[m.end():]
                return int(m[1]), text.decode(errors='replace')
            self.shell.settimeout(max(0.01, end - time.monotonic()))
            try:
                more = self.shell.recv(65536)
            except TimeoutError as e:
                raise GuestError(f'no answer within {seconds} s: {self._said()}') from e
            if not more:
                raise GuestError(f'the guest is gone: {self._said()}')
            self.text += more

    def sh(self, command, seconds=10):
        """(status, output) of a shell command; one that takes longer is killed: status 137"""
        self.count += 1
        seconds *= self.patience
        text = base64.b64encode(f'exec 2>&1\n{command}'.encode()).decode()
        self.shell.sendall(f'{self.count} {seconds} {text}\n'.encode())
        return self._answer(seconds + 10)

    def out(self, command, seconds=10):
        """output of a command that must succeed"""
        rc, text = self.sh(command, seconds)
        if rc:
            raise AssertionError(f'{command}: status {rc}: {text.strip()}')
        return text.strip()

    def spawn(self, command, before=''):
        """a program in the background; `before`: shell commands to run ahead of it (ulimit ...)"""
        self.count += 1
        at = f'/tmp/job{self.count}'
        self.out(f'(({before}\nexec {command}) >{at}.out 2>&1 </dev/null & '
                 f'echo $! >{at}.pid; wait $!; echo $? >{at}.rc) >/dev/null 2>&1 &\n'
                 f'until [ -s {at}.pid ]; do usleep 10000; done')
        return Job(self, os.path.basename(at))

    def plug(self, nic):
        """a device into a hot-plug port of the running machine"""
        netdev = self._wire(nic)
        if netdev:
            self.qmp('netdev_add', **netdev)
        self.qmp('device_add', **nic.device())

    def unplug(self, nic, seconds):
        """asks for it and waits until the guest has let go of it"""
        self.qmp('device_del', id=nic.id)
        self.qmp.wait_event('DEVICE_DELETED', seconds, device=nic.id)
        if nic.wire:
            self.qmp('netdev_del', id=nic.wire.name)
            nic.wire.close()
            self.wires.remove(nic.wire)

    def kernel_log(self):
        """what the kernel has said since the last call"""
        text = self.out('dmesg -c', 20)
        self.log += text + '\n'
        return text

    def close(self):
        """the console's text, all of it"""
        if self.proc:
            try:
                os.killpg(self.proc.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.proc.wait()
        for s in (self.shell, self.qmp, self.machine.helper, *self.wires):
            if s:
                s.close()
        said = self._said()
        if self.build:
            keep = os.path.join(self.build, 'vm')
            os.makedirs(keep, exist_ok=True)
            with open(os.path.join(keep, f'{self.machine.name}.log'), 'a') as f:
                f.write(self.log + said)
        shutil.rmtree(self.dir, ignore_errors=True)
        return said
