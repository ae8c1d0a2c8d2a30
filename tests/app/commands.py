#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every command of the table is run, and what it says is looked at. `help` gives the table."""
import os
import pty
import re
import select
import tempfile

from app import TESTPMD, check, run

WIRE = ('-a', 'model:e1000e,wire=x', '-a', 'model:e1000e,wire=x')
KEY = '00' * 39 + 'ff'

# (command, what its output must match); forwarding is off, then on, then off
STEPS = [
    ('help', r'port attach <uri>'),
    ('help show', r'show port info'),
    ('show port info 0', r'MAC address: ([0-9A-F]{2}:){5}'),
    ('show port info all', r'Infos for port 1'),
    ('show port summary all', r'(?s)available ports: 2.*MAC Address.*net_e1000 +up +1 Gbps.*net_e1000'),
    ('show device info all', r'(?s)Infos for device model:.*Port id: 1'),
    ('show port stats all', r'NIC statistics for port 1'),
    ('show port xstats 0', r'rx_\w+: \d+'),
    ('show port cap all', r'link_status'),
    ('show port 0 rx_offload capabilities', r'rx_vlan_strip'),
    ('show port 0 tx_offload configuration', r'Tx Offloading Configuration of port 0'),
    ('show config fwd', r'(?s)io packet forwarding - ports=2.*RX P=0/Q=0 -> TX P=1/Q=0 peer=02:'),
    ('show config rxtx', r'packets/burst=32'),
    ('show config cores', r'List of forwarding lcores: any'),
    ('show config txpkts', r'Segment sizes: 64'),
    ('show rxq info 0 0', r'Number of RXDs: \d+'),
    ('show txq info 1 0', r'Number of TXDs: \d+'),
    ('show port 0 rxq 0 desc 0 status', r'Desc status = AVAILABLE'),
    ('show port 0 txq 0 desc 0 status', r'Desc status = DONE'),
    ('read rxd 0 0 0', r'0x[0-9A-F]{8} - 0x'),
    ('read txd 0 0 0', r'0x[0-9A-F]{8} - 0x'),
    ('read reg 0 0x0008', r'port 0 PCI register at offset 0x8: 0x'),
    ('write reg 0 0x0010 0', None),
    ('show port 0 regs', r'STATUS +0x00008'),
    ('show port 0 eeprom', r'EEPROM length: \d+'),
    ('dump_physmem', r'locked_bytes=\d+'),
    ('show residency', r'(?s)Residency: (pinned|lazy), \d+ of \d+ KiB mapped.*Misses: \d+'),
    ('set residency pinned', None),
    ('set memlock-budget 8M', None),
    ('show residency', r'(?s)Residency: pinned, .*Budget: 8192 KiB'),
    ('dump_memzone', r'iova=0x'),
    ('dump_mempool', r'size=\d+'),
    ('set log error', None),
    ('set verbose 0', r'Change verbose level to 0'),
    ('set stats-period 0', None),
    ('set port-topology chained', None),
    ('set port-topology paired', None),
    ('set eth-peer 0 02:00:00:00:00:99', None),
    ('set corelist 0', None),
    ('set coremask 0x1', r'set to 1'),
    ('set nbcore 2', r'set to 2'),
    ('set burst 16', r'set to 16'),
    ('set txpkts 64,64', None),
    ('show config txpkts', r'Number of segments: 2'),
    ('set txpkts 64', None),
    ('set nbport 1', r'ports set to 1'),
    ('set portmask 0x3', r'ports set to 2'),
    ('set portlist 1,0', None),
    ('set fwd macswap', r'Set macswap packet forwarding mode'),
    ('set promisc all on', None),
    ('show port info 0', r'Promiscuous mode: enabled'),
    ('set promisc 0 off', None),
    ('show port info 0', r'Promiscuous mode: disabled'),
    ('set promisc 0 on', None),
    ('set allmulti 1 on', None),
    ('show port info 1', r'Allmulticast mode: enabled'),
    ('mac_addr add 0 02:00:00:00:00:aa', None),
    ('mac_addr remove 0 02:00:00:00:00:aa', None),
    ('mac_addr set 0 02:00:00:00:00:ab', None),
    ('show port info 0', r'MAC address: 02:00:00:00:00:AB'),
    ('mcast_addr add 0 01:00:5e:00:00:07', None),
    ('mcast_addr remove 0 01:00:5e:00:00:07', None),
    ('vlan set strip on 0', None),
    ('vlan set filter on 0', None),
    ('rx_vlan add 7 0', None),
    ('rx_vlan rm 7 all', None),
    ('rx_vlan add all 0', None),
    ('vlan set filter off 0', None),
    ('vlan set strip off 0', None),
    ('tx_vlan set 0 5', None),
    ('tx_vlan reset 0', None),
    ('csum set ip hw 0', None),
    ('csum set udp sw all', None),
    ('csum show 0', r'Port 0: IP checksum offload is hw, TCP sw'),
    ('csum set ip sw 0', None),
    ('tso set 800 0', None),
    ('tso show 0', r'TSO segment size for port 0 is 800'),
    ('tso set 0 0', None),
    ('tso show 0', r'is disabled'),
    ('set flow_ctrl rx on tx on 0', None),
    ('show port 0 flow_ctrl', r'Rx pause: on'),
    ('set flow_ctrl rx off tx on 8192 4096 512 0', None),
    ('show port 0 flow_ctrl', r'Rx pause: off'),
    ('set flow_ctrl rx off tx off 0', None),
    ('set port 0 led on', None),
    ('set port 0 led off', None),
    ('port config 0 rx_offload rx_ip_csum on', None),
    ('show port 0 rx_offload configuration', r'rx_ip_csum'),
    ('port config 0 rx_offload ip_csum off', None),
    ('port config 0 rx_offload ipv4_cksum on', None),
    ('show port 0 rx_offload configuration', r'rx_ip_csum'),
    ('port config 0 rx_offload ipv4_cksum off', None),
    ('port config 1 tx_offload tx_multi_seg on', None),
    ('port config all rxq 2', None),
    ('port config all txq 2', None),
    ('show config rxtx', r'RX queue number: 2'),
    ('port config all rss ip', None),
    ('show port 0 rss-hash', r'(?s)RSS functions:.*ipv4'),
    (f'port config 0 rss-hash-key {KEY}', None),
    ('show port 0 rss-hash key', KEY.upper()),
    ('port config 0 rss reta 1', None),
    ('show port 0 rss reta', r'hash index=0, queue=1'),
    ('port config 0 rss reta 0,1', None),
    ('show port 0 rss reta', r'hash index=1, queue=1'),
    ('port config all rss none', None),
    ('port config all txq 1', None),
    ('port config all rxq 1', None),
    ('port config all rxd 256', None),
    ('port config all txd 512', None),
    ('show rxq info 0 0', r'Number of RXDs: 256'),
    ('port config all max-pkt-len 1518', None),
    ('port config mtu 0 1400', None),
    ('show port info 0', r'MTU: 1400'),
    ('port config mtu all 1500', None),
    ('port config 0 speed 100 duplex half', None),
    ('sleep 300', None),
    ('show port info 0', r'(?s)Link speed: 100 Mbps\s+Link duplex: half-duplex\s+Autoneg status: On'),
    ('port config all speed 10 fixed full', None),
    ('sleep 300', None),
    ('show port info 1', r'(?s)Link speed: 10 Mbps\s+Link duplex: full-duplex\s+Autoneg status: Off'),
    ('port config all speed auto duplex auto', None),
    ('sleep 300', None),
    ('show port info 1', r'(?s)Link speed: 1 Gbps\s+Link duplex: full-duplex\s+Autoneg status: On'),
    ('set link-down port 0', None),
    ('set link-up port 0', None),
    ('port stop all', r'Done'),
    ('port start all', r'Checking link statuses'),
    ('port reset 0', r'Port 0 is reset'),
    ('port attach model:e1000e,wire=loop', r'Port 2 is attached'),
    ('port start 2', None),
    ('port stop 2', None),
    ('port detach 2', r'Port 2 is detached'),
    ('port attach model:e1000e,wire=loop', r'Port 2 is attached'),
    ('port close 2', r'Done'),
    ('start tx_first 2', r'macswap packet forwarding - ports=2 - cores=2'),
    ('sleep 200', None),
    ('show fwd stats all', r'Accumulated forward statistics for all ports'),
    ('show port stats 0', r'Rx-pps: +[1-9]'),
    ('port config mtu all 1500', None),
    ('clear fwd stats all', None),
    ('port cleanup 0 txq 0 0', r'packets freed'),
    ('stop', r'Telling cores to stop'),
    ('start', None),
    ('stop', r'Done\.'),
    ('start tx_first', None),
    ('sleep 50', None),
    ('stop', r'Done\.'),
    ('clear port stats all', r'NIC statistics for port 0 cleared'),
    ('clear port xstats all', None),
    ('show port stats 0', r'RX-packets: 0'),
]

