import type { ControllerId } from '@entente/contracts';
import { Gate } from '@entente/gate';
import { ApiProblems, Caller, Refusal, Scopes } from '@entente/http';
import { Controller, Get, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiAcceptedResponse, ApiBearerAuth, ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { controllerToken } from './tokens.ts';

export class GateStatusDto {
  @ApiProperty({ enum: ['opening', 'seeding', 'following', 'closed'] })
  phase!: string;

  @ApiProperty({ description: 'Every partition has a lease, and the catalogue is not behind.' })
  open!: boolean;

  @ApiProperty({ type: [Number], description: 'Closed by a record that nobody can read and that names nobody.' })
  closedPartitions!: readonly number[];

  @ApiProperty({ type: 'integer', description: 'People closed by a record about them that nobody can read.' })
  closedPeople!: number;

  @ApiProperty({ type: 'integer', description: 'Records in quarantine, as far as they are kept.' })
  quarantined!: number;
}

/** Of this instance alone: each has a gate of its own. */
@ApiTags('operations')
@ApiBearerAuth()
@Controller('v1/gate')
export class GateController {
  readonly #gate: Pick<Gate, 'status' | 'reseed'>;
  readonly #controller: ControllerId;

  constructor(@Inject(Gate) gate: Gate, @Inject(controllerToken) controller: ControllerId) {
    this.#gate = gate;
    this.#controller = controller;
  }

  @Get()
  @Scopes('admin', 'ops:read')
  @ApiOperation({ operationId: 'gateStatus', summary: 'What this instance’s gate is closed for' })
  @ApiOkResponse({ type: GateStatusDto })
  @ApiProblems()
  status(@Caller() caller: Caller): GateStatusDto {
    this.#checkController(caller);
    return this.#told();
  }

  /** design.md §4: what an unreadable record has closed stays closed until the consent service was asked for everything. */
  @Post('reseed')
  @HttpCode(202)
  @Scopes('admin', 'ops:operate')
  @ApiOperation({
    operationId: 'reseedGate',
    summary: 'Have this instance’s gate ask the consent service for everything again; nothing leaves meanwhile',
  })
  @ApiAcceptedResponse({ type: GateStatusDto })
  @ApiProblems()
  reseed(@Caller() caller: Caller): GateStatusDto {
    this.#checkController(caller);
    this.#gate.reseed();
    return this.#told();
  }

  #told(): GateStatusDto {
    const { phase, open, closedPartitions, counts } = this.#gate.status();
    return { phase, open, closedPartitions, closedPeople: counts.closedKeys, quarantined: counts.quarantined };
  }

  #checkController({ controller }: Caller): void {
    if (controller !== this.#controller)
      throw new Refusal('wrong-controller', 403, 'This service works for another controller.');
  }
}
