# SPDX-License-Identifier: BSD-3-Clause
"""Linux's own driver of the HiSilicon SEC2 on our model: it is the chip that it says it is. And ours there."""
import contextlib
import re
import time

from guest import PCI, same, true

DRIVER = 'hisi_sec2'
TESTS = '/sys/module/cryptomgr/parameters'
BOTH = ['ecb(aes)', 'cbc(aes)', 'xts(aes)', 'cbc(sm4)', 'xts(sm4)', 'ecb(des3_ede)', 'cbc(des3_ede)',
        'gcm(aes)', 'ccm(aes)', *(f'authenc(hmac(sha{n}),cbc(aes))' for n in (1, 256, 512))]
ALGORITHMS = {'V2': BOTH, 'V3': [*BOTH, 'ctr(aes)', 'ctr(sm4)', 'gcm(sm4)', 'ccm(sm4)']}
TESTED = 70  # seconds that self-tests may take; 5 to 20 where nothing else runs
RESETS = 3
EACH = 20
FAULTS = f'each {EACH}th descriptor bad'
REGISTERS = {'QM_IN_IDLE_ST': 1, 'QM_CACHE_CTL': 0x1833, 'QM_AM_CURR_TRANS_RETURN': 3, 'QM_AEQE_OUT': 0}


def port(g):
    return g.machine.helper.ports[0]


def quoted(names):
    return ' '.join(f"'{n}'" for n in names)


SOME = quoted(['cbc(aes)', 'xts(sm4)', 'gcm(aes)', 'authenc(hmac(sha256),cbc(aes))'])


def load(g, options='', tests=False, iterations=0):
    """the driver; whether the kernel tests what it registers, by its vectors and so much fuzzing"""
    g.vm.out(f'echo {int(not tests)} >{TESTS}/notests; echo {iterations} >{TESTS}/fuzz_iterations; '
             f'echo {int(not iterations)} >{TESTS}/noextratests')
    g.vm.out(f'insmod /mod/hisi_qm.ko && insmod /mod/{DRIVER}.ko {options}', 20)
    same(g.driver(port(g).address), DRIVER, 'driver')


def unload(g):
    g.unload(DRIVER, 'hisi_qm')


FEW = 'pf_q_num=64'  # an IOMMU that translates maps the memory of queues page by page


@contextlib.contextmanager
def driver(g):
    load(g, FEW)
    yield
    unload(g)


def tried(g, what, seen):
    g.rows.append({'table': 'crypto', 'what': what, 'device': g.machine.helper.title, 'iommu': g.machine.iommu,
                   'kernel': g.lane.kernel.version, 'qemu': g.lane.qemu.version, 'seen': seen})


def registered(g):
    """{algorithm: what became of its self-test} of this driver"""
    found = {}
    for block in g.vm.out('cat /proc/crypto').split('\n\n'):
        has = dict(re.findall(r'^(\w+)\s*: (.*)$', block, re.M))
        if has.get('module') == DRIVER and 'selftest' in has:
            same(has['driver'], f'hisi_sec_{has["name"]}', 'name of the driver')
            found[has['name']] = has['selftest']
    return found


def interrupts(g):
    """of each of its vectors, how many there were"""
    lines = [ln for ln in g.vm.out('cat /proc/interrupts').splitlines() if ln.endswith(DRIVER)]
    true(all('MSI' in ln for ln in lines), '\n'.join(lines))
    return [sum(int(n) for n in ln.split(':')[1].split()[:2]) for ln in lines]


def selftest(g, iterations=0):
    load(g, FEW if iterations else '', True, iterations)
    want = dict.fromkeys(ALGORITHMS[g.machine.helper.chip], 'passed')
    end = time.monotonic() + TESTED
    while registered(g) != want:  # they go on by themselves; a list that changes may be read with gaps
        failed = g.vm.sh('dmesg | grep "alg: .*fail"')[1]
        true(not failed, f'a self-test failed: {failed}')
        true(time.monotonic() < end, f'self-tests after {TESTED} s: {registered(g)}')
        time.sleep(0.2)
    counts = interrupts(g)
    true(counts[0] > 100, f'interrupts of completions: {counts}')
    unload(g)
    same(registered(g), {}, 'algorithms without the driver')
    much = f', {iterations} rounds of fuzzing each' if iterations else ''
    tried(g, f'probe, registration, self-tests{much}', f'{len(want)} algorithms passed, {sum(counts)} interrupts')


