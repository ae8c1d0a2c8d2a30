#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checks of the tree's own rules: check.py RULE [ARG...]; exit 1 and one line a breach.

layers            a room includes only rooms below it
spdx              every source file names its licence
tokens            words that do not belong where they stand, each with the reason
links             pages, pictures and headings that the documents point to are there
symbols LIB...    a library exports (or, static, defines as global) nothing but fl_*
globals LIB.a     no writable global data beyond the ones we name
"""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# what each room may include, beside itself
BELOW = {
    'lib/base': [],
    'lib/ring': ['lib/base'],
    'lib/mem': ['lib/base'],
    'lib/dma': ['lib/base', 'lib/mem', 'lib/ring'],
    'lib/vfio': ['lib/base', 'lib/mem', 'lib/ring', 'lib/dma'],
    'lib/dev': ['lib/base', 'lib/mem', 'lib/ring', 'lib/dma', 'lib/vfio'],
    'lib/pkt': ['lib/base', 'lib/mem', 'lib/ring', 'lib/dma'],
    'lib/crypto': ['lib/base', 'lib/mem', 'lib/ring', 'lib/dma', 'lib/vfio', 'lib/dev'],
    'lib/net': ['lib/base', 'lib/mem', 'lib/ring', 'lib/dma', 'lib/vfio', 'lib/dev', 'lib/pkt'],
}
BELOW['drivers'] = list(BELOW)
BELOW['lib/model'] = list(BELOW)[:-2] + ['lib/net']
BELOW['models'] = [r for r in BELOW if r != 'drivers']
BELOW['lib/telemetry'] = [r for r in BELOW if r.startswith('lib/') and r != 'lib/model']
BELOW['apps'] = list(BELOW)

WRITABLE = {
    'default_log': 'log default',
    'registered': 'driver table',
    'fl_pool_tls': 'per thread: packet pool caches',
}

# (pattern, files, reason)
TOKENS = [
    (r'\b(exit|abort|_exit|assert)\s*\(', r'^(lib|drivers)/(?!model).*\.c$',
     'a library never ends its process: return an error'),
    (r'\b(v?printf|puts|perror)\s*\(', r'^(lib|drivers|models)/.*\.c$',
     'a library writes through its log sink only'),
    (r'\bstrtok\s*\(|\bgets\s*\(|\bsprintf\s*\(|\bstrcpy\s*\(|\bstrcat\s*\(', r'\.[ch]$',
     'unbounded or unsafe string function'),
    (r'/home/|/root/', r'.*', 'path of one machine'),
    (r'\b(TODO|FIXME|XXX)\b', r'\.([ch]|py|sh|md|build)$', 'unfinished mark'),
]


def tracked():
    out = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard'], cwd=ROOT,
                         capture_output=True, text=True)
    if out.returncode == 0:
        return [f for f in out.stdout.split('\n') if f and os.path.exists(os.path.join(ROOT, f))]
    files = []  # a release tarball
    for d, dirs, names in os.walk(ROOT):
        dirs[:] = [x for x in dirs if not x.startswith(('build', '.'))]
        files += [os.path.relpath(os.path.join(d, n), ROOT) for n in names]
    return files


def text(path):
    with open(os.path.join(ROOT, path), errors='replace') as f:
        return f.read()


def room(path):
    return next((r for r in sorted(BELOW, key=len, reverse=True) if path.startswith(r + '/')), None)


def layers():
    sources = [f for f in tracked() if f.endswith(('.c', '.h')) and room(f)]
    home = {}
    for f in sources:
        if f.endswith('.h'):
            home.setdefault(os.path.basename(f), f)
    bad = []
    for f in sources:
        mine = room(f)
        for inc in re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', text(f), re.M):
            beside = os.path.join(os.path.dirname(f), inc)
            there = beside if beside in sources else home.get(os.path.basename(inc))
            if not there or room(there) == mine:
                continue
            if room(there) not in BELOW[mine]:
                bad.append(f'{f}: includes {inc} of {room(there)}, which does not stand below {mine}')
            elif re.search(r'_internal\.h$', inc):
                bad.append(f'{f}: includes {inc}, private to {room(there)}')
    return bad


def spdx():
    kinds = ('.c', '.h', '.py', '.sh', '.build', '.ini', '.txt', '.patch')
    return [f'{f}: no SPDX-License-Identifier in the first 5 lines' for f in tracked()
            if (f.endswith(kinds) or os.path.basename(f) in ('Makefile', 'run', 'debian-packages'))
            # a mail to `git am`: kernel-patches/lint.py looks into it
            and '/corpus/' not in f and not f.startswith('kernel-patches/linux-')
            and not any('SPDX-License-Identifier:' in ln for ln in text(f).split('\n')[:5])]


def tokens():
    bad = []
    for f in tracked():
        if f.startswith('tests/lint/') or '/corpus/' in f:
            continue
        for pattern, files, reason in TOKENS:
            if not re.search(files, f):
                continue
            for n, line in enumerate(text(f).split('\n'), 1):
                if re.search(pattern, line) and not re.search(r'static_assert|_Static_assert', line):
                    bad.append(f'{f}:{n}: {reason}: {line.strip()}')
    return bad


def anchor(heading):
    """as GitHub makes it from a heading"""
    return re.sub(r'[^\w\- ]', '', heading.replace('`', '').lower()).strip().replace(' ', '-')


def links():
    bad = []
    files = tracked()
    for f in (f for f in files if f.endswith('.md')):
        prose = re.sub(r'^```.*?^```', '', text(f), flags=re.M | re.S)
        for to in re.findall(r'\]\(([^)\s]+)\)', prose):
            if re.match(r'https?://', to):
                continue
            page, _, part = to.partition('#')
            page = os.path.normpath(os.path.join(os.path.dirname(f), page)) if page else f
            if page not in files:
                bad.append(f'{f}: {to}: there is no such file')
            elif part and part not in map(anchor, re.findall(r'^#+ (.*)', text(page), re.M)):
                bad.append(f'{f}: {to}: there is no such heading')
        # files named in code style, from the root of the tree
        for name in re.findall(r'`((?:lib|drivers|models|apps|config|doc|tests)/[\w./-]+)`', prose):
            if name.rstrip('/') not in files and not any(
                    x.startswith(name.rstrip('/') + '/') for x in files) and 'NAME' not in name:
                bad.append(f'{f}: `{name}` is not in the tree')
    return bad


def nm(*args):
    return subprocess.run(['nm', *args], capture_output=True, text=True, check=True).stdout


def symbols(*libs):
    bad = []
    for lib in libs:
        flags = ['-D', '--defined-only'] if '.so' in lib else ['-g', '--defined-only']
        for line in nm(*flags, lib).split('\n'):
            part = line.split()
            if len(part) == 3 and not part[2].startswith('fl_') and not part[2].startswith('__odr_asan'):
                bad.append(f'{lib}: exports {part[2]}')
    return bad


OBJECT = re.compile(r'[0-9a-f]+ .{5}.O (\S+)\s+[0-9a-f]+ (?:\.hidden )?(\S+)')


def writable_globals(lib):
    """Objects in sections that the code can write: not relocated constants (.data.rel.ro)."""
    out = subprocess.run(['objdump', '-t', lib], capture_output=True, text=True, check=True)
    bad = []
    for section, name in OBJECT.findall(out.stdout):
        if re.match(r'\.(t?data|t?bss)(?!\.rel\.ro)|\*COM\*', section) and \
           name.split('.')[0] not in WRITABLE:
            bad.append(f'{lib}: writable global {name}')
    return bad


RULES = {'layers': layers, 'spdx': spdx, 'tokens': tokens, 'links': links, 'symbols': symbols,
         'globals': writable_globals}


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in RULES:
        sys.exit(__doc__)
    bad = RULES[sys.argv[1]](*sys.argv[2:])
    print('\n'.join(bad) if bad else f'{sys.argv[1]}: clean')
    sys.exit(1 if bad else 0)


if __name__ == '__main__':
    main()
