#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""`make test`: builds and runs every lane, then one line "N passed, N failed[, N skipped]".

A lane is a build folder with options of its own and the Meson suites that run in it. Each test of
Meson counts as one; a lane that does not build counts as one failure. The vm lanes run tests/vm with the
programs of lane gcc; each case counts as one. Without a name, all but the long vm lanes run.

To be done soon: while the tests of one lane run, the next lanes are built on what CPU those leave idle;
tests run side by side, as most of them wait for the other end of something; one vm lane runs beside the
lanes that follow gcc, whose figures nobody reads, and as many as CPUs (two at most) when all those are
done. Output stays in the order of the lanes.

So tests are starved of CPU at times, by each other or by the machine's other users. One that fails is run
once more, alone, and named as unsteady if it then passes; what a sanitizer or the kernel of a guest has
found stands at once. --once takes the first answer of all.
"""
import argparse
import collections
import concurrent.futures
import contextlib
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CLANG = {'CC': 'clang', 'CXX': 'clang++'}

# name, environment, meson options, suites (empty = all but bench)
LANES = [
    ('gcc', {}, [], ['unit', 'driver', 'app', 'lint', 'peer', 'bench']),
    ('clang', CLANG, ['-Dbench=disabled'], ['unit']),
    ('asan', CLANG, ['-Db_sanitize=address,undefined', '-Db_lundef=false', '-Dbench=disabled',
                     '--buildtype=debugoptimized', '-Dfuzz=true'], ['unit', 'driver', 'app', 'fuzz']),
    ('tsan', CLANG, ['-Db_sanitize=thread', '-Db_lundef=false', '-Dbench=disabled',
                     '--buildtype=debugoptimized'], ['unit', 'driver']),
    ('aarch64', {}, ['--cross-file', 'config/cross/aarch64.ini', '-Dbench=disabled',
                     '-Ddevinfo=disabled'], ['unit']),
]
# of tests/vm/run.py: in this order
VM_LANES = ['stock', 'vfio-user', 'events', 'crypto', 'iommufd', 'fault-type1', 'fault-iommufd', 'series', 'lockdep',
            'density']
VM_LAB_LANES = ['fault-iommufd', 'series', 'lockdep']   # unless they are left out: see lanes.py
VM_MORE_LANES = ['events', *VM_LAB_LANES]               # only when all are asked for
VM_FIGURES = ['density']                                # only by name, as make lab-density does
# what a lane builds first, some minutes: by default it runs only if that is there
VM_KERNEL = ['tests/vm/kernel.py', '6.12', 'config/kernel/lanes.config']
VM_FIRST = {'crypto': VM_KERNEL, 'iommufd': VM_KERNEL, 'fault-type1': ['kernel-patches/lab/qemu.py'],
            **{n: ['kernel-patches/lab/lab.py', f'kernel-{n}'] for n in VM_LAB_LANES}}
VM_SECONDS = 3600
VM_JOBS = min(2, len(os.sched_getaffinity(0)))
JOBS = {'unit': 3, 'driver': 3, 'app': 2, 'fuzz': 2}    # of a suite, side by side
SANITIZERS = {
    'LSAN_OPTIONS': f'suppressions={ROOT}/tests/lsan.supp',
    'ASAN_OPTIONS': 'detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=1',
    'UBSAN_OPTIONS': 'halt_on_error=1:print_stacktrace=1',
    'TSAN_OPTIONS': 'halt_on_error=1:second_deadlock_stack=1',
}


def run(cmd, env, log, nice=0):
    with open(log, 'a') as f:
        return subprocess.run(['nice', '-n', str(nice), *cmd], cwd=ROOT, env={**os.environ, **env},
                              stdin=subprocess.DEVNULL, stdout=f, stderr=subprocess.STDOUT).returncode


def tail(path, lines=40):
    with open(path, errors='replace') as f:
        print(''.join(f.readlines()[-lines:]), end='')


def suites_of(build):
    """suites that this lane's build really has"""
    out = subprocess.run(['meson', 'introspect', '--tests', build], cwd=ROOT, capture_output=True,
                         text=True).stdout
    return {s.split(':')[-1] for t in json.loads(out or '[]') for s in t['suite']}


