#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""fl-crypto-perf: every test on every device, its reports, what it refuses, and what it finds."""
import json
import os
import pty
import re
import select
import signal
import subprocess
import tempfile
import time
import xml.etree.ElementTree as ET

from app import BUILD, check, run

PERF = os.path.join(BUILD, 'apps', 'fl-crypto-perf')
DEVICES = ['soft:', 'soft:openssl', 'model:hisi_sec']
QUICK = ('--duration', '0.05', '--warmup', '100')
KEYS = {'device': str, 'ptest': str, 'optype': str, 'algo': str, 'buffer_bytes': int, 'burst': int,
        'ops_per_s': float, 'gbit_per_s': float, 'cycles_per_op': float, 'failed_ops': int}


def perf(*args, rc=0):
    """one run with --json; returns its results and output"""
    with tempfile.NamedTemporaryFile('r', suffix='.json') as f:
        r = run(PERF, *args, '--json', f.name, rc=rc)
        return json.load(f)['results'], r


def able(device, *args):
    """False: the accelerator has no way to do this chain, and says so"""
    if not device.startswith('model') or '--optype' not in args:
        return True
    r = run(PERF, '-a', device, '--buffer-sz', '64', '--total-ops', '1', *args, rc=None)
    return 'crypt with --optype ' not in r.stderr


def until(stream, words):
    while words not in (line := stream.readline()):
        check(line, f'it says {words}')


def shape(results, device, optype, algo, sizes):
    check([x['buffer_bytes'] for x in results] == sizes, f'{device} {algo}: a result a size')
    for x in results:
        for key, kind in KEYS.items():
            check(type(x[key]) is kind, f'{key} is {x[key]!r}')
        check((x['device'], x['optype'], x['algo']) == (device, optype, algo), f'what it is: {x}')
        check(x['failed_ops'] == 0 and x['dequeued'] == x['enqueued'] > 0, f'ops: {x}')
        check(x['cycles_per_op'] > 0 and x['ops_per_s'] > 0, f'rates: {x}')
        gbit = x['ops_per_s'] * x['buffer_bytes'] * 8 / 1e9
        check(abs(x['gbit_per_s'] - gbit) <= 1e-6 + gbit / 1000, f'Gbit/s fits ops/s: {x}')
        check(abs(x['ops_per_s'] * x['seconds'] - x['dequeued']) < 0.01 * x['dequeued'] + 1,
              f'ops/s fit the time: {x}')


def command_lines(device):
    """those that the project promises, as they stand"""
    for args, optype, algo in (
            (('--optype', 'cipher-only', '--cipher-algo', 'aes-cbc', '--cipher-key-sz', '16'),
             'cipher-only', 'aes-cbc'),
            (('--optype', 'aead', '--aead-algo', 'aes-gcm', '--aead-key-sz', '16'),
             'aead', 'aes-gcm'),
            (('--optype', 'aead', '--cipher-algo', 'aes-gcm', '--cipher-key-sz', '16'),
             'aead', 'aes-gcm'),
            (('--optype', 'auth-only', '--auth-algo', 'sha2-256-hmac'), 'auth-only',
             'sha2-256-hmac'),
            (('--optype', 'cipher-only', '--cipher-algo', 'sm4-ctr', '--cipher-key-sz', '16'),
             'cipher-only', 'sm4-ctr'),
            (('--cipher-algo', 'sm4-ctr'), 'cipher-only', 'sm4-ctr'),
            (('--cipher-algo', 'aes-gcm'), 'aead', 'aes-gcm')):
        j, _ = perf('-a', device, '--ptest', 'throughput', *args, '--buffer-sz', '64,1024,16384',
                    *QUICK)
        shape(j, device, optype, algo, [64, 1024, 16384])


