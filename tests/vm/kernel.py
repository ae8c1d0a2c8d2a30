#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Kernels for the VM lanes, built from Debian's linux-source: tinyconfig and fragments on top.

  kernel.py SERIES FRAGMENT... [PATCH...]     as in: kernel.py 6.12 config/kernel/lanes.config

Patches are what ends in .patch. Prints the folder in the cache with bzImage, modules/, .config and
System.map. It is built once for each source version, fragments, list of patches and compiler;
--refresh looks for a newer source.
"""
import argparse
import os
import re
import shutil
import subprocess

import fetch

ABOUT = 1450  # files that a build compiles, for the progress line alone
# what else the same sources would put into each build
SAME = {'KBUILD_BUILD_TIMESTAMP': 'Thu Jan  1 00:00:00 UTC 1970', 'KBUILD_BUILD_USER': 'faultline',
        'KBUILD_BUILD_HOST': 'lane', 'LC_ALL': 'C'}
TOOLS = ['make', 'gcc', 'flex', 'bison', 'bc', 'xz', 'patch']


def run(cwd, *cmd, **more):
    r = subprocess.run(cmd, cwd=cwd, capture_output=True, text=True,
                       env={**os.environ, **SAME}, **more)
    if r.returncode:
        raise fetch.Error(f'{" ".join(cmd)}: {(r.stderr or r.stdout).strip()[-2000:]}')
    return r.stdout


def compile_all(tree):
    """make bzImage modules, with a line that tells how far it is"""
    log = os.path.join(tree, 'log')
    jobs = len(os.sched_getaffinity(0))
    with open(log, 'w') as f:
        proc = subprocess.Popen(['nice', 'make', f'-j{jobs}', 'bzImage', 'modules'], cwd=tree,
                                text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=f, env={**os.environ, **SAME})
        try:
            done = 0
            for line in proc.stdout:
                f.write(line)
                done += line.startswith(('  CC ', '  AS '))
                fetch.progress(f'kernel: compiled {done} of about {max(ABOUT, done)} files')
            proc.wait()  # it has closed its output, and is about to end by itself
        finally:
            proc.terminate()
            proc.wait()
    if proc.returncode:
        with open(log) as f:
            lines = [ln for ln in f if not re.match(r'  [A-Z]+ ', ln)]  # what went well
        raise fetch.Error('the kernel does not build:\n' + ''.join(lines[-30:]))


def configure(tree, fragment):
    """tinyconfig and the fragment; every line of it has to hold afterwards"""
    config = os.path.join(tree, '.config')
    run(tree, 'make', '-s', 'tinyconfig')
    with open(config, 'a') as f:
        f.write(fragment)
    run(tree, 'make', '-s', 'olddefconfig')
    with open(config) as f:
        have = dict(re.findall(r'^(CONFIG_\w+)=(.*)', f.read(), re.M))
    want = dict(re.findall(r'^(CONFIG_\w+)=(.*)', fragment, re.M))
    want.update(dict.fromkeys(re.findall(r'^# (CONFIG_\w+) is not set', fragment, re.M), 'n'))
    lost = [f'{k}={v} (is {have.get(k, "n")})' for k, v in want.items() if have.get(k, 'n') != v]
    if lost:
        raise fetch.Error(f'the configuration did not take {", ".join(lost)}: an option that it '
                          'depends on is off, or has another name in this version')


def keep(tree, folder):
    """what a lane takes of a build; what came by the way of it goes"""
    os.mkdir(os.path.join(folder, 'modules'))
    with open(os.path.join(tree, 'modules.order')) as f:
        modules = [line.strip()[:-2] + '.ko' for line in f]
    for name in ['arch/x86/boot/bzImage', '.config', 'System.map', *modules]:
        where = 'modules' if name.endswith('.ko') else ''
        os.rename(os.path.join(tree, name), os.path.join(folder, where, os.path.basename(name)))
    with open(os.path.join(folder, 'release'), 'w') as f:
        f.write(run(tree, 'make', '-s', 'kernelrelease'))
    shutil.rmtree(tree)


def compiled(patch):
    """what of a patch a kernel is built of: not its words, nor documentation and tests"""
    diffs = re.split(r'(?m)^diff --git ', patch)[1:]
    return ''.join(d for d in diffs if not d.startswith(('a/Documentation/', 'a/tools/')))


def recipe(fragment, patches):
    """(compiler, what tells this build from others)"""
    compiler = run('/', 'gcc', '-dumpfullversion').strip()
    return compiler, fetch.digest('\0'.join([compiler, fragment, *map(compiled, patches)]))


def read(paths):
    texts = []
    for path in paths:
        with open(path) as f:
            texts.append(f.read())
    return texts


def key_of(fragments, patches=()):
    """what tells the kernel from others of its series"""
    return recipe(''.join(read(fragments)), read(patches))[1]


def is_built(series, fragments, patches=()):
    """whether built() would take no time"""
    return fetch.is_cached(f'linux-{series}', key_of(fragments, patches))


def built(series, fragments, patches=(), refresh=False):
    """Kernel of the newest linux-source of this series with these patches"""
    fragment, texts = ''.join(read(fragments)), read(patches)
    compiler, key = recipe(fragment, texts)

    def plan():
        missing = [t for t in TOOLS if not shutil.which(t)]
        if missing:
            raise fetch.Error(f'no {", ".join(missing)} for a kernel build: config/setup.sh vm')
        tarball, version = fetch.linux_source(series, refresh)

        def fill(folder):
            tree = os.path.join(folder, 'tree')
            os.mkdir(tree)
            fetch.say(f'kernel: {series} from {version}, gcc {compiler}: some minutes')
            fetch.progress('kernel: unpacking')
            # some Kconfig and Makefile of it is read; patches may be for any of it
            less = [] if patches else ['--exclude=Documentation/*/*']
            run(tree, 'tar', '-xJf', tarball, '--strip-components=1', *less)
            for text in texts:
                run(tree, 'patch', '-p1', '-s', '-N', input=text)
            configure(tree, fragment)
            compile_all(tree)
            keep(tree, folder)
        return f'{fetch.digest(version)[:8]}-{key}', fill

    top = fetch.cached(f'linux-{series}', key, plan, refresh)
    with open(os.path.join(top, 'release')) as f:
        return fetch.Kernel(os.path.join(top, 'bzImage'), f.read().strip(), [os.path.join(top, 'modules')])


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    ap.add_argument('series')
    ap.add_argument('files', nargs='+', metavar='fragment or patch')
    ap.add_argument('--refresh', action='store_true', help='ask the mirror for a newer source')
    args = ap.parse_args()
    patches = [f for f in args.files if f.endswith('.patch')]
    fragments = [f for f in args.files if f not in patches]
    print(os.path.dirname(built(args.series, fragments, patches, args.refresh).image))


if __name__ == '__main__':
    fetch.command('kernel', main)
