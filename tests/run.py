#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""`make test`: builds and runs every lane, then one line "N passed, N failed[, N skipped]".

A lane is a build folder with options of its own and the Meson suites that run in it. Each test of
Meson counts as one; a lane that does not build counts as one failure.
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


def lane(name, env, options, suites):
    """returns (passed, failed, skipped)"""
    build = f'build-test/{name}'
    path = os.path.join(ROOT, build)
    log = os.path.join(ROOT, 'build-test', f'{name}.log')
    start = time.time()
    print(f'== lane {name}: building', flush=True)
    if not os.path.exists(os.path.join(path, 'build.ninja')):
        shutil.rmtree(path, ignore_errors=True)
        if run(['meson', 'setup', build, *options], env, log):
            tail(log)
            print(f'== lane {name}: meson setup failed', flush=True)
            return 0, 1, 0
    if run(['ninja', '-C', build], env, log):
        tail(log)
        print(f'== lane {name}: build failed', flush=True)
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


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    ap.add_argument('lanes', nargs='*', help='only these: ' + ', '.join(n for n, *_ in LANES))
    args = ap.parse_args()
    os.makedirs(os.path.join(ROOT, 'build-test'), exist_ok=True)
    total = [0, 0, 0]
    for name, env, options, suites in LANES:
        if not args.lanes or name in args.lanes:
            for i, n in enumerate(lane(name, env, options, suites)):
                total[i] += n
    print(f'{total[0]} passed, {total[1]} failed, {total[2]} skipped')
    sys.exit(1 if total[1] or not total[0] else 0)


if __name__ == '__main__':
    main()
