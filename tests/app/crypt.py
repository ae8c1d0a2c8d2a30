#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""fl-crypt against the openssl and sha256sum command lines, both ways, at sizes around a chunk."""
import os
import shutil
import subprocess
import tempfile

from app import BUILD, check, run, skip

CRYPT = os.path.join(BUILD, 'apps', 'fl-crypt')
DEVICES = ['soft:', 'model:hisi_sec']
KEY = '000102030405060708090a0b0c0d0e0f'
IV = 'ffffffffffffffffffffffffffffff00'  # a counter that carries
CHUNK = 256 << 10
CIPHERS = [(f'{a}-{m}', f'{o}-{m}', KEY, '' if m == 'ecb' else IV)
           for a, o in (('aes', 'aes-128'), ('sm4', 'sm4'))
           for m in ('ecb', 'cbc', 'ctr', 'cfb', 'ofb')]
CIPHERS += [('aes-cbc', 'aes-256-cbc', KEY * 2, IV),
            ('3des-cbc', 'des-ede3-cbc', '0123456789abcdeffedcba987654321001122334455667788'[:48],
             IV[:16])]


def out(*cmd, data=b'', rc=0):
    r = subprocess.run(cmd, input=data, capture_output=True, timeout=60)
    check(rc is None or r.returncode == rc, f'{" ".join(cmd)}: {r.returncode} {r.stderr}')
    return r.stdout


def ciphers(device, size):
    plain = os.urandom(size)
    for ours, theirs, key, iv in CIPHERS:
        args = ('-a', device, '-c', ours, '-K', key, *(('-I', iv) if iv else ()))
        secret = out('openssl', 'enc', f'-{theirs}', '-K', key, *(('-iv', iv) if iv else ()),
                     data=plain)
        check(out(CRYPT, 'enc', *args, data=plain) == secret, f'{device} {theirs} of {size}')
        check(out(CRYPT, 'dec', *args, data=secret) == plain, f'{device} {theirs} back, {size}')


def digests(device, size, tmp):
    path = os.path.join(tmp, 'file')
    with open(path, 'wb') as f:
        f.write(os.urandom(size))
    for ours, tool in (('sha2-256', 'sha256sum'), ('sha1', 'sha1sum'), ('sha2-512', 'sha512sum'),
                       ('md5', 'md5sum')):
        check(out(CRYPT, 'digest', '-a', device, '-c', ours, '-i', path) == out(tool, path),
              f'{device} {tool} of {size}')
    mac = out('openssl', 'dgst', '-sha256', '-mac', 'HMAC', '-macopt', f'hexkey:{KEY}', path)
    ours = out(CRYPT, 'digest', '-a', device, '-c', 'sha2-256-hmac', '-K', KEY, '-i', path)
    check(mac.split()[-1] == ours.split()[0], f'{device} HMAC of {size}')


def refusals(tmp):
    aes = ('-c', 'aes-cbc', '-K', KEY, '-I', IV)
    path = os.path.join(tmp, 'odd')
    with open(path, 'wb') as f:
        f.write(b'x' * 17)
    for rc, args, words in (
            (2, (), 'enc, dec or digest'), (2, ('hide', *aes), 'enc, dec or digest'),
            (2, ('enc', 'dec', *aes), 'once'), (2, ('enc',), 'no --algo'),
            (2, ('enc', '-c', 'aes-xts'), 'aes-ctr'), (2, ('enc', '-c', 'sha1'), 'aes-ctr'),
            (2, ('digest', '-c', 'aes-cbc'), 'sha2-256'),
            (2, ('enc', '-c', 'aes-cbc'), 'needs a --key'),
            (2, ('enc', '-c', 'aes-cbc', '-K', '0g'), 'in hex'),
            (2, ('enc', '-c', 'aes-cbc', '-K', KEY), '--iv of 16 bytes'),
            (2, ('digest', '-c', 'sha1', '-K', KEY), 'sha1-hmac'),
            (1, ('enc', '-a', 'model:nope', *aes), 'Cannot open model:nope'),
            (1, ('enc', '-c', 'aes-cbc', '-K', KEY[2:], '-I', IV), 'key of 15 bytes'),
            (1, ('enc', *aes, '-i', '/nowhere'), 'Cannot read /nowhere'),
            (1, ('enc', *aes, '-i', path, '-o', '/nowhere/x'), 'Cannot write /nowhere/x'),
            (1, ('enc', *aes, '-i', path, '-o', '/dev/full'), 'Cannot write /dev/full'),
            (1, ('enc', *aes, '-i', path, '--nopad'), 'ends with 1'),
            (1, ('dec', *aes, '-i', path), 'ends with 1'),
            (1, ('dec', *aes, '-i', '/dev/null'), 'bad decrypt')):
        r = run(CRYPT, *args, rc=rc)
        check(words in r.stderr, f'{args}: {r.stderr}')
    check('EXAMPLES' in run(CRYPT, '--help').stdout, 'help')


if __name__ == '__main__':
    if not shutil.which('openssl'):
        skip('the openssl command is not installed')
    with tempfile.TemporaryDirectory() as t:
        refusals(t)
        for dev in DEVICES:
            for n in (1, CHUNK - 1, CHUNK, CHUNK + 1, 20 * CHUNK + 77):
                ciphers(dev, n)
                digests(dev, n, t)
