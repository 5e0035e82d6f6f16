import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { IssuerPerson } from './issuer-person.ts';
import { BadRequest } from './requests.ts';
import { signInPage } from './sign-in-page.ts';
import type { TokenSigner } from './token-signer.ts';

/** The one web application people sign in to. */
export interface WebClient {
  readonly clientId: string;
  readonly secret: string;
  /** Compared as a whole (RFC 9700 §2.1). */
  readonly redirectUrl: string;
}

interface Asked {
  readonly state: string;
  readonly nonce: string;
  readonly challenge: string;
}

/** A code is good once and briefly. */
const codeLifeMs = 60_000;
/** Codes nobody came for are forgotten, the oldest first. */
const maxCodes = 1_000;

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
/** Compares in the same time whatever is wrong. */
const same = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b));

/** OpenID Connect's authorization code flow with PKCE S256 (RFC 7636), for the people of one local stack. */
export class CodeFlow {
  readonly #codes = new Map<string, Asked & { readonly person: IssuerPerson; readonly until: number }>();

  constructor(
    private readonly people: readonly IssuerPerson[],
    private readonly client: WebClient | undefined,
    private readonly signer: TokenSigner,
  ) {}

  show(query: URLSearchParams, response: ServerResponse): void {
    const { client } = this.checked(query);
    page(response, 200, signInPage(query, false), client);
  }

  decide(form: URLSearchParams, response: ServerResponse): void {
    const { client, asked } = this.checked(form);
    const person = this.people.find(({ id }) => same(id, form.get('user') ?? ''));
    if (!person || !same(person.password, form.get('password') ?? ''))
      return page(response, 401, signInPage(form, true), client);
    const code = randomBytes(32).toString('base64url');
    this.#codes.set(code, { ...asked, person, until: performance.now() + codeLifeMs });
    const [oldest] = this.#codes.keys();
    if (this.#codes.size > maxCodes && oldest !== undefined) this.#codes.delete(oldest);
    const back = new URL(client.redirectUrl);
    back.searchParams.set('code', code);
    back.searchParams.set('state', asked.state);
    response.writeHead(303, { location: back.href, 'cache-control': 'no-store' }).end();
  }

  async exchange(form: URLSearchParams, credentials: { id: string; secret: string }): Promise<object> {
    const { client } = this;
    if (!client || !same(client.clientId, credentials.id) || !same(client.secret, credentials.secret))
      throw new BadRequest(401, 'invalid_client');
    const code = form.get('code') ?? '';
    const kept = this.#codes.get(code);
    this.#codes.delete(code);
    const challenge = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url');
    if (
      !kept ||
      kept.until < performance.now() ||
      form.get('redirect_uri') !== client.redirectUrl ||
      !same(challenge, kept.challenge)
    )
      throw new BadRequest(400, 'invalid_grant');
    const idToken = await this.signer.idToken(kept.person, client.clientId, kept.nonce);
    // OAuth wants an access token; this one opens nothing.
    return {
      access_token: randomBytes(16).toString('base64url'),
      token_type: 'Bearer',
      expires_in: 60,
      id_token: idToken,
    };
  }

  /** Nothing is shown and nobody is sent anywhere before client and address are known to be ours. */
  private checked(given: URLSearchParams): { client: WebClient; asked: Asked } {
    const { client } = this;
    if (!client || given.get('client_id') !== client.clientId || given.get('redirect_uri') !== client.redirectUrl)
      throw new BadRequest(400, 'invalid_client');
    const asked = {
      state: given.get('state') ?? '',
      nonce: given.get('nonce') ?? '',
      challenge: given.get('code_challenge') ?? '',
    };
    const complete = given.get('response_type') === 'code' && given.get('code_challenge_method') === 'S256';
    if (!complete || asked.state === '' || asked.nonce === '' || !/^[\w-]{43}$/.test(asked.challenge))
      throw new BadRequest(400, 'invalid_request');
    return { client, asked };
  }
}

function page(response: ServerResponse, status: number, html: string, client: WebClient): void {
  const back = new URL(client.redirectUrl).origin;
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'content-security-policy': `default-src 'none'; form-action 'self' ${back}; base-uri 'none'; frame-ancestors 'none'`,
  });
  response.end(html);
}
