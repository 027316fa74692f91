import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { egressProblem, parseEgressAllow } from '../../db/egress.js';

const refused = [
  'http://127.0.0.1/',
  'http://2130706433/',
  'http://0x7f000001/',
  'http://0x7f.1/',
  'http://0177.0.0.1/',
  'http://127.1/',
  'http://127.0.0.1./',
  'http://１２７.0.0.1/',
  'http://localhost/',
  'http://LOCALHOST./',
  'http://app.localhost/',
  'http://0.0.0.0/',
  'http://10.1.2.3/',
  'http://172.16.0.1/',
  'http://192.168.1.1/',
  'http://100.64.0.1/',
  'http://169.254.169.254/latest/meta-data/',
  'http://168.63.129.16/',
  'http://192.0.2.1/',
  'http://198.18.0.1/',
  'http://224.0.0.1/',
  'http://255.255.255.255/',
  'http://[::]/',
  'http://[::1]/',
  'http://[::ffff:127.0.0.1]/',
  'http://[::ffff:8.8.8.8]/',
  'http://[::127.0.0.1]/',
  'http://[64:ff9b::7f00:1]/',
  'http://[64:ff9b:1::7f00:1]/',
  'http://[2002:7f00:1::]/',
  'http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/',
  'http://[fc00::1]/',
  'http://[fd00:ec2::254]/',
  'http://[fe80::1]/',
  'http://[fec0::1]/',
  'http://[ff02::1]/',
  'http://[2001:db8::1]/',
];

test.each(refused)('%s is refused', (url) => {
  expect(egressProblem(url, [])).toContain('local, private or reserved');
});

test.each([
  'https://example.com/hook',
  'http://8.8.8.8/',
  'https://[2606:4700::1111]:8443/x',
  'http://localhost.example.com/',
])('%s passes', (url) => {
  expect(egressProblem(url, [])).toBeNull();
});

test.each([
  ['ftp://example.com/', 'must begin with https://'],
  ['file:///etc/passwd', 'must begin with https://'],
  ['https://user@example.com/', 'must not hold a user name'],
  ['https://:pw@example.com/', 'must not hold a user name'],
  ['example.com/hook', 'not a valid URL'],
  ['http://[fe80::1%25eth0]/', 'not a valid URL'],
])('%s: %s', (url, problem) => {
  expect(egressProblem(url, [])).toContain(problem);
});

test('no address of a private range passes in any spelling', () => {
  const privateAddress = fc
    .tuple(fc.constantFrom([10, 8], [127, 8], [172.0625, 12], [192.65625, 16]), fc.nat(2 ** 24 - 1))
    .map(([[net = 0, bits = 8], host]) => (net * 2 ** 24 + (host % 2 ** (32 - bits))) >>> 0);
  const spelling = fc.constantFrom(
    (value: number) => String(value),
    (value: number) => `0x${value.toString(16)}`,
    (value: number) => `0${value.toString(8)}`,
    (value: number) => [24, 16, 8, 0].map((shift) => `0${((value >>> shift) & 255).toString(8)}`).join('.'),
    (value: number) => `${value >>> 24}.${value & 0xffffff}`,
    (value: number) => `[::ffff:${(value >>> 16).toString(16)}:${(value & 0xffff).toString(16)}]`,
  );
  fc.assert(
    fc.property(privateAddress, spelling, (value, spell) => {
      expect(egressProblem(`http://${spell(value)}/`, [])).not.toBeNull();
    }),
  );
});

test('the list lets hosts, addresses and ranges pass, each with or without a port', () => {
  const allow = parseEgressAllow(
    ' 10.0.0.0/8, hooks.internal:8443\n[fd00::1]:80 *.corp.example 192.168.1.5:8080,localhost:4000',
  );
  const passes = (url: string): boolean => egressProblem(url, allow) === null;
  expect(
    ['http://10.200.0.1:99/', 'http://[fd00::1]/', 'http://192.168.1.5:8080/', 'http://localhost:4000/'].map(passes),
  ).toEqual([true, true, true, true]);
  expect(
    [
      'http://11.0.0.1/',
      'http://[fd00::1]:81/',
      'http://192.168.1.5/',
      'http://localhost:4001/',
      'http://127.0.0.1:4000/',
    ].map(passes),
  ).toEqual([true, false, false, false, false]);
});

test('a listed loopback range opens localhost too', () => {
  expect(egressProblem('http://localhost:9/', parseEgressAllow('127.0.0.0/8'))).toBeNull();
});

test('an empty list allows nothing extra', () => {
  expect(parseEgressAllow('  ')).toEqual([]);
});

test.each([
  ['http://hooks.internal', 'is a URL'],
  ['10.0.0.0/33', 'is not a valid CIDR'],
  ['::1/129', 'is not a valid CIDR'],
  ['10.0.0.1/8/9', 'is not a valid CIDR'],
  ['10.0.0.1:0', 'has a port outside 1 to 65535'],
  ['host:70000', 'has a port outside 1 to 65535'],
  ['10.0.0', 'is neither a host name nor an address'],
  ['2130706433', 'is neither a host name nor an address'],
  ['bad!name', 'is neither a host name nor an address'],
])('%s in the list: %s', (entry, problem) => {
  expect(() => parseEgressAllow(`example.com,${entry}`)).toThrow(`KEELSON_EGRESS_ALLOW: "${entry}" ${problem}`);
});
