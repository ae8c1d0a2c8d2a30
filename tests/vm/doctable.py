# SPDX-License-Identifier: BSD-3-Clause
"""The table of what was tried, in a page between two comments; the rest of the page is not touched."""
import glob
import json
import os

BEGIN = '<!-- tests/vm/run.py writes from here -->'
END = '<!-- tests/vm/run.py writes to here -->'
COLUMNS = ['what', 'kernel', 'qemu', 'iommu', 'device', 'backend', 'interrupt', 'packets', 'result']


def table(rows):
    lines = ['| ' + ' | '.join(COLUMNS) + ' |', '|' + ' --- |' * len(COLUMNS)]
    lines += ['| ' + ' | '.join(r[c] for c in COLUMNS) + ' |' for r in rows]
    return '\n'.join(lines)


def write(page, folder):
    """the rows of all lanes that ran with this build folder"""
    rows = []
    for name in sorted(glob.glob(os.path.join(folder, '*.json'))):
        with open(name) as f:
            rows += json.load(f)
    with open(page) as f:
        text = f.read()
    head, rest = text.split(BEGIN, 1)
    tail = rest.split(END, 1)[1]
    with open(page, 'w') as f:
        f.write(f'{head}{BEGIN}\n{table(rows)}\n{END}{tail}')
