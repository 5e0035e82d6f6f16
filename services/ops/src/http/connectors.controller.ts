import { idPattern } from '@entente/contracts';
import { Caller, Refusal, Scopes } from '@entente/http';
import { systemClock } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import { Controller, Get, Inject, Param, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { OpsConfig } from '../config.ts';
import { connector } from '../read/connector.ts';
import { Shared } from '../read/shared.ts';
import type { ConnectorView } from '../read/views/connector.ts';
import { Tracker } from '../tracker/tracker.ts';
import { Live } from './live.ts';
import { opsConfig, opsPool } from './tokens.ts';

/** Figures over thousands of rows: read at most this often per recipient, however many look. */
const freshMs = 2_000;
/** Views kept; the least recently made goes first. Recipients are at most some hundreds. */
const keptViews = 500;

/** One recipient: where its time goes, how its delay develops, and what its gates have applied. */
@ApiTags('connectors')
@Scopes('ops:read')
@Controller('v1/connectors')
export class ConnectorsController {
  readonly #views = new Map<string, Shared<ConnectorView | null>>();

  constructor(
    @Inject(opsPool) private readonly pool: Pool,
    @Inject(opsConfig) private readonly config: OpsConfig,
    private readonly tracker: Tracker,
    private readonly live: Live,
  ) {}

  @Get(':recipient')
  @ApiOperation({
    summary: 'stages, delays, deadlines and gate instances of one recipient; also as Server-Sent Events',
  })
  async show(
    @Param('recipient') recipient: string,
    @Caller() caller: Caller,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    if (!new RegExp(idPattern.name).test(recipient))
      throw new Refusal('malformed-recipient', 400, 'A recipient id is lower-case letters, digits and dashes.', {
        errors: [{ pointer: '/recipient', detail: 'does not have the form of a recipient id' }],
      });
    const read = async (): Promise<ConnectorView> => {
      const view = await this.viewOf(caller, recipient).get();
      if (!view) throw new Refusal('unknown-recipient', 404, 'No catalogue has named such a recipient.');
      return view;
    };
    await this.live.answer({ request, reply, read });
  }

  private viewOf({ controller }: Caller, recipient: string): Shared<ConnectorView | null> {
    const key = `${controller}\0${recipient}`;
    const known = this.#views.get(key);
    if (known) return known;
    const read = (): Promise<ConnectorView | null> =>
      connector(this.pool, {
        controller,
        recipient,
        trackerSees: this.tracker.sees(),
        deadlineMs: this.config.connectorDeadlineMs,
        nowMs: systemClock.now(),
      });
    const view = new Shared(read, () => systemClock.monotonic(), freshMs);
    this.#views.set(key, view);
    const [oldest] = this.#views.keys();
    if (this.#views.size > keptViews && oldest !== undefined) this.#views.delete(oldest);
    return view;
  }
}
