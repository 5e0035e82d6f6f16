import type { FastifyInstance } from 'fastify';
import { Refusal } from '../problems/refusal.ts';
import { RouteTable } from './route-table.ts';

/** Answers a path that exists with another method by 405, before Nest's own handler says 404. */
export function refuseUnmatched(fastify: FastifyInstance): void {
  const table = new RouteTable();
  table.watch(fastify);
  fastify.addHook('onRequest', (request, _reply, done) => {
    if (!request.is404) return done();
    const [path = ''] = request.url.split('?');
    const methods = table.methodsAt(path);
    if (methods.length === 0) return done(new Refusal('not-found', 404, 'There is nothing at this path.'));
    const allow = methods.join(', ');
    done(new Refusal('method-not-allowed', 405, `This path takes ${allow}.`, { headers: { allow } }));
  });
}