def variants(device):
    """directions, layouts, threads: no op fails in any"""
    for args in (('--cipher-op', 'decrypt'), ('--out-of-place',), ('--segment-sz', '100'),
                 ('--segment-sz', '64', '--out-of-place'),
                 ('--optype', 'aead', '--aead-op', 'decrypt', '--aead-aad-sz', '20'),
                 ('--optype', 'auth-only', '--auth-op', 'verify', '--digest-sz', '16'),
                 ('--optype', 'cipher-then-auth'), ('--optype', 'auth-then-cipher'),
                 ('--optype', 'auth-then-cipher', '--cipher-op', 'decrypt', '--auth-op', 'verify'),
                 ('--optype', 'cipher-then-auth', '--cipher-op', 'decrypt'),
                 ('--optype', 'auth-only', '--auth-algo', 'sha1'),
                 ('--qps', '2'), ('-l', '0'), ('--interrupt',), ('--burst-sz', '1'), ('--pool-sz', '7'),
                 ('--desc-nb', '64', '--burst-sz', '128'), ('--sessionless',),
                 ('--sessionless', '--optype', 'aead', '--aead-op', 'decrypt'),
                 ('--ptest', 'latency', '--sessionless', '--total-ops', '20')):
        if not able(device, *args):
            continue
        j, r = perf('-a', device, '--buffer-sz', '1024', '--duration', '0.05', '--warmup', '10',
                    '--silent', *args)
        for x in j:
            check(x['failed_ops'] == 0 and x['dequeued'] > 0, f'{device} {args}: {x}\n{r.stderr}')
        if args == ('--qps', '2'):
            check(len(j[0]['lanes']) == 2 and sum(n['dequeued'] for n in j[0]['lanes']) ==
                  j[0]['dequeued'] and re.search(r'^ +all ', r.stdout, re.M), 'two queue pairs')


def mixed():
    for dev in ('soft:', 'model:hisi_sec'):
        j, _ = perf('-a', dev, '--buffer-sz', '64,1024', '--imix', '3,1', '--total-ops', '20000',
                    '--duration', '10')
        check(len(j) == 1 and 260 < j[0]['buffer_bytes'] < 350, f'3 of 64 bytes to 1 of 1024: {j}')


def ends():
    j, _ = perf('-a', 'soft:', '--buffer-sz', '64', '--total-ops', '1000', '--qps', '3',
                '--duration', '20')
    check(j[0]['dequeued'] == 1000 and j[0]['ended_by'] == 'ops', 'as many ops as asked')
    j, r = perf('-a', 'soft:', '--buffer-sz', '64', '--duration', '0.1')
    check(j[0]['ended_by'] == 'time' and 0.05 < j[0]['seconds'] < 1, 'no longer than asked')
    check('ended after 0.1 s' in r.stdout, 'and it says so')
    j, _ = perf('-a', 'soft:', '--buffer-sz', '16:16:64', '--burst-sz', '8,16', '--total-ops',
                '100')
    check([(x['buffer_bytes'], x['burst']) for x in j] ==
          [(s, b) for s in (16, 32, 48, 64) for b in (8, 16)], 'a range of sizes, a list of bursts')
    with subprocess.Popen([PERF, '-a', 'soft:', '--duration', '60'], stdout=subprocess.PIPE,
                          text=True) as p:
        until(p.stdout, 'lcore id')
        time.sleep(0.1)
        p.send_signal(signal.SIGINT)
        begun = time.monotonic()
        out, _ = p.communicate(timeout=10)
    check(p.returncode == 0 and time.monotonic() - begun < 5 and
          len(re.findall(r'^ +0 +\d+ ', out, re.M)) == 1, f'SIGINT ends it, with a row: {out}')


def latency(device):
    j, r = perf('-a', device, '--ptest', 'latency', '--buffer-sz', '256', *QUICK)
    check([x['burst'] for x in j] == [1, 32], 'one in flight and 32')
    for x in j:
        t = x['latency_us']
        check(0 < t['min'] <= t['p50'] <= t['p99'] <= t['p99.9'] <= t['max'] and
              t['min'] <= t['avg'] <= t['max'], f'percentiles: {t}')
    check(all(w in r.stdout for w in ('p50 us', 'p99 us', 'p99.9 us', 'Depth')), 'columns')


def cyclecount(device):
    for more in ((), ('--pmd-cyclecount-delay-ms', '1')):
        j, r = perf('-a', device, '--ptest', 'pmd-cyclecount', '--buffer-sz', '64', *QUICK, *more)
        x = j[0]
        check(abs(x['cycles_per_enq'] + x['cycles_per_deq'] - x['cycles_per_op']) < 0.1 and
              x['cycles_per_enq'] > 0 and x['cycles_per_deq'] > 0, f'cycles of the calls: {x}')
        check('Cycles/Enq  Cycles/Deq' in r.stdout, 'columns')


