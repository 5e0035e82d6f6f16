import { purposeId, recipientId, type ControllerId, type RecipientId, type SubjectKey } from '@entente/contracts';
import { Caller, Refusal, Scopes, type FieldError } from '@entente/http';
import { Body, Controller, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { ExposureRegister, ExposureVerdict } from '../store/exposure-register.ts';
import type { IdentifierVault } from '../store/identifier-vault.ts';
import {
  EmbeddedExposuresAnswerDto,
  EmbeddedExposuresDto,
  type EmbeddedExposureDto,
  type EmbeddedExposureResultDto,
} from './embedded-exposures.dto.ts';
import { identifiersIn, type ImportRecipient } from './exposure-import-rows.ts';
import { embeddedExposuresToken } from './tokens.ts';

/** What the hosts of embedded gates register with. */
export interface EmbeddedExposureDesk {
  readonly controller: ControllerId;
  /** Its windows have an owner of their own: no share of this process may close what a host has on its way. */
  readonly register: Pick<ExposureRegister, 'record'>;
  readonly vault: Pick<IdentifierVault, 'digest' | 'store'>;
  recipient(id: RecipientId): ImportRecipient | undefined;
}

/** GATE-7: a host that shares by itself says so before its first byte, and the connector that revokes knows whom to revoke. */
@ApiTags('exposures')
@ApiBearerAuth()
@Controller('v1/exposures')
export class EmbeddedExposuresController {
  readonly #desk: EmbeddedExposureDesk;

  constructor(@Inject(embeddedExposuresToken) desk: EmbeddedExposureDesk) {
    this.#desk = desk;
  }

  @Post()
  @HttpCode(200)
  @Scopes('share:write')
  @ApiOkResponse({ type: EmbeddedExposuresAnswerDto })
  async register(
    @Caller() caller: Caller,
    @Body() { exposures, windowMs }: EmbeddedExposuresDto,
  ): Promise<EmbeddedExposuresAnswerDto> {
    if (caller.controller !== this.#desk.controller)
      throw new Refusal('wrong-controller', 403, 'This service works for another controller.');
    this.#check(exposures);
    const results: EmbeddedExposureResultDto[] = [];
    const indexed = exposures.map((exposure, index) => ({ exposure, index }));
    for (const [recipient, of] of Map.groupBy(indexed, ({ exposure }) => exposure.recipient)) {
      const intended = await Promise.all(of.map(({ exposure }) => this.#intended(exposure)));
      const verdicts = await this.#desk.register.record(recipientId(recipient), intended, windowMs);
      of.forEach(({ exposure, index }, place) => results.push(told(index, exposure, verdicts[place])));
    }
    return { results: results.sort((one, other) => one.index - other.index) };
  }

  async #intended({ subjectKey, purpose, identifiers, version }: EmbeddedExposureDto) {
    const { vault } = this.#desk;
    const digest = vault.digest(identifiers);
    const sealed = await vault.store(identifiers);
    return { subjectKey: subjectKey as SubjectKey, purpose: purposeId(purpose), digest, sealed, version };
  }

  /** What the shape of the DTO cannot say. */
  #check(exposures: readonly EmbeddedExposureDto[]): void {
    const errors: FieldError[] = exposures.flatMap(({ recipient, purpose, identifiers }, index) => {
      const at = `/exposures/${index}`;
      const known = this.#desk.recipient(recipientId(recipient));
      if (known === undefined) return [{ pointer: `${at}/recipient`, detail: 'is not a recipient of this service' }];
      const faults: FieldError[] = [];
      identifiersIn(identifiers, known.identifiers, (where, detail) =>
        faults.push({ pointer: `${at}${where}`, detail }),
      );
      if (!known.purposes.some((each) => each === purpose))
        faults.push({ pointer: `${at}/purpose`, detail: 'is not a purpose of this recipient in the catalogue' });
      return faults;
    });
    if (errors.length > 0)
      throw new Refusal('invalid-exposure', 400, 'Some exposures cannot be taken; nothing was registered.', { errors });
  }
}

function told(
  index: number,
  { purpose }: EmbeddedExposureDto,
  verdict: ExposureVerdict | undefined,
): EmbeddedExposureResultDto {
  if (verdict === undefined) throw new Error('an exposure without its verdict');
  const resume = verdict.kind === 'recorded' && verdict.revoked.some((each) => each === purpose);
  return { index, outcome: verdict.kind, ...(resume ? { resume } : {}) };
}
