# SPDX-License-Identifier: BSD-3-Clause
"""The guest's root: busybox, an init, kernel modules, our programs and the libraries they load.

An archive is named by what stands in it, so one that was made before is taken again.
"""
import contextlib
import hashlib
import lzma
import os
import re
import subprocess
import time

KEEP = 4    # archives in the cache, however old,
AGE = 600   # and all that were taken in so many seconds: QEMU may not have read them yet
DIRS = ['bin', 'dev', 'etc', 'proc', 'sys', 'tmp', 'mod', 'home', 'lib', 'lib64']


class Archive:
    """A cpio archive ("newc") in memory. It stays uncompressed: unpacking costs an emulated
    processor more than the bytes cost QEMU."""

    def __init__(self):
        self.files = {}

    def add(self, path, data, mode=0o100644):
        parts = os.path.dirname(path).split('/')
        for i in range(len(parts)):
            self.add_dir('/'.join(parts[:i + 1]))
        self.files[path] = (mode, data)

    def add_dir(self, path):
        self.files[path] = (0o040755, b'')

    def add_file(self, path, source):
        with open(source, 'rb') as f:
            self.add(path, f.read(), 0o100755)

    def bytes(self):
        out = bytearray()
        self.files.pop('', None)
        entries = [*self.files.items(), ('TRAILER!!!', (0, b''))]
        for ino, (path, (mode, data)) in enumerate(entries, 1):
            name = path.encode() + b'\0'
            links = 1 if mode & 0o100000 else 2
            fields = (ino, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(name), 0)
            out += b'070701' + b''.join(b'%08x' % f for f in fields) + name
            out += b'\0' * (-len(out) % 4) + data
            out += b'\0' * (-len(out) % 4)
        return bytes(out)


def libraries(program):
    """what the dynamic linker would load for it, itself included"""
    out = subprocess.run(['ldd', program], capture_output=True, text=True, timeout=30).stdout
    missing = re.findall(r'(\S+) => not found', out)
    if missing:
        raise RuntimeError(f'{program}: no {", ".join(missing)}')
    return sorted({m for m in re.findall(r'(/\S+) \(0x', out)})


class Modules:
    """The modules of one kernel: finds a file by name and the order to load it in."""

    def __init__(self, roots):
        self.paths = {}
        for folder, _, names in (f for root in roots for f in os.walk(root)):
            for n in names:
                if n.endswith(('.ko', '.ko.xz')):
                    self.paths[n.split('.ko')[0].replace('-', '_')] = os.path.join(folder, n)
        self.loaded = {}

    def read(self, name):
        if name not in self.loaded:
            path = self.paths[name]
            with (lzma.open if path.endswith('.xz') else open)(path, 'rb') as f:
                self.loaded[name] = f.read()
        return self.loaded[name]

    def order(self, names):
        """these, after all that they depend on; what is built into the kernel is left out"""
        done = []

        def visit(name):
            name = name.replace('-', '_')
            if name in done or name not in self.paths:
                return
            needs = re.search(rb'\0depends=([^\0]*)\0', self.read(name))
            for n in needs[1].decode().split(',') if needs else ():
                visit(n)
            done.append(name)

        for n in names:
            visit(n)
        return done


def build(cache, busybox, init, kernel, modules, programs):
    """Returns the path of an archive with the programs in /bin and the modules in /mod; /mod/order
    lists these in the order to load them."""
    a = Archive()
    for d in DIRS:
        a.add_dir(d)
    a.add_file('bin/busybox', busybox)
    a.add('init', init.encode(), 0o100755)
    a.add('etc/passwd', b'root:x:0:0::/:/bin/sh\nuser:x:1000:1000::/home:/bin/sh\n')
    a.add('etc/group', b'root:x:0:\nuser:x:1000:\n')
    mods = Modules(kernel.modules)
    order = mods.order(modules)
    for m in order:
        a.add(f'mod/{m}.ko', mods.read(m))
    a.add('mod/order', ''.join(m + '\n' for m in order).encode())
    libs = set()
    for p in programs:
        a.add_file('bin/' + os.path.basename(p), p)
        libs.update(libraries(p))
    for lib in sorted(libs):
        a.add_file(lib.lstrip('/'), lib)
    data = a.bytes()
    path = os.path.join(cache, f'initramfs-{hashlib.sha256(data).hexdigest()[:16]}.cpio')
    try:
        os.utime(path)
    except FileNotFoundError:
        os.makedirs(cache, exist_ok=True)
        with open(f'{path}.{os.getpid()}', 'wb') as f:
            f.write(data)
        os.rename(f.name, path)
        prune(cache)
    return path


def prune(cache):
    """other runs may be at it, too"""
    found = []
    for entry in os.scandir(cache):
        with contextlib.suppress(FileNotFoundError):
            found.append((entry.stat().st_mtime, entry.path))
    for mtime, path in sorted(found)[:-KEEP]:
        if time.time() - mtime > AGE:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
