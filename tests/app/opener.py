#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""fl-opener with files in place of device nodes: what it hands out, to whom, and who cannot stop it."""
import os
import signal
import socket
import subprocess
import tempfile
import time

from app import BUILD, check, run

OPENER = os.path.join(BUILD, 'apps', 'fl-opener')
ROOT = os.getuid() == 0
NOBODY = 65534
BRIDGE = '0000:00:1c.0'
A, B, C, D = ('0000:01:00.0', '0000:01:00.1', '0000:02:00.0', '0000:03:00.0')


def put(path, text=''):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w') as f:
        f.write(text)


def device(top, address, group, driver='vfio-pci', cdev=None):
    at = f'{top}/sys/bus/pci/devices/{address}'
    os.makedirs(f'{top}/sys/kernel/iommu_groups/{group}/devices', exist_ok=True)
    os.makedirs(f'{top}/sys/bus/pci/drivers/{driver}', exist_ok=True)
    os.makedirs(at)
    os.symlink(f'{top}/sys/kernel/iommu_groups/{group}', f'{at}/iommu_group')
    os.symlink(f'{top}/sys/bus/pci/drivers/{driver}', f'{at}/driver')
    os.symlink(at, f'{top}/sys/kernel/iommu_groups/{group}/devices/{address}')
    put(f'{at}/class', '0x060400\n' if address == BRIDGE else '0x020000\n')
    put(f'{top}/dev/vfio/{group}', f'group {group}')
    if cdev is not None:
        put(f'{at}/vfio-dev/vfio{cdev}/dev', '510:0\n')
        put(f'{top}/dev/vfio/devices/vfio{cdev}', f'cdev {cdev}')


def tree(top):
    """A has a cdev and its group for itself; B shares its with C, and with a bridge; D has no cdev"""
    put(f'{top}/dev/iommu', 'iommu')
    put(f'{top}/dev/vfio/vfio', 'container')
    device(top, A, 11, cdev=3)
    device(top, B, 12, cdev=4)
    device(top, C, 12, cdev=5)
    device(top, BRIDGE, 12, 'shpchp')
    device(top, D, 13)


class Server:
    def __init__(self, top, *devices, group=True, user=None):
        self.path = f'{top}/run/s'
        self.log = open(f'{top}/log', 'w+')
        self.proc = subprocess.Popen(
            [OPENER, '--socket', self.path, '--user', str(NOBODY if user is None and ROOT else
             os.getuid() if user is None else user), '--sysfs', f'{top}/sys', '--devfs', f'{top}/dev',
             *(['--group'] if group else []), *devices], stderr=self.log)
        end = time.time() + 5
        while 'devices for' not in self.text() and 'device for' not in self.text():
            check(self.proc.poll() is None and time.time() < end, f'it starts: {self.text()}')
            time.sleep(0.01)

    def text(self):
        with open(self.log.name) as f:
            return f.read()

    def fds(self):
        return sorted(os.readlink(f'/proc/{self.proc.pid}/fd/{n}')
                      for n in os.listdir(f'/proc/{self.proc.pid}/fd') if int(n) > 2)

    def end(self):
        self.proc.send_signal(signal.SIGTERM)
        check(self.proc.wait(5) == 0, 'SIGTERM ends it well')
        check(not os.path.exists(self.path), 'and its socket is gone')
        self.log.close()


def as_user(uid, what):
    """what() in a child with another uid; its text"""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            if ROOT:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
            os.write(w, what().encode())
            code = 0
        except OSError as e:
            os.write(w, f'{type(e).__name__}: {e}'.encode())
        finally:
            os._exit(code)
    os.close(w)
    with os.fdopen(r) as f:
        text = f.read()
    os.waitpid(pid, 0)
    return text


def connect(path):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(path)  # waits while others do; with a time-out it would not
    s.settimeout(8)
    return s


def say(s, question, fds=()):
    """the answer, and what stands in the files that came with it"""
    if fds:
        socket.send_fds(s, [question], fds)
    else:
        s.send(question)
    text, got, flags, _ = socket.recv_fds(s, 1000, 8)
    files = []
    for fd in got:
        files.append(os.pread(fd, 100, 0).decode())
        os.close(fd)
    return ' '.join([text.decode().rstrip('\n'), *(f'[{f}]' for f in files)])


def ask(path, question, uid=NOBODY):
    def one():
        with connect(path) as s:
            return say(s, question.encode() if isinstance(question, str) else question)
    return as_user(uid, one)


def hands_out(s):
    opened = s.fds()
    check(ask(s.path, f'open {A} iommufd\n') == 'ok [cdev 3] [iommu]', 'cdev and iommu')
    check(ask(s.path, f'open {A} container\n') == 'ok [group 11] [container]', 'group and container')
    check(ask(s.path, 'open 01:00.0 iommufd\n') == 'ok [cdev 3] [iommu]', 'a short address')
    check(ask(s.path, f'open {B} iommufd\n') == 'ok [cdev 4] [iommu]', 'one of a shared group')
    check(s.fds() == opened, f'it keeps none open: {s.fds()}')
    check(f'{A} handed to pid' in s.text() and 'for iommufd' in s.text(), 'a line for each')


