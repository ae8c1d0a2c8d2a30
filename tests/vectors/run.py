#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs the vectors program on the folder of vectors that Python's package installed."""
import os
import sys


def main():
    try:
        import cryptography_vectors
    except ImportError:
        print('skipped: python3-cryptography-vectors is not installed')
        return 77
    folder = os.path.dirname(cryptography_vectors.__file__)
    os.execv(sys.argv[1], [sys.argv[1], folder, *sys.argv[2:]])
    return 1


if __name__ == '__main__':
    sys.exit(main())
