import { randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import { LOCAL_ISSUER } from '@entente/http';
import type { IssuerPerson } from './issuer-person.ts';

/** Seconds. Services renew theirs well before. */
const tokenLifetimeS = 3_600;
const idTokenLifetimeS = 300;

/** Signs the local issuer's tokens with a key made at start. */
export class TokenSigner {
  private constructor(
    readonly key: JWK & { readonly kid: string },
    private readonly privateKey: CryptoKey,
    private readonly audience: string,
  ) {}

  static async create(audience: string): Promise<TokenSigner> {
    const { privateKey, publicKey } = await generateKeyPair('EdDSA', { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), alg: 'EdDSA', use: 'sig' };
    return new TokenSigner({ ...jwk, kid: await calculateJwkThumbprint(jwk) }, privateKey, audience);
  }

  /** @returns the body of a token answer (RFC 6749 §5.1) with an RFC 9068 access token */
  async accessToken(client: { clientId: string; controller: string }, scope: string): Promise<object> {
    const token = await new SignJWT({ client_id: client.clientId, scope, controller: client.controller })
      .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid: this.key.kid })
      .setIssuer(LOCAL_ISSUER)
      .setAudience(this.audience)
      .setSubject(client.clientId)
      .setJti(randomUUID())
      .setIssuedAt()
      .setExpirationTime(`${tokenLifetimeS}s`)
      .sign(this.privateKey);
    return { access_token: token, token_type: 'Bearer', expires_in: tokenLifetimeS, scope };
  }

  idToken(person: IssuerPerson, clientId: string, nonce: string): Promise<string> {
    return new SignJWT({ name: person.name, roles: [...person.roles], nonce })
      .setProtectedHeader({ alg: 'EdDSA', typ: 'JWT', kid: this.key.kid })
      .setIssuer(LOCAL_ISSUER)
      .setAudience(clientId)
      .setSubject(person.id)
      .setIssuedAt()
      .setExpirationTime(`${idTokenLifetimeS}s`)
      .sign(this.privateKey);
  }
}
