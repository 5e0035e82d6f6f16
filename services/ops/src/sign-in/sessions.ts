import { createHash, randomBytes } from 'node:crypto';
import { Refusal, type Caller, type SessionVerifier } from '@entente/http';
import type { ControllerId } from '@entente/contracts';
import type { Pool } from '@entente/postgres';
import type { FastifyRequest } from 'fastify';
import { cookieOf, type CookieNames } from './cookies.ts';
import { scopesOf, type Role } from './roles.ts';

/** Longest session, whatever is done with it; then the provider is asked again. */
const longestS = 8 * 3_600;
/** A console left open refreshes itself and so stays alive; a closed one does not. */
const idleS = 3_600;
/** `used_at` is written at most this often. */
const touchedEveryS = 60;

export interface Person {
  readonly subject: string;
  readonly name: string;
  readonly role: Role;
}

export interface Session extends Person {
  readonly controller: ControllerId;
  readonly endsAt: Date;
}

const hashOf = (id: string): Buffer => createHash('sha256').update(id).digest();

/**
 * Sessions of signed-in people. The browser holds 256 random bits in an HttpOnly, SameSite=Strict cookie; the table holds
 * their hash, so that who reads the table cannot sign in, and signing out ends the session everywhere at once.
 */
export class Sessions implements SessionVerifier {
  constructor(
    private readonly pool: Pool,
    private readonly controller: ControllerId,
    private readonly cookies: CookieNames,
    private readonly origin: string,
  ) {}

  /** @returns the id for the cookie; it is kept nowhere else */
  async begin({ subject, name, role }: Person): Promise<string> {
    const id = randomBytes(32).toString('base64url');
    await this.pool.query(
      'INSERT INTO console_session (id_hash, controller, subject, name, role) VALUES ($1, $2, $3, $4, $5)',
      [hashOf(id), this.controller, subject, name, role],
    );
    await this.pool.query(
      'DELETE FROM console_session WHERE created_at < clock_timestamp() - make_interval(secs => $1) OR used_at < clock_timestamp() - make_interval(secs => $2)',
      [longestS, idleS],
    );
    return id;
  }

  async of(request: FastifyRequest): Promise<Session | null> {
    const id = cookieOf(request, this.cookies.session);
    if (id === null) return null;
    const { rows } = await this.pool.query<{
      subject: string;
      name: string;
      role: Role;
      ends_at: Date;
      stale: boolean;
    }>(
      `SELECT subject, name, role, created_at + make_interval(secs => $3) AS ends_at,
              used_at < clock_timestamp() - make_interval(secs => $5) AS stale
       FROM console_session WHERE id_hash = $1 AND controller = $2
         AND created_at > clock_timestamp() - make_interval(secs => $3)
         AND used_at > clock_timestamp() - make_interval(secs => $4)`,
      [hashOf(id), this.controller, longestS, idleS, touchedEveryS],
    );
    const [row] = rows;
    if (!row) return null;
    if (row.stale)
      await this.pool.query('UPDATE console_session SET used_at = clock_timestamp() WHERE id_hash = $1', [hashOf(id)]);
    return { subject: row.subject, name: row.name, role: row.role, controller: this.controller, endsAt: row.ends_at };
  }

  /** @returns the session that has ended, if there was one */
  async end(request: FastifyRequest): Promise<Session | null> {
    this.refuseCrossSite(request);
    const session = await this.of(request);
    const id = cookieOf(request, this.cookies.session);
    if (id !== null) await this.pool.query('DELETE FROM console_session WHERE id_hash = $1', [hashOf(id)]);
    return session;
  }

  async callerOf(request: FastifyRequest): Promise<Caller | null> {
    const session = await this.of(request);
    if (!session) return null;
    this.refuseCrossSite(request);
    const { controller, subject, role } = session;
    return { controller, subject, clientId: 'console', scopes: scopesOf[role] };
  }

  /** SameSite keeps the cookie from other sites; this keeps it from siblings of our own site too. */
  private refuseCrossSite(request: FastifyRequest): void {
    if (request.method === 'GET' || request.method === 'HEAD') return;
    if (request.headers.origin !== this.origin)
      throw new Refusal('cross-site-request', 403, 'This was not sent by the console itself.');
  }
}