def columns():
    head = ('lcore id', 'Buf Size', 'Burst Size', 'Enqueued', 'Dequeued', 'Failed Enq',
            'Failed Deq', 'MOps', 'Gbps', 'Cycles/Buf', 'Owned MiB', 'Mapped MiB', 'Pinned MiB',
            'Page Flts')
    r = run(PERF, '-a', 'soft:', '--buffer-sz', '64', *QUICK)
    check(re.search(' +'.join(head), r.stdout), f'columns: {r.stdout}')
    row = next(ln for ln in r.stdout.split('\n') if re.match(r' +0 +64 +32 ', ln))
    check(len(row.split()) == len(head), f'a figure a column: {row}')
    r = run(PERF, '-a', 'soft:', '--buffer-sz', '64', '--silent', *QUICK)
    check('#' not in r.stdout, '--silent lists nothing')
    for test in ('throughput', 'latency', 'verify', 'pmd-cyclecount'):
        ref = ('--reference', 'soft:openssl') if test == 'verify' else ()
        for csv in ('--csv', '--csv-friendly'):
            r = run(PERF, '-a', 'soft:', '--ptest', test, '--buffer-sz', '64,128', csv, *ref,
                    *QUICK)
            lines = r.stdout.strip().split('\n')
            check(lines[0].startswith('# lcore id,Buffer Size(B),') and
                  len(lines) == (5 if test == 'latency' else 3), f'{csv}: {r.stdout}')
            for ln in lines[1:]:
                check(ln.count(',') == lines[0].count(',') and [float(v) for v in ln.split(',')],
                      f'{test}: {ln}')


# ---- verify

# NIST SP 800-38A, F.2.1; and the first case of AES-128-GCM with a payload in McGrew and Viega's paper
VECTORS = '''
# vectors
cipher_key = 0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6,
0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c
cipher_iv =
0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f
plaintext =
0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96, 0xe9, 0x3d, 0x7e, 0x11, 0x73, 0x93, 0x17, 0x2a
[good]
ciphertext =
0x76, 0x49, 0xab, 0xac, 0x81, 0x19, 0xb2, 0x46, 0xce, 0xe9, 0x8e, 0x9b, 0x12, 0xe9, 0x19, 0x7d
[bad]
ciphertext =
0x76, 0x49, 0xab, 0xac, 0x81, 0x19, 0xb2, 0x46, 0xce, 0xe9, 0x8e, 0x9b, 0x12, 0xe9, 0x19, 0x7e
'''
GCM = '''[zeros]
aead_key = 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
aead_iv = 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
plaintext = 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
ciphertext = 0x03, 0x88, 0xda, 0xce, 0x60, 0xb6, 0xa3, 0x92, 0xf3, 0x28, 0xc2, 0xb9, 0x71, 0xb2, 0xfe, 0x78
digest = 0xab, 0x6e, 0x47, 0xd4, 0x2c, 0xec, 0x13, 0xbd, 0xf5, 0x3a, 0x67, 0xb2, 0x12, 0x57, 0xbd, 0xdf
'''


def vectors(device, tmp):
    path = os.path.join(tmp, 'vectors')
    with open(path, 'w') as f:
        f.write(VECTORS)
    for op in ('encrypt', 'decrypt'):
        args = ('-a', device, '--ptest', 'verify', '--cipher-algo', 'aes-cbc', '--cipher-op', op,
                '--total-ops', '100', '--duration', '20', '--test-file', path)
        j, _ = perf(*args, '--test-name', 'good')
        check([(x['vector'], x['failed_ops']) for x in j] == [('good', 0)], f'the good one: {j}')
        j, r = perf(*args, rc=1)
        check([(x['vector'], x['failed_ops']) for x in j] == [('good', 0), ('bad', 100)] and
              '100 with wrong bytes' in r.stderr, f'{device}: the bad one is found out: {j}')
    with open(path, 'w') as f:
        f.write(GCM)
    for op in ('encrypt', 'decrypt'):
        j, _ = perf('-a', device, '--ptest', 'verify', '--optype', 'aead', '--aead-op', op,
                    '--total-ops', '100', '--duration', '20', '--test-file', path)
        check(j[0]['failed_ops'] == 0 and j[0]['dequeued'] == 100, f'GCM: {j}')


