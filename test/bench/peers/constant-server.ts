import type { AddressInfo } from 'node:net';
import { fastify } from 'fastify';

/** The services' web framework alone: takes a POST with a JSON body and answers a constant. */
const answer = { results: [{ decision: 'allow', version: 1, maxAgeMs: 1_900 }] };
const server = fastify();
server.post('/v1/check', () => answer);
await server.listen({ port: 0, host: '127.0.0.1' });
process.send?.((server.server.address() as AddressInfo).port);
process.on('disconnect', () => void server.close());
