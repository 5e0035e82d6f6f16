import { createHash } from 'node:crypto';
import { createRemoteJWKSet, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose';

export interface ProviderSettings {
  readonly discoveryUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scope: string;
  readonly redirectUrl: string;
  /** Every address of the provider must be https. */
  readonly production: boolean;
}

/** One way to the provider and back: what must be the same at both ends. */
export interface Attempt {
  readonly state: string;
  readonly nonce: string;
  /** PKCE (RFC 7636): only who holds it can use the code. */
  readonly verifier: string;
}

/** The provider, or what came back from it, is not as it must be. Carries nothing of a token. */
export class SignInFailed extends Error {
  override readonly name = 'SignInFailed';
}

interface Endpoints {
  readonly issuer: string;
  readonly authorizationUrl: string;
  readonly tokenUrl: string;
  readonly keys: JWTVerifyGetKey;
}

const answerTimeoutMs = 5_000;
/** Clock difference between provider and us. */
const clockToleranceS = 30;

/** An OpenID Connect provider, found by its discovery document: authorization code with PKCE (OpenID Connect Core §3.1). */
export class Provider {
  private endpoints: Promise<Endpoints> | undefined;

  constructor(private readonly settings: ProviderSettings) {}

  async authorizationUrl({ state, nonce, verifier }: Attempt): Promise<string> {
    const { clientId, scope, redirectUrl } = this.settings;
    const url = new URL((await this.discovered()).authorizationUrl);
    const challenge = createHash('sha256').update(verifier).digest('base64url');
    for (const [name, value] of Object.entries({
      response_type: 'code',
      client_id: clientId,
      redirect_uri: redirectUrl,
      scope,
      state,
      nonce,
      code_challenge: challenge,
      code_challenge_method: 'S256',
    }))
      url.searchParams.set(name, value);
    return url.href;
  }

  /** Exchanges the code and verifies the ID token it buys. @returns the token's claims */
  async claims(code: string, attempt: Attempt): Promise<JWTPayload> {
    const { tokenUrl, keys, issuer } = await this.discovered();
    const { clientId, clientSecret, redirectUrl } = this.settings;
    const encoded = [clientId, clientSecret].map(encodeURIComponent).join(':');
    const answer = await fetchJson(tokenUrl, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(encoded).toString('base64')}`, accept: 'application/json' },
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        code,
        redirect_uri: redirectUrl,
        code_verifier: attempt.verifier,
      }),
    });
    const token = textIn(answer, 'id_token');
    const { payload } = await jwtVerify(token, keys, {
      issuer,
      audience: clientId,
      algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'],
      requiredClaims: ['exp', 'iat', 'sub', 'nonce'],
      clockTolerance: clockToleranceS,
    }).catch((cause: unknown) => {
      throw new SignInFailed('the ID token is not good', { cause });
    });
    if (payload['nonce'] !== attempt.nonce) throw new SignInFailed('the ID token answers another sign-in');
    if (Array.isArray(payload.aud) && payload.aud.length > 1 && payload['azp'] !== clientId)
      throw new SignInFailed('the ID token was made for another client');
    return payload;
  }

  /** Asked once; after a failure again at the next sign-in. */
  private discovered(): Promise<Endpoints> {
    this.endpoints ??= this.discover().catch((error: unknown) => {
      this.endpoints = undefined;
      throw error;
    });
    return this.endpoints;
  }

  private async discover(): Promise<Endpoints> {
    const { discoveryUrl, production } = this.settings;
    const document = await fetchJson(discoveryUrl, { headers: { accept: 'application/json' } });
    const address = (name: string): string => {
      const text = textIn(document, name);
      const protocol = URL.canParse(text) ? new URL(text).protocol : '';
      if (protocol !== 'https:' && (production || protocol !== 'http:'))
        throw new SignInFailed(`${name} of the provider is not an https address`);
      return text;
    };
    return {
      issuer: textIn(document, 'issuer'),
      authorizationUrl: address('authorization_endpoint'),
      tokenUrl: address('token_endpoint'),
      keys: createRemoteJWKSet(new URL(address('jwks_uri')), { timeoutDuration: answerTimeoutMs }),
    };
  }
}

async function fetchJson(url: string, init: RequestInit): Promise<unknown> {
  const response = await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(answerTimeoutMs) }).catch(
    (cause: unknown) => {
      throw new SignInFailed('the provider does not answer', { cause });
    },
  );
  const answer: unknown = await response.json().catch(() => undefined);
  if (!response.ok) throw new SignInFailed(`the provider answered ${response.status}`);
  return answer;
}

function textIn(document: unknown, name: string): string {
  const value: unknown = typeof document === 'object' && document !== null ? Reflect.get(document, name) : undefined;
  if (typeof value !== 'string' || value === '') throw new SignInFailed(`the provider's answer has no ${name}`);
  return value;
}
