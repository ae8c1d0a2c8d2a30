# SPDX-License-Identifier: BSD-3-Clause
"""What a kernel's log must not hold."""
import re

BAD = re.compile(
    r'WARNING|kernel taint|\bBUG\b|\bOops\b|Call Trace|lockdep_|'
    r'DMAR.*(?:\[DMA|fault|error)|DRHD: handling|AER:.*(?i:error|fail)|PCIe Bus Error|'
    r'(?i:kernel panic|general protection|possible (?:circular|recursive|irq lock)|suspicious rcu|'
    r'bad unlock|held lock|INFO: (?:task|rcu|trying)|(?:soft|hard) ?lockup|self-detected stall|'
    r'nobody cared|refcount_t|ubsan|use-after-free|segfault|traps:|page allocation failure)')


def bad_lines(text, expected=()):
    """lines that speak of trouble; `expected`: regular expressions of what this case brings about"""
    return [line for line in text.splitlines() if BAD.search(line) and not any(re.search(e, line) for e in expected)]
