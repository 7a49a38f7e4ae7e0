#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How fast a change takes effect, on a lab that is up (see scripts/bench/latency.sh): establish to ACTIVE, health change to
the importer, intention change to the first refused connection and to the cut of a live one. Prints medians and worst in ms."""
import http.client, json, os, socket, statistics, subprocess, sys, time, urllib.parse


class Api:
    def __init__(self, url):
        u = urllib.parse.urlsplit(url)
        self.c = http.client.HTTPConnection(u.hostname, u.port, timeout=30)

    def __call__(self, method, path, body=None):
        self.c.request(method, path, json.dumps(body) if body is not None else None)
        r = self.c.getresponse()
        text = r.read().decode()
        if r.status != 200:
            raise SystemExit('%s %s: %d %s' % (method, path, r.status, text))
        return json.loads(text) if text else None


def until(question, seconds=10):
    end = time.perf_counter() + seconds
    while not question():
        if time.perf_counter() > end:
            raise SystemExit('it did not happen within %d s' % seconds)
    return time.perf_counter()


def report(what, samples):
    samples = sorted(x * 1e3 for x in samples)
    print('%-52s p50 %7.2f  p99 %7.2f  worst %7.2f ms  (%d samples)' % (
        what, statistics.median(samples), samples[max(0, int(len(samples) * .99) - 1)], samples[-1], len(samples)))


def state(api, name):
    return next((p['State'] for p in api('GET', '/v1/peerings') if p['Name'] == name), None)


def establish(e, w, rounds):
    took = []
    for i in range(rounds):
        if i:
            w('DELETE', '/v1/peering/east'), e('DELETE', '/v1/peering/west')
            until(lambda: state(e, 'west') is None and state(w, 'east') is None)
        token = w('POST', '/v1/peering/token', {'PeerName': 'east'})['PeeringToken']
        start = time.perf_counter()
        e('POST', '/v1/peering/establish', {'PeerName': 'west', 'PeeringToken': token})
        took.append(until(lambda: state(e, 'west') == 'ACTIVE' and state(w, 'east') == 'ACTIVE') - start)
    report('establish to ACTIVE on both sides', took)


def health(e, w, app, rounds):
    def put(status):
        w('PUT', '/v1/catalog/register', {'Node': 'n1', 'Address': app, 'Service': {'ID': 'h', 'Service': 'h', 'Port': 7000},
          'Check': {'Node': 'n1', 'CheckID': 'c', 'Name': 'c', 'Status': status, 'ServiceID': 'h'}})
    seen = lambda n: len(e('GET', '/v1/health/service/h?peer=west&passing')) == n
    put('passing')
    until(lambda: seen(1))
    took = []
    for i in range(rounds):
        start = time.perf_counter()
        put('critical' if i % 2 == 0 else 'passing')
        took.append(until(lambda: seen(i % 2)) - start)
    report('health change to visible at the importer', took)


def answered(fd, at):
    """One request over a fresh connection made by the helper in app-east."""
    fd.stdin.write(at + '\n')
    fd.stdin.flush()
    return fd.stdout.readline().strip() == 'yes'


PROBE = r'''
import socket, sys
for line in sys.stdin:
    host, port, what = line.split()
    try:
        s = socket.create_connection((host, int(port)), timeout=2)
        s.sendall(b'GET / HTTP/1.0\r\n\r\n')
        print('yes' if s.recv(1) else 'no', flush=True)
        s.close()
    except OSError:
        print('no', flush=True)
'''
LIVE = r'''
import socket, sys, time
for line in sys.stdin:
    host, port, what = line.split()
    s = socket.create_connection((host, int(port)), timeout=5)
    s.sendall(b'GET /blob/2000000000/50000000 HTTP/1.0\r\n\r\n')
    s.recv(1)
    print('running', flush=True)
    try:
        while s.recv(65536):
            pass
    except OSError:
        pass
    print(time.perf_counter(), flush=True)
    s.close()
'''


def intention(w, action):
    w('PUT', '/v1/connect/intentions/exact?source=peer:east/web&destination=billing', {'Action': action})


def helper(lab, code):
    return subprocess.Popen([lab, 'exec', 'app-east', sys.executable, '-c', code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def intentions(e, w, lab, lan, app, rounds):
    w('PUT', '/v1/agent/service/register', {'Name': 'billing', 'Port': 7000, 'Address': app})
    w('PUT', '/v1/config', {'Kind': 'exported-services', 'Name': 'default', 'Services': [
        {'Name': 'billing', 'Consumers': [{'Peer': 'east'}]}, {'Name': 'h', 'Consumers': [{'Peer': 'east'}]}]})
    e('PUT', '/v1/agent/service/register', {'Name': 'web', 'Port': 1, 'Address': os.environ['EAST_APP'], 'Upstreams': [
        {'DestinationName': 'billing', 'DestinationPeer': 'west', 'LocalBindAddress': lan, 'LocalBindPort': 9000}]})
    intention(w, 'allow')
    probe, live = helper(lab, PROBE), helper(lab, LIVE)
    at = '%s 9000 x' % lan
    until(lambda: answered(probe, at))
    refused, cut = [], []
    for _ in range(rounds):
        live.stdin.write(at + '\n')
        live.stdin.flush()
        assert live.stdout.readline().strip() == 'running'
        start = time.perf_counter()
        intention(w, 'deny')
        refused.append(until(lambda: not answered(probe, at)) - start)
        cut.append(float(live.stdout.readline()) - start)
        intention(w, 'allow')
        until(lambda: answered(probe, at))
    probe.stdin.close(), live.stdin.close()
    report('intention change to the first refused connection', refused)
    report('intention change to the cut of a live one (copy)', cut)


def rss(lab, host):
    pid = subprocess.run([lab, 'pid', host], capture_output=True, text=True).stdout.strip()
    return next(int(line.split()[1]) / 1024 for line in open('/proc/%s/status' % pid) if line.startswith('VmRSS'))


def main():
    lab = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lab.sh')
    rounds = int(os.environ.get('PW_BENCH_ROUNDS', '40'))
    e, w = Api(os.environ['EAST_API']), Api(os.environ['WEST_API'])
    print('agent RSS idle: %.1f MB' % rss(lab, 'gw-west'))
    establish(e, w, min(rounds, 20))
    intentions(e, w, lab, os.environ['EAST_LAN'], os.environ['WEST_APP'], min(rounds, 20))
    health(e, w, os.environ['WEST_APP'], rounds)
    start = time.perf_counter()
    for i in range(1000):
        w('PUT', '/v1/catalog/register', {'Node': 'n%d' % i, 'Address': '10.9.%d.%d' % (i // 250, i % 250 + 1),
          'Service': {'ID': 's%d' % i, 'Service': 's%d' % i, 'Port': 80}})
    print('1,000 services registered: %.0f a second, each durable; agent RSS then: %.1f MB' % (
        1000 / (time.perf_counter() - start), rss(lab, 'gw-west')))


main()
