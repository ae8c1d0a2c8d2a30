# SPDX-License-Identifier: BSD-3-Clause
"""What the kernel holds, counted before and after: what a case leaves behind has leaked.

    with leaks.counted(g, rounds=100):
        ...                             # a hundred times the same

Pins and pages of IOMMU tables must be as many as before, exactly. Objects of slabs and free memory also go
to what the kernel keeps for itself, so these may differ, but by less than one object or page a round; do a
round beforehand, for what is allocated once. Where the kernel has kmemleak, that has to find nothing.
"""
import contextlib
import re

from guest import same, true

KMEMLEAK = '/sys/kernel/debug/kmemleak'
# objects on CPUs' own slabs count as used, until these are given back; so do their shares of what vmstat counts
COUNT = '''
sync; echo 3 >/proc/sys/vm/drop_caches
for s in /sys/kernel/slab/*/shrink; do echo 1 >$s; done 2>/dev/null
echo 1 >/proc/sys/vm/stat_refresh
grep -E '^(nr_foll_pin_acquired|nr_foll_pin_released|nr_iommu_pages|nr_page_table_pages|nr_mlock|nr_free_pages) ' /proc/vmstat
awk 'NR > 2 {print "slab:" $1, $2}' /proc/slabinfo
'''
EXACT = ['pinned', 'nr_iommu_pages', 'nr_mlock']
MEMORY = 2048  # pages: what the kernel may need more of in the meantime, whatever is done
# of these anything in the kernel may have taken some
NOISE = re.compile(r'slab:(?:buffer_head|dentry|.*inode.*|radix_tree_node|xfs_.*|ext4_.*|jbd2_.*|lsm_.*|kernfs_.*|'
                   r'filp|vm_area_struct|vma_lock|vmap_area|shared_policy_node|anon_vma.*|maple_node|files_cache|.*pid.*|signal_cache|sighand_cache|'
                   r'task_struct|cred.*|proc_.*|seq_file|names_cache|fs_cache|skbuff.*|sock.*|UNIX|nsproxy|bio.*|'
                   r'kmalloc-(?:rnd-\d+-)?(?:8|16|32|64|96|128|192|256|512))$')


def count(g):
    found = {}
    for line in g.vm.out(COUNT, 30 * g.lane.patience).splitlines():
        name, number = line.split()
        found[name] = int(number)
    found['pinned'] = found.pop('nr_foll_pin_acquired', 0) - found.pop('nr_foll_pin_released', 0)
    return found


def grown(before, after, rounds):
    """what there is more of than can be chance"""
    bad = [f'{n}: {before.get(n, 0)}, now {after.get(n, 0)}' for n in EXACT if before.get(n, 0) != after.get(n, 0)]
    for name in after:
        more = after[name] - before.get(name, 0)
        if name.startswith('slab:') and not NOISE.match(name) and more >= max(rounds, 16):
            bad.append(f'{name}: {before.get(name, 0)} objects, now {after[name]}')
    less = before['nr_free_pages'] - after['nr_free_pages']
    if less > MEMORY + rounds:
        bad.append(f'{less} pages less are free')
    return bad


def unreferenced(g):
    """what kmemleak has found; objects have to be 5 s old for it"""
    if g.vm.sh(f'[ -e {KMEMLEAK} ]')[0]:
        return ''
    return g.vm.out(f'sleep 6; echo scan >{KMEMLEAK}; sleep 1; echo scan >{KMEMLEAK}; cat {KMEMLEAK}', 120)


@contextlib.contextmanager
def counted(g, rounds=1):
    g.vm.out('mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null; true')
    g.vm.sh(f'[ ! -e {KMEMLEAK} ] || echo clear >{KMEMLEAK}')
    before = count(g)
    yield
    g.stop_all()
    bad = grown(before, count(g), rounds)
    true(not bad, f'after {rounds} rounds there is more than before:\n' + '\n'.join(bad))
    same(unreferenced(g), '', 'kmemleak')