def bad_vectors(tmp):
    path = os.path.join(tmp, 'bad')
    for text, words in (('0x12', 'bytes of what'), ('[a]\nplaintext = zz', 'no byte is written'),
                        ('[a]\nmagic = 1', 'no field is called magic'), ('', 'no vector'),
                        ('[a]\nplaintext = 0', 'needs ciphertext'),
                        (VECTORS + '[c]\nciphertext = 1', 'as long as')):
        with open(path, 'w') as f:
            f.write(text)
        r = run(PERF, '-a', 'soft:', '--ptest', 'verify', '--test-file', path, rc=1)
        check(words in r.stderr, f'{text!r}: {r.stderr}')


def verify(device):
    ref = () if device.startswith('model') else ('--reference', 'soft:openssl')
    for args in ((), ('--cipher-op', 'decrypt'), ('--out-of-place', '--segment-sz', '100'),
                 ('--cipher-algo', 'aes-ctr', '--buffer-sz', '17,33,1000', '--segment-sz', '7'),
                 ('--optype', 'aead', '--aead-aad-sz', '13'),
                 ('--optype', 'aead', '--aead-op', 'decrypt', '--aead-aad-sz', '13'),
                 ('--optype', 'auth-only',), ('--optype', 'auth-only', '--auth-op', 'verify'),
                 ('--optype', 'cipher-then-auth', '--aead-aad-sz', '16', '--qps', '2'),
                 ('--optype', 'auth-then-cipher', '--cipher-op', 'decrypt')):
        if not able(device, *args):
            continue
        j, r = perf('-a', device, '--ptest', 'verify', '--buffer-sz', '64,1024', '--total-ops',
                    '1000', '--duration', '20', '--silent', *ref, *args)
        check(all(x['failed_ops'] == 0 and x['dequeued'] == 1000 for x in j),
              f'{device} {args}: {r.stdout}{r.stderr}')
    check('Failed Ops' in r.stdout, 'columns')


