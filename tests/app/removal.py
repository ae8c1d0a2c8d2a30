#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A device whose server dies: the port is reported removed within 100 ms, the others go on, and it
comes back by `port reset` or by itself with --hot-plug. No packet is lost: the pool is whole at the end."""
import atexit
import os
import re
import signal
import subprocess
import tempfile
import threading
import time

from app import BUILD, TESTPMD, check

MODEL = os.path.join(BUILD, 'apps', 'fl-model')


def serve(path, spec):
    proc = subprocess.Popen([MODEL, '-s', path, spec], stdout=subprocess.PIPE, text=True)
    atexit.register(proc.kill)
    check(f'on {path}' in proc.stdout.readline(), 'fl-model listens')
    return proc


class Session:
    """fl-testpmd with commands through a pipe; its output by line, with the time of each"""

    def __init__(self, *args):
        self.proc = subprocess.Popen([TESTPMD, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     text=True)
        atexit.register(self.proc.kill)
        self.lines, self.seen, self.more = [], 0, threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.proc.stdout:
            with self.more:
                self.lines.append((time.monotonic(), line))
                self.more.notify()

    def say(self, line):
        self.proc.stdin.write(line + '\n')
        self.proc.stdin.flush()

    def until(self, pattern, timeout=10):
        end = time.monotonic() + timeout
        with self.more:
            while True:
                while self.seen < len(self.lines):
                    when, line = self.lines[self.seen]
                    self.seen += 1
                    m = re.search(pattern, line)
                    if m:
                        return when, m
                left = end - time.monotonic()
                check(left > 0, f'no "{pattern}" in: {"".join(x for _, x in self.lines[-30:])}')
                self.more.wait(left)

    def rx(self, port):
        self.say(f'show port stats {port}')
        return int(self.until(r'RX-packets: (\d+)')[1][1])

    def quit(self):
        self.say('quit')
        self.until('Bye...')
        self.proc.wait(10)
        check(self.proc.returncode == 0, f'all went well, no packet lost ({self.proc.returncode})')


def session(tmp, *more):
    a = os.path.join(tmp, 'a.sock')
    server = serve(a, 'e1000e,wire=gen,rate=200000,flows=8')
    s = Session('-i', '-a', f'vfio-user:{a}', '-a', 'model:e1000e,wire=none',
                '-a', 'model:e1000e,wire=x', '-a', 'model:e1000e,wire=x', *more)
    s.say('start tx_first')
    s.until('packet forwarding - ports=4')
    s.until('-> TX P=2/Q=0')
    s.say('sleep 100')
    check(s.rx(0) > 0, 'forwards before')
    killed = time.monotonic()
    os.kill(server.pid, signal.SIGKILL)
    when, _ = s.until('Port 0: removed')
    server.wait()
    check(when - killed < 0.1, f'told after {when - killed:.3f} s')
    before = s.rx(2)
    s.say('sleep 100')
    check(s.rx(2) > before, 'the others go on')
    return s, a


def by_command(tmp):
    s, a = session(tmp)
    s.say('show port summary all')
    s.until('removed')
    server = serve(a, 'e1000e,wire=gen,rate=200000,flows=8')
    s.say('port reset 0')
    s.until('Port 0 is reset')
    s.say('sleep 200')
    check(s.rx(0) > 0, 'forwards again')
    s.quit()
    server.terminate()
    server.wait()


def by_itself(tmp):
    s, a = session(tmp, '--hot-plug')
    server = serve(a, 'e1000e,wire=gen,rate=200000,flows=8')
    s.until('Port 0: is back', 5)
    s.say('sleep 200')
    check(s.rx(0) > 0, 'forwards again')
    s.say('stop')
    s.until('Done.')
    s.quit()
    server.terminate()
    server.wait()


def for_good(tmp):
    s, _ = session(tmp)
    s.say('stop')
    s.until('Done.')
    s.quit()


if __name__ == '__main__':
    for part in (by_command, by_itself, for_good):
        with tempfile.TemporaryDirectory() as t:
            part(t)
