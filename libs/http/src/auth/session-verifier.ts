import type { FastifyRequest } from 'fastify';
import type { Caller } from './caller.ts';

/** Knows a caller by another proof than a bearer token: the session of a signed-in person. */
export interface SessionVerifier {
  /** @throws Refusal when the request must not be made with a session, e.g. because another site made it. */
  callerOf(request: FastifyRequest): Promise<Caller | null>;
}

export const sessionVerifier = Symbol('entente:session-verifier');
