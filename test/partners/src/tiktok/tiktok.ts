import { BatchedAudiences } from '../batched-audiences.ts';
import { filled, list, record } from '../narrow.ts';
import type { Answer, Deed, Operation, Partner, PartnerRequest } from '../partner.ts';
import * as answers from './answers.ts';

export interface TikTokOptions {
  readonly token?: string;
  /** Advertiser id. */
  readonly account?: string;
  readonly audiences?: readonly string[];
  /** Rows per request; the real number is not published (partner-apis.md §5). */
  readonly rowLimit?: number;
  /** Until what was accepted shows in an audience; one source says 24 to 48 hours. */
  readonly processingMs?: number;
}

const oneDayMs = 86_400_000;
/** One source's number (partner-apis.md §5, T5). */
const defaultRowLimit = 1_000;
const schemas = ['EMAIL_SHA256', 'PHONE_SHA256', 'IDFA_SHA256', 'AAID_SHA256', 'IDFA_MD5', 'AAID_MD5'];

/** TikTok `segment/mapping` as in partner-apis.md §5. */
export function tiktok(options: TikTokOptions): Partner {
  const store = new BatchedAudiences(options.audiences ?? ['167290896', '167290897']);
  const token = options.token ?? 'test-token';
  return {
    name: 'tiktok',
    operations: [mappingOperation(store, options)],
    maxBodyBytes: 1_000_000,
    refuseCredentials: ({ headers }) => (headers['access-token'] === token ? undefined : answers.invalidToken()),
    notFound: () => ({ status: 404, body: { code: 40_006, message: 'Path not found', request_id: '', data: {} } }),
    tooLarge: () => ({ ...answers.invalid('The request is too large'), status: 413 }),
    authExpired: answers.invalidToken,
    throttled: answers.tooMany,
    failed: (_op, fault) => answers.failed(fault),
    lie,
    rateHeaders: () => ({}),
    apply: (effect) => store.apply(effect),
    settle: (nowMs) => store.due(nowMs - (options.processingMs ?? oneDayMs)),
    state: (id) => store.state(id),
  };
}

interface Row {
  /** Every id of the row, exactly as received. */
  readonly ids: readonly string[];
  readonly audiences: readonly string[];
  readonly valid: boolean;
}

function rowsIn(request: PartnerRequest): readonly Row[] {
  const { id_schema: schema, batch_data: data } = record(request.body);
  const kinds = list(schema);
  return list(data).map((given) => {
    const cells = list(given).map((cell) => ({
      id: filled(record(cell)['id']),
      audiences: list(record(cell)['audience_ids']).map(String),
    }));
    const wellFormed = cells.every(({ id }, index) => {
      const digits = String(kinds[index]).endsWith('_MD5') ? 32 : 64;
      return id === undefined || (/^[0-9a-f]+$/.test(id) && id.length === digits);
    });
    const present = cells.filter(({ id }) => id !== undefined);
    return {
      ids: present.flatMap(({ id }) => id ?? []),
      audiences: [...new Set(present.flatMap(({ audiences }) => audiences))],
      valid: cells.length === kinds.length && wellFormed && present.length > 0,
    };
  });
}

function mappingOperation(store: BatchedAudiences, options: TikTokOptions): Operation {
  const { account = '7000000000000000000', rowLimit = defaultRowLimit } = options;
  const asks = (request: PartnerRequest): readonly Deed[] => {
    const what = record(request.body)['action'] === 'delete' ? 'remove' : 'add';
    return rowsIn(request).flatMap(({ ids, audiences }) =>
      audiences.map((audience) => ({ what, identifiers: ids, scope: `audience/${audience}` })),
    );
  };

  /** All or nothing: one bad row and the code is not 0 (what TikTok does then is unverified). */
  function map(request: PartnerRequest): Answer {
    const { action, advertiser_ids: advertisers, id_schema: schema } = record(request.body);
    if (request.bodyState !== 'read') return answers.invalid('The request body is not valid JSON');
    if (action !== 'add' && action !== 'delete') return answers.invalid('action: must be add or delete');
    if (!list(advertisers).every((id) => typeof id === 'string') || list(advertisers).length === 0)
      return answers.invalid('advertiser_ids: Missing data for required field.');
    if (list(advertisers).some((id) => id !== account)) return answers.noPermission();
    if (list(schema).length === 0 || list(schema).some((kind) => !schemas.includes(String(kind))))
      return answers.invalid('id_schema: Not a valid choice.');
    const rows = rowsIn(request);
    if (rows.length === 0 || rows.length > rowLimit) return answers.invalid(`batch_data: 1 to ${rowLimit} rows`);
    if (rows.some(({ valid }, index) => !valid || index < request.badRows))
      return answers.invalid('batch_data: Invalid id');
    if (rows.some(({ audiences }) => audiences.length === 0 || audiences.some((audience) => !store.knows(audience))))
      return answers.invalid('audience_ids: Audience does not exist');
    const effects = rows.flatMap(({ ids, audiences }) =>
      audiences.map((audience) => ({
        what: 'accepted',
        identifiers: ids,
        scope: `audience/${audience}`,
        detail: { adding: action === 'add', acceptedMs: request.nowMs },
      })),
    );
    return { ...answers.ok(), effects };
  }

  return { op: 'segment.mapping', method: 'POST', paths: ['/open_api/v1.3/segment/mapping/'], asks, handle: map };
}

/** HTTP 200 with a code that is not 0, and nothing done. */
const lie = (_request: PartnerRequest, honest: Answer): Answer =>
  record(honest.body)['code'] === answers.codes.ok
    ? answers.coded(answers.codes.systemError, 'System error')
    : { ...honest, effects: [] };
