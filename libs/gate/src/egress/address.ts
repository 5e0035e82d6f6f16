import { BlockList, isIP, isIPv6 } from 'node:net';

/** Which networks may be connected to beside the public internet. */
export interface NetworkPolicy {
  /** This machine and private networks, and HTTP without TLS: for the local stack and tests alone. */
  readonly development?: boolean;
  /** Networks of one's own in CIDR form, e.g. `10.20.0.0/16`, where a self-hosted partner stands. */
  readonly privateNetworks?: readonly string[];
}

/** Not public unicast (IANA IPv4 Special-Purpose Address Registry). */
const specialIpv4 = [
  '10.0.0.0/8',
  '100.64.0.0/10',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
];

/** What IPv6 calls global unicast; what it does not hold is special, but for the parts below. */
const globalIpv6 = ['2000::/3'];
/** IETF protocol assignments with Teredo and ORCHID, documentation. */
const specialIpv6 = ['2001::/23', '2001:db8::/32', '3fff::/20'];

const loopback = ['127.0.0.0/8', '::1/128'];

/**
 * Never a partner, whatever a setting says: unspecified, link-local with the metadata services, other metadata addresses,
 * multicast, reserved, and the forms that carry an IPv4 address out of sight (NAT64, 6to4, IPv4-compatible).
 */
const neverPartners = [
  '0.0.0.0/8',
  '169.254.0.0/16',
  '100.100.100.200/32',
  '192.0.0.192/32',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/128',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
  'fd00:ec2::254/128',
  'fd20:ce::254/128',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '2002::/16',
];

const developmentNetworks = [...loopback, '10.0.0.0/8', '100.64.0.0/10', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'];

/** Whether a text is a network in CIDR form. */
export function isNetwork(text: string): boolean {
  const [, address = '', bits = ''] = /^([^/%]+)\/(\d{1,3})$/.exec(text) ?? [];
  const family = isIP(address);
  return family !== 0 && Number(bits) <= (family === 6 ? 128 : 32);
}

function listOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    if (!isNetwork(network)) throw new RangeError('a network must be written as <address>/<bits>');
    const [address = '', bits] = network.split('/');
    list.addSubnet(address, Number(bits), familyOf(address));
  }
  return list;
}

const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIPv6(address) ? 'ipv6' : 'ipv4');

const special = listOf([...specialIpv4, ...specialIpv6]);
const globalUnicast = listOf(globalIpv6);
const compatible = listOf(['::/96']);

/** Says of an address whether a partner may be there. A rule for IPv4 holds for its IPv4-mapped form too. */
export function partnerAddresses({
  development = false,
  privateNetworks = [],
}: NetworkPolicy): (ip: string) => boolean {
  const never = listOf(development ? neverPartners : [...loopback, ...neverPartners]);
  const own = listOf(development ? [...developmentNetworks, ...privateNetworks] : privateNetworks);
  return (ip) => {
    // A scope (`fe80::1%eth0`) belongs to one link of this machine.
    if (isIP(ip) === 0 || ip.includes('%')) return false;
    const family = familyOf(ip);
    if (never.check(ip, family)) return false;
    if (own.check(ip, family)) return true;
    if (special.check(ip, family)) return false;
    return family === 'ipv4' || (globalUnicast.check(ip, family) && !compatible.check(ip, family));
  };
}
