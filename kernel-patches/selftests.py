#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The kernel's own tests, as static programs for a guest: selftests.py [--series DIR] [RELEASE]

Of 6.12 there are vfio_fault, which is of the patches, iommufd and iommufd_fail_nth; of 7.2 those of
vfio-pci, of which 6.12 has none. Prints the folder that has them; they are built once for each version of
the source, series and compiler.
"""
import argparse
import glob
import os
import shutil

import module
from module import fetch

SELF = 'tools/testing/selftests'
# Debian's 6.12.117 ships tests of iommufd that are newer than its kernel in one call: what they call it by
BACKPORTED = ['-Din_data_type=__reserved[0]', '-DIOMMU_HW_INFO_TYPE_DEFAULT=0', '-DIOMMU_HW_INFO_FLAG_INPUT_TYPE=1',
              '-DMOCK_FLAGS_DEVICE_PASID=0', '-DMOCK_PASID_WIDTH=20']
# the same of 7.2.12 and a helper
HELPER = '''#include <stdlib.h>
static inline void *calloc_assert(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p)
		abort();
	return p;
}
'''
TESTS = {'6.12': ['vfio_fault/vfio_fault', 'iommu/iommufd', 'iommu/iommufd_fail_nth'],
         '7.2': ['vfio/vfio_dma_mapping_test', 'vfio/vfio_dma_mapping_mmio_test',
                 'vfio/vfio_iommufd_setup_test', 'vfio/vfio_pci_device_test']}
NEEDED = {'6.12': ['include/uapi/linux/vfio.h', 'include/uapi/linux/iommufd.h', f'{SELF}/iommu', f'{SELF}/Makefile',
                   f'{SELF}/kselftest.h', f'{SELF}/kselftest_harness.h', 'drivers/iommu/iommufd/iommufd_test.h'],
          '7.2': ['include/uapi/linux/vfio.h', 'include/uapi/linux/iommufd.h', f'{SELF}/vfio', 'include/linux/pci_ids.h',
                  f'{SELF}/kselftest.h', f'{SELF}/kselftest_harness.h', 'tools/include', 'tools/arch/x86/include',
                  'drivers/dma/idxd', 'drivers/dma/ioat']}


def compile_one(tree, test, out):
    """the headers of this kernel for the two interfaces, of the machine for all else"""
    uapi = f'{tree}/uapi/linux'
    os.makedirs(uapi, exist_ok=True)
    for name in ('vfio.h', 'iommufd.h'):
        shutil.copy(f'{tree}/include/uapi/linux/{name}', uapi)
    with open(f'{tree}/helper.h', 'w') as f:
        f.write(HELPER)
    source, more = [f'{tree}/{SELF}/{test}.c'], []
    if test.startswith('vfio/'):
        lib = f'{tree}/{SELF}/vfio/lib'
        source += glob.glob(f'{lib}/*.c') + glob.glob(f'{lib}/drivers/*/*.c')
        more = ['-include', f'{tree}/helper.h', f'-I{lib}/include', f'-I{tree}/tools/include', '-pthread']
    elif test.startswith('iommu/'):
        more = BACKPORTED
    module.run('gcc', '-static', '-O2', '-w', '-D_GNU_SOURCE=', '-D__user=', f'-I{tree}/uapi', *more,
               f'-I{tree}/{SELF}', *source, '-luuid', '-o', f'{out}/{os.path.basename(test)}')


def patched(tree, patches):
    """what the series has of tests, and the header that they need"""
    for patch in patches:
        module.run('git', '-C', tree, 'apply', f'--include={SELF}/*', '--include=include/uapi/*', patch)


def built(release='6.12', series=module.SERIES):
    """paths of the programs"""
    patches = [os.path.abspath(p) for p in sorted(glob.glob(f'{series}/*.patch'))] if release == '6.12' else []
    source = module.unpacked_source(*fetch.linux_source(release), NEEDED[release])
    key = fetch.digest('\0'.join([module.text_of([*patches, __file__]), source,
                                  module.run('gcc', '-dumpfullversion')]))

    def plan():
        def fill(folder):
            tree = os.path.join(folder, 'tree')
            shutil.copytree(source, tree)
            module.run('git', 'init', '-q', tree)  # so that it is no part of one around it
            patched(tree, patches)
            for test in TESTS[release]:
                fetch.progress(f'selftests: compiling {test}')
                compile_one(tree, test, folder)
            shutil.rmtree(tree)
        return key, fill

    folder = fetch.cached('selftests', key, plan, False)
    return [os.path.join(folder, os.path.basename(test)) for test in TESTS[release]]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    ap.add_argument('--series', metavar='DIR', default=module.SERIES)
    ap.add_argument('release', nargs='?', default='6.12', choices=TESTS)
    args = ap.parse_args()
    print(os.path.dirname(built(args.release, args.series)[0]))


if __name__ == '__main__':
    fetch.command('selftests', main)
