# SPDX-License-Identifier: BSD-3-Clause
"""Our own device models in a guest: fl-model serves them, QEMU's vfio-user-pci plugs them in."""
import json
import os
import shlex
import shutil
import subprocess
import time

import fetch

TAP = 'fltap0'
# root needs no user namespace, which it may not make in a chroot
ALONE, INSIDE = (['-n'], ['-n']) if os.geteuid() == 0 else (
    ['-rn'], ['--preserve-credentials', '-U', '-n'])


def tap_refusal():
    """why no tap interface can be made here, in a network namespace of our own; None if one can"""
    if not os.access('/dev/net/tun', os.R_OK | os.W_OK):
        return 'no /dev/net/tun that may be opened'
    if not all(map(shutil.which, ('unshare', 'nsenter', 'ip'))):
        return 'no unshare, nsenter and ip (util-linux, iproute2)'
    r = subprocess.run(['unshare', *ALONE, 'ip', 'tuntap', 'add', TAP, 'mode', 'tap'],
                       capture_output=True, text=True, timeout=30)
    return f'no tap in a namespace of our own: {r.stderr.strip()}' if r.returncode else None


class Port:
    """one of fl-model's, in a slot of the root complex or behind a port of it, the first and only one"""

    def __init__(self, slot, options, bus='pcie.0'):
        self.options, self.bus, self.path = options, bus, ''
        self.address = f'0000:{int(bus != "pcie.0"):02x}:{slot:02x}.0'
        self.model = f'{options.rsplit(",wire=", 1)[0]} of fl-model'
        self.id = f'port-{bus}-{slot}'

    def device(self):
        return {'driver': 'vfio-user-pci', 'id': self.id, 'bus': self.bus, 'addr': self.address[-4:-2],
                'socket': {'type': 'unix', 'path': self.path}}


class Served:
    """One fl-model with these ports, which lives as long as the guest."""

    def __init__(self, *ports):
        self.ports = list(ports)
        self.proc = self.log = None

    def start(self, build, folder, memory, wrap=()):
        """QEMU's arguments"""
        argv = [*wrap, 'setpriv', '--pdeathsig', 'KILL', os.path.join(build, 'apps', 'fl-model')]
        args = ['-object', f'memory-backend-memfd,id=ram,size={memory}M,share=on',
                '-machine', 'memory-backend=ram']
        for port in self.ports:
            port.path = os.path.join(folder, port.id)
            argv += ['--socket', port.path, port.options]
            args += ['-device', json.dumps(port.device())]
        self.log = os.path.join(folder, 'fl-model')
        with open(self.log, 'w') as f:
            self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=f, stderr=f)
        end = time.monotonic() + 10
        while not all(os.path.exists(port.path) for port in self.ports):
            if self.proc.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f'fl-model does not serve: {self.said()}')
            time.sleep(0.02)
        return args

    def said(self):
        with open(self.log, errors='replace') as f:
            return f.read()[-3000:]

    def close(self):
        if self.proc:
            self.proc.terminate()
            try:
                self.proc.wait(10)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()


class Models(Served):
    """NICs: two on one wire, and, where the host lets us, one whose wire ends in a tap of a network
    namespace that lives as long as the process."""

    def __init__(self, chip):
        self.chip = chip  # as fl-model names it, and Linux its driver
        self.pair = [Port(2, f'{chip},wire=x'), Port(3, f'{chip},wire=x')]
        self.tapped = Port(4, f'{chip},wire=tap:{TAP}')
        self.no_tap = None
        super().__init__()

    def start(self, build, folder, memory):
        self.no_tap = tap_refusal()
        self.ports = self.pair + ([] if self.no_tap else [self.tapped])
        return super().start(build, folder, memory, [] if self.no_tap else ['unshare', *ALONE])

    def on_host(self, command):
        """command line that does this beside the tap"""
        return ['nsenter', *INSIDE, '-t', str(self.proc.pid), 'sh', '-c', command]


class Sec(Served):
    """A function of the SEC2, 'V2' or 'V3', in a slot that it may be pulled out of. Linux's driver writes
    its doorbells and no more: each has to be an access."""

    def __init__(self, chip, function, options):
        self.chip, self.function = chip, function
        self.title = f'{chip} {function}{options}'
        model = {'PF': 'hisi_sec', 'VF': 'hisi_sec_vf'}[function]
        super().__init__(Port(0, f'{model},version={chip[1:]}{options},doorbells=trap', 'rp1'))


class OtherPort:
    """the far end of a wire: the second port of the pair, in a network namespace of the guest"""

    def __init__(self, g, name):
        self.g, self.name, self.busybox, self.blob = g, name, 'busybox', '/tmp/blob'
        self.holder = g.spawn('unshare -n sleep 1000')
        self.net = f'nsenter -t {self.holder.pid} -n '
        ns = f'readlink /proc/{self.holder.pid}/ns/net'
        g.vm.out(f'until [ "$({ns})" != "$(readlink /proc/1/ns/net)" ]; do usleep 10000; done; '
                 f'ip link set {name} netns {self.holder.pid}')

    def out(self, command, seconds=10):
        return self.g.vm.out(self.net + 'sh -c ' + shlex.quote(command), seconds)

    def spawn(self, command):
        self.g.spawn(self.net + command)

    def close(self):
        pass


class HostKernel:
    """the far end of a wire: the kernel that QEMU runs on, by a tap"""

    def __init__(self, models, folder):
        self.models, self.name, self.busybox = models, TAP, fetch.busybox()
        self.blob = os.path.join(folder, 'blob')
        self.jobs = []

    def out(self, command, seconds=10):
        try:
            r = subprocess.run(self.models.on_host(command), capture_output=True, text=True,
                               stdin=subprocess.DEVNULL, timeout=seconds)
        except subprocess.TimeoutExpired as e:
            raise AssertionError(f'{command}: not done within {seconds} s') from e
        if r.returncode:
            raise AssertionError(f'{command}: status {r.returncode}: {r.stderr}')
        return r.stdout.strip()

    def spawn(self, command):
        self.jobs.append(subprocess.Popen(self.models.on_host(f'exec {command}'),
                                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                          stderr=subprocess.DEVNULL))

    def close(self):
        for job in self.jobs:
            job.kill()
            job.wait()