def build_lane(name, env, options, nice):
    """(None, or what went wrong; seconds)"""
    build = f'build-test/{name}'
    path = os.path.join(ROOT, build)
    log = os.path.join(ROOT, 'build-test', f'{name}.log')
    start = time.time()
    if not os.path.exists(os.path.join(path, 'build.ninja')):
        shutil.rmtree(path, ignore_errors=True)
        if run(['meson', 'setup', build, *options], env, log, nice):
            return 'meson setup failed', time.time() - start
    if run(['ninja', '-C', build], env, log, nice):
        return 'build failed', time.time() - start
    return None, time.time() - start


def is_built(name, building, lane_name):
    """waits for the build of lane `name`; says what is wrong with it. (whether all is well, seconds)"""
    if not building[name].done():
        print(f'== lane {lane_name}: building', flush=True)
    wrong, seconds = building[name].result()
    if wrong:
        tail(os.path.join(ROOT, 'build-test', f'{name}.log'))
        print(f'== lane {lane_name}: {wrong}', flush=True)
    return not wrong, seconds


def passes_alone(build, result, env, log):
    """of a test that failed beside others; what a sanitizer found is not a matter of time"""
    if re.search(r'Sanitizer|runtime error: ', result.get('stdout') or ''):
        return False
    test = re.sub(r'^(\w+):.* / ', r'\1:', result['name'])
    return run(['meson', 'test', '-C', build, '--no-rebuild', '--print-errorlogs', '--no-stdsplit',
                '--logbase', 'testlog-again', test], env, log) == 0


def lane(name, env, _, suites, building, once, nice):
    """returns (passed, failed, skipped)"""
    build = f'build-test/{name}'
    path = os.path.join(ROOT, build)
    log = os.path.join(ROOT, 'build-test', f'{name}.log')
    ready, build_seconds = is_built(name, building, name)
    if not ready:
        return 0, 1, 0
    start = time.time()
    here = [s for s in suites if s in suites_of(build)]
    passed = failed = skipped = 0
    for suite in here:
        run(['meson', 'test', '-C', build, '--no-rebuild', '--suite', suite,
             '--num-processes', str(JOBS.get(suite, 1)), '--print-errorlogs', '--no-stdsplit',
             '--logbase', f'testlog-{suite}'], {**env, **SANITIZERS}, log, nice)
        with open(os.path.join(path, 'meson-logs', f'testlog-{suite}.json')) as f:
            results = [json.loads(line) for line in f if line.strip()]
        for r in results:
            if r['result'] == 'OK':
                passed += 1
            elif r['result'] == 'SKIP':
                skipped += 1
                why = re.findall(r'(?im)^.*skip.*$', r.get('stdout') or '')
                print(f"   skipped {name}/{r['name']}: {why[-1].strip() if why else 'no reason given'}")
            elif not once and passes_alone(build, r, {**env, **SANITIZERS}, log):
                passed += 1
                print(f"   unsteady {name}/{r['name']}: failed beside others, then passed alone")
                print('\n'.join(re.findall(r'(?m)^.*\[ {2}ERROR.*$|^.*(?:LINE|FAILED).*$',
                                           r.get('stdout') or '')[:10]))
            else:
                failed += 1
                print(f"   FAILED {name}/{r['name']} ({r['result']})")
                print('\n'.join((r.get('stdout') or '').split('\n')[-40:]))
    print(f'== lane {name}: {passed} passed, {failed} failed, {skipped} skipped '
          f'(build {build_seconds:.0f} s, tests {time.time() - start:.0f} s)', flush=True)
    return passed, failed, skipped


def why_left_out(names, all_of_them):
    """{vm lane: reason} of those that would take minutes to prepare, or, of all lanes, say so themselves"""
    if all_of_them:
        said = subprocess.run(['tests/vm/run.py', '--left-out', *VM_LAB_LANES], cwd=ROOT, capture_output=True,
                              text=True).stdout.splitlines()
        return {n: f'{why}: make lab-{n}' for n, why in zip(VM_LAB_LANES, said) if why}
    return {n: 'what it runs on is not in the cache yet: make test-vm' for n in names if n in VM_FIRST
            and subprocess.run(['tests/vm/run.py', n, '--warm'], cwd=ROOT).returncode}


