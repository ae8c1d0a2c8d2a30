# SPDX-License-Identifier: BSD-3-Clause
"""QEMU's control socket: one command, one answer; events are kept."""
import json
import time


class Qmp:
    def __init__(self, sock):
        self.sock = sock
        self.text = b''
        self.events = []
        self._line(time.monotonic() + 10)
        self('qmp_capabilities')

    def _line(self, deadline):
        while b'\n' not in self.text:
            self.sock.settimeout(max(0.01, deadline - time.monotonic()))
            more = self.sock.recv(65536)
            if not more:
                raise EOFError('QEMU closed its control socket')
            self.text += more
        line, self.text = self.text.split(b'\n', 1)
        return json.loads(line)

    def __call__(self, command, seconds=10, **arguments):
        deadline = time.monotonic() + seconds
        self.sock.sendall(json.dumps({'execute': command, 'arguments': arguments}).encode())
        while True:
            answer = self._line(deadline)
            if 'event' in answer:
                self.events.append(answer)
            elif 'error' in answer:
                raise RuntimeError(f'QEMU: {command}: {answer["error"]["desc"]}')
            else:
                return answer['return']

    def monitor(self, line):
        """a command that only the monitor for people has; what it prints"""
        return self('human-monitor-command', **{'command-line': line})

    def wait_event(self, name, seconds, **match):
        """an event of this name, now or past, whose data has these values"""
        deadline = time.monotonic() + seconds
        while True:
            for e in self.events:
                data = e.get('data', {})
                if e['event'] == name and all(data.get(k) == v for k, v in match.items()):
                    self.events.remove(e)
                    return data
            answer = self._line(deadline)
            if 'event' in answer:
                self.events.append(answer)

    def close(self):
        self.sock.close()
