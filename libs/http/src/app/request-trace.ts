import { acceptedTraceparent, type Span, type Tracing } from '@entente/observability';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { quietRoutes, routeOf } from './request-log.ts';

/**
 * A span for each request, under the caller's trace where it names one. From here on the request carries its own span as
 * `traceparent`, so that whatever it leads to continues from there; what is no trace context is dropped.
 */
export function traceRequests(fastify: FastifyInstance, tracing: Tracing): void {
  const spans = new WeakMap<FastifyRequest, Span>();
  fastify.addHook('onRequest', (request, _reply, done) => {
    const route = routeOf(request);
    const given = acceptedTraceparent(request.headers['traceparent']);
    if (given === undefined) delete request.headers['traceparent'];
    if (!quietRoutes.has(route)) {
      const { method } = request;
      const attributes = { 'http.request.method': method, 'http.route': route };
      const span = tracing.begin(`${method} ${route}`, { kind: 'server', parent: given, attributes });
      if (span.traceparent !== undefined) request.headers['traceparent'] = span.traceparent;
      spans.set(request, span);
    }
    done();
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    const { statusCode } = reply;
    spans
      .get(request)
      ?.end({ 'http.response.status_code': statusCode }, statusCode >= 500 ? 'server-error' : undefined);
    done();
  });
}
