import { lookup as systemLookup, type LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { partnerAddresses, type NetworkPolicy } from './address.ts';

/** Why the guard lets nothing out to a destination. Repeating does not help: a setting must change. */
const destinationRefusals = [
  'forbidden-scheme',
  'forbidden-url',
  'forbidden-host',
  'forbidden-port',
  'forbidden-address',
] as const;
export type DestinationRefusal = (typeof destinationRefusals)[number];

export const isDestinationRefusal = (why: string): why is DestinationRefusal =>
  (destinationRefusals as readonly string[]).includes(why);

/** All addresses of a name. */
export type Resolve = (
  hostname: string,
  done: (err: NodeJS.ErrnoException | null, addresses: readonly LookupAddress[]) => void,
) => void;

const resolveBySystem: Resolve = (hostname, done) => systemLookup(hostname, { all: true }, done);

/** Ports of this house's own stores and of other well-known services, behind which no HTTP API of a partner stands. */
const servicePorts: ReadonlySet<number> = new Set([
  2049, 2375, 2376, 2379, 3306, 3389, 5432, 5672, 6379, 9092, 11211, 27017,
]);
const lowestFreePort = 1024;

/** A name that resolves to where no partner may be. */
class ForbiddenAddress extends Error {
  override readonly name = 'ForbiddenAddress';
  readonly code: DestinationRefusal = 'forbidden-address';
}

/**
 * Where bytes may go (SSRF, standards.md §3.3). A URL is judged before a connection is sought; a name's addresses when it
 * is made, and the connection goes to an address that was judged: there is no second look-up that could answer otherwise.
 */
export class DestinationGuard {
  readonly #mayBePartner: (ip: string) => boolean;
  readonly #development: boolean;
  readonly #resolve: Resolve;

  constructor(policy: NetworkPolicy = {}, resolve: Resolve = resolveBySystem) {
    this.#mayBePartner = partnerAddresses(policy);
    this.#development = policy.development ?? false;
    this.#resolve = resolve;
  }

  /** Null = nothing against it. `hosts`: `host` (its scheme's own port), `host:port` or `*.domain`; absent = any. */
  refusalOf(url: URL, hosts?: readonly string[]): DestinationRefusal | null {
    if (url.protocol !== 'https:' && !(this.#development && url.protocol === 'http:')) return 'forbidden-scheme';
    if (url.username !== '' || url.password !== '' || url.hash !== '' || url.hostname.endsWith('.'))
      return 'forbidden-url';
    if (hosts !== undefined && !hosts.some((host) => isAt(url, host))) return 'forbidden-host';
    if (!this.#isPartnerPort(url.port)) return 'forbidden-port';
    const literal = addressIn(url.hostname);
    return literal !== null && !this.#mayBePartner(literal) ? 'forbidden-address' : null;
  }

  /** For the agents: one address of a name that may not be a partner's forbids them all. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    this.#resolve(hostname, (err, addresses) => {
      const [first] = addresses;
      if (err !== null) callback(err, '');
      else if (first === undefined || !addresses.every(({ address }) => this.#mayBePartner(address)))
        callback(new ForbiddenAddress(), '');
      else if (options.all) callback(null, [...addresses]);
      else callback(null, first.address, first.family);
    });
  };

  #isPartnerPort(port: string): boolean {
    if (port === '') return true;
    const number = Number(port);
    return (this.#development && number > 0) || (number >= lowestFreePort && !servicePorts.has(number));
  }
}

/** A host that is an address: the URL parser has brought decimal, octal, hexadecimal and short forms into one. */
function addressIn(hostname: string): string | null {
  const bare = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  return isIP(bare) === 0 ? null : bare;
}

const isAt = (url: URL, allowed: string): boolean =>
  allowed.startsWith('*.') ? url.port === '' && url.hostname.endsWith(allowed.slice(1)) : url.host === allowed;
