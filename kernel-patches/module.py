#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The patched VFIO modules for a kernel of Debian, built against its headers in seconds.

  module.py [--kernel VERSION] [--out DIR]

VERSION is what uname -r says on a machine that runs it. Without it: the kernel that runs here if that is
a 6.12 of Debian, else the one that the VM lanes boot. Headers and linux-source are the installed ones
where they are of this version, else downloaded into the cache, for which no root is needed. Prints the
folder with vfio_iommu_type1.ko and vfio_iommu_fault.ko; they are built once for each version, series
and compiler. --series: patches from elsewhere.
"""
import argparse
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), 'tests', 'vm'))
import fetch  # noqa: E402

SERIES = os.path.join(HERE, 'linux-6.12')
PREPARE = os.path.join(HERE, 'dkms', 'prepare')
PARTS = ['drivers/vfio/vfio.h', 'drivers/vfio/vfio_iommu_type1.c', 'drivers/iommu/iommu-priv.h',
         'include/uapi/linux/vfio.h']
DEBIAN = re.compile(r'6\.12\.\d+\+deb\d+-(?:(?:cloud|rt)-)?amd64')


def run(*cmd):
    r = subprocess.run(cmd, capture_output=True, text=True, env={**os.environ, 'LC_ALL': 'C'})
    if r.returncode:
        raise fetch.Error(f'{" ".join(cmd[:3])}: {(r.stderr + r.stdout[-1500:]).strip()[-3000:]}')
    return r.stdout


def headers(version):
    """the folder to build modules of this kernel in"""
    installed = f'/lib/modules/{version}/build'
    if os.path.exists(f'{installed}/Makefile'):
        return installed
    base = re.sub(r'-(?:cloud-|rt-)?amd64$', '', version)
    names = [f'linux-headers-{version}', f'linux-kbuild-{base}',
             f'linux-headers-{base}-common{"-rt" if "-rt-" in version else ""}']

    def choose(apt):
        return apt.uris('download', *names) if set(names) <= set(apt.names()) else []

    top = fetch.unpacked(f'headers-{version}', choose, False, [fetch.host_apt, fetch.newer_apt])
    folder = f'{top}/usr/src/linux-headers-{version}'
    makefile = f'{folder}/Makefile'
    with open(makefile) as f:
        text = f.read()
    if '\ninclude /usr/src/' in f'\n{text}':  # the one path in there that is not relative
        with tempfile.NamedTemporaryFile('w', dir=folder, delete=False) as f:
            f.write(re.sub(r'^include /usr/src/', f'include {top}/usr/src/', text, flags=re.M))
        os.replace(f.name, makefile)
    return folder


def source(package_version):
    """(tarball, version) of exactly this version"""
    tarball = '/usr/src/linux-source-6.12.tar.xz'
    query = ['dpkg-query', '-Wf', '${Version}', 'linux-source-6.12']
    if os.path.exists(tarball) and subprocess.run(
            query, capture_output=True, text=True).stdout == package_version:
        return tarball, package_version
    newest = fetch.linux_source('6.12')
    if newest[1] == package_version:
        return newest
    package = f'linux-source-6.12={package_version}'

    def choose(apt):
        there = re.findall(r'\S+ \| (\S+) ', apt('apt-cache', 'madison', 'linux-source-6.12'))
        return apt.uris('download', package) if package_version in there else []

    top = fetch.unpacked(f'source-{package_version}', choose, False,
                         [fetch.host_apt, fetch.newer_apt])
    return fetch.one(top, 'usr/src/linux-source-6.12.tar.xz'), package_version


def unpacked_source(tarball, version, names):
    """folder with these files and folders of a linux-source"""
    names = sorted(names)
    key = fetch.digest('\n'.join([version, *names]))

    def plan():
        def fill(folder):
            fetch.progress(f'patches: unpacking a part of linux-source {version}')
            top = os.path.basename(tarball)[:-len('.tar.xz')]
            run('tar', '-x', '-I', 'xz -T0', '-f', tarball, '-C', folder, '--strip-components=1',
                *(f'{top}/{n}' for n in names))
        return key, fill

    return fetch.cached('parts', key, plan, False)


def compiler(build):
    """the one that Debian built this kernel with"""
    with open(f'{build}/.kernelvariables') as f:
        name = re.search(r'(gcc-\d+)', f.read())[1]
    if not shutil.which(f'x86_64-linux-gnu-{name}'):
        raise fetch.Error(f'no {name}, with which this kernel was built: apt-get install {name}')
    return run(f'x86_64-linux-gnu-{name}', '-dumpfullversion').strip()


def text_of(paths):
    texts = []
    for path in paths:
        with open(path) as f:
            texts.append(f.read())
    return '\0'.join(texts)


def package_version(build):
    path = os.path.join(build, 'include', 'generated', 'package.h')
    try:
        with open(path) as f:
            return re.search(r'Debian ([^"]+)', f.read())[1]
    except (OSError, TypeError) as e:
        raise fetch.Error(f'{build} is not of a kernel of Debian: {path}: {e}') from e


def built(version, series=SERIES):
    """folder with the modules for this kernel"""
    if not DEBIAN.fullmatch(version):
        raise fetch.Error(f'the patches are for 6.12 of Debian (6.12.N+debN-amd64), not for {version}')
    missing = [t for t in ('make', 'patch', 'xz', 'awk') if not shutil.which(t)]
    if missing:
        raise fetch.Error(f'no {", ".join(missing)}: apt-get install make patch xz-utils mawk')
    patches = sorted(glob.glob(f'{series}/*.patch'))
    if not patches:
        raise fetch.Error(f'no patches in {series}')
    build = headers(version)
    package = package_version(build)
    key = fetch.digest('\0'.join([version, package, compiler(build), text_of([PREPARE, *patches])]))

    def plan():
        def fill(folder):
            tree = os.path.join(folder, 'tree')
            run(PREPARE, build, series, tree, unpacked_source(*source(package), PARTS), package)
            fetch.progress('modules: compiling')
            log = run('make', '-C', build, f'M={tree}/drivers/vfio', 'modules')
            for module in glob.glob(f'{tree}/drivers/vfio/*.ko'):
                os.rename(module, os.path.join(folder, os.path.basename(module)))
            with open(os.path.join(folder, 'log'), 'w') as f:
                f.write(log)
            shutil.rmtree(tree)
        return key, fill

    return fetch.cached('modules-6.12', key, plan, False)


def which():
    running = os.uname().release
    if DEBIAN.fullmatch(running):
        return running
    version = fetch.stock_kernel().version
    fetch.say(f'modules: this machine runs {running}, no 6.12 of Debian: building for the kernel that '
              f'the VM lanes boot, {version}; KVER=... names another')
    return version


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    ap.add_argument('--kernel', metavar='VERSION')
    ap.add_argument('--out', metavar='DIR', help='copy the modules there')
    ap.add_argument('--series', metavar='DIR', default=SERIES)
    args = ap.parse_args()
    folder = built(args.kernel or which(), args.series)
    if args.out:
        os.makedirs(args.out, exist_ok=True)
        for module in glob.glob(f'{folder}/*.ko'):
            shutil.copy(module, args.out)
    print(args.out or folder)


if __name__ == '__main__':
    fetch.command('modules', main)