def compare(g, rounds):
    with driver(g):
        text = g.vm.out(f'vm-crypto compare {rounds} 1 {quoted(ALGORITHMS[g.machine.helper.chip])}', 80)
    n = [int(x) for x in re.findall(r': (\d+) messages', text)]
    same(len(n), len(ALGORITHMS[g.machine.helper.chip]), 'algorithms compared')
    tried(g, "AF_ALG beside the kernel's generic code; messages that were touched", f'{sum(n)} messages alike')


class Load:
    """vm-crypto load in the guest"""

    def __init__(self, g, threads=8):
        self.g = g
        self.job = g.spawn(f'vm-crypto load {threads} {SOME}')

    def counts(self):
        """(good, refused, wrong) by now"""
        return tuple(int(n) for n in re.findall(r'\d+', self.job.output().splitlines()[-1]))

    def more(self, seconds=20, least=50):
        """waits until so many more went well"""
        self.job.wait_for('good [1-9]', seconds)
        want, end = self.counts()[0] + least, time.monotonic() + seconds
        while self.counts()[0] < want:
            true(time.monotonic() < end, f'work does not go on: {self.job.output()[-300:]}')
            time.sleep(0.2)

    def quit(self):
        """counts, once it was told to end"""
        self.job.kill('INT')
        same(self.job.wait(20), 0, f'exit status of vm-crypto, which said:\n{self.job.output()[-500:]}\n')
        return self.counts()


def reset(g):
    """FLR, again and again, while requests are under way"""
    device = f'{PCI}/devices/{port(g).address}'
    with driver(g):
        same(g.vm.out(f'cat {device}/reset_method').split()[0], 'flr', 'how the function is reset')
        g.vm.out(f'echo 1 >{device}/reset', 20)
        work = Load(g)
        for _ in range(RESETS):
            work.more()
            g.vm.out(f'echo 1 >{device}/reset', 20)
        work.more()
        good, refused, wrong = work.quit()
        same(wrong, 0, 'wrong answers')
        g.vm.out(f'vm-crypto compare 4 2 {SOME}', 60)
    same(int(g.vm.out("dmesg | grep -c 'FLR reset complete'")), RESETS + 1, 'resets that Linux saw through')
    tried(g, f'FLR, {RESETS} times during traffic', f'{good} requests, {refused} refused meanwhile, none wrong')


@contextlib.contextmanager
def going(g):
    """traffic, while the function is on its way out (the body begins that): the driver lets go of it only
    when its users did, and what is new meanwhile is done in software; yields the counts afterwards"""
    counts = []
    work = Load(g)
    work.more()
    yield counts
    g.vm.out('sleep 1')
    work.more()
    true(registered(g), 'the driver did not wait for its users')
    late = g.spawn(f'vm-crypto compare 4 3 {SOME}')
    same(late.wait(60), 0, f'what came late\n{late.output()}')
    counts += work.quit()
    same(counts[1:], [0, 0], 'refused, wrong')


def back(g):
    """works again, once the driver has it: that is in another thread where the slot's interrupt began it"""
    end = time.monotonic() + 30
    while set(registered(g)) != set(ALGORITHMS[g.machine.helper.chip]):
        true(time.monotonic() < end, f'not bound again: {registered(g)}')
        time.sleep(0.2)
    g.vm.out(f'vm-crypto compare 4 4 {SOME}', 60)


def unbind(g):
    address = port(g).address
    with driver(g):
        with going(g) as counts:
            job = g.spawn(f'sh -c "echo {address} >{PCI}/drivers/{DRIVER}/unbind"')
        same(job.wait(20), 0, 'exit status of the unbind')
        same(registered(g), {}, 'algorithms of no device')
        g.vm.out(f'echo {address} >{PCI}/drivers/{DRIVER}/bind', 20)
        back(g)
    tried(g, 'unbind during traffic, bound again', f'{counts[0]} requests, none refused or wrong')


