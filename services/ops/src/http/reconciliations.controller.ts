import { controllerId, idPattern } from '@entente/contracts';
import { Caller, Refusal, Scopes } from '@entente/http';
import { systemClock, type Logger } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import { Controller, Get, HttpCode, Inject, Param, Post, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Audit } from '../audit/audit.ts';
import type { OpsConfig } from '../config.ts';
import { ConnectorApi } from '../connectors/connector-api.ts';
import { reconciliations } from '../read/reconciliations.ts';
import { Shared } from '../read/shared.ts';
import type { ReconciliationsView } from '../read/views/reconciliations.ts';
import { Live } from './live.ts';
import { opsConfig, opsLog, opsPool } from './tokens.ts';

/** Every connector is asked: at most this often, however many look. */
const freshMs = 2_000;

/** Our state against the partners' own: what each newest comparison found and repaired. */
@ApiTags('reconciliations')
@Controller('v1/reconciliations')
export class ReconciliationsController {
  readonly #view: Shared<ReconciliationsView>;
  readonly #config: OpsConfig;

  constructor(
    @Inject(opsPool) pool: Pool,
    @Inject(opsConfig) config: OpsConfig,
    @Inject(opsLog) log: Logger,
    private readonly connectors: ConnectorApi,
    private readonly audit: Audit,
    private readonly live: Live,
  ) {
    this.#config = config;
    const knows = (recipient: string): boolean => connectors.knows(recipient);
    const report = (recipient: string): Promise<unknown> => connectors.reconciliation(recipient);
    const controller = controllerId(config.controller);
    this.#view = new Shared(
      () => reconciliations(pool, { controller, knows, report, log, nowMs: systemClock.now() }),
      () => systemClock.monotonic(),
      freshMs,
    );
  }

  @Get()
  @Scopes('ops:read')
  @ApiOperation({ summary: 'the newest comparison with each partner; also as Server-Sent Events' })
  async list(@Caller() caller: Caller, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    this.#own(caller);
    await this.live.answer({ request, reply, read: () => this.#view.get() });
  }

  @Post(':recipient')
  @HttpCode(202)
  @Scopes('ops:operate')
  @ApiOperation({ summary: 'compares with one partner now; repairs towards denial alone' })
  async begin(@Caller() caller: Caller, @Param('recipient') recipient: string): Promise<{ begun: boolean }> {
    this.#own(caller);
    if (!new RegExp(idPattern.name).test(recipient))
      throw new Refusal('malformed-recipient', 400, 'A recipient id is lower-case letters, digits and dashes.', {
        errors: [{ pointer: '/recipient', detail: 'does not have the form of a recipient id' }],
      });
    const done = await this.audit.begin(caller, 'reconcile', { target: recipient });
    const begun = await this.connectors.reconcile(recipient).catch(async (error: unknown) => {
      await done({ failed: true });
      throw error;
    });
    await done({ begun });
    return { begun };
  }

  #own({ controller }: Caller): void {
    if (controller !== this.#config.controller)
      throw new Refusal('wrong-controller', 403, 'This service works for another controller.');
  }
}
