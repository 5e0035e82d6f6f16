import 'reflect-metadata';
import { noTracing, type Logger, type Tracing } from '@entente/observability';
import type { DynamicModule, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { useStrictJsonBodies } from '../body/json-body.ts';
import { refuseSlowBodies, useStreamedBodies } from '../body/streamed-body.ts';
import { BodyValidation } from '../body/validation.ts';
import { ProblemFilter } from '../problems/problem-filter.ts';
import { answerClientError } from './client-error.ts';
import { checkDefaultDeny } from './default-deny.ts';
import { nestLog } from './nest-log.ts';
import { requestIdFor } from './request-id.ts';
import { logRequests } from './request-log.ts';
import { traceRequests } from './request-trace.ts';
import { closeConnectionsWhenStopping } from './run-service.ts';
import { refuseUnmatched } from './unmatched.ts';

export interface HttpAppOptions {
  /** The service's composition root. */
  readonly module: Type | DynamicModule;
  readonly log: Logger;
  /** Largest request body; larger ones are answered 413. */
  readonly maxBodyBytes?: number;
  readonly tracing?: Tracing;
  /** Longest time for a request's headers, and for its body where no route streams it; in milliseconds. */
  readonly requestTimeoutMs?: number;
}

const defaultMaxBodyBytes = 256 * 1024;
/** A subjectId has at most 256 characters, each up to 12 when percent-encoded; the router counts decoded ones. */
const maxParamLength = 1_024;
/** A client that sends its request slower than this is cut off (408). */
const defaultRequestTimeoutMs = 30_000;

/**
 * A Nest application on Fastify with the house's rules on: strict JSON, problem documents, default deny, request log.
 * Routes are registered when it is initialised or listens.
 */
export async function createHttpApp(options: HttpAppOptions): Promise<NestFastifyApplication> {
  const { module, log, maxBodyBytes, tracing = noTracing, requestTimeoutMs = defaultRequestTimeoutMs } = options;
  const filter = new ProblemFilter(log);
  const adapter = new FastifyAdapter({
    bodyLimit: maxBodyBytes ?? defaultMaxBodyBytes,
    routerOptions: { maxParamLength },
    // Node's limit for whole requests would end an import that comes for minutes; ours looks at the route.
    requestTimeout: 0,
    http: { headersTimeout: requestTimeoutMs },
    // While we stop, requests on open connections are still answered.
    return503OnClosing: false,
    genReqId: requestIdFor,
    clientErrorHandler: answerClientError,
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) =>
      filter.answer(error, request, reply),
  });
  const fastify: FastifyInstance = adapter.getInstance();
  traceRequests(fastify, tracing);
  logRequests(fastify, log);
  refuseSlowBodies(fastify, requestTimeoutMs);
  closeConnectionsWhenStopping(fastify);
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, {
    bodyParser: false,
    logger: nestLog(log),
    abortOnError: false,
  });
  checkDefaultDeny(app);
  useStrictJsonBodies(fastify);
  useStreamedBodies(fastify);
  refuseUnmatched(fastify);
  app.useGlobalFilters(filter);
  app.useGlobalPipes(new BodyValidation());
  return app;
}
