import { Readiness } from '@entente/http';
import type { Logger } from '@entente/observability';
import { Inject, Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Tracker } from '../tracker/tracker.ts';
import { serveEvents } from './event-stream.ts';
import { opsLog } from './tokens.ts';

/** Answers a view once, or, to who accepts Server-Sent Events, whenever the tracker has learned something. */
@Injectable()
export class Live {
  constructor(
    private readonly tracker: Tracker,
    private readonly readiness: Readiness,
    @Inject(opsLog) private readonly log: Logger,
  ) {}

  async answer<T>(options: {
    request: FastifyRequest;
    reply: FastifyReply;
    read: () => Promise<T>;
    /** When it was read already. */
    first?: T;
    isLast?: (view: T) => boolean;
  }): Promise<void> {
    const { request, reply, read, isLast = () => false } = options;
    const first = options.first ?? (await read());
    if (!(request.headers.accept ?? '').includes('text/event-stream')) return void reply.send(first);
    await serveEvents({
      reply,
      first,
      read,
      isLast,
      changed: (wake) => this.tracker.onLearned(wake),
      draining: this.readiness.draining,
      failed: (err) => this.log.warn({ err }, 'live view ended'),
    });
  }
}