# (command, what the error says)
BAD = [
    ('nonsense', "Bad command: no 'nonsense'"),
    ('show port', 'show port info'),
    ('show port info 9', "'9' is no port in use"),
    ('set burst 0', '0 is not within 1..512'),
    ('set burst many', "'many' is not a number"),
    ('set burst 4 5', 'set burst <n:1-512>'),
    ('set fwd warp', 'set fwd io'),
    ('mac_addr add 0 zz', 'is no Ethernet address'),
    ('set portlist 0,0', 'each once'),
    ('set corelist x', 'CPU numbers'),
    ('set nbport 3', '2 ports forward'),
    ('set portmask 0x9', 'no port 3'),
    ('set coremask 0', 'is less than 1'),
    ('tso set 9001 0', 'is not within'),
    ('port attach 0000:7f:00.0', 'Cannot open pci:0000:7f:00.0.*doctor'),
    ('set txpkts 10', 'at least 42'),
    ('port config 0 rx_offload warp on', 'No rx_offload is called warp'),
    ('port config all rxq 1024', 'takes 1 to'),
    ('port config 0 speed 1000 fixed full', 'either 10 or 100'),
    ('port config 0 speed 1000 duplex half', 'no half duplex'),
    ('port config 0 rss-hash-key 00', 'digits'),
    ('port config 0 rss reta 5', 'receive queues of the port'),
    ('mcast_addr remove 0 01:00:5e:00:00:01', 'No such file'),
    ('show rxq info 0 7', 'no such queue'),
    ('read rxd 0 0 65000', 'read|rxd|Invalid'),
    ('port attach model:nope', 'Cannot open'),
    ('load /nowhere', '/nowhere'),
    ('set txpkts 64,3000\nstart', 'needs --mbuf-size'),
    ('help xyzzy', 'No command begins'),
    ('set memlock-budget 8X', 'set memlock-budget: Invalid argument'),
    ('set residency soft', 'residency'),
    ('stop', 'not started'),
]


