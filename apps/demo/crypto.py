# SPDX-License-Identifier: BSD-3-Clause
"""The crypto part of the demo: a real file through the SEC device, held against the openssl
command, and the device beside the software one."""
import json
import os
import shutil
import subprocess
import time

KEY = '603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4'
IV = 'f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff'
# name here, name there, key
CIPHERS = (('aes-cbc', 'aes-256-cbc', KEY), ('aes-ctr', 'aes-128-ctr', KEY[:32]),
           ('sm4-cbc', 'sm4-cbc', KEY[:32]))
DIGESTS = (('sha2-256', 'sha256'), ('sm3', 'sm3'))


def run(*cmd):
    r = subprocess.run(cmd, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    if r.returncode:
        raise RuntimeError(r.stderr.decode(errors='replace').strip().split('\n')[-1] or
                           f'{os.path.basename(cmd[0])} ended with {r.returncode}')
    return r.stdout


def same(a, b):
    with open(a, 'rb') as f, open(b, 'rb') as g:
        return f.read() == g.read()


def cipher(crypt, device, path, tmp, ours, theirs, key):
    """enciphered by the device, deciphered by openssl, and the other way round"""
    secret, peer, back, peer_back = (os.path.join(tmp, n) for n in 'abcd')
    args = ('-a', device, '-c', ours, '-K', key, '-I', IV)
    begun = time.monotonic()
    run(crypt, 'enc', *args, '-i', path, '-o', secret)
    took = time.monotonic() - begun
    run('openssl', 'enc', f'-{theirs}', '-K', key, '-iv', IV, '-in', path, '-out', peer)
    run(crypt, 'dec', *args, '-i', peer, '-o', back)
    run('openssl', 'enc', '-d', f'-{theirs}', '-K', key, '-iv', IV, '-in', secret, '-out',
        peer_back)
    ok = same(secret, peer) and same(back, path) and same(peer_back, path)
    return ok and not same(secret, path), took, f'openssl enc -{theirs}, both ways'


def digest(crypt, device, path, ours, theirs):
    begun = time.monotonic()
    mine = run(crypt, 'digest', '-a', device, '-c', ours, '-i', path).split()[0]
    took = time.monotonic() - begun
    peer = run('openssl', 'dgst', f'-{theirs}', path).split()[-1]
    return mine == peer, took, f'openssl dgst -{theirs}: {peer.decode()[:16]}...'


def files(build, device, tmp):
    """rows of (what, ok, bytes, seconds, note)"""
    crypt, path = (os.path.join(build, 'apps', n) for n in ('fl-crypt', 'fl-testpmd'))
    rows = []
    for name, args in [(c[0], (cipher, tmp, *c)) for c in CIPHERS] + \
                      [(d[0], (digest, *d)) for d in DIGESTS]:
        try:
            ok, took, note = args[0](crypt, device, path, *args[1:])
            rows.append((name, ok, os.path.getsize(path), took, note))
        except (OSError, RuntimeError, subprocess.SubprocessError) as e:
            rows.append((name, False, 0, 0, str(e)))
    return rows


def compare(build, device, tmp):
    """prints the table; returns what went wrong, or None"""
    out = os.path.join(tmp, 'compare.json')
    try:
        r = subprocess.run([os.path.join(build, 'apps', 'fl-crypto-perf'), '--compare', device,
                            'soft:', '--cipher-algo', 'aes-cbc', '--buffer-sz', '64,1024,16384',
                            '--duration', '0.4', '--json', out], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, text=True, timeout=60)
        print(r.stdout[r.stdout.rfind('\n\n', 0, r.stdout.rfind('\n\n')) + 2:], end='')
        if r.returncode:
            return f'fl-crypto-perf ended with {r.returncode}'
        with open(out) as f:
            results = json.load(f)['results']
        failed = sum(x['failed_ops'] for x in results)
        return None if len(results) == 6 and not failed else f'{failed} ops failed'
    except (OSError, ValueError, subprocess.SubprocessError) as e:
        return str(e)


def crypto(build, device, tmp):
    """the whole part; True: all was as it should be"""
    if not shutil.which('openssl'):
        print('crypto left out: the openssl command is missing (package openssl)')
        return True
    print(f'\nA file through {device}, beside the openssl command:\n')
    rows = files(build, device, tmp)
    print(f"{'algorithm':9} {'bytes':>12} {'ms':>8} {'ok':>4} checked against")
    print(*('-' * n for n in (9, 12, 8, 4)), '-' * 50)
    for name, ok, size, took, note in rows:
        print(f"{name:9} {size:>12,} {took * 1e3:>8.0f} {'yes' if ok else 'NO':>4} {note}")
    print(f'\nAES-128-CBC on {device} and on this CPU:\n', flush=True)
    wrong = compare(build, device, tmp)
    if wrong:
        print(f'compare: NO {wrong}')
    return not wrong and all(r[1] for r in rows)
