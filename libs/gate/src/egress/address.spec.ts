import { describe, expect, test } from '@jest/globals';
import { isNetwork, partnerAddresses, type NetworkPolicy } from './address.ts';

const everything: NetworkPolicy = { privateNetworks: ['0.0.0.0/0', '::/0'] };
type Where = 'public' | 'own network' | 'development' | 'never';

/** Under which policy an address may be a partner's; what a wider policy allows beside it follows from the rank. */
const addresses: readonly (readonly [string, Where])[] = [
  ['8.8.8.8', 'public'],
  ['172.15.255.255', 'public'],
  ['172.32.0.1', 'public'],
  ['100.63.255.255', 'public'],
  ['100.128.0.1', 'public'],
  ['2606:4700::1111', 'public'],
  ['10.0.0.1', 'own network'],
  ['172.16.0.1', 'own network'],
  ['172.31.255.255', 'own network'],
  ['192.168.1.1', 'own network'],
  ['100.64.0.1', 'own network'],
  ['100.127.255.255', 'own network'],
  ['198.18.0.1', 'own network'],
  ['192.0.2.1', 'own network'],
  ['198.51.100.7', 'own network'],
  ['203.0.113.9', 'own network'],
  ['192.88.99.1', 'own network'],
  ['fd12:3456::1', 'own network'],
  ['fc00::1', 'own network'],
  ['2001:db8::1', 'own network'],
  ['3fff::1', 'own network'],
  ['2001::1', 'own network'],
  ['100::1', 'own network'],
  ['::ffff:10.0.0.1', 'own network'],
  ['::ffff:8.8.8.8', 'own network'],
  ['::8.8.8.8', 'own network'],
  ['127.0.0.1', 'development'],
  ['127.255.255.254', 'development'],
  ['::1', 'development'],
  ['::ffff:127.0.0.1', 'development'],
  ['::ffff:7f00:1', 'development'],
  ['0.0.0.0', 'never'],
  ['0.1.2.3', 'never'],
  ['169.254.169.254', 'never'],
  ['::ffff:169.254.169.254', 'never'],
  ['::ffff:a9fe:a9fe', 'never'],
  ['100.100.100.200', 'never'],
  ['192.0.0.192', 'never'],
  ['fd00:ec2::254', 'never'],
  ['fd20:ce::254', 'never'],
  ['224.0.0.1', 'never'],
  ['239.255.255.255', 'never'],
  ['240.0.0.1', 'never'],
  ['255.255.255.255', 'never'],
  ['::', 'never'],
  ['fe80::1', 'never'],
  ['fe80::1%lo', 'never'],
  ['fec0::1', 'never'],
  ['ff02::1', 'never'],
  ['64:ff9b::7f00:1', 'never'],
  ['64:ff9b::8.8.8.8', 'never'],
  ['64:ff9b:1::a00:1', 'never'],
  ['2002:7f00:1::', 'never'],
  ['not an address', 'never'],
  ['127.1', 'never'],
];

describe('where a partner may be', () => {
  test.each(addresses)('%s: %s', (address, where) => {
    expect(partnerAddresses({})(address)).toBe(where === 'public');
    expect(partnerAddresses(everything)(address)).toBe(where === 'public' || where === 'own network');
    expect(partnerAddresses({ ...everything, development: true })(address)).toBe(where !== 'never');
  });

  test('only the private network that was named', () => {
    const mayBePartner = partnerAddresses({ privateNetworks: ['10.20.0.0/16', 'fd12::/16'] });
    expect(['10.20.3.4', '10.21.0.1', 'fd12::9', 'fd13::9', '127.0.0.1'].map(mayBePartner)).toEqual([
      true,
      false,
      true,
      false,
      false,
    ]);
  });

  test.each([
    ['10.0.0.0/8', true],
    ['fd00::/8', true],
    ['10.0.0.0', false],
    ['10.0.0.0/33', false],
    ['::/129', false],
    ['10.0/8', false],
    ['fe80::1%eth0/64', false],
    ['', false],
  ])('%p is a network: %p', (text, is) => expect(isNetwork(text)).toBe(is));
});
