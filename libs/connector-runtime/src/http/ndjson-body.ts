import { Refusal } from '@entente/http';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Imports come line by line: their body is text, which the reader of the lines judges. */
export function takeNdjson(app: NestFastifyApplication): void {
  const fastify = app.getHttpAdapter().getInstance();
  fastify.addContentTypeParser('application/x-ndjson', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, typeof body === 'string' ? body : utf8.decode(body));
    } catch {
      // The decoder's error says no more than that.
      done(new Refusal('body-not-utf8', 400, 'The body is not valid UTF-8.'));
    }
  });
}
