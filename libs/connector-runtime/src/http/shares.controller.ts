import { purposeId, recipientId, subjectId, type ControllerId } from '@entente/contracts';
import { ApiProblems, Caller, Refusal, Scopes, type FieldError } from '@entente/http';
import { Body, Controller, Inject, Post, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { SubjectKeys } from '../consent/subject-keys.ts';
import { ShareIntake, maxFieldBytes, type TakenIn } from '../share/share-intake.ts';
import { controllerToken } from './tokens.ts';
import { SharesAnswerDto, SharesDto, type ShareDto, type ShareResultDto } from './shares.dto.ts';

/** Sharing in over HTTP: the caller learns what left, what was refused and what still waits. */
@ApiTags('sharing')
@ApiBearerAuth()
@Controller('v1/shares')
export class SharesController {
  readonly #intake: ShareIntake;
  readonly #subjectKeys: SubjectKeys;
  readonly #controller: ControllerId;

  constructor(
    @Inject(ShareIntake) intake: ShareIntake,
    @Inject(SubjectKeys) subjectKeys: SubjectKeys,
    @Inject(controllerToken) controller: ControllerId,
  ) {
    this.#intake = intake;
    this.#subjectKeys = subjectKeys;
    this.#controller = controller;
  }

  @Post()
  @Scopes('share:write')
  @ApiOperation({ operationId: 'share', summary: 'Send people’s data to recipients, as far as their consents allow' })
  @ApiOkResponse({ type: SharesAnswerDto, description: 'Every share has ended.' })
  @ApiAcceptedResponse({
    type: SharesAnswerDto,
    description: 'Some shares are still held; they go on for up to a minute.',
  })
  @ApiProblems(400, 413, 415, 503)
  async share(
    @Caller() caller: Caller,
    @Body() { shares, waitMs }: SharesDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SharesAnswerDto> {
    if (caller.controller !== this.#controller)
      throw new Refusal('wrong-controller', 403, 'This service works for another controller.');
    this.#check(shares);
    const keys = await this.#keysOf(shares);
    const taken = shares.map((share, index) => this.#offer(share, keys[index]));
    const waited = new AbortController();
    await Promise.race([
      Promise.all(taken.map(({ ticket }) => ticket.done)),
      pause(waitMs, undefined, { signal: waited.signal }).catch(() => undefined),
    ]);
    waited.abort();
    const results = await Promise.all(taken.map((each, index) => resultOf(each, index)));
    reply.code(results.some(({ outcome }) => outcome === 'held') ? 202 : 200);
    return { results };
  }

  async #keysOf(shares: readonly ShareDto[]) {
    try {
      return await Promise.all(shares.map((share) => this.#subjectKeys.of(subjectId(share.subjectId))));
    } catch (cause) {
      const refusal = new Refusal('consent-unavailable', 503, 'The consent service cannot name these persons now.', {
        headers: { 'retry-after': '1' },
      });
      refusal.cause = cause;
      throw refusal;
    }
  }

  #offer(share: ShareDto, subjectKey: Awaited<ReturnType<SubjectKeys['of']>> | undefined): TakenIn {
    const taken =
      subjectKey &&
      this.#intake.offer({
        recipient: recipientId(share.recipient),
        purpose: purposeId(share.purpose),
        subjectKey,
        identifiers: share.identifiers ?? null,
        fields: share.fields,
        requestId: randomUUID(),
        ...(share.atLeastVersion === undefined ? {} : { atLeastVersion: share.atLeastVersion }),
      });
    if (!taken) throw new Error('a checked share was not taken in');
    return taken;
  }

  /** What the shape of the DTO cannot say: recipients of this service, and identifiers they declare. */
  #check(shares: readonly ShareDto[]): void {
    const errors: FieldError[] = shares.flatMap((share, index) => {
      const recipient = this.#intake.recipient(recipientId(share.recipient));
      const at = `/shares/${index}`;
      if (!recipient) return [{ pointer: `${at}/recipient`, detail: 'is not a recipient of this service' }];
      const tooLarge = Buffer.byteLength(JSON.stringify(share.fields)) > maxFieldBytes;
      return [
        ...Object.entries(share.identifiers ?? {}).flatMap(([kind, value]) => {
          const pointer = `${at}/identifiers/${kind.replaceAll('~', '~0').replaceAll('/', '~1')}`;
          if (!recipient.identifiers.some((declared) => declared === kind))
            return [
              { pointer, detail: `is not taken by this recipient, which declares ${recipient.identifiers.join(', ')}` },
            ];
          return typeof value === 'string' && value !== '' && value.length <= 320
            ? []
            : [{ pointer, detail: 'must be a text' }];
        }),
        ...(tooLarge ? [{ pointer: `${at}/fields`, detail: `must be at most ${maxFieldBytes} bytes as JSON` }] : []),
      ];
    });
    if (errors.length > 0)
      throw new Refusal('invalid-share', 400, 'Some shares cannot be taken; nothing was sent.', { errors });
  }
}

async function resultOf({ ticket, stripped }: TakenIn, index: number): Promise<ShareResultDto> {
  const pending = Symbol('pending');
  const ended = await Promise.race([ticket.done, Promise.resolve(pending)]);
  const more = stripped > 0 ? { stripped } : {};
  if (typeof ended !== 'symbol') return { index, ...ended, ...more };
  return { index, outcome: 'held', reason: ticket.heldBecause() ?? 'queued', ...more };
}
