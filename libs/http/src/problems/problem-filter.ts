import type { Logger } from '@entente/observability';
import { Catch } from '@nestjs/common';
import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { faultProblem, problemContentType, problemOf } from './problem-document.ts';
import { refusalOf } from './refusal-of.ts';

/** Turns everything thrown into a problem document: refusals by their code, anything else into a bare 500, logged whole. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  catch(thrown: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    this.answer(thrown, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }

  answer(thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const refusal = refusalOf(thrown);
    if (refusal === undefined)
      this.#log.error(
        { err: thrown, requestId: request.id, method: request.method, route: request.routeOptions?.url },
        'request failed',
      );
    if (reply.sent || reply.raw.headersSent) {
      // Part of the answer is on its way, so the only honest end is a broken one.
      reply.raw.destroy();
      return;
    }
    const problem = refusal === undefined ? faultProblem(request.id) : problemOf(refusal, request.id);
    void reply
      .code(problem.status)
      .headers({ ...refusal?.extra.headers, 'content-type': problemContentType, 'cache-control': 'no-store' })
      .send(JSON.stringify(problem));
  }
}
