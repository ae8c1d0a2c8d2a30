#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Debian packages for the VM lanes: downloaded by apt and unpacked into a cache, never installed.

  fetch.py qemu      QEMU with all its libraries, from trixie-backports; prints how to run it
  fetch.py kernel    Debian's own 6.12 kernel and modules; prints the folder
  fetch.py busybox   a static busybox; prints its path
  fetch.py source    linux-source-6.12; prints the path of the tarball

Needs no root. What is in the cache is used as it is, without asking a mirror; --refresh looks for
newer versions. Packages come from the mirror that this machine's apt uses, and apt checks their
signatures. The cache is ~/.cache/faultline, or the folder that FL_CACHE names.
"""
import argparse
import collections
import contextlib
import fcntl
import glob
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse

CACHE = os.path.abspath(os.environ.get('FL_CACHE') or os.path.expanduser('~/.cache/faultline'))
KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
NEWER = ['trixie', 'trixie-backports']  # for what is newer than this machine's own Debian
LAYOUT = 1  # raise it when what is kept of the packages changes: older folders are then not used
LISTS_AGE = 3600  # seconds for which apt's lists are new enough
UNUSED = 7 * 24 * 3600  # seconds after which a folder that no run took makes room for a new one
USELESS = ['usr/share/doc', 'usr/share/man', 'usr/share/locale', 'usr/share/info', 'var']

Qemu = collections.namedtuple('Qemu', 'argv firmware version')
# modules: folders that have them; of two of one name, that of the later folder counts
Kernel = collections.namedtuple('Kernel', 'image version modules')
Package = collections.namedtuple('Package', 'name version size')


class Error(Exception):
    """says what is wrong and what to do"""


def command(name, run, then=''):
    """run(), of a program: what ends it early is said in a line"""
    try:
        run()
    except (Error, OSError, subprocess.CalledProcessError) as e:
        sys.exit(f'{name}: {e}')
    except KeyboardInterrupt:
        sys.exit(f'{name}: interrupted{then}')


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# ---- telling how far we are

def say(line, end='\n'):
    print(f'\r\033[K{line}' if sys.stderr.isatty() else line, end=end, file=sys.stderr, flush=True)


def progress(line):
    """a line that the next one overwrites; a file does not get it"""
    if sys.stderr.isatty():
        say(line, end='')


@contextlib.contextmanager
def lock(folder):
    """one run at a time works in this folder; others wait"""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, '.lock'), 'w') as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f'waiting for another run that works in {folder}')
            fcntl.flock(f, fcntl.LOCK_EX)
        yield


# ---- apt with folders of its own

def os_release():
    with contextlib.suppress(OSError), open('/etc/os-release') as f:
        return dict(re.findall(r'^(\w+)="?([^"\n]*)', f.read(), re.M))
    return {}


def mirrors():
    """[(URI, release)] of Debian itself that this machine's apt uses; the first is main"""
    release = os_release()
    if release.get('ID') != 'debian' or not shutil.which('apt-get'):
        raise Error(f"the VM lanes take QEMU and kernels from Debian packages, and this is "
                    f"{release.get('PRETTY_NAME', 'no Debian')}: run them on Debian 12 or later, "
                    "or in a container of it")
    code = release.get('VERSION_CODENAME') or 'sid'
    out = subprocess.run(['apt-get', 'indextargets', '--format', '$(REPO_URI) $(RELEASE)',
                          'Created-By: Packages', 'Component: main'],
                         capture_output=True, text=True).stdout
    found = sorted({tuple(ln.split()) for ln in out.splitlines()}, key=lambda m: (m[1] != code, m))
    found = [m for m in found if re.fullmatch(rf'{code}(-\w+)?', m[1])]
    if not found or found[0][1] != code:
        raise Error(f'apt has no mirror for {code} main: add one to /etc/apt/sources.list.d')
    return found


