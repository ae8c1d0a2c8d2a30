#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""smoke.py TARGET CORPUS MIN_EXEC_PER_S MIN_EDGES: a few seconds of a libFuzzer target.

Fails on a crash, a leak, a time-out, or when the target runs slower or covers less than its floor; a second is one
of the target's own CPU time, as others may want the machine. FL_FUZZ_SECONDS sets the length (default 3).
"""
import os
import re
import resource
import subprocess
import sys
import tempfile


def main():
    target, corpus, min_rate, min_edges = sys.argv[1:5]
    seconds = os.environ.get('FL_FUZZ_SECONDS', '3')
    with tempfile.TemporaryDirectory() as work:
        r = subprocess.run([target, '-print_final_stats=1', f'-max_total_time={seconds}',
                            '-timeout=5', '-rss_limit_mb=4096', f'-artifact_prefix={work}/',
                            work, *([corpus] if os.path.isdir(corpus) else [])],
                           capture_output=True, text=True, errors='replace')
        crash = [f for f in os.listdir(work) if f.startswith(('crash', 'leak', 'timeout', 'oom'))]
        for f in crash:
            with open(os.path.join(work, f), 'rb') as data:
                print(f'input {f}: {data.read().hex()}')
    out = r.stderr
    executed = int((re.findall(r'stat::number_of_executed_units:\s*(\d+)', out) or ['0'])[-1])
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    rate = int(executed / max(used.ru_utime + used.ru_stime, 0.1))
    edges = int((re.findall(r'cov: (\d+)', out) or ['0'])[-1])
    print(f'{rate} executions a CPU second (floor {min_rate}), {edges} edges (floor {min_edges})')
    if r.returncode or crash:
        print(out[-6000:])
        sys.exit(1)
    sys.exit(0 if rate >= int(min_rate) and edges >= int(min_edges) else 1)


if __name__ == '__main__':
    main()
