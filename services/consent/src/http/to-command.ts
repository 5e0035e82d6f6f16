import { noticeRef, normaliseEmail, normalisePhone, purposeId, recipientId, subjectId } from '@entente/contracts';
import type { Cause, NoticeRef } from '@entente/contracts';
import { Refusal } from '@entente/http';
import type { Caller } from '@entente/http';
import { acceptedTraceparent } from '@entente/observability';
import type { SubjectDirectory } from '../identifiers/subject-directory.ts';
import type { Pseudonyms } from '../erasure/pseudonyms.ts';
import type { FieldFault } from '../ledger/answer.ts';
import type { Command, Deny, Grant, GrantItem, IfMatch, OtherSubject, RequestKey } from '../ledger/command.ts';
import type { Method } from '../ledger/evidence.ts';
import type { OneDecision, SaveConsents, TellingIdentifiers, Withdraw } from './consents.dto.ts';
import { readEvidence } from './evidence.ts';

/** The headers a recording request may carry. */
export interface RequestHeaders {
  readonly 'idempotency-key'?: string | string[] | undefined;
  readonly 'if-match'?: string | undefined;
  readonly traceparent?: string | string[] | undefined;
}

/** Wire to rule: what a request asks for, in the words of the ledger. */
export class CommandMapper {
  readonly #directory: SubjectDirectory;
  readonly #fingerprint: (body: unknown) => string;
  readonly #pseudonyms: Pseudonyms;

  constructor(directory: SubjectDirectory, fingerprint: (body: unknown) => string, pseudonyms: Pseudonyms) {
    this.#directory = directory;
    this.#fingerprint = fingerprint;
    this.#pseudonyms = pseudonyms;
  }

  withdrawal(body: Withdraw, caller: Caller, headers: RequestHeaders): Command {
    return {
      ...this.#common(body.subjectId, caller, 'POST /v1/withdrawals', headers),
      deny: denial(body, 'withdrawn'),
    };
  }