class Apt:
    """apt-get on suites of our choice, in a folder of the cache, with nothing installed"""

    def __init__(self, name, suites):
        self.dir = os.path.join(CACHE, 'apt', name)
        self.suites = suites

    def __call__(self, program, *args):
        r = subprocess.run([program, '-c', f'{self.dir}/apt.conf', *args], capture_output=True,
                           text=True, cwd=self.dir, stdin=subprocess.DEVNULL)
        if r.returncode:
            raise Error(f'{program} {" ".join(args[:4])}: {r.stderr.strip()}')
        return r.stdout

    def update(self, refresh):
        """apt's lists are there; they are asked for again when they are older than LISTS_AGE"""
        if not os.path.exists(KEYRING):
            raise Error(f'{KEYRING} is missing: apt-get install debian-archive-keyring')
        sources = ''.join(f'deb [arch=amd64 signed-by={KEYRING}] {uri} {suite} main\n'
                          for uri, suite in self.suites)
        conf = '\n'.join([
            f'Dir::State "{self.dir}";', f'Dir::State::status "{self.dir}/status";',
            f'Dir::Cache "{self.dir}/cache";', f'Dir::Etc::sourcelist "{self.dir}/sources.list";',
            f'Dir::Etc::sourceparts "{self.dir}/none";', 'Dir::Etc::preferences "none";',
            f'Dir::Etc::preferencesparts "{self.dir}/none";', 'APT::Architecture "amd64";',
            '#clear APT::Architectures;', 'APT::Architectures { "amd64"; };',
            '#clear APT::Update;', '#clear DPkg;',  # hooks of the machine: they would want root
            'APT::Sandbox::User "";', 'Acquire::Languages "none";', 'Acquire::Retries "2";',
            'Acquire::http::Timeout "30";', ''])
        stamp = os.path.join(self.dir, 'stamp')
        want = digest(sources + conf)
        with contextlib.suppress(OSError), open(stamp) as f:
            young = time.time() - os.path.getmtime(stamp) < LISTS_AGE
            if young and f.read() == want and not refresh:
                return
        for d in ('lists/partial', 'cache/archives/partial', 'none'):
            os.makedirs(os.path.join(self.dir, d), exist_ok=True)
        for file, text in (('sources.list', sources), ('apt.conf', conf), ('status', '')):
            with open(os.path.join(self.dir, file), 'w') as f:
                f.write(text)
        self('apt-get', '-qq', '-o', 'APT::Update::Error-Mode=any', 'update')
        with open(stamp, 'w') as f:
            f.write(want)

    def names(self):
        return self('apt-cache', 'pkgnames').split()

    def uris(self, *args):
        """what apt would download, as [Package]"""
        out = self('apt-get', '-qq', '--print-uris', *args)
        files = re.findall(r"^'\S+' (\S+) (\d+)", out, re.M)
        return [Package(*map(urllib.parse.unquote, file.split('_')[:2]), int(size))
                for file, size in files]

    def download(self, what, packages, to):
        """continues where an interrupted run stopped"""
        total = sum(p.size for p in packages) >> 20
        say(f'{what}: {len(packages)} packages, {total} MB')
        os.makedirs(to, exist_ok=True)
        with tempfile.TemporaryFile('w+') as log:
            proc = subprocess.Popen(['apt-get', '-c', f'{self.dir}/apt.conf', '-qq', 'download',
                                     *(f'{p.name}={p.version}' for p in packages)],
                                    cwd=to, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                while proc.poll() is None:
                    done = sum(f.stat().st_size for f in os.scandir(to)) >> 20
                    progress(f'{what}: {done} of {total} MB')
                    time.sleep(0.2)
            finally:
                proc.kill()
                proc.wait()
            log.seek(0)
            if proc.returncode:
                raise Error(f'download of {what} failed: {log.read().strip()}\n'
                            'run it again to go on with what is there')


def host_apt():
    return Apt('host', mirrors())


def newer_apt():
    return Apt('trixie', [(mirrors()[0][0], suite) for suite in NEWER])


# ---- the cache

def taken(folder):
    """the same, and marked as of use"""
    with contextlib.suppress(OSError):
        os.utime(folder)
    return os.path.realpath(folder)


def prune(home):
    """folders that no run has taken for long: of older packages, or of another recipe"""
    for entry in os.scandir(home):
        if entry.is_dir(follow_symlinks=False) and time.time() - entry.stat().st_mtime > UNUSED:
            shutil.rmtree(entry.path)
    for link in glob.glob(os.path.join(home, 'current-*')):
        if not os.path.exists(link):
            os.unlink(link)


def is_cached(kind, recipe):
    return os.path.exists(os.path.join(CACHE, kind, f'current-{recipe}'))


def cached(kind, recipe, plan, refresh):
    """A folder of this kind. If there is none, or refresh asks, plan() says its name and how to
    fill(folder). recipe tells apart what the project wants of the kind from what it once wanted."""
    home = os.path.join(CACHE, kind)
    current = os.path.join(home, f'current-{recipe}')
    if os.path.exists(current) and not refresh:
        return taken(current)
    with lock(home):
        if os.path.exists(current) and not refresh:
            return taken(current)  # another run has just done it
        for leftover in glob.glob(os.path.join(home, 'tmp.*')):
            shutil.rmtree(leftover)  # of a run that was killed
        name, fill = plan()
        folder = os.path.join(home, name)
        if not os.path.exists(folder):
            tmp = tempfile.mkdtemp(prefix='tmp.', dir=home)
            try:
                fill(tmp)
            except BaseException:
                shutil.rmtree(tmp, ignore_errors=True)
                raise
            os.chmod(tmp, 0o755)
            os.rename(tmp, folder)
        link = os.path.join(tempfile.mkdtemp(prefix='tmp.', dir=home), 'link')
        os.symlink(name, link)
        os.replace(link, current)
        os.rmdir(os.path.dirname(link))
        taken(folder)
        prune(home)
        say(f'{kind}: {folder}')
    return folder


def unpacked(kind, choose, refresh, apts=(host_apt,)):
    """folder with the packages that choose(apt) names, of the first apt that has them, unpacked"""
    def plan():
        for make in apts:
            apt = make()
            with lock(apt.dir):
                progress(f'{kind}: asking the mirror')
                apt.update(refresh)
                packages = sorted(choose(apt))
            if packages:
                break
        else:
            raise Error(f'apt offers no {kind} for {os_release()["VERSION_CODENAME"]}: have its '
                        "-security or -backports suite among apt's sources")
        names = ''.join(f'{p.name}={p.version}\n' for p in packages)
        key = digest(names)
        debs = os.path.join(CACHE, kind, f'download-{key}')

        def fill(folder):
            apt.download(kind, packages, debs)
            for n, deb in enumerate(sorted(glob.glob(f'{debs}/*.deb')), 1):
                progress(f'{kind}: unpacking {n} of {len(packages)}')
                subprocess.run(['dpkg-deb', '-x', deb, folder], check=True)
            for d in USELESS:
                shutil.rmtree(os.path.join(folder, d), ignore_errors=True)
            with open(os.path.join(folder, 'packages'), 'w') as f:
                f.write(names)
            shutil.rmtree(debs)
        return f'{LAYOUT}-{key}', fill

    return cached(kind, LAYOUT, plan, refresh)


def version_of(folder, package):
    with open(os.path.join(folder, 'packages')) as f:
        return re.search(rf'^{re.escape(package)}=(.*)', f.read(), re.M)[1]


def one(folder, *patterns):
    """the one file that is there by one of these names"""
    found = [f for p in patterns for f in glob.glob(os.path.join(folder, p))]
    if len(found) != 1:
        raise Error(f'{folder} has {len(found)} files {" or ".join(patterns)}, not one: remove '
                    f'{os.path.dirname(folder)} and run again')
    return found[0]


# ---- what the lanes want

def qemu(refresh=False):
    package = 'qemu-system-x86'
    top = unpacked('qemu', lambda apt: apt.uris(
        'install', '--no-install-recommends', '-t', NEWER[-1], package), refresh, [newer_apt])
    lib = f'{top}/usr/lib/x86_64-linux-gnu'
    argv = ['env', f'QEMU_MODULE_DIR={lib}/qemu', one(lib, 'ld-linux-x86-64.so.2'),
            '--library-path', lib, f'{top}/usr/bin/qemu-system-x86_64']
    firmware = [a for d in ('seabios', 'qemu') for a in ('-L', f'{top}/usr/share/{d}')]
    version = re.search(r'(?:\d+:)?([\d.]+)', version_of(top, package))[1]
    return Qemu(argv, firmware, version)


def image_package(apt, series):
    """the newest linux-image-SERIES.N-amd64; where it is not signed yet, the same unsigned"""
    pattern = rf'linux-image-{re.escape(series)}\.(\d+)(?:\+deb(\d+))?-amd64(-unsigned)?'
    found = [m for m in (re.fullmatch(pattern, name) for name in apt.names()) if m]
    newest = max(found, default=None, key=lambda m: (int(m[1]), int(m[2] or 0), not m[3]))
    return apt.uris('download', newest[0]) if newest else []


def stock_kernel(series='6.12', refresh=False):
    top = unpacked(f'kernel-{series}', lambda apt: image_package(apt, series), refresh)
    version = os.path.basename(one(top, 'boot/vmlinuz-*'))[len('vmlinuz-'):]
    modules = one(top, f'lib/modules/{version}', f'usr/lib/modules/{version}')
    return Kernel(f'{top}/boot/vmlinuz-{version}', version, [modules])


def busybox(refresh=False):
    top = unpacked('busybox', lambda apt: apt.uris('download', 'busybox-static'), refresh)
    return one(top, 'bin/busybox', 'usr/bin/busybox')


def linux_source(series='6.12', refresh=False):
    """(tarball, version); a series that this machine's Debian has not comes from the newer one"""
    package = f'linux-source-{series}'
    top = unpacked(f'source-{series}', lambda apt: package in apt.names()
                   and apt.uris('download', package) or [], refresh, [host_apt, newer_apt])
    return one(top, f'usr/src/{package}.tar.xz'), version_of(top, package)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    ap.add_argument('what', choices=['qemu', 'kernel', 'busybox', 'source'])
    ap.add_argument('--refresh', action='store_true', help='ask the mirror for newer packages')
    args = ap.parse_args()
    if args.what == 'qemu':
        print(shlex.join(qemu(args.refresh).argv))
    elif args.what == 'kernel':
        print(os.path.dirname(os.path.dirname(stock_kernel(refresh=args.refresh).image)))
    elif args.what == 'busybox':
        print(busybox(args.refresh))
    else:
        print(linux_source(refresh=args.refresh)[0])


if __name__ == '__main__':
    command('fetch', main, '; run it again to go on with what is there')
