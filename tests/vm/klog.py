# SPDX-License-Identifier: BSD-3-Clause
"""What a kernel's log must not hold."""
import re

BAD = re.compile(
    r'WARNING|kernel taint|\bBUG\b|\bOops\b|Call Trace|lockdep_|'
    r'DMAR.*(?:\[DMA|fault|error)|DRHD: handling|AER:.*(?i:error|fail)|PCIe Bus Error|'
    r'(?i:kernel panic|general protection|possible (?:circular|recursive|irq lock)|suspicious rcu|'
    r'bad unlock|held lock|INFO: (?:task|rcu|trying)|(?:soft|hard) ?lockup|self-detected stall|'
    r'nobody cared|refcount_t|ubsan|use-after-free|segfault|traps:|page allocation failure)')


# said at length, from a heading to the end of a trace
REPORT = re.compile(r'^[^\n]*WARNING: possible circular.*?</TASK>$', re.M | re.S)


def bad_lines(text, expected=(), reports=()):
    """lines that speak of trouble, but for what this case brings about; regular expressions of such lines, and
    of whole reports"""
    text = REPORT.sub(lambda m: '' if any(re.search(r, m[0]) for r in reports) else m[0], text)
    return [line for line in text.splitlines() if BAD.search(line) and not any(re.search(e, line) for e in expected)]
