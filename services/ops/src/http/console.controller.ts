import { randomBytes } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { Public } from '@entente/http';
import { Controller, Get, Param, Redirect, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';

/** Where tools/build.mjs puts the console; the same from src/ and from dist/. */
const built = new URL('../../dist/console/', import.meta.url);
const types: Readonly<Record<string, string>> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};
/** Their names carry a hash of their content. */
const forEver = 'public, max-age=31536000, immutable';

interface Built {
  readonly page: string;
  readonly assets: ReadonlyMap<string, { readonly type: string; readonly content: Buffer }>;
}

/** Read once, whole: a path never reaches the file system. */
function load(): Built {
  const names = readdirSync(new URL('assets/', built)).filter((name) => !name.endsWith('.map'));
  return {
    page: readFileSync(new URL('index.html', built), 'utf8'),
    assets: new Map(
      names.map((name) => [
        name,
        {
          type: types[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream',
          content: readFileSync(new URL(`assets/${name}`, built)),
        },
      ]),
    ),
  };
}

/** Nothing from elsewhere and nothing inline, but for what bears this answer's nonce (a style element of a library). */
const policy = (nonce: string): string =>
  [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "connect-src 'self'",
    "img-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');

/** The console: one page and its assets. Public and empty: what it shows comes from the API, which asks who is there. */
@ApiExcludeController()
@Public()
@Controller()
export class ConsoleController {
  private built: Built | undefined;

  @Get()
  @Redirect('/console/', 302)
  root(): void {
    // The redirect says it all.
  }

  @Get('console/assets/:name')
  asset(@Param('name') name: string, @Res() reply: FastifyReply): void {
    const found = this.files().assets.get(name);
    if (!found) return void reply.callNotFound();
    void reply
      .header('content-type', found.type)
      .header('cache-control', forEver)
      .header('x-content-type-options', 'nosniff')
      .send(found.content);
  }

  /** Every path below /console is a page of the one page. */
  @Get(['console', 'console/*'])
  page(@Res() reply: FastifyReply): void {
    const nonce = randomBytes(16).toString('base64');
    void reply
      .header('content-type', 'text/html; charset=utf-8')
      .header('content-security-policy', policy(nonce))
      .header('referrer-policy', 'no-referrer')
      .header('x-content-type-options', 'nosniff')
      .header('cross-origin-opener-policy', 'same-origin')
      .send(this.files().page.replace('%CSP_NONCE%', nonce));
  }

  private files(): Built {
    this.built ??= load();
    return this.built;
  }
}
