#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The kernel pings a modelled port over a tap wire: 100 pings at 10 ms, none lost.
Runs in a network namespace of its own; needs root and /dev/net/tun."""
import ctypes
import os
import re
import shutil
import signal
import subprocess
import time

from app import TESTPMD, check, run, skip

CLONE_NEWNET = 0x40000000


def ready(proc, tap):
    for _ in range(500):
        if os.path.exists(f'/sys/class/net/{tap}') or not run('ip', 'link', 'show', tap, rc=None).returncode:
            return
        check(proc.poll() is None, 'fl-testpmd stays up')
        time.sleep(0.01)
    check(False, 'the tap interface appears')


def main():
    if os.geteuid() or not os.access('/dev/net/tun', os.R_OK | os.W_OK):
        skip('needs root and /dev/net/tun')
    if not shutil.which('ping') or not shutil.which('ip'):
        skip('needs ping and ip')
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        skip('no network namespace may be made here')
    cmd = [TESTPMD, '-a', 'model:e1000e,wire=tap:fltap0', '--forward-mode=icmpecho']
    for more in ([], ['--rx-intr']):
        proc = subprocess.Popen(cmd + more, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        try:
            ready(proc, 'fltap0')
            run('ip', 'addr', 'add', '10.99.0.1/24', 'dev', 'fltap0')
            run('ip', 'link', 'set', 'fltap0', 'up')
            for line in proc.stdout:
                if 'Press enter' in line:
                    break
            r = run('ping', '-c', '100', '-i', '0.01', '-W', '2', '10.99.0.2', rc=None)
            check(re.search(r'100 (packets )?received|, 100 received', r.stdout), f'{more} {r.stdout}')
            r = run('ping', '-c', '3', '-i', '0.01', '-s', '1400', '10.99.0.77', rc=None)
            check(' 0% packet loss' in r.stdout, f'large pings {r.stdout}')
        finally:
            proc.send_signal(signal.SIGTERM)
            out, _ = proc.communicate(timeout=10)
        check(proc.returncode == 0 and 'Accumulated' in out, 'stopped cleanly')


if __name__ == '__main__':
    main()
