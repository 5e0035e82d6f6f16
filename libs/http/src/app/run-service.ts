import type { Logger } from '@entente/observability';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import type { AddressInfo } from 'node:net';
import { Readiness } from '../health/readiness.ts';

export interface RunServiceOptions {
  readonly app: NestFastifyApplication;
  /** 0 takes a free port. */
  readonly port: number;
  readonly host?: string;
  readonly log: Logger;
  /** Stops everything else, after the last request was answered: consumers, pools. */
  readonly onShutdown?: () => Promise<void>;
  /** Ends the process; replaced in tests. */
  readonly exit?: (code: number) => void;
}

export interface RunningService {
  readonly port: number;
  readonly url: string;
  /** The same as SIGTERM, without ending the process. */
  stop(): Promise<void>;
}

/** Everything must have ended by then, else the process leaves with exit code 1. */
const shutdownDeadlineMs = 10_000;
/** Requests still unfinished by then lose their connection, so that the rest can end in order. */
const inFlightDeadlineMs = 6_000;

/** Listens, logs `listening`, and on SIGTERM or SIGINT: not ready, no new connections, finish, close, exit 0. */
export async function runService(options: RunServiceOptions): Promise<RunningService> {
  const { app, port, host = '127.0.0.1', log, exit = (code) => process.exit(code) } = options;
  await app.listen(port, host);
  const address = app.getHttpServer().address() as AddressInfo;
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopping ??= stopService(options));

  const onSignal = (signal: NodeJS.Signals): void => {
    if (stopping !== undefined) return;
    log.info({ signal }, 'stopping');
    const late = setTimeout(() => {
      log.error({ deadlineMs: shutdownDeadlineMs }, 'not stopped in time');
      exit(1);
    }, shutdownDeadlineMs);
    void stop()
      .then(() => {
        log.info('stopped');
        return 0;
      })
      .catch((err: unknown) => {
        log.error({ err }, 'stopping failed');
        return 1;
      })
      .then((code) => {
        clearTimeout(late);
        exit(code);
      });
  };
  process.once('SIGTERM', onSignal);
  process.once('SIGINT', onSignal);

  log.info({ port: address.port, host }, 'listening');
  return {
    port: address.port,
    url: `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
    stop: async () => {
      process.off('SIGTERM', onSignal);
      process.off('SIGINT', onSignal);
      await stop();
    },
  };
}

/** A connection kept open after its last answer would hold the stop up until the client drops it. */
export function closeConnectionsWhenStopping(fastify: FastifyInstance): void {
  fastify.addHook('onSend', (_request, reply, payload, done) => {
    if (!fastify.server.listening) void reply.header('connection', 'close');
    done(null, payload);
  });
}

async function stopService({ app, onShutdown }: RunServiceOptions): Promise<void> {
  const server = app.getHttpServer();
  app.get(Readiness, { strict: false }).drain();
  const cutOff = setTimeout(() => server.closeAllConnections(), inFlightDeadlineMs);
  try {
    // Fastify's own close first: Nest would run its destroy hooks before the last request is answered.
    await app.getHttpAdapter().getInstance().close();
  } finally {
    clearTimeout(cutOff);
  }
  await onShutdown?.();
  await app.close();
}
