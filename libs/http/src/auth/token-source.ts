import { systemClock } from '@entente/observability';
import type { Clock } from '@entente/observability';

export type TokenSourceOptions =
  | { readonly token: string }
  | {
      readonly tokenEndpoint: string;
      readonly clientId: string;
      readonly clientSecret: string;
      readonly scope?: string;
      readonly audience?: string;
      readonly clock?: Clock;
      readonly fetch?: typeof fetch;
    };

/** No usable token could be had. Carries no secret and nothing the endpoint said beyond its status and error code. */
export class TokenUnavailable extends Error {
  override readonly name = 'TokenUnavailable';
}

interface HeldToken {
  readonly token: string;
  readonly refreshAtMs: number;
  readonly expiresAtMs: number;
}

const requestTimeoutMs = 5_000;
/** Fraction of a token's life after which a new one is fetched. */
const refreshAfter = 0.75;
/** RFC 6749 §5.1 only recommends expires_in; without it a token is used briefly. */
const assumedLifeS = 60;
/** A token with less life than this may expire on its way. */
const marginMs = 2_000;

/** Tokens for service-to-service calls: OAuth 2 client credentials, or one fixed token. */
export class TokenSource {
  readonly #options: TokenSourceOptions;
  #held: HeldToken | undefined;
  #fetching: Promise<HeldToken> | undefined;

  constructor(options: TokenSourceOptions) {
    this.#options = options;
  }

  /** A token that is good for at least a few seconds; one request at a time goes to the endpoint. */
  async getToken(): Promise<string> {
    const options = this.#options;
    if ('token' in options) return options.token;
    const clock = options.clock ?? systemClock;
    const held = this.#held;
    if (held !== undefined && clock.monotonic() < held.refreshAtMs) return held.token;
    try {
      this.#fetching ??= fetchToken(options, clock).finally(() => (this.#fetching = undefined));
      this.#held = await this.#fetching;
      return this.#held.token;
    } catch (error) {
      if (held !== undefined && clock.monotonic() < held.expiresAtMs - marginMs) return held.token;
      throw error;
    }
  }

  /** Forgets the held token, after a 401 with it. */
  discard(): void {
    this.#held = undefined;
  }
}

type ClientCredentials = Exclude<TokenSourceOptions, { readonly token: string }>;

async function fetchToken(options: ClientCredentials, clock: Clock): Promise<HeldToken> {
  const startedAt = clock.monotonic();
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    ...(options.scope === undefined ? {} : { scope: options.scope }),
    ...(options.audience === undefined ? {} : { audience: options.audience }),
  });
  const response = await (options.fetch ?? fetch)(options.tokenEndpoint, {
    method: 'POST',
    headers: { authorization: basicCredentials(options), accept: 'application/json' },
    body: form,
    redirect: 'error',
    signal: AbortSignal.timeout(requestTimeoutMs),
  }).catch((error: unknown) => {
    throw new TokenUnavailable('the token endpoint cannot be reached', { cause: error });
  });
  const answer: unknown = await response.json().catch(() => undefined);
  const token = memberOf(answer, 'access_token');
  if (!response.ok || typeof token !== 'string' || token === '')
    throw new TokenUnavailable(
      `the token endpoint answered ${response.status} ${errorCode(memberOf(answer, 'error'))}`,
    );
  const expiresIn = memberOf(answer, 'expires_in');
  const lifeMs = (typeof expiresIn === 'number' && expiresIn > 0 ? expiresIn : assumedLifeS) * 1_000;
  return { token, refreshAtMs: startedAt + lifeMs * refreshAfter, expiresAtMs: startedAt + lifeMs };
}

/** RFC 6749 §2.3.1: both parts are form-encoded before they are joined. */
function basicCredentials({ clientId, clientSecret }: ClientCredentials): string {
  const encoded = [clientId, clientSecret].map((part) =>
    new URLSearchParams({ part }).toString().slice('part='.length),
  );
  return `Basic ${Buffer.from(encoded.join(':')).toString('base64')}`;
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function errorCode(value: unknown): string {
  return typeof value === 'string' && /^[a-z_]{1,40}$/.test(value) ? value : 'without a token';
}
