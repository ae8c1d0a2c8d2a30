#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""QEMU for the lab: Debian's source, page requests in its VT-d, and our SEC2 as a device of it.

  qemu.py        builds what the cache has not, some minutes at first; prints how to run it

The source is of exactly one version. It is taken from the cache, else from the folder that FL_SOURCES
names, else from the mirror that this machine's apt uses. What is built of it stays in the cache, so
that a change of our own sources takes seconds.
"""
import glob
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'vm'))
import fetch  # noqa: E402

VERSION = '10.2.2'
TARBALL = f'qemu_{VERSION}+ds.orig.tar.xz'
SHA256 = 'be05230fe47a6937cd29f28f562932c8125f9c93c2a82c625198f7a4aa601dfb'
OURS = os.path.join(HERE, 'qemu')
PATCHES = sorted(glob.glob(f'{OURS}/*.patch'))
DEVICES = f'{OURS}/faultline.mak'
# what the device is compiled of: the glue, and of the project what that needs and no more, as each
# change of it makes another QEMU
GLUE = ['Kconfig', 'meson.build', '*.[ch]']
PROJECT = ['lib/base/*.[ch]', 'lib/ring/*.[ch]', 'lib/model/*.[ch]', 'models/hisi_sec/*.[ch]',
           'lib/vfio/vfio_user*.h', 'lib/vfio/vfio_user_json.c',
           *(f'lib/{room}/fl_{room}.h' for room in ('mem', 'dma', 'vfio', 'dev'))]
CONFIGURE = ['--target-list=x86_64-softmmu', '--without-default-features', '--without-default-devices',
             '--with-devices-x86_64=faultline', '--enable-system', '--enable-tcg', '--enable-pixman',
             '--disable-user', '--disable-tools', '--disable-docs', '--disable-guest-agent',
             '--disable-download', '--disable-install-blobs', '--disable-debug-info', '--disable-werror']
TOOLS = ['gcc', 'ninja', 'pkg-config', 'patch', 'xz', 'flex', 'bison']
PROGRAM = 'qemu-system-x86_64'


def run(cwd, *cmd, env=None, **more):
    r = subprocess.run(cmd, cwd=cwd, capture_output=True, text=True,
                       env={**os.environ, 'LC_ALL': 'C', **(env or {})}, **more)
    if r.returncode:
        raise fetch.Error(f'{" ".join(cmd[:4])}: {(r.stderr + r.stdout).strip()[-2000:]}')
    return r.stdout


def read(path):
    with open(path, 'rb') as f:
        return f.read()


# ---- the source

def is_right(path):
    return os.path.exists(path) and hashlib.sha256(read(path)).hexdigest() == SHA256


def tarball():
    """its path in the cache"""
    home = os.path.join(fetch.CACHE, 'qemu-source')
    path = os.path.join(home, TARBALL)
    with fetch.lock(home):
        if is_right(path):
            return path
        folder = os.environ.get('FL_SOURCES')
        seed = os.path.join(folder or '', TARBALL)
        if folder and os.path.exists(seed):
            if not is_right(seed):
                raise fetch.Error(f'{seed} is not the one that is wanted: its SHA-256 is not {SHA256}')
            shutil.copy(seed, f'{path}.tmp')
        else:
            download(f'{path}.tmp')
        os.rename(f'{path}.tmp', path)
    return path


def download(path):
    uri = f'{fetch.mirrors()[0][0].rstrip("/")}/pool/main/q/qemu/{TARBALL}'
    fetch.say(f'qemu: source of {VERSION}, 39 MB')
    try:
        run('/', '/usr/lib/apt/apt-helper', '-o', 'APT::Sandbox::User=', 'download-file', uri, path,
            f'SHA256:{SHA256}')
    except (fetch.Error, OSError) as e:
        raise fetch.Error(f'the source of QEMU {VERSION} is not to be had from the mirror: {e}\n'
                          f'get {TARBALL} (SHA-256 {SHA256}) from an archive of Debian packages and '
                          'set FL_SOURCES to the folder that it is in') from e


# ---- the build

def meson():
    """environment with a Meson that is new enough for QEMU"""
    top = fetch.unpacked('meson', lambda apt: apt.uris('download', 'meson', 'python3-pycotap'), False,
                         [fetch.newer_apt])
    return {'PYTHONPATH': f'{top}/usr/lib/python3/dist-packages',
            'PATH': f'{top}/usr/bin:{os.environ["PATH"]}'}


def sources():
    """{path below the device's folder: content} of what is ours"""
    found = {os.path.relpath(p, OURS): read(p) for g in GLUE for p in glob.glob(f'{OURS}/{g}')}
    for g in PROJECT:
        for p in glob.glob(os.path.join(ROOT, g)):
            found[os.path.join('src', os.path.relpath(p, ROOT))] = read(p)
    return found


def digest(parts):
    return hashlib.sha256(b'\0'.join(parts)).hexdigest()[:16]


def keys(ours):
    """(what tells one tree of QEMU from others, what tells one program from others)"""
    compiler = run('/', 'gcc', '-dumpfullversion').strip()
    tree = digest([SHA256.encode(), compiler.encode(), ' '.join(CONFIGURE).encode(),
                   *map(read, [*PATCHES, DEVICES])])
    return tree, digest([tree.encode(), *(x for p in sorted(ours) for x in (p.encode(), ours[p]))])


def sync(folder, ours):
    """the device's folder holds these files; those that are the same keep their time"""
    for at, _, names in os.walk(folder):
        for path in (os.path.join(at, n) for n in names):
            if os.path.relpath(path, folder) not in ours:
                os.unlink(path)
    for name, content in ours.items():
        path = os.path.join(folder, name)
        if not os.path.exists(path) or read(path) != content:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, 'wb') as f:
                f.write(content)