def broken():
    """a model that goes wrong: the tool says so, counts it, and ends"""
    sec = 'model:hisi_sec,workers=1,inject='
    args = ('--buffer-sz', '64,128', '--timeout', '500', '--warmup', '10', '--total-ops', '100',
            '--duration', '20')
    for test in ('throughput', 'latency', 'verify', 'pmd-cyclecount'):
        j, r = perf('-a', f'{sec}phase@20', '--ptest', test, *args, rc=1)
        check(j[-1]['ended_by'] == 'no answer' and j[-1]['failed_ops'] > 0 and
              j[-1]['buffer_bytes'] == 64, f'{test}: no answer, and no second size: {j}')
        check('no op came back for 500 ms' in r.stderr and 'never came back' in r.stderr, r.stderr)
    for test in ('throughput', 'verify'):
        j, r = perf('-a', f'{sec}bd@20', '--ptest', test, *args, rc=1)
        check([x['failed_ops'] for x in j] == [1, 0] and ' 1 error' in r.stderr,
              f'{test}: one op failed: {j} {r.stderr}')
    j, r = perf('-a', f'{sec}icv@20', '--ptest', 'verify', '--optype', 'aead', '--aead-op',
                'decrypt', *args, rc=1)
    check(sum(x['failed_ops'] for x in j) == 1, f'a good tag refused: {j} {r.stderr}')
    with tempfile.TemporaryDirectory() as tmp:
        path = os.path.join(tmp, 'sec')
        model = subprocess.Popen([os.path.join(BUILD, 'apps', 'fl-model'), '-s', path, 'hisi_sec'],
                                 stdout=subprocess.PIPE, text=True)
        check(path in model.stdout.readline(), 'fl-model listens')
        with subprocess.Popen([PERF, '-a', f'vfio-user:{path}', '--duration', '30'],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
            until(p.stdout, 'lcore id')
            time.sleep(0.3)
            model.kill()
            model.wait()
            begun = time.monotonic()
            out, err = p.communicate(timeout=20)
        check(p.returncode == 1 and 'is gone' in err and time.monotonic() - begun < 10,
              f'killed in the middle: {p.returncode} {out} {err}')
    j, r = perf('--compare', f'{sec}phase@20', 'soft:', *args, rc=1)
    check(j[0]['ended_by'] == 'no answer' and [x['device'] for x in j] == [f'{sec}phase@20', 'soft:', 'soft:'],
          f'the others go on: {r.stdout}')


# ---- more devices than one, the plot, the terminal

def compare(tmp):
    svg = os.path.join(tmp, 'p<&.svg')
    for test, unit in (('throughput', 'Gbps'), ('latency', 'p50 us'), ('pmd-cyclecount',
                                                                       'cycles/op')):
        j, r = perf('--compare', *DEVICES, '--ptest', test, '--buffer-sz', '64,1024',
                    '--burst-sz', '1,8', '--duration', '0.02', '--warmup', '10', '--plot', svg)
        check([x['device'] for x in j] == DEVICES * 4, 'devices in turn')
        check(all(len(x['rounds_ops_per_s']) == 3 for x in j), 'three rounds')
        check(f'{test}, {unit}; medians of 3 rounds' in r.stdout and 'ratio' in r.stdout, 'table')
        rows = re.findall(r'^ +(64|1024) +(1|8) +([\d.e+]+)((?: +[\d.e+]+ +[\d.]+)+)$',
                          r.stdout[r.stdout.index('medians'):], re.M)
        check(len(rows) == 4, f'a row a case: {r.stdout}')
        for row in rows:
            other = row[3].split()
            check(abs(float(row[2]) / float(other[0]) - float(other[1])) < 0.02 * float(other[1]) +
                  0.01, f'ratio: {row}')
        plot(svg, len(DEVICES) * 2, 4 * len(DEVICES), test == 'latency')
    r = run(PERF, '-a', 'soft:', '-a', 'soft:openssl', '--buffer-sz', '64', '--csv', *QUICK)
    check([ln.split(',')[0] for ln in r.stdout.split('\n')[:3]] ==
          ['# device', 'soft:', 'soft:openssl'], 'CSV names the device')


def plot(svg, lines, points, thin):
    root = ET.parse(svg).getroot()
    ns = '{http://www.w3.org/2000/svg}'
    paths = [p for p in root.iter(ns + 'path') if ' L' in p.get('d')]
    check(root.tag == ns + 'svg' and len(paths) == lines * (2 if thin else 1), 'lines')
    check(len(list(root.iter(ns + 'circle'))) == points, 'points')
    texts = [t.text for t in root.iter(ns + 'text')]
    check('1 Ki' in texts and '64' in texts, f'axis: {texts}')
    for d in DEVICES:
        check(any(t.startswith(f'{d} (') for t in texts), f'legend: {texts}')
    w, h = float(root.get('width')), float(root.get('height'))
    for p in paths:
        for x, y in re.findall(r'([\d.-]+) ([\d.-]+)', p.get('d')):
            check(0 <= float(x) <= w and 0 <= float(y) <= h, f'inside: {p.get("d")}')


def terminal():
    """progress on a terminal only, gone at the end"""
    def stderr_of(*args):
        master, slave = pty.openpty()
        with subprocess.Popen([PERF, '-a', 'soft:', '--buffer-sz', '64', '--duration', '0.5',
                               *args], stdout=subprocess.DEVNULL, stderr=slave) as p:
            os.close(slave)
            seen = b''
            while select.select([master], [], [], 10)[0]:
                try:
                    seen += os.read(master, 4096)
                except OSError:
                    break
            os.close(master)
        check(p.returncode == 0, 'it ran')
        return seen
    seen = stderr_of()
    check(re.search(rb'\[#+\.*\] +\d+%  soft:', seen) and seen.endswith(b'\r\x1b[K'),
          f'a bar, and gone: {seen}')
    check(stderr_of('--silent') == b'', '--silent has none')
    r = run(PERF, '-a', 'soft:', '--buffer-sz', '64', '--duration', '0.5')
    check(r.stderr == '', 'nor has a pipe')


def refusals(tmp):
    """what cannot be is told in one line, with what to do: 2 for the command line, 1 for the rest"""
    soft = ('-a', 'soft:')
    for rc, args, words in (
            (2, (), 'no device'), (2, ('soft:',), 'what is it'), (2, ('--compare', 'soft:'), 'two devices'),
            (2, (*soft, '--ptest', 'speed'), 'pmd-cyclecount'),
            (2, (*soft, '--optype', 'pdcp'), 'cipher-then-auth'),
            (2, (*soft, '--cipher-op', 'hide'), 'encrypt|decrypt'),
            (2, (*soft, '--buffer-sz', '64:0:128'), 'MIN:INC:MAX'),
            (2, (*soft, '--buffer-sz', '64,'), 'MIN:INC:MAX'),
            (2, (*soft, '--buffer-sz', '-64'), 'MIN:INC:MAX'),
            (2, (*soft, '--burst-sz', '0'), 'want SIZES'),
            (2, (*soft, '--total-ops', '0'), 'number from 1'),
            (2, (*soft, '--duration', '-1'), 'want SEC'),
            (2, (*soft, '--lcores', '0,1', '--qps', '3'), 'names 2 CPUs'),
            (2, (*soft, '--imix', '1,2'), '2 weights'),
            (2, (*soft, '--imix', '0', '--buffer-sz', '64'), 'all weights'),
            (1, (*soft, '--imix', '1', '--buffer-sz', '64', '--optype', 'aead', '--aead-op',
                 'decrypt'), 'one size'),
            (1, (*soft, '--devtype', 'crypto_hisi_sec'), 'driven by crypto_soft'),
            (2, (*soft, '--sessionless', '--ptest', 'verify'), 'throughput and latency'),
            (2, (*soft, '--test-file', 'x'), 'ptest=verify'),
            (2, (*soft, '--vdev', 'x'), '-a opens every kind'),
            (2, ('--devtype', 'crypto_fpga'), 'crypto_aesni_mb'),
            (1, (*soft, '--cipher-algo', 'aes-foo'), 'sm4-ctr'),
            (1, (*soft, '--cipher-algo', 'aes-gcm', '--optype', 'cipher-only'), 'is not for'),
            (1, (*soft, '--optype', 'cipher-then-auth', '--cipher-op', 'decrypt', '--auth-op',
                 'generate'), 'goes with --auth-op verify'),
            (1, (*soft, '--aead-aad-sz', '8'), 'no additional data'),
            (1, (*soft, '--cipher-key-sz', '17'), 'key of 17 bytes'),
            (1, (*soft, '--buffer-sz', '100'), 'multiples of 16'),
            (1, (*soft, '--json', '/nowhere/x'), 'Cannot write /nowhere/x'),
            (1, (*soft, '--plot', '/nowhere/x'), 'Cannot write /nowhere/x'),
            (1, (*soft, '--desc-nb', '100'), 'powers of two'),
            (1, (*soft, '-l', '1000'), '--lcores'),
            (1, ('-a', 'model:nope'), 'Cannot open model:nope'),
            (1, ('-a', 'model:hisi_sec', '--cipher-algo', '3des-ctr'), '3des-cbc'),
            (1, ('-a', 'model:hisi_sec', '--segment-sz', '1', '--buffer-sz', '16384'), 'segments'),
            (1, ('-a', 'soft:', '--ptest', 'verify', '--reference', 'model:nope'), 'Cannot open'),
            (1, (*soft, '--ptest', 'verify', '--test-file', '/nowhere'), 'Cannot read')):
        r = run(PERF, *args, rc=rc)
        check(words in r.stderr, f'{args}: {r.stderr}')
    r = run(PERF, '--devtype', 'crypto_openssl', '--buffer-sz', '64', *QUICK)
    check('soft:openssl (' in r.stdout, '--devtype names a device')
    check('--buffer-sz' in run(PERF, '--help').stdout, 'help')


if __name__ == '__main__':
    with tempfile.TemporaryDirectory() as t:
        refusals(t)
        columns()
        mixed()
        ends()
        bad_vectors(t)
        for dev in DEVICES:
            command_lines(dev)
            variants(dev)
            latency(dev)
            cyclecount(dev)
            verify(dev)
            vectors(dev, t)
        compare(t)
    broken()
    terminal()
