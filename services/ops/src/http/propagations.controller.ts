import { maskedSubject } from '@entente/contracts';
import { Caller, Refusal, Scopes } from '@entente/http';
import { systemClock } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import { Controller, Get, Inject, Param, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Audit } from '../audit/audit.ts';
import { recipientSummaries } from '../read/recipients.ts';
import { unreadableRecords } from '../read/unreadable.ts';
import type { PropagationAnswer, PropagationView } from '../read/views/propagation.ts';
import type { RecipientSummary } from '../read/views/recipients.ts';
import { latestPropagations, propagation } from '../tracker/read-model.ts';
import { allEnforced } from '../tracker/track.ts';
import { Tracker } from '../tracker/tracker.ts';
import { Live } from './live.ts';
import { opsPool } from './tokens.ts';

const changeIdPattern = /^chg_([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/;
/** Withdrawals of the live view. */
const latestCount = 30;

interface LiveView {
  readonly at: string;
  readonly allEnforced: boolean;
  /** Of the consent logs, counted up to a hundred; any of them may hide a withdrawal. */
  readonly unreadableRecords: number;
  readonly recipients: readonly RecipientSummary[];
  /** Whom they concern is masked. */
  readonly latest: readonly (Omit<PropagationView, 'subjectKey'> & { readonly subject: string })[];
}

/** Where each change has arrived. Reads Postgres at every question, so that it tells the truth after a restart too. */
@ApiTags('propagation')
@Scopes('ops:read')
@Controller('v1')
export class PropagationsController {
  constructor(
    @Inject(opsPool) private readonly pool: Pool,
    private readonly tracker: Tracker,
    private readonly live: Live,
    private readonly audit: Audit,
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
    await this.audit.view(caller, 'view-withdrawal', { target: first.subjectKey, detail: { changeId } });
    const namesPeople = caller.scopes.includes('ops:operate');
    const told = (view: PropagationView): PropagationAnswer => ({
      ...view,
      subject: maskedSubject(view.subjectKey),
      subjectKey: namesPeople ? view.subjectKey : null,
    });
    await this.live.answer({
      request,
      reply,
      read: async () => told(await read()),
      first: told(first),
      isLast: (view) => view.allAccepted && view.allGatesClosed,
    });
  }

  @Get('status')
  @ApiOperation({ summary: 'one line per recipient: is every withdrawal enforced, and if not, for how long' })
  async status(@Caller() caller: Caller): Promise<Omit<LiveView, 'latest'>> {
    const [recipients, unreadable] = await Promise.all([
      recipientSummaries(this.pool, caller.controller, this.tracker.sees()),
      unreadableRecords(this.pool),
    ]);
    const at = new Date(systemClock.now()).toISOString();
    return { at, allEnforced: allEnforced(recipients, unreadable), unreadableRecords: unreadable, recipients };
  }

  @Get('live')
  @ApiOperation({ summary: 'status and the latest withdrawals; Server-Sent Events with Accept: text/event-stream' })
  async latest(@Caller() caller: Caller, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const read = async (): Promise<LiveView> => ({
      ...(await this.status(caller)),
      latest: (await latestPropagations(this.pool, caller.controller, latestCount)).map(
        ({ subjectKey, ...propagation }) => ({ ...propagation, subject: maskedSubject(subjectKey) }),
      ),
    });
    await this.live.answer({ request, reply, read });
  }
}
