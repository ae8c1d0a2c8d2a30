# SPDX-License-Identifier: BSD-3-Clause
"""Tables of what was tried and what it cost, in pages between comments; nothing else is touched."""
import glob
import json
import os

# what the comments say, and columns
TABLES = {'tried': ('', ['what', 'kernel', 'qemu', 'iommu', 'device', 'backend', 'interrupt',
                         'packets', 'result']),
          'cost': ('the cost ', ['what', 'container', 'iommufd', 'ratio']),
          'crypto': ('crypto ', ['what', 'device', 'iommu', 'kernel', 'qemu', 'seen', 'result'])}


def table(columns, rows):
    lines = ['| ' + ' | '.join(columns) + ' |', '|' + ' --- |' * len(columns)]
    lines += ['| ' + ' | '.join(r[c] for c in columns) + ' |' for r in rows]
    return '\n'.join(lines)


def write(page, folder):
    """the rows of all lanes that ran with this build folder, in what tables the page has; a table of
    which none ran stays as it is"""
    rows = []
    for name in sorted(glob.glob(os.path.join(folder, '*.json'))):
        with open(name) as f:
            rows += json.load(f)
    with open(page) as f:
        text = f.read()
    for name, (label, columns) in TABLES.items():
        mine = [r for r in rows if r.get('table', 'tried') == name]
        begin, end = (f'<!-- tests/vm/run.py writes {label}{where} here -->'
                      for where in ('from', 'to'))
        if mine and begin in text:
            head, rest = text.split(begin, 1)
            tail = rest.split(end, 1)[1]
            text = f'{head}{begin}\n{table(columns, mine)}\n{end}{tail}'
    with open(page, 'w') as f:
        f.write(text)
