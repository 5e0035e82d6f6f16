import { audience, documentOf, idPattern, purposeId, recipientId } from '@entente/contracts';
import type { CatalogueDocument, Notice, Purpose, PurposeMapping, Recipient } from '@entente/contracts';
import { Caller, Refusal, Scopes } from '@entente/http';
import { Body, Controller, Get, Header, HttpCode, Param, Post, Put } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CatalogueReader } from '../catalogue/catalogue-store.ts';
import { CatalogueWriter } from '../catalogue/change-catalogue.ts';
import type { CatalogueCommand, NoticeDraft } from '../catalogue/decide.ts';
import {
  CatalogueAnswerBody,
  CatalogueBody,
  ChangeCatalogue,
  NoticeBody,
  PutPurpose,
  PutRecipient,
} from './catalogue.dto.ts';
import type { PurposeBody, PurposeMappingBody, RecipientBody } from './catalogue.dto.ts';
import { ApiProblems } from './problems.ts';

@ApiTags('catalogue')
@ApiBearerAuth()
@Controller('v1/catalogue')
export class CatalogueController {
  readonly #reader: CatalogueReader;
  readonly #writer: CatalogueWriter;

  constructor(reader: CatalogueReader, writer: CatalogueWriter) {
    this.#reader = reader;
    this.#writer = writer;
  }

  @Get()
  @Scopes('consent:read')
  @Header('cache-control', 'no-store')
  @ApiOperation({ operationId: 'readCatalogue', summary: 'Purposes, notices and recipients' })
  @ApiOkResponse({ type: CatalogueBody })
  @ApiProblems()
  async read(@Caller() { controller }: Caller): Promise<CatalogueDocument> {
    return documentOf(await this.#reader.of(controller));
  }

  @Post('changes')
  @HttpCode(200)
  @Scopes('admin')
  @ApiOperation({ operationId: 'changeCatalogue', summary: 'Change the catalogue in one transaction with one number' })
  @ApiOkResponse({ type: CatalogueAnswerBody })
  @ApiProblems(400, 409, 413, 415, 422, 503)
  change(@Body() body: ChangeCatalogue, @Caller() caller: Caller): Promise<CatalogueAnswerBody> {
    if ([body.purposes, body.notices, body.recipients].every((items) => items === undefined || items.length === 0))
      throw nothingNamed();
    return this.#change(caller, {
      purposes: (body.purposes ?? []).map(toPurpose),
      notices: (body.notices ?? []).map(toNotice),
      recipients: (body.recipients ?? []).map(toRecipient),
    });
  }

  @Put('purposes/:id')
  @Scopes('admin')
  @ApiOperation({ operationId: 'putPurpose', summary: 'Add or replace one purpose' })
  @ApiOkResponse({ type: CatalogueAnswerBody })
  @ApiProblems(400, 413, 415, 422, 503)
  putPurpose(
    @Param('id') id: string,
    @Body() body: PutPurpose,
    @Caller() caller: Caller,
  ): Promise<CatalogueAnswerBody> {
    return this.#change(caller, { ...nothing, purposes: [toPurpose({ ...body, id: checkedName(id) })] });
  }

  @Post('notices')
  @HttpCode(200)
  @Scopes('admin')
  @ApiOperation({ operationId: 'addNotice', summary: 'Add one version of a notice; versions never change' })
  @ApiOkResponse({ type: CatalogueAnswerBody })
  @ApiProblems(400, 409, 413, 415, 422, 503)
  addNotice(@Body() body: NoticeBody, @Caller() caller: Caller): Promise<CatalogueAnswerBody> {
    return this.#change(caller, { ...nothing, notices: [toNotice(body)] });
  }

  @Put('recipients/:id')
  @Scopes('admin')
  @ApiOperation({ operationId: 'putRecipient', summary: 'Add or replace one recipient' })
  @ApiOkResponse({ type: CatalogueAnswerBody })
  @ApiProblems(400, 413, 415, 422, 503)
  putRecipient(
    @Param('id') id: string,
    @Body() body: PutRecipient,
    @Caller() caller: Caller,
  ): Promise<CatalogueAnswerBody> {
    return this.#change(caller, { ...nothing, recipients: [toRecipient({ ...body, id: checkedName(id) })] });
  }

  #change({ controller, clientId }: Caller, command: CatalogueCommand): Promise<CatalogueAnswerBody> {
    return this.#writer.change(controller, clientId, command);
  }
}

const nothing: CatalogueCommand = { purposes: [], notices: [], recipients: [] };
const name = new RegExp(idPattern.name);

/** Saying nothing is a mistake of whoever says it, and must not look like a success. */
const nothingNamed = () =>
  new Refusal('invalid-request', 400, 'The change names nothing that could be changed.', {
    errors: ['purposes', 'notices', 'recipients'].map((list) => ({
      pointer: `/${list}`,
      detail: 'is missing or empty; at least one of the three lists must hold an item',
    })),
  });

function checkedName(id: string): string {
  if (!name.test(id)) throw new Refusal('bad-name', 400, 'The path does not hold a catalogue name.');
  return id;
}

const toPurpose = ({
  id,
  title,
  description,
  legalBasis,
  dataCategories,
  party,
  fields,
  active,
  supplier,
  replacedBy,
  mapping,
  ...rest
}: PurposeBody): Purpose => ({
  id: purposeId(id),
  title: { en: title.en, fr: title.fr },
  description: { en: description.en, fr: description.fr },
  legalBasis,
  dataCategories,
  party,
  fields,
  active,
  ...(supplier === undefined ? {} : { supplier: recipientId(supplier) }),
  ...(replacedBy === undefined ? {} : { replacedBy: purposeId(replacedBy) }),
  ...(mapping === undefined ? {} : { mapping: toMapping(mapping) }),
  ...given({
    minAge: rest.minAge,
    explicit: rest.explicit,
    validityDays: rest.validityDays,
    reaskAfterDays: rest.reaskAfterDays,
  }),
});

const toMapping = ({ tcf, gpp, consentMode, fides, att }: PurposeMappingBody): PurposeMapping => ({
  ...(tcf === undefined ? {} : { tcf: { purposes: tcf.purposes, ...given({ specialFeatures: tcf.specialFeatures }) } }),
  ...given({ gpp, consentMode, fides, att }),
});

const toNotice = ({ id, version, text, purposes, locales, material }: NoticeBody): NoticeDraft => ({
  id,
  version,
  text: { en: text.en, fr: text.fr },
  purposes: Object.fromEntries(
    Object.entries(purposes).map(([purpose, recipients]) => [purpose, [...new Set(recipients)].sort()]),
  ) as unknown as Notice['purposes'],
  ...given({ locales, material }),
});

const toRecipient = (body: RecipientBody): Recipient => ({
  id: recipientId(body.id),
  name: body.name,
  kind: body.kind,
  partner: body.partner,
  audience: audience(body.audience ?? body.kind),
  purposes: body.purposes.map(purposeId),
  identifiers: body.identifiers,
  preloaded: body.preloaded,
  active: body.active,
  ...given({ tcfVendor: body.tcfVendor }),
});

type Given<T> = { [Name in keyof T]?: Exclude<T[Name], undefined> };

/** Without the members that were left out: the stored document has them only where somebody said something. */
const given = <T extends object>(members: T): Given<T> =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Given<T>;