def fits(pattern, line):
    rx = ''
    for tok in pattern.split():
        if tok.startswith('<'):
            rx += r'\s+\S+'
        else:
            rx += r'\s+(?:' + '|'.join(re.escape(x) for x in tok.split('|')) + ')'
    return re.fullmatch(rx, ' ' + line)


def session(tmp, lines, rc=0):
    """runs a script with a mark before each line; returns output by line, and the errors"""
    path = os.path.join(tmp, 'script')
    with open(path, 'w') as f:
        f.write('\n'.join(lines) + '\n')
    return run(TESTPMD, *WIRE, '--cmdline-file', path, rc=rc)


def every_command(tmp):
    table = [re.split(r'  +', ln.strip())[0]
             for ln in session(tmp, ['help']).stdout.split('\n')
             if ln.startswith('  ') and re.match(r'  [a-z_]+', ln) and '  ' in ln.strip()]
    check(len(table) > 60, f'help lists the table ({len(table)})')
    with open(os.path.join(tmp, 'more'), 'w') as f:
        f.write('# a comment\n\nshow config fwd   # and one behind\n')
    steps = STEPS + [(f'load {tmp}/more', 'packet forwarding'), ('quit', None)]
    untested = [p for p in table if not any(fits(p, s[0]) for s in steps)]
    check(not untested, f'commands without a test: {untested}')
    # the prompt of a piped session marks where the output of each command begins
    r = run(TESTPMD, '-i', *WIRE, input=''.join(s[0] + '\n' for s in steps), rc=None)
    parts = r.stdout.split('testpmd> ')[1:]
    check(len(parts) == len(steps), f'each command ran ({len(parts)} of {len(steps)})\n{r.stderr}')
    for (cmd, want), out in zip(steps, parts):
        check(out.startswith(cmd + '\n'), f'{cmd}: echoed')
        check(not want or re.search(want, out), f'{cmd}: says\n{out}\n{r.stderr}')
    check(r.returncode == 0, f'all went well: {r.stderr}')


