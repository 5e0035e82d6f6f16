import { readFileSync } from 'node:fs';
import { Public } from '@entente/http';
import { Controller, Get, Header, Param, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';

const file = (name: string): string => readFileSync(new URL(`./page/${name}`, import.meta.url), 'utf8');
const assets: Record<string, { readonly type: string; readonly content: string }> = {
  'live.js': { type: 'text/javascript; charset=utf-8', content: file('live-script.html') },
  'live.css': { type: 'text/css; charset=utf-8', content: file('live.css') },
};
const page = file('live.html');
/** Nothing from elsewhere, nothing inline: the page holds a token. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** One plain page that shows the propagation live. It is public and empty: the data needs a token (`ops:read`). */
@ApiExcludeController()
@Public()
@Controller()
export class PageController {
  @Get()
  @Header('content-type', 'text/html; charset=utf-8')
  @Header('content-security-policy', policy)
  @Header('referrer-policy', 'no-referrer')
  live(): string {
    return page;
  }

  @Get('assets/:name')
  asset(@Param('name') name: string, @Res() reply: FastifyReply): void {
    const found = Object.hasOwn(assets, name) ? assets[name] : undefined;
    if (!found) return void reply.callNotFound();
    void reply.header('content-type', found.type).send(found.content);
  }
}
