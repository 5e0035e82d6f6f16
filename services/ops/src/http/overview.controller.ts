import { Caller, Scopes } from '@entente/http';
import { systemClock } from '@entente/observability';
import { databaseClock, type Pool } from '@entente/postgres';
import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Alertmanager } from '../alerts/alertmanager.ts';
import type { OpsConfig } from '../config.ts';
import { delays, overview } from '../read/overview.ts';
import { Shared } from '../read/shared.ts';
import type { Overview } from '../read/views/overview.ts';
import { Tracker } from '../tracker/tracker.ts';
import { Live } from './live.ts';
import { opsAlertmanager, opsConfig, opsPool } from './tokens.ts';

/** A view this old is still the present for people. */
const freshMs = 500;
/** Delays are read over the newest hundreds of each recipient: a quarter of a second for two hundred of them. */
const figuresFreshMs = 10_000;

/** The console's first page: is every withdrawal enforced, and if not, where not. */
@ApiTags('overview')
@Scopes('ops:read')
@Controller('v1/overview')
export class OverviewController {
  readonly #views = new Map<string, Shared<Overview>>();

  constructor(
    @Inject(opsPool) private readonly pool: Pool,
    @Inject(opsConfig) private readonly config: OpsConfig,
    private readonly tracker: Tracker,
    private readonly live: Live,
    @Inject(opsAlertmanager) private readonly alertmanager: Alertmanager | null,
  ) {}

  @Get()
  @ApiOperation({ summary: 'status sentence, one line per recipient, newest withdrawals; also as Server-Sent Events' })
  async show(@Caller() caller: Caller, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    await this.live.answer({ request, reply, read: () => this.viewOf(caller).get() });
  }

  /** One per controller whose tokens this service has seen; they are few. */
  private viewOf({ controller }: Caller): Shared<Overview> {
    const known = this.#views.get(controller);
    if (known) return known;
    const figures = new Shared(
      () => delays(this.pool, controller),
      () => systemClock.monotonic(),
      figuresFreshMs,
    );
    const read = async (): Promise<Overview> => {
      const [figuresNow, { offsetMs }, alerts] = await Promise.all([
        figures.get(),
        databaseClock(this.pool, systemClock, 1),
        this.alertmanager?.view() ?? null,
      ]);
      const question = {
        controller,
        trackerSees: this.tracker.sees(),
        deadlineMs: this.config.connectorDeadlineMs,
        nowMs: systemClock.now(),
      };
      return overview(this.pool, question, { figures: figuresNow, clockSkewS: offsetMs / 1000, alerts });
    };
    const view = new Shared(read, () => systemClock.monotonic(), freshMs);
    this.#views.set(controller, view);
    return view;
  }
}
