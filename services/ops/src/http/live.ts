import { Readiness } from '@entente/http';
import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Tracker } from '../tracker/tracker.ts';
import { serveEvents } from './event-stream.ts';

/** Answers a view once, or, to who accepts Server-Sent Events, whenever the tracker has learned something. */
@Injectable()
export class Live {
  constructor(
    private readonly tracker: Tracker,
    private readonly readiness: Readiness,
  ) {}

  async answer<T>(options: {
    request: FastifyRequest;
    reply: FastifyReply;
    read: () => Promise<T>;
    isLast?: (view: T) => boolean;
  }): Promise<void> {
    const { request, reply, read, isLast = () => false } = options;
    const first = await read();
    if (!(request.headers.accept ?? '').includes('text/event-stream')) return void reply.send(first);
    await serveEvents({
      reply,
      first,
      read,
      isLast,
      changed: (wake) => this.tracker.onLearned(wake),
      draining: this.readiness.draining,
    });
  }
}
