import { purposeId, recipientId, type ControllerId, type RecipientId, type SubjectKey } from '@entente/contracts';
import { ApiProblems, Caller, Refusal, Scopes, type FieldError } from '@entente/http';
import { Body, Controller, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { KnownPersons } from '../consent/known-persons.ts';
import type { ExposureRegister, ExposureVerdict } from '../store/exposure-register.ts';
import type { IdentifierVault } from '../store/identifier-vault.ts';
import {
  EmbeddedExposuresAnswerDto,
  EmbeddedExposuresDto,
  type EmbeddedExposureDto,
  type EmbeddedExposureResultDto,
} from './embedded-exposures.dto.ts';
import { identifiersIn, lackingPurpose, type ImportRecipient } from './exposure-import-rows.ts';
import { judgedBy, mustBeNewest, type CatalogueNumbers } from './newest-catalogue.ts';
import { embeddedExposuresToken } from './tokens.ts';

/** What the hosts of embedded gates register with. */
export interface EmbeddedExposureDesk {
  readonly controller: ControllerId;
  /** Its windows have an owner of their own: no share of this process may close what a host has on its way. */
  readonly register: Pick<ExposureRegister, 'record'>;
  readonly vault: Pick<IdentifierVault, 'digest' | 'store'>;
  readonly catalogue: CatalogueNumbers;
  readonly persons: Pick<KnownPersons, 'judged'>;
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
  @ApiOperation({ operationId: 'registerExposures', summary: 'Register what an embedded gate is about to send' })
  @ApiOkResponse({ type: EmbeddedExposuresAnswerDto })
  @ApiProblems(400, 413, 415, 503)
  async register(
    @Caller() caller: Caller,
    @Body() { exposures, windowMs }: EmbeddedExposuresDto,
  ): Promise<EmbeddedExposuresAnswerDto> {
    if (caller.controller !== this.#desk.controller)
      throw new Refusal('wrong-controller', 403, 'This service works for another controller.');
    await this.#check(exposures);
    const results: EmbeddedExposureResultDto[] = [];
    const judged = await this.#desk.persons.judged(exposures.map(askedOf));
    const known = exposures.flatMap((exposure, index) => {
      const judgement = judged.get(askedOf(exposure).subjectKey) ?? 'unclear';
      if (judgement === 'known') return [{ exposure, index }];
      results.push({ index, outcome: judgement === 'unknown' ? 'unknown-subject' : 'held' });
      return [];
    });
    for (const [recipient, of] of Map.groupBy(known, ({ exposure }) => exposure.recipient)) {
      const intended = await Promise.all(of.map(({ exposure }) => this.#intended(exposure)));
      const verdicts = await this.#desk.register.record(recipientId(recipient), intended, windowMs);
      of.forEach(({ exposure, index }, place) => results.push(told(index, exposure, verdicts[place])));
    }
    return { results: results.sort((one, other) => one.index - other.index) };
  }

  async #intended({ subjectKey, purpose, identifiers, version, resumed }: EmbeddedExposureDto) {
    const { vault } = this.#desk;
    const digest = vault.digest(identifiers);
    const sealed = await vault.store(identifiers);
    return {
      subjectKey: subjectKey as SubjectKey,
      purpose: purposeId(purpose),
      digest,
      sealed,
      version,
      lifted: resumed ?? false,
    };
  }

  /** What the shape of the DTO cannot say. */
  async #check(exposures: readonly EmbeddedExposureDto[]): Promise<void> {
    const { catalogue } = this.#desk;
    const number = judgedBy(catalogue);
    const errors: FieldError[] = exposures.flatMap(({ recipient, purpose, identifiers }, index) => {
      const at = `/exposures/${index}`;
      const known = this.#desk.recipient(recipientId(recipient));
      if (known === undefined) return [{ pointer: `${at}/recipient`, detail: 'is not a recipient of this service' }];
      const faults: FieldError[] = [];
      identifiersIn(identifiers, known.identifiers, (where, detail) =>
        faults.push({ pointer: `${at}${where}`, detail }),
      );
      if (!known.purposes.some((each) => each === purpose))
        faults.push({ pointer: `${at}/purpose`, detail: lackingPurpose });
      return faults;
    });
    if (errors.some(({ detail }) => detail === lackingPurpose)) await mustBeNewest(number, catalogue);
    if (errors.length > 0)
      throw new Refusal('invalid-exposure', 400, 'Some exposures cannot be taken; nothing was registered.', { errors });
  }
}

const askedOf = ({ subjectKey, recipient, purpose }: EmbeddedExposureDto) => ({
  subjectKey: subjectKey as SubjectKey,
  recipient: recipientId(recipient),
  purpose: purposeId(purpose),
});

/** DLV-5: while a stop is to be lifted nothing is free to be sent; what lifts it is inside the window that was opened. */
function told(
  index: number,
  { purpose }: EmbeddedExposureDto,
  verdict: ExposureVerdict | undefined,
): EmbeddedExposureResultDto {
  if (verdict === undefined) throw new Error('an exposure without its verdict');
  const resume = verdict.kind === 'recorded' && verdict.revoked.some((each) => each === purpose);
  return resume ? { index, outcome: 'held', resume } : { index, outcome: verdict.kind };
}
