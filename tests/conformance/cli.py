#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Types the recorded session of Consul's command line (expected/cli.txt) into peerway, on a lab that is up and fresh, and compares
output, errors and exit status after taking ids, times, indexes, certificates and tokens out.

usage: cli.py LAB_SH      with EAST_API and WEST_API in the environment

DIFFERENCES lists where the recorded text is not ours to keep, and why. The last line is 'conformance: N of M equal'."""
import json, os, re, subprocess, sys, http.client, time, urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
# command as recorded -> what is due instead (exit status; a text that must appear) and the reason
DIFFERENCES = {
    'peering establish -name x -peering-token junk': (1, 'Error establishing peering for x: ', "the rest is a text of Go's JSON library"),
    'peering establish -name x -peering-token !!': (1, 'Error establishing peering for x: ', "the rest is a text of Go's base64 library"),
    'peering': (1, 'Usage', 'usage texts are our own'),
    'config write - [Kind="service-intentions" Nam]': (1, 'Failed to decode config entry input', "the place is our parser's: line and column"),
    'config write /nonexistent.hcl': (1, '/nonexistent.hcl', "the system's text"),
    'intention create peer:west/web db': (0, 'Created: peer:west/web => db (allow)', 'peer sources can be written here'),
    'catalog nodes': (0, 'gw-east', "the server's node has our name"),
    'catalog services': (0, 'billing', 'the gateway is no catalog service here: no "consul" line'),
    'intention get web db': (0, 'Action:       deny', 'our commands write config entries: such an intention has no id and no time of its own'),
    'version': (0, 'peerway', 'it is another program'),
}
RULES = [
    (re.compile(r'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'), '<uuid>'),
    (re.compile(r'\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( \+0000 UTC|Z)|<nil>'), '<time>'),
    (re.compile(r'\w+day, \d\d-\w{3}-\d\d \d\d:\d\d:\d\d UTC'), '<time>'),
    (re.compile(r'((Create|Modify) ?Index"?): \d+'), r'\1: <n>'),
    (re.compile(r'eyJDQSI6[A-Za-z0-9+/=]+|<token>'), '<token>'),
    (re.compile(r'\d+\.\d+\.\d+\.\d+:\d+'), '<address>'),
]


def plain(text):
    for rule, by in RULES:
        text = rule.sub(by, text)
    return '\n'.join(line.rstrip() for line in text.rstrip('\n').split('\n'))


def recorded():
    """(side, command, stdin, out, err, exit) for each command of the session."""
    with open(os.path.join(HERE, 'expected', 'cli.txt')) as f:
        blocks = f.read().split('\n### ')[1:]
    for b in blocks:
        head, *rest = b.split('\n')
        m = re.match(r'\((\w+)\) consul (.*?)(?:\s+\[stdin: (.*)\])?$', head)
        out = [x[5:] for x in rest if x.startswith('out:')]
        err = [x[5:] for x in rest if x.startswith('err:')]
        code = next(int(x[6:]) for x in rest if x.startswith('exit: '))
        yield m.group(1), m.group(2), m.group(3), '\n'.join(out), '\n'.join(err), code


def api(side, method, path, body=None):
    u = urllib.parse.urlsplit(os.environ[side.upper() + '_API'])
    c = http.client.HTTPConnection(u.hostname, u.port, timeout=10)
    c.request(method, path, json.dumps(body) if body is not None else None)
    text = c.getresponse().read().decode()
    return json.loads(text) if text[:1] in ('[', '{') else text


def prepare(run):
    """The state in which the session was recorded: peered, billing exported from east."""
    token = run('west', ['peering', 'generate-token', '-name', 'east']).stdout.strip()
    run('east', ['peering', 'establish', '-name', 'west', '-peering-token', token])
    api('east', 'PUT', '/v1/catalog/register', {'Node': 'n1', 'Address': '10.44.0.11', 'Service': {'ID': 'billing-1', 'Service': 'billing', 'Port': 7000}})
    run('east', ['services', 'export', '-name', 'billing', '-consumer-peers', 'west'])
    end = time.time() + 10
    while time.time() < end and (api('west', 'GET', '/v1/peering/east').get('StreamStatus') or {}).get('ImportedServices') != ['billing']:
        time.sleep(0.02)


def compare(command, got, out, err, code):
    if command in DIFFERENCES:
        due, needle, _ = DIFFERENCES[command]
        ok = got.returncode == due and needle in got.stdout + got.stderr
        return [] if ok else ['exit %d, %r; due here: exit %d with %r' % (got.returncode, got.stdout + got.stderr, due, needle)]
    bad = []
    if got.returncode != code:
        bad.append('exit %d, expected %d' % (got.returncode, code))
    for what, g, w in (('out', got.stdout, out), ('err', got.stderr, err)):
        g, w = plain(g), plain(w)
        if w.startswith('[{"ID":"<uuid>') or w.startswith('{"ID":"<uuid>'):  # cut in the recording; the API's scenarios compare it whole
            try:
                json.loads(got.stdout)
            except ValueError:
                bad.append('%s is no JSON: %.200s' % (what, g))
        elif g != w:
            bad.append('%s:\n%s\n          expected:\n%s' % (what, g, w))
    return bad


def main():
    lab = sys.argv[1]

    def run(side, args, stdin=None):
        return subprocess.run([lab, 'exec', 'gw-' + side, 'peerway'] + args, input=stdin, capture_output=True, text=True, timeout=60)
    prepare(run)
    equal = total = stated = 0
    for side, command, stdin, out, err, code in recorded():
        name = command if stdin is None else '%s [%s]' % (command.strip(), stdin)
        args = command.split()
        if 'connection refused' in err:  # the last one: nobody listens there
            args, (code, needle) = ['peering', 'list', '-http-addr', '127.0.0.1:1'], (1, 'Error listing peerings')
            got = run(side, args)
            bad = [] if got.returncode == 1 and needle in got.stderr else ['exit %d: %s' % (got.returncode, got.stderr)]
        else:
            got = run(side, args, stdin)
            bad = compare(name, got, out, err, code)
        total += 1
        if bad:
            print('  DIFFERS (%s) %s%s' % (side, name, ''.join('\n          - ' + b for b in bad)))
        elif name in DIFFERENCES:
            stated += 1
        else:
            equal += 1
    print('stated differences: %d' % stated)
    print('conformance: %d of %d equal' % (equal, total - stated))
    return 0 if equal + stated == total else 1


if __name__ == '__main__':
    sys.exit(main())