def bad_commands(tmp):
    for cmd, want in BAD:
        r = session(tmp, [cmd], rc=1)
        check(re.search(want, r.stderr), f'{cmd}: says {r.stderr}')
    r = session(tmp, ['start', 'port stop 0', 'set portlist 0', 'start', 'quit'], rc=1)
    check('Port 0 forwards' in r.stderr and 'Forwarding is on' in r.stderr and
          'already started' in r.stderr, f'guards while forwarding: {r.stderr}')
    r = run(TESTPMD, '-i', input='show config cores')
    check('Number of forwarding cores: 1' in r.stdout, 'a last line without its end')
    loop = os.path.join(tmp, 'loop')
    with open(loop, 'w') as f:
        f.write(f'load {loop}\n')
    check('8 deep' in session(tmp, [f'load {loop}'], rc=1).stderr, 'files that load themselves')


def terminal():
    """on a terminal: the prompt, completion by TAB, history, an error that does not count"""
    pid, fd = pty.fork()
    if pid == 0:
        # libedit itself never frees the name of an added function
        os.environ.update(TERM='vt100', ASAN_OPTIONS='detect_leaks=0')
        os.execv(TESTPMD, [TESTPMD, '-i'])
    seen = ''

    def until(words, begin=0):
        nonlocal seen
        while words not in seen[begin:]:
            ready, _, _ = select.select([fd], [], [], 10)
            check(ready, f'terminal says {words}: {seen!r}')
            try:
                seen += os.read(fd, 4096).decode()
            except OSError:  # the other side has gone
                check(words in seen[begin:], f'terminal says {words}: {seen!r}')
        return len(seen)

    def send(text):
        os.write(fd, text.encode())
    at = until('testpmd> ')
    send('show conf\tf\t')
    until('wd', at)
    send('\n')
    at = until('io packet forwarding - ports=0', at)
    send('set f\t\t')
    at = until('flow_ctrl', at)
    send('\x15rubbish\n')
    at = until("Bad command: no 'rubbish'", at)
    send('set fwd \t')
    until('icmpecho', at)
    until('5tswap', at)
    send('\x15quit\n')
    until('Bye...')
    while select.select([fd], [], [], 10)[0]:
        try:
            seen += os.read(fd, 4096).decode()
        except OSError:
            break
    _, status = os.waitpid(pid, 0)
    check(status == 0, f'a mistyped command is no failure of a person: {seen}')


if __name__ == '__main__':
    with tempfile.TemporaryDirectory() as t:
        every_command(t)
        bad_commands(t)
    terminal()