def unplug(g):
    """by the button of its slot, and plugged in again"""
    with driver(g):
        with going(g) as counts:
            g.vm.qmp('device_del', id=port(g).id)
            g.vm.out('sleep 6')  # so long the button may be pressed again
        g.vm.qmp.wait_event('DEVICE_DELETED', 30, device=port(g).id)
        same(registered(g), {}, 'algorithms of no device')
        g.vm.qmp('device_add', **port(g).device())
        back(g)
    tried(g, 'hot-unplug during traffic, plugged in again', f'{counts[0]} requests, none refused or wrong')


def shown(text):
    """{name: value} of a dump of registers"""
    return {k: int(v, 16) for k, v in re.findall(r'^(\w+)\s*= (0x[0-9a-f]+)', text, re.M)}


def debugfs(g):
    """all that the driver shows of the chip: registers, counts, contexts"""
    root = f'/sys/kernel/debug/{DRIVER}/{port(g).address}'
    g.vm.out('mount -t debugfs debugfs /sys/kernel/debug')
    with driver(g):
        g.vm.out(f'vm-crypto compare 4 5 {SOME}', 60)
        files = [f for f in g.vm.out(f'cd {root}; find . -type f').split() if not f.endswith('/cmd')]
        seen = {}
        for f in files:
            text = g.vm.out(f'cat {root}/{f}', 20)
            true(text or f.endswith('/diff_regs'), f'{f} is empty')
            if f.endswith('/regs'):
                seen.update(shown(text))
        done = {n: int(g.vm.out(f'cat {root}/sec_dfx/{n}')) for n in ('send_cnt', 'recv_cnt')}
        true(done['recv_cnt'] > 30, f'work done by the chip: {done}')
        same(done['recv_cnt'], done['send_cnt'], 'answers')
        same(g.vm.out(f'cat {root}/qm/status'), 'work', 'state')
        if g.machine.helper.function == 'PF':
            same({k: seen.get(k) for k in REGISTERS}, REGISTERS, 'registers')
            true(seen['QM_CQE_OUT'] >= done['recv_cnt'], f'completions: {seen["QM_CQE_OUT"]} and {done}')
        for what in ('sqc 0', 'cqc 0', 'eqc', 'aeqc', 'sq 0 0', 'cq 0 0', 'eq 0', 'aeq 0'):
            g.vm.out(f'echo {what} >{root}/qm/cmd')
    g.vm.out('umount /sys/kernel/debug')
    tried(g, 'debugfs: registers, counts, contexts', f'{len(files)} files, {len(seen)} registers')


def errors(g):
    """the model calls each so many descriptors bad: their requests fail, and Linux hears of it apart"""
    with driver(g):
        work = Load(g)
        work.more()
        good, refused, wrong = work.quit()
        true(refused > 0, 'no request was refused')
        same(wrong, 0, 'wrong answers')
        counts = interrupts(g)
        true(counts[-1] > 0, f'interrupts of errors, the last of them: {counts}')
        g.vm.out('dmesg | grep -q sec_bd_err')
    tried(g, f'{FAULTS}: error interrupts', f'{good} requests, {refused} refused, none wrong')


OURS = {'AES-CBC': '--cipher-algo aes-cbc', 'SM4-CBC in segments': '--cipher-algo sm4-cbc --segment-sz 100',
        'AES-GCM, opened': '--aead-algo aes-gcm --aead-aad-sz 16 --aead-op decrypt',
        'HMAC, by interrupt': '--auth-algo sha2-256-hmac --interrupt'}


def ours(g, way):
    """our driver in the place of Linux's: through the guest's VFIO and IOMMU"""
    g.bind(port(g), 'vfio-pci')
    ops = 0
    for what, options in OURS.items():
        rows = g.vm.out(f'fl-crypto-perf -a pci:{port(g).address},iommu={way} --ptest verify {options} --silent --csv '
                        '--buffer-sz 64,1024,16384 --total-ops 300 --duration 20', 60).splitlines()
        counts = [ln.split(',') for ln in rows if ln[:1].isdigit()]
        same([(c[4], c[7]) for c in counts], [('300', '0')] * 3, f'{what}: done, failed')
        ops += 300 * len(counts)
    g.bind(port(g), None)
    tried(g, f'our driver through VFIO, {way}, beside OpenSSL', f'{ops} requests alike')