def prepare(tree, ours, env):
    """unpacked, patched and configured"""
    shutil.rmtree(f'{tree}/qemu', ignore_errors=True)
    os.makedirs(f'{tree}/qemu/build')
    fetch.progress('qemu: unpacking')
    run(f'{tree}/qemu', 'tar', '-xJf', tarball(), '--strip-components=1')
    for path in PATCHES:
        run(f'{tree}/qemu', 'patch', '-p1', '-s', '-N', input=read(path).decode())
    shutil.copy(DEVICES, f'{tree}/qemu/configs/devices/x86_64-softmmu/')
    sync(f'{tree}/qemu/hw/misc/faultline', ours)
    fetch.progress('qemu: configuring')
    run(f'{tree}/qemu/build', '../configure', *CONFIGURE, env=env)


def compile_all(build, env):
    """ninja, with a line that tells how far it is"""
    proc = subprocess.Popen(['nice', 'ninja', PROGRAM], cwd=build, text=True, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            env={**os.environ, 'LC_ALL': 'C', **env})
    said = []
    try:
        for line in proc.stdout:
            said.append(line)
            step = re.match(r'\[(\d+/\d+)\]', line)
            if step:
                fetch.progress(f'qemu: built {step[1]}')
        proc.wait()
    finally:
        proc.terminate()
        proc.wait()
    if proc.returncode:
        bad = [i for i, line in enumerate(said) if line.startswith('FAILED')] or [-30]
        raise fetch.Error('QEMU does not build:\n' + ''.join(said[bad[0]:][:40]))


def is_built():
    """whether built() would take no time"""
    return fetch.is_cached('qemu-lab', keys(sources())[1])


def built():
    """fetch.Qemu"""
    ours = sources()
    tree_key, key = keys(ours)

    def plan():
        missing = [t for t in TOOLS if not shutil.which(t)]
        if missing:
            raise fetch.Error(f'no {", ".join(missing)} for a build of QEMU: config/setup.sh build vm')

        def fill(folder):
            env = meson()
            home = os.path.join(fetch.CACHE, 'qemu-tree')
            tree = os.path.join(home, tree_key)
            with fetch.lock(tree):
                if not os.path.exists(f'{tree}/configured'):
                    fetch.say(f'qemu: {VERSION} from source: some minutes')
                    prepare(tree, ours, env)
                    with open(f'{tree}/configured', 'w'):
                        pass
                sync(f'{tree}/qemu/hw/misc/faultline', ours)
                compile_all(f'{tree}/qemu/build', env)
                shutil.copy(f'{tree}/qemu/build/{PROGRAM}', folder)
                fetch.taken(tree)
            fetch.prune(home)
        return key, fill

    top = fetch.cached('qemu-lab', key, plan, False)
    return fetch.Qemu([f'{top}/{PROGRAM}'], fetch.qemu().firmware, VERSION)


def main():
    if len(sys.argv) > 1:
        sys.exit(__doc__)
    q = built()
    print(shlex.join([*q.argv, *q.firmware]))


if __name__ == '__main__':
    fetch.command('qemu', main, '; run it again to go on with what is there')
