# SPDX-License-Identifier: BSD-3-Clause
"""
The SEC2 model behind its driver: throughput of large requests beside `openssl speed` on one core,
in alternation, and latency, which has no peer. Shows what developing on the model is like; no
figure of a chip.
"""
import json
import os
import re
import shutil
import subprocess
import tempfile

import end_to_end

URI = 'model:hisi_sec'
BYTES = 16384
DEPTHS = (1, 32)
TIMEOUT = 120
# (openssl's name, the tool's options)
CASES = (
    ('aes-128-cbc', ['--optype', 'cipher-only', '--cipher-algo', 'aes-cbc', '--cipher-key-sz',
                     '16']),
    ('aes-256-gcm', ['--optype', 'aead', '--aead-algo', 'aes-gcm', '--aead-key-sz', '32']),
)


def run(argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=TIMEOUT, check=False)
    if done.returncode:
        last = ' / '.join(done.stdout.strip().splitlines()[-3:])
        raise OSError(f'{argv[0]} ended with {done.returncode}: {last}')
    return done.stdout


def tool(build, options):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, 'out.json')
        run([os.path.join(build, 'apps', 'fl-crypto-perf'), '-a', URI, '--silent', '--json', out,
             '-l', str(end_to_end.two_cpus()[-1]), *options])
        with open(out, encoding='utf-8') as f:
            rows = json.load(f)['results']
    for row in rows:
        if row['failed_ops']:
            raise OSError(f'fl-crypto-perf: {row["failed_ops"]} ops failed')
    return rows


def openssl_gbps(name):
    """openssl gives its digits in thousands of bytes a second."""
    out = run(['openssl', 'speed', '-elapsed', '-evp', name, '-bytes', str(BYTES), '-seconds', '1'])
    return float(re.findall(r'([\d.]+)k\s*$', out, re.M)[-1]) * 8e3 / 1e9


def throughput(build, runs, results, progress):
    for _ in range(runs):
        for name, options in CASES:
            metric = f'{URI} {name}, {BYTES} B'
            row = tool(build, ['--ptest', 'throughput', *options, '--buffer-sz', str(BYTES),
                               '--duration', '1'])[0]
            progress.show(f'{metric}: {row["gbit_per_s"]:.2f}')
            results.add(metric, 'Gbit/s', 'ours', row['gbit_per_s'], None)
            results.add(metric, 'Gbit/s', 'peer', openssl_gbps(name), 'openssl speed')


def latency(build, runs, results, progress):
    for _ in range(runs):
        for row in tool(build, ['--ptest', 'latency', '--cipher-algo', 'aes-cbc', '--buffer-sz',
                                '64', '--burst-sz', ','.join(map(str, DEPTHS)), '--duration',
                                '0.5']):
            for what in ('p50', 'p99', 'p99.9'):
                metric = f'{URI} 64 B, depth {row["burst"]}, {what}'
                results.add(metric, 'us', 'ours', row['latency_us'][what], None)
            progress.show(metric)


def measure(build, runs, results, progress):
    if not shutil.which('openssl'):
        results.note('openssl is not installed: nothing to hold the SEC2 model against')
        return 0
    try:
        throughput(build, runs, results, progress)
        latency(build, runs, results, progress)
    except (OSError, subprocess.TimeoutExpired) as e:
        results.note(f'SEC2 model: {e}')
        return 1
    return 0
