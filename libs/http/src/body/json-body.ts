import type { FastifyInstance } from 'fastify';
import { unsupportedMediaType } from '../problems/refusal-of.ts';
import { parseStrictJson } from './strict-json.ts';

const jsonInUtf8 = /^application\/json\s*(?:;\s*charset\s*=\s*"?utf-?8"?\s*)?;?\s*$/i;

/** Replaces every body parser by one: `application/json`, UTF-8, not compressed, strict. */
export function useStrictJsonBodies(fastify: FastifyInstance): void {
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const encoding = request.headers['content-encoding'] ?? 'identity';
    const isJson = jsonInUtf8.test(request.headers['content-type'] ?? '');
    if (!isJson || encoding.toLowerCase() !== 'identity') return done(unsupportedMediaType());
    try {
      done(null, parseStrictJson(typeof body === 'string' ? Buffer.from(body) : body));
    } catch (error) {
      done(error as Error);
    }
  });
}