def refuses(s):
    for question, answer in (
            (f'open {C} iommufd\n', 'error 13 0000:02:00.0 is not on the opener\'s list'),
            ('open 0000:09:00.0 iommufd\n', 'error 13 0000:09:00.0 is not on the opener\'s list'),
            (f'open {B} container\n', f'error 13 group 12 also holds {C}'),
            (f'open {D} iommufd\n', 'error 95 '),
            (f'open {A} noiommu\n', 'error 22 no such way'),
            (f'open {A} \n', 'error 22 no such way'),
            ('open ../../../etc iommufd\n', 'error 22 no PCI address'),
            (f'open {A} iommufd', 'error 71 '), (f'open {A}\n', 'error 71 '), ('\n', 'error 71 '),
            (f'OPEN {A} iommufd\n', 'error 71 '), (b'open \x1b[2J iommufd\n', 'error 71 '),
            (b'open \0 iommufd\n', 'error 71 '), (os.urandom(40), 'error 71 '),
            (b'open ' + b'0' * 5000 + b' iommufd\n', 'error 71 ')):
        got = ask(s.path, question)
        check(got.startswith(answer), f'{question!r}: {got!r}, not {answer!r}')
    check('\x1b' not in s.text(), 'nothing in the log steers a terminal')


def missing_node(s, top):
    os.rename(f'{top}/dev/iommu', f'{top}/dev/away')
    got = ask(s.path, f'open {A} iommufd\n')
    check(got.startswith(f'error 2 {top}/dev/iommu: No such file') and '[' not in got, f'ENOENT: {got}')
    os.rename(f'{top}/dev/away', f'{top}/dev/iommu')


def hostile(s):
    """each is followed by an honest one that is served"""
    def honest(what):
        check(ask(s.path, f'open {A} iommufd\n') == 'ok [cdev 3] [iommu]', f'after {what}')

    def silent():
        with connect(s.path) as c:
            return c.recv(1000).decode()
    start = time.time()
    check(as_user(NOBODY, silent).startswith('error 110 no question'), 'one that says nothing')
    check(time.time() - start < 5, 'is not waited for')
    honest('silence')

    def unread():
        for _ in range(50):
            with connect(s.path) as c:
                c.send(f'open {A} iommufd\n'.encode())
        return 'gone'
    check(as_user(NOBODY, unread) == 'gone', 'fifty that read nothing')
    honest('those')

    def gifts():
        with connect(s.path) as c, open('/dev/null') as f:
            return say(c, f'open {A} iommufd\n'.encode(), [f.fileno()] * 200)
    opened = s.fds()
    check(as_user(NOBODY, gifts) == 'ok [cdev 3] [iommu]', 'one that sends 200 files')
    check(s.fds() == opened, f'which are not kept: {s.fds()}')
    check(s.proc.poll() is None, 'it stands')


def wrong_user(s):
    got = ask(s.path, f'open {A} iommufd\n', uid=1)
    check(got.startswith('PermissionError'), f'the socket is not for another user: {got}')
    os.chmod(s.path, 0o666)
    got = ask(s.path, f'open {A} iommufd\n', uid=1)
    check(got == 'error 1 the opener serves another user', f'nor where it lets one: {got}')
    got = ask(s.path, f'open {A} iommufd\n', uid=0)
    check(got == 'error 1 the opener serves another user', f'not even root: {got}')


def no_rights(s):
    with open(f'/proc/{s.proc.pid}/status') as f:
        status = dict(line.rstrip('\n').split(':\t', 1) for line in f if ':\t' in line)
    for caps in ('CapEff', 'CapPrm', 'CapInh', 'CapAmb', *(['CapBnd'] if ROOT else [])):
        check(int(status[caps], 16) == 0, f'{caps} is {status[caps]}')
    check(status['NoNewPrivs'] == '1', 'no new privileges')


def arguments(top):
    for args, says in (([], 'needs --socket'), (['--socket', 's', '--user', '0'], 'needs --socket'),
                       (['--socket', 's', '--user', 'no such one', A], 'no such user'),
                       (['--socket', 's', '--user', '0', '1:2'], 'no PCI address'),
                       (['--socket', 's' * 200, '--user', '0', A], 'longer than 107'),
                       (['--socket', f'{top}/nowhere/s', '--user', '0', A], 'No such file')):
        r = run(OPENER, *args, rc=None)
        check(r.returncode and says in r.stderr, f'{args}: {r.stderr}')


def says_early(s):
    end = time.time() + 5
    while '0000:09:00.0: no such PCI device' not in s.text():
        check(time.time() < end, f'a device that is not there: {s.text()}')
        time.sleep(0.01)
    check(f'not yet: {D} has no node of its own for iommufd' in s.text() and '--group' in s.text() and
          f'not yet: {A}' not in s.text(), f'what cannot be handed out yet: {s.text()}')


def sockets(top):
    s = Server(top, A)
    r = run(OPENER, '--socket', s.path, '--user', '0', A, rc=1)
    check('Address already in use' in r.stderr, f'one that serves is left alone: {r.stderr}')
    s.proc.kill()
    s.proc.wait()
    check(os.path.exists(s.path), 'a killed one leaves its socket')
    Server(top, A).end()
    put(s.path, 'a file')
    r = run(OPENER, '--socket', s.path, '--user', '0', A, rc=1)
    check(os.path.exists(s.path), 'a file in its place is left alone')
    os.unlink(s.path)


def main():
    with tempfile.TemporaryDirectory() as top:
        os.chmod(top, 0o755)
        os.mkdir(f'{top}/run')
        tree(top)
        arguments(top)
        sockets(top)
        s = Server(top, A, B, D)
        no_rights(s)
        hands_out(s)
        refuses(s)
        missing_node(s, top)
        hostile(s)
        if ROOT:
            wrong_user(s)
        s.end()
        s = Server(top, A, B, C, D)
        check(ask(s.path, f'open {B} container\n') == 'ok [group 12] [container]', 'a whole group')
        s.end()
        s = Server(top, A, D, '0000:09:00.0', group=False)
        says_early(s)
        check(ask(s.path, f'open {A} container\n').startswith('error 13 the opener hands out no groups'),
              'groups only when told')
        s.end()
    print('ok')


main()
