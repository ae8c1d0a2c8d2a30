#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""cap_table.py FL-DEVINFO URI PAGE: what the driver reports is what stands in the page, between
markers; a page may have one such block for each chip."""
import re
import subprocess
import sys

devinfo, uri, page = sys.argv[1:]
out = subprocess.run([devinfo, 'features', '--md', uri], stdout=subprocess.PIPE, text=True,
                     timeout=30, check=True).stdout
head, rest = out.split('\n', 1)
# "OpenSSL 3.0.17" as "OpenSSL": the page is true of other versions
want = re.sub(r' \d[\d.]*', '', head) + '\n' + rest
begin, end = '<!-- capabilities: begin -->\n', '<!-- capabilities: end -->\n'
with open(page, encoding='utf-8') as f:
    blocks = [b.split(end)[0] for b in f.read().split(begin)[1:]]
if want not in blocks:
    sys.exit(f'{page}: the table of that chip is not what the driver reports:\n{begin}{want}{end}')
