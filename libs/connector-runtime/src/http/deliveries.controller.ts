import { idPattern, type ControllerId } from '@entente/contracts';
import { ApiProblems, Caller, Refusal, Scopes } from '@entente/http';
import { Controller, Get, Inject, Param } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { DeliveryView } from '../store/delivery-view.ts';
import { controllerToken } from './tokens.ts';

export class ExposureDto {
  @ApiProperty()
  purpose!: string;

  @ApiProperty({ type: 'integer', description: 'How many sets of identifiers were used.' })
  identifierSets!: number;

  @ApiProperty({ format: 'date-time' })
  firstAt!: string;

  @ApiProperty({ format: 'date-time' })
  lastAt!: string;
}

export class DeliveryDto {
  @ApiProperty()
  recipient!: string;

  @ApiProperty()
  subjectKey!: string;

  @ApiProperty({ type: 'integer' })
  version!: number;

  @ApiProperty()
  state!: string;

  @ApiProperty({ type: [String] })
  allowed!: string[];

  @ApiProperty({ type: 'integer' })
  appliedVersion!: number;

  @ApiProperty({ type: 'integer' })
  attempts!: number;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  nextAttemptAt!: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  inFlightUntil!: string | null;

  @ApiProperty({ type: String, nullable: true })
  reason!: string | null;

  @ApiProperty({ type: String, nullable: true })
  reference!: string | null;

  @ApiProperty({ type: [ExposureDto] })
  exposures!: ExposureDto[];
}

/** Where one person stands at one recipient; no identifiers. */
@ApiTags('operations')
@ApiBearerAuth()
@Controller('v1/deliveries')
export class DeliveriesController {
  readonly #view: DeliveryView;
  readonly #controller: ControllerId;

  constructor(@Inject(DeliveryView) view: DeliveryView, @Inject(controllerToken) controller: ControllerId) {
    this.#view = view;
    this.#controller = controller;
  }

  @Get(':recipient/:subjectKey')
  @Scopes('ops:read')
  @ApiOperation({ operationId: 'readDelivery', summary: 'Where one person stands at one recipient' })
  @ApiOkResponse({ type: DeliveryDto })
  @ApiProblems(404)
  async show(
    @Caller() caller: Caller,
    @Param('recipient') recipient: string,
    @Param('subjectKey') subjectKey: string,
  ): Promise<DeliveryDto> {
    const readable = new RegExp(idPattern.name).test(recipient) && new RegExp(idPattern.subjectKey).test(subjectKey);
    const found =
      readable && caller.controller === this.#controller ? await this.#view.of(recipient, subjectKey) : null;
    if (found === null)
      throw new Refusal('unknown-delivery', 404, 'Nothing is known of this person at this recipient.');
    return found;
  }
}
