#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""pressure.py PROGRAM SCRATCH LIMIT_MIB BYTES_MIB [--steal MIB] [-- arguments]

Runs tests/driver/pressure in a control group of its own with a memory limit; buffers that exceed it
are in a file in SCRATCH, which has to be on a disk.
Without the right to make the group (77): the buffers are worked through all the same, but nothing
is said of pressure.
"""
import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time

MIB = 1 << 20


def write(path, text):
    with open(path, 'w') as f:
        f.write(str(text))


def read(path):
    with open(path) as f:
        return f.read().strip()


def own(hierarchy):
    """where this process stands in it ('' = the unified one)"""
    for line in read('/proc/self/cgroup').split('\n'):
        _, names, path = line.split(':', 2)
        if hierarchy in names.split(','):
            return path
    raise OSError(f'in no {hierarchy or "unified"} group')


def mounts(kind):
    with open('/proc/self/mounts') as f:
        return [ln.split()[1] for ln in f if ln.split()[2] == kind]


def candidates():
    """(folder to make a group in, name of the limit, name of the most that was used)"""
    for top in mounts('cgroup'):
        if os.path.exists(f'{top}/memory.limit_in_bytes'):
            for path in (own('memory'), '/'):
                yield top + path, 'memory.limit_in_bytes', 'memory.max_usage_in_bytes'
    for top in mounts('cgroup2'):
        for path in (own(''), '/'):
            if os.path.exists(f'{top}{path}/cgroup.controllers') and \
               'memory' in read(f'{top}{path}/cgroup.controllers').split():
                with contextlib.suppress(OSError):
                    write(f'{top}{path}/cgroup.subtree_control', '+memory')
                yield top + path, 'memory.max', 'memory.peak'


class Group:
    """a control group with a limit"""

    def __init__(self, limit):
        self.path, why = None, 'no memory controller is mounted'
        for parent, name, most in candidates():
            path = os.path.join(parent, f'fl-pressure-{os.getpid()}')
            try:
                os.mkdir(path)
                write(f'{path}/{name}', limit)
            except OSError as e:
                why = f'{e.strerror}: {e.filename}'
                with contextlib.suppress(OSError):
                    os.rmdir(path)
                continue
            self.path, self.most = path, f'{path}/{most}'
            return
        self.why = why

    def enter(self):
        if self.path:
            write(f'{self.path}/cgroup.procs', os.getpid())

    def close(self):
        for _ in range(100):
            if not self.path or not os.path.exists(self.path):
                return
            try:
                os.rmdir(self.path)
            except OSError:
                time.sleep(0.1)     # the last page of who was in it is on its way


def run(a, group):
    """what the program says of itself"""
    thief = None
    try:
        if a.steal:
            thief = subprocess.Popen([a.program, '-s', str(a.steal)], preexec_fn=group.enter)
        file = ['-f', os.path.join(a.scratch, f'pressure-{os.getpid()}')] if a.bytes > a.limit else []
        cmd = [a.program, '-b', str(a.bytes), *file, *a.arguments]
        start = time.time()
        with subprocess.Popen(cmd, preexec_fn=group.enter, stdout=subprocess.PIPE, text=True) as p:
            try:
                out, _ = p.communicate()
            finally:
                p.kill()
        if p.returncode:
            sys.exit(f'{" ".join(cmd)}: status {p.returncode}')
        said = json.loads(out)
        said['seconds'] = round(time.time() - start, 1)
        if thief and thief.poll() is not None:
            sys.exit(f'who was to steal memory ended with status {thief.returncode}')
        return said
    finally:
        if thief:
            thief.kill()
            thief.wait()


def judge(a, said, group):
    wrong = []
    if said['bytes'] != a.bytes * MIB:
        wrong.append(f'{said["bytes"]} bytes are not {a.bytes} MiB')
    if not said['faults']:
        wrong.append('no page was asked for')
    if group.path:
        said['used_most'] = int(read(group.most)) if os.path.exists(group.most) else 0
        # the limit holds, and it was felt: what had left came back
        if said['used_most'] > a.limit * MIB:
            wrong.append('more memory was used than the limit')
        if a.bytes > a.limit and not said['major_faults']:
            wrong.append('no page had left')
    print(json.dumps(said))
    return wrong


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument('program')
    p.add_argument('scratch')
    p.add_argument('limit', type=int)
    p.add_argument('bytes', type=int)
    p.add_argument('--steal', type=int, default=0)
    p.add_argument('arguments', nargs='*')
    a = p.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was made goes
    group = Group(a.limit * MIB)
    try:
        wrong = judge(a, run(a, group), group)
    finally:
        group.close()
    if wrong:
        sys.exit('\n'.join(wrong))
    if not group.path:
        print(f'skipped: no memory limit can be set here ({group.why}); without one all bytes were right')
        sys.exit(77)


if __name__ == '__main__':
    main()