  objection(body: Withdraw, caller: Caller, headers: RequestHeaders): Command {
    return { ...this.#common(body.subjectId, caller, 'POST /v1/objections', headers), deny: denial(body, 'objected') };
  }

  erasure(id: string, caller: Caller, headers: RequestHeaders): Command {
    const common = this.#common(id, caller, 'POST /v1/subjects/{id}/erasure', headers);
    return { ...common, cause: 'erasure', event: { kind: 'erasure' } };
  }

  merge(id: string, otherId: string, caller: Caller, headers: RequestHeaders): Command {
    const preconditions = {
      key: parseRequestKey(headers['idempotency-key'], () => this.#fingerprint({ id, otherId })),
      mayGrant: caller.scopes.includes('consent:grant'),
    };
    return {
      ...this.#common(id, caller, 'POST /v1/subjects/{id}/links', headers),
      cause: 'merge',
      event: { kind: 'merge', other: this.#other(otherId, caller), preconditions },
    };
  }

  split(id: string, otherId: string, caller: Caller, headers: RequestHeaders): Command {
    return {
      ...this.#common(id, caller, 'DELETE /v1/subjects/{id}/links/{other}', headers),
      cause: 'merge',
      event: { kind: 'split', other: this.#other(otherId, caller) },
    };
  }

  save(body: SaveConsents, caller: Caller, headers: RequestHeaders): Command {
    refuseRepeatedPurposes(body.decisions);
    const notice = body.notice && noticeRef(body.notice.id, body.notice.version);
    const denied = body.decisions.filter(({ decision }) => decision !== 'granted');
    const grants = body.decisions.flatMap((decision, index) =>
      decision.decision === 'granted' ? [grantItem(decision, index)] : [],
    );
    const identifiers = normalised(body.identifiers);
    const read = body.evidence === undefined ? undefined : readEvidence(body.evidence);
    const suppressible = this.#pseudonyms(caller.controller, identifiers);
    return {
      ...this.#common(body.subjectId, caller, 'POST /v1/consents', headers),
      ...causeOf(read?.evidence.method),
      ...(read === undefined ? {} : { evidence: read.evidence }),
      ...(suppressible.length > 0 ? { suppressible } : {}),
      ...(notice === undefined ? {} : { notice }),
      ...(Object.keys(identifiers).length > 0 ? { identifiers } : {}),
      ...(denied.length > 0 ? { deny: refusal(denied) } : {}),
      ...(grants.length > 0 ? { grant: this.#grant(body, grants, notice, caller, headers, read?.faults ?? []) } : {}),
    };
  }

  #grant(
    body: SaveConsents,
    items: readonly GrantItem[],
    notice: NoticeRef | undefined,
    caller: Caller,
    headers: RequestHeaders,
    evidenceFaults: readonly FieldFault[],
  ): Grant {
    const ifMatch = parseIfMatch(headers['if-match']);
    return {
      items,
      key: parseRequestKey(headers['idempotency-key'], () => this.#fingerprint(body)),
      mayGrant: caller.scopes.includes('consent:grant'),
      ...(notice === undefined ? {} : { notice }),
      ...(ifMatch === undefined ? {} : { ifMatch }),
      ...(evidenceFaults.length === 0 ? {} : { evidenceFaults }),
    };
  }

  #other(id: string, { controller }: Caller): OtherSubject {
    return { subjectId: subjectId(id), candidates: this.#directory.candidates(controller, subjectId(id)) };
  }

  #common(id: string, { controller, clientId }: Caller, route: string, headers: RequestHeaders) {
    const traceparent = acceptedTraceparent(headers.traceparent);
    return {
      controller,
      subjectId: subjectId(id),
      candidates: this.#directory.candidates(controller, subjectId(id)),
      actor: { client: clientId, route },
      ...(traceparent === undefined ? {} : { traceparent }),
    };
  }
}

const denial = ({ purposes, recipients }: Withdraw, to: Deny['to']): Deny => ({
  purposes: purposes?.map(purposeId) ?? 'all',
  to,
  ...(recipients === undefined ? {} : { recipients: [...new Set(recipients)].map(recipientId) }),
});

function refusal(denied: readonly OneDecision[]): Deny {
  const purposesOf = (list: readonly OneDecision[]) => list.map(({ purpose }) => purposeId(purpose));
  const objected = purposesOf(denied.filter(({ decision }) => decision === 'objected'));
  return { purposes: purposesOf(denied), to: 'denied', ...(objected.length === 0 ? {} : { objected }) };
}

/** Nobody but the person, or an agent with their mandate, decides anew; the rest repeats what was decided before. */
const causeOf = (method: Method | undefined): { cause?: Cause } =>
  method === 'import' || method === 'signal' ? { cause: method } : {};

function refuseRepeatedPurposes(decisions: readonly OneDecision[]): void {
  const names = decisions.map(({ purpose }) => purpose);
  const errors = names.flatMap((name, index) =>
    names.indexOf(name) === index
      ? []
      : [{ pointer: `/decisions/${index}/purpose`, detail: 'has a decision already in this request' }],
  );
  if (errors.length > 0)
    throw new Refusal('invalid-request', 400, 'A request has one decision for each purpose.', { errors });
}

function grantItem({ purpose, validUntil, refusedRecipients = [] }: OneDecision, index: number): GrantItem {
  const refused = [...new Set(refusedRecipients)].sort().map(recipientId);
  return {
    index,
    purpose: purposeId(purpose),
    ...(validUntil === undefined ? {} : { validUntil: new Date(validUntil).toISOString() }),
    ...(refused.length === 0 ? {} : { refused }),
  };
}

function normalised({ email, phone }: TellingIdentifiers = {}): { email?: string; phone?: string } {
  const number = phone === undefined ? null : normalisePhone(phone);
  return {
    ...(email === undefined ? {} : { email: normaliseEmail(email) }),
    ...(number === null ? {} : { phone: number }),
  };
}

/** One strong tag of a version, or `*` (RFC 9110 §13.1.1). */
export function parseIfMatch(header: string | undefined): IfMatch | undefined {
  if (header === undefined) return undefined;
  if (header.trim() === '*') return { kind: 'any' };
  const [, digits] = /^\s*"(\d{1,16})"\s*$/.exec(header) ?? [];
  const version = Number(digits);
  return Number.isSafeInteger(version) ? { kind: 'version', version } : { kind: 'malformed' };
}

/** A structured-field string, or the bare form (draft-ietf-httpapi-idempotency-key-header-07). */
export function parseRequestKey(header: string | string[] | undefined, fingerprint: () => string): RequestKey {
  if (header === undefined) return { kind: 'absent' };
  if (typeof header !== 'string') return { kind: 'malformed' };
  const [, quoted] = /^\s*"((?:[^"\\]|\\["\\])*)"\s*$/.exec(header) ?? [];
  const key = quoted === undefined ? header.trim() : quoted.replace(/\\(["\\])/g, '$1');
  return /^[\x20-\x7e]{1,255}$/.test(key) ? { kind: 'given', key, fingerprint: fingerprint() } : { kind: 'malformed' };
}
