import { keptTraceId, type Logger } from '@entente/observability';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { callerOf } from '../auth/caller.ts';
import { requestIdHeader } from './request-id.ts';

/** Probes and scrapes come every few seconds and say nothing when they succeed. */
export const quietRoutes = new Set(['/health/live', '/health/ready', '/metrics']);

/** One line per request, with the route pattern and never the URL: paths hold subject ids. */
export function logRequests(fastify: FastifyInstance, log: Logger): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    void reply.header(requestIdHeader, request.id);
    void reply.header('cache-control', 'no-store');
    done();
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    const route = routeOf(request);
    const level = reply.statusCode < 400 && quietRoutes.has(route) ? 'debug' : 'info';
    const caller = callerOf(request);
    const traceId = keptTraceId(String(request.headers['traceparent'] ?? ''));
    log[level](
      {
        requestId: request.id,
        ...(traceId === undefined ? {} : { traceId }),
        method: request.method,
        route,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
        ...(caller === undefined ? {} : { controller: caller.controller, clientId: caller.clientId }),
      },
      'request',
    );
    done();
  });
}

export function routeOf(request: FastifyRequest): string {
  return request.is404 ? 'unmatched' : (request.routeOptions.url ?? 'unmatched');
}