class Guests:
    """the vm lanes, in their order: at any time as many run as were let in"""

    def __init__(self, names, *options):
        self.names, self.options = names, options
        self.todo = collections.deque(names)
        self.said = {n: queue.SimpleQueue() for n in names}

    def let_in(self, n):
        for _ in range(n):
            threading.Thread(target=self.work, daemon=True).start()

    def work(self):
        """lines of each lane go into its queue, its exit status at the end"""
        with contextlib.suppress(IndexError):
            while name := self.todo.popleft():
                proc = subprocess.Popen(['timeout', '-k', '10', str(VM_SECONDS), 'tests/vm/run.py', name,
                                         '--build', 'build-test/gcc', *self.options],
                                        cwd=ROOT, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                for line in proc.stdout:
                    self.said[name].put(line)
                self.said[name].put(proc.wait())

    def results(self):
        """the same as lane(), of all; each case says itself how it went"""
        total = [0, 0, 0]
        for name in self.names:
            last = ''
            while isinstance(line := self.said[name].get(), str):
                print(line, end='', flush=True)
                last = line
            sums = re.match(r'(\d+) passed, (\d+) failed, (\d+) skipped$', last)
            if line and not (sums and int(sums[2])):
                print(f'== lane vm-{name}: ended with status {line}', flush=True)
                sums = (last, 0, 1, 0)
            for i in range(3):
                total[i] += int(sums[i + 1])
        return total


def chosen(args):
    """(lanes, vm lanes, how many of them are left out)"""
    here = [ln for ln in LANES if not args.lanes or ln[0] in args.lanes]
    guest_lanes = [n for n in VM_LANES if not args.lanes or f'vm-{n}' in args.lanes]
    if args.lanes:
        return here, guest_lanes, 0
    guest_lanes = [n for n in guest_lanes if n not in VM_FIGURES]
    if not args.all:
        guest_lanes = [n for n in guest_lanes if n not in VM_MORE_LANES]
    without = why_left_out(guest_lanes, args.all)
    for name, why in without.items():
        print(f'   skipped lane vm-{name}: {why}')
    return here, [n for n in guest_lanes if n not in without], len(without)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    names = [n for n, *_ in LANES] + [f'vm-{n}' for n in VM_LANES]
    ap.add_argument('lanes', nargs='*', help='only these: ' + ', '.join(names))
    ap.add_argument('--all', action='store_true', help='every lane, as CI runs them')
    ap.add_argument('--vm', action='store_true', help='all vm lanes but those of make lab, and only these')
    ap.add_argument('--once', action='store_true', help='a test that fails is not run again')
    args = ap.parse_args()
    if args.vm:
        args.lanes += [f'vm-{n}' for n in VM_LANES if n not in VM_LAB_LANES + VM_FIGURES]
    unknown = set(args.lanes) - set(names)
    if unknown:
        ap.error(f'no lane {", ".join(unknown)}')
    os.makedirs(os.path.join(ROOT, 'build-test'), exist_ok=True)
    here, guest_lanes, left_out = chosen(args)
    builds = [ln for ln in LANES if ln in here or (guest_lanes and ln is LANES[0])]
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        building = {name: pool.submit(build_lane, name, env, options, 19 if i else 0)
                    for i, (name, env, options, _) in enumerate(builds)}
        for first in {tuple(VM_FIRST[n]): 0 for n in guest_lanes if n in VM_FIRST}:
            # the lanes say themselves what is wrong with it
            pool.submit(run, first, {}, os.path.join(ROOT, 'build-test', 'first.log'), 19)
        guests = Guests(guest_lanes, *['--once'] * args.once)
        sums = [lane(*ln, building, args.once, 0) for ln in here[:1]]
        able = guest_lanes and is_built(LANES[0][0], building, f'vm-{guest_lanes[0]}')[0]
        guests.let_in(VM_JOBS - 1 if able else 0)
        sums += [lane(*ln, building, args.once, 5) for ln in here[1:]]     # guests go first
        guests.let_in(1 if able else 0)
        sums.append(guests.results() if able else (0, len(guest_lanes), 0))
    passed, failed, skipped = (sum(column) for column in zip(*sums))
    print(f'{passed} passed, {failed} failed, {skipped + left_out} skipped')
    sys.exit(1 if failed or not passed else 0)


if __name__ == '__main__':
    main()
