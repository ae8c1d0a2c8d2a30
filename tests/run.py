#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""`make test`: builds and runs every lane, then one line "N passed, N failed[, N skipped]".

A lane is a build folder with options of its own and the Meson suites that run in it. Each test of
Meson counts as one; a lane that does not build counts as one failure. The vm lanes run tests/vm with the
programs of lane gcc; each case counts as one. Without a name, all but the long vm lanes run.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
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
VM_LANES = ['stock', 'vfio-user']       # of tests/vm/run.py: a minute each
VM_MORE_LANES = ['events']              # only when all are asked for
VM_SLOW_LANES = ['crypto', 'iommufd']             # these build a kernel first: by default only if it is there
VM_SECONDS = 1800
SANITIZERS = {
    'LSAN_OPTIONS': f'suppressions={ROOT}/tests/lsan.supp',
    'ASAN_OPTIONS': 'detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=1',
    'UBSAN_OPTIONS': 'halt_on_error=1:print_stacktrace=1',
    'TSAN_OPTIONS': 'halt_on_error=1:second_deadlock_stack=1',
}


def run(cmd, env, log):
    with open(log, 'a') as f:
        return subprocess.run(cmd, cwd=ROOT, env={**os.environ, **env}, stdin=subprocess.DEVNULL,
                              stdout=f, stderr=subprocess.STDOUT).returncode


def tail(path, lines=40):
    with open(path, errors='replace') as f:
        print(''.join(f.readlines()[-lines:]), end='')


def suites_of(build):
    """suites that this lane's build really has"""
    out = subprocess.run(['meson', 'introspect', '--tests', build], cwd=ROOT, capture_output=True,
                         text=True).stdout
    return {s.split(':')[-1] for t in json.loads(out or '[]') for s in t['suite']}


def build_lane(name, env, options):
    """None, or what went wrong"""
    build = f'build-test/{name}'
    path = os.path.join(ROOT, build)
    log = os.path.join(ROOT, 'build-test', f'{name}.log')
    print(f'== lane {name}: building', flush=True)
    if not os.path.exists(os.path.join(path, 'build.ninja')):
        shutil.rmtree(path, ignore_errors=True)
        if run(['meson', 'setup', build, *options], env, log):
            tail(log)
            return 'meson setup failed'
    if run(['ninja', '-C', build], env, log):
        tail(log)
        return 'build failed'
    return None


def lane(name, env, options, suites):
    """returns (passed, failed, skipped)"""
    build = f'build-test/{name}'
    path = os.path.join(ROOT, build)
    log = os.path.join(ROOT, 'build-test', f'{name}.log')
    start = time.time()
    wrong = build_lane(name, env, options)
    if wrong:
        print(f'== lane {name}: {wrong}', flush=True)
        return 0, 1, 0
    built = time.time()
    here = [s for s in suites if s in suites_of(build)]
    passed = failed = skipped = 0
    for suite in here:
        jobs = '1' if suite in ('driver', 'app', 'fuzz', 'bench') else '2'
        subprocess.run(['meson', 'test', '-C', build, '--no-rebuild', '--suite', suite,
                        '--num-processes', jobs, '--print-errorlogs', '--no-stdsplit',
                        '--logbase', f'testlog-{suite}'],
                       cwd=ROOT, env={**os.environ, **env, **SANITIZERS}, stdin=subprocess.DEVNULL,
                       stdout=open(log, 'a'), stderr=subprocess.STDOUT)
        with open(os.path.join(path, 'meson-logs', f'testlog-{suite}.json')) as f:
            results = [json.loads(line) for line in f if line.strip()]
        for r in results:
            if r['result'] == 'OK':
                passed += 1
            elif r['result'] == 'SKIP':
                skipped += 1
                why = re.findall(r'(?im)^.*skip.*$', r.get('stdout') or '')
                print(f"   skipped {name}/{r['name']}: {why[-1].strip() if why else 'no reason given'}")
            else:
                failed += 1
                print(f"   FAILED {name}/{r['name']} ({r['result']})")
                print('\n'.join((r.get('stdout') or '').split('\n')[-40:]))
    print(f'== lane {name}: {passed} passed, {failed} failed, {skipped} skipped '
          f'(build {built - start:.0f} s, tests {time.time() - built:.0f} s)', flush=True)
    return passed, failed, skipped


def warm(name):
    return subprocess.run(['tests/vm/run.py', name, '--warm'], cwd=ROOT).returncode == 0


def vm_lane(name):
    """the same, of guests; says itself how each case went"""
    wrong = build_lane(*LANES[0][:3])
    if wrong:
        print(f'== lane vm-{name}: {wrong}', flush=True)
        return 0, 1, 0
    proc = subprocess.Popen(['timeout', '-k', '10', str(VM_SECONDS), 'tests/vm/run.py', name, '--build',
                             'build-test/gcc'], cwd=ROOT, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    line = ''
    for line in proc.stdout:
        print(line, end='', flush=True)
    sums = re.match(r'(\d+) passed, (\d+) failed, (\d+) skipped$', line)
    if proc.wait() and not (sums and int(sums[2])):
        print(f'== lane vm-{name}: ended with status {proc.returncode}', flush=True)
        return 0, 1, 0
    return tuple(int(n) for n in sums.groups())


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    jobs = {n: (lane, (n, *rest)) for n, *rest in LANES}
    jobs.update({f'vm-{n}': (vm_lane, (n,)) for n in VM_LANES + VM_MORE_LANES + VM_SLOW_LANES})
    ap.add_argument('lanes', nargs='*', help='only these: ' + ', '.join(jobs))
    ap.add_argument('--all', action='store_true', help='every lane, as CI runs them')
    ap.add_argument('--vm', action='store_true', help='all vm lanes, and only these')
    args = ap.parse_args()
    if args.vm:
        args.lanes += [n for n in jobs if n.startswith('vm-')]
    unknown = set(args.lanes) - set(jobs)
    if unknown:
        ap.error(f'no lane {", ".join(unknown)}')
    os.makedirs(os.path.join(ROOT, 'build-test'), exist_ok=True)
    total = [0, 0, 0]
    for name, (function, parameters) in jobs.items():
        quick = not args.lanes and not args.all
        if quick and name[3:] in VM_MORE_LANES:
            continue
        if quick and name[3:] in VM_SLOW_LANES and not warm(name[3:]):
            print(f'   skipped lane {name}: its kernel is not in the cache yet: make test-vm')
            total[2] += 1
        elif not args.lanes or name in args.lanes:
            for i, n in enumerate(function(*parameters)):
                total[i] += n
    print(f'{total[0]} passed, {total[1]} failed, {total[2]} skipped')
    sys.exit(1 if total[1] or not total[0] else 0)


if __name__ == '__main__':
    main()
