import { Caller, Readiness, Refusal, Scopes } from '@entente/http';
import { systemClock } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import { Controller, Get, Inject, Param, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  latestPropagations,
  propagation,
  summaries,
  type PropagationView,
  type RecipientSummary,
} from '../tracker/read-model.ts';
import { Tracker } from '../tracker/tracker.ts';
import { serveEvents } from './event-stream.ts';
import { opsPool } from './tokens.ts';

const changeIdPattern = /^chg_([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/;
/** Rows of the live page; the console's lists page further. */
const latestCount = 30;

export interface LiveView {
  readonly at: string;
  readonly allEnforced: boolean;
  readonly recipients: readonly RecipientSummary[];
  readonly latest: readonly PropagationView[];
}

/** Where each change has arrived. Reads Postgres at every question, so that it tells the truth after a restart too. */
@ApiTags('propagation')
@Scopes('ops:read')
@Controller('v1')
export class PropagationsController {
  constructor(
    @Inject(opsPool) private readonly pool: Pool,
    private readonly tracker: Tracker,
    private readonly readiness: Readiness,
  ) {}

  @Get('propagations/:changeId')
  @ApiOperation({
    summary: 'one change at every recipient it concerns; Server-Sent Events with Accept: text/event-stream',
  })
  async one(
    @Param('changeId') changeId: string,
    @Caller() caller: Caller,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const id = changeIdPattern.exec(changeId)?.[1];
    if (!id)
      throw new Refusal('malformed-change-id', 400, 'a change id is chg_ and a UUID', {
        errors: [{ pointer: '/changeId', detail: 'is not chg_ and a UUID in lower case' }],
      });
    const read = async (): Promise<PropagationView> => {
      const found = await propagation(this.pool, caller.controller, id);
      if (!found) throw new Refusal('unknown-change', 404, 'no change of this id has been seen (yet)');
      return found;
    };
    const first = await read();
    if (!wantsEvents(request)) return void reply.send(first);
    await this.stream(reply, first, read, (view) => view.allAccepted && view.allGatesClosed);
  }

  @Get('status')
  @ApiOperation({ summary: 'one line per recipient: is every withdrawal enforced, and if not, for how long' })
  async status(@Caller() caller: Caller): Promise<Omit<LiveView, 'latest'>> {
    const recipients = await summaries(this.pool, caller.controller);
    return { at: new Date(systemClock.now()).toISOString(), allEnforced: allEnforced(recipients), recipients };
  }

  @Get('live')
  @ApiOperation({ summary: 'status and the latest withdrawals; Server-Sent Events with Accept: text/event-stream' })
  async live(@Caller() caller: Caller, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const read = async (): Promise<LiveView> => ({
      ...(await this.status(caller)),
      latest: await latestPropagations(this.pool, caller.controller, latestCount),
    });
    const first = await read();
    if (!wantsEvents(request)) return void reply.send(first);
    await this.stream(reply, first, read, () => false);
  }

  private stream<T>(
    reply: FastifyReply,
    first: T,
    read: () => Promise<T>,
    isLast: (view: T) => boolean,
  ): Promise<void> {
    return serveEvents({
      reply,
      first,
      read,
      isLast,
      changed: (wake) => this.tracker.onLearned(wake),
      draining: this.readiness.draining,
    });
  }
}

/** A recipient we cannot see is not enforced: "all enforced" is never said while it may be false. */
const allEnforced = (recipients: readonly RecipientSummary[]): boolean =>
  recipients.length > 0 && recipients.every(({ unenforced, status }) => unenforced === 0 && status !== 'BLIND');

const wantsEvents = (request: FastifyRequest): boolean => (request.headers.accept ?? '').includes('text/event-stream');
