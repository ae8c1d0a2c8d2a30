#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checks of the kernel patches: lint.py [--compile]; one line a breach, exit 1.

They apply one after the other to Debian's linux-source by `git am`, new files name their licence, and
checkpatch.pl --strict of that source has nothing to say. With --compile (a minute or two) each patch is
also built as it stands in the series, with the option on and off, and neither gcc (W=1) nor sparse says
anything that they do not say of the source as shipped. Only the files that the series touches are unpacked,
and what was found clean is not checked again.
"""
import argparse
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

import module
from module import fetch

SCRIPTS = ['checkpatch.pl', 'spelling.txt', 'const_structs.checkpatch']
# MAINTAINERS is not ours to change
IGNORED = ['FILE_PATH_CHANGES']
KBUILD = '''LINUXINCLUDE := -I$(src)/../../include $(LINUXINCLUDE)
obj-m := vfio_iommu_type1.o
'''
OPTION = '''ccflags-y := -DCONFIG_VFIO_IOMMU_FAULT=1
obj-m += $(if $(wildcard $(src)/vfio_iommu_fault.c),vfio_iommu_fault.o)
'''


def touched(text):
    """files of the source as shipped that the series changes"""
    sections = re.findall(r'^diff --git a/(\S+) .*\n(.*)', text, re.M)
    new = {name for name, line in sections if line.startswith('new file')}
    return {name for name, _ in sections} - new


def shipped(patches):
    """folder with what is needed of linux-source"""
    return module.unpacked_source(*fetch.linux_source('6.12'), touched(module.text_of(patches)) |
                                  {*module.PARTS, *(f'scripts/{s}' for s in SCRIPTS)})


def git(tree, *args):
    return subprocess.run(['git', '-C', tree, '-c', 'user.name=lint', '-c', 'user.email=lint@localhost',
                           '-c', 'commit.gpgsign=false', '-c', 'gc.auto=0', *args],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)


def applied(tree, patch):
    r = git(tree, 'am', '-q', '--whitespace=error', patch)
    return [f'git am: {line}' for line in (r.stdout + r.stderr).splitlines()] if r.returncode else []


def licensed(patch):
    bad = []
    with open(patch) as f:
        for name, body in re.findall(r'^diff --git a/(\S+) .*\nnew file mode.*\n((?:.*\n){6})', f.read(), re.M):
            if 'SPDX-License-Identifier:' not in body and not name.endswith('/config'):
                bad.append(f'{name} does not name its licence')
    return bad


def style(tree, patch):
    r = subprocess.run(['perl', f'{tree}/scripts/checkpatch.pl', '--strict', '--no-tree', '--terse',
                        '--no-summary', '--show-types', '--ignore', ','.join(IGNORED), patch],
                       capture_output=True, text=True, cwd=tree)
    return [re.sub(r'^\S*?\.patch:', 'checkpatch: line ', line)
            for line in (r.stdout + r.stderr).splitlines() if line.strip()]


def said(tree, build, option):
    """what gcc and sparse say of the modules, without line numbers, which patches move"""
    folder = f'{tree}/drivers/vfio'
    with open(f'{folder}/Kbuild', 'w') as f:
        f.write(KBUILD + (OPTION if option else ''))
    sparse = ['C=2'] if shutil.which('sparse') else []
    r = subprocess.run(['nice', 'make', '-C', build, f'M={folder}', 'W=1', *sparse, 'modules'],
                       capture_output=True, text=True, env={**os.environ, 'LC_ALL': 'C'})
    lines = [line for line in r.stderr.splitlines() if re.search(r'warning:|error:|ERROR|WARNING', line)]
    if r.returncode and not lines:
        lines = [f'make: {r.stderr[-1000:]}']
    lines = {re.sub(r'^\S*/(drivers/\S+?:)[\d:]+', r'\1', line) for line in lines}
    git(tree, 'clean', '-qfdx')
    return lines


def check(patches, compiles):
    build = module.headers(fetch.stock_kernel().version) if compiles else None
    bad = []
    with tempfile.TemporaryDirectory(prefix='fl-patches-') as tree:
        shutil.copytree(shipped(patches), tree, dirs_exist_ok=True)
        git(tree, 'init', '-q')
        git(tree, 'add', '-A')
        git(tree, 'commit', '-q', '-m', 'as shipped')
        known = said(tree, build, False) if compiles else set()
        for n, patch in enumerate(patches, 1):
            fetch.progress(f'patches: {n} of {len(patches)}')
            wrong = applied(tree, patch)
            found = [*wrong, *licensed(patch), *style(tree, patch)]
            if compiles and not wrong:
                found += sorted((said(tree, build, True) | said(tree, build, False)) - known)
            bad += [f'{os.path.basename(patch)}: {line}' for line in found]
            if wrong:
                break
    return bad


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    ap.add_argument('--compile', action='store_true')
    ap.add_argument('--series', metavar='DIR', default=module.SERIES)
    args = ap.parse_args()
    patches = sorted(glob.glob(f'{os.path.abspath(args.series)}/*.patch'))
    bad = []

    def plan():
        def fill(folder):
            bad.extend(check(patches, args.compile))
            if bad:
                raise fetch.Error(f'{len(bad)} breaches')
        return key, fill

    try:
        if not patches:
            raise fetch.Error(f'no patches in {args.series}')
        if args.compile and not shutil.which('sparse'):
            raise fetch.Error('no sparse: apt-get install sparse')
        key = fetch.digest('\0'.join([module.text_of([*patches, __file__]), fetch.linux_source('6.12')[1],
                                      str(args.compile)]))
        fetch.cached('patches-clean', key, plan, False)
    except (fetch.Error, OSError, subprocess.CalledProcessError) as e:
        print('\n'.join(bad))
        sys.exit(f'patches: {e}')
    except KeyboardInterrupt:
        sys.exit('patches: interrupted')
    print(f'{len(patches)} patches: clean')


if __name__ == '__main__':
    main()
