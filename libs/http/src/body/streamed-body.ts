import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { answerClientError } from '../app/client-error.ts';
import { unsupportedMediaType } from '../problems/refusal-of.ts';

const streamed = 'streamedBody';

/**
 * The handler reads the body itself, piece by piece, of whatever type and length, and for as long as it comes: it finds the
 * stream in `request.body`, or nothing when there is no body. How slowly it may come is the handler's to say.
 */
export const StreamedBody = (): MethodDecorator => RouteConfig({ [streamed]: true });

const takesStream = ({ routeOptions }: FastifyRequest): boolean => Reflect.get(routeOptions.config, streamed) === true;

/** Hands bodies over unread where a route says so; every other route takes none but its JSON. */
export function useStreamedBodies(fastify: FastifyInstance): void {
  fastify.addContentTypeParser('*', (request, payload, done) => {
    if (takesStream(request)) done(null, payload);
    else done(unsupportedMediaType());
  });
}

/**
 * Cuts off whoever sends a body slower than this (408), except where the route reads it as a stream. Node's own limit knows
 * no routes.
 */
export function refuseSlowBodies(fastify: FastifyInstance, timeoutMs: number): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    const { raw } = request;
    const hasBody = raw.headers['transfer-encoding'] !== undefined || Number(raw.headers['content-length'] ?? 0) > 0;
    if (hasBody && !takesStream(request)) {
      const timer = setTimeout(() => {
        if (raw.complete) return;
        // Answered already, so nothing more may be written: the connection ends, and with it what is still coming.
        if (reply.raw.writableEnded) raw.destroy();
        else answerClientError(new TooSlow(), raw.socket);
      }, timeoutMs).unref();
      raw.once('close', () => clearTimeout(timer));
    }
    done();
  });
}

/** As Node reports a request that did not arrive in time. */
class TooSlow extends Error {
  override readonly name = 'TooSlow';
  readonly code = 'ERR_HTTP_REQUEST_TIMEOUT';
}
