#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The demo ends with an error when fl-testpmd fails, and when it says nothing of its run."""
import os
import subprocess
import sys
import tempfile

from app import check

DEMO = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../apps/demo/demo.py')

if __name__ == '__main__':
    for script, words in (('exit 3', 'ended with 3'), ('exit 0', 'No such file')):
        with tempfile.TemporaryDirectory() as build:
            os.mkdir(os.path.join(build, 'apps'))
            path = os.path.join(build, 'apps', 'fl-testpmd')
            with open(path, 'w') as f:
                f.write(f'#!/bin/sh\n{script}\n')
            os.chmod(path, 0o755)
            r = subprocess.run([sys.executable, DEMO, build, '--seconds', '1'], capture_output=True,
                               text=True, timeout=30)
            check(r.returncode == 1 and words in r.stdout, f'{script}: {r.returncode} {r.stdout}')
            check('Traceback' not in r.stderr, f'{script}: {r.stderr}')
