import type { IncomingHttpHeaders } from 'node:http';
import type { StatusFault } from './faults.ts';
import type { RateReading } from './rate-window.ts';

export const partnerNames = [
  'hubspot',
  'segment',
  'meta',
  'unomi',
  'klaviyo',
  'google-data-manager',
  'x-ads',
  'salesforce',
  'amplitude',
  'ga4',
  'mixpanel',
  'posthog',
  'linkedin',
  'tiktok',
  'iab-data-deletion',
] as const;
export type PartnerName = (typeof partnerNames)[number];

/** What a request asks for (`add`, `remove`, `track`) or what came of it (`added`, `removed`, `filtered`), per person. */
export interface Deed {
  readonly what: string;
  /** Exactly as received: these are test people and the journal is a test artefact. */
  readonly identifiers: readonly string[];
  /** The audience, subscription, event or object it concerns, e.g. `audience/23840000000000001`. */
  readonly scope: string;
  readonly detail?: Readonly<Record<string, unknown>>;
}

export interface PartnerRequest {
  readonly op: string;
  readonly method: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: number;
  /** Parsed body; undefined where there is none or it is not readable as the content type says. */
  readonly body: unknown;
  readonly bodyState: 'absent' | 'read' | 'malformed';
  /** The body as it came, for partners whose bodies are no objects. */
  readonly raw: string;
  /** Fault badRow: this many of the given identifiers count as invalid. */
  readonly badRows: number;
  /** Fault failLater: this many rows fail when the asynchronous job behind the request runs; Infinity = all. */
  readonly failingRows: number;
  /** The partner's own clock. */
  readonly nowMs: number;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON; undefined sends no body. */
  readonly body?: unknown;
  readonly effects?: readonly Deed[];
}

export interface Operation {
  readonly op: string;
  readonly method: string;
  /** Path templates, e.g. `/v1/{id}`; the current one first, legacy ones after. */
  readonly paths: readonly string[];
  /** What the request asks for, read without judging it: journalled even when the request is then refused. */
  asks(request: PartnerRequest): readonly Deed[];
  handle(request: PartnerRequest): Answer;
}

/** One partner: its operations, its ways of saying no, and its store, which is a fold over effects alone. */
export interface Partner {
  readonly name: PartnerName;
  readonly operations: readonly Operation[];
  /** Largest body it reads at all; a handler may refuse smaller ones. */
  readonly maxBodyBytes: number;
  /** The refusal for missing or wrong credentials, undefined when they are right. */
  refuseCredentials(request: PartnerRequest): Answer | undefined;
  notFound(): Answer;
  tooLarge(op: string | undefined): Answer;
  authExpired(op: string): Answer;
  throttled(op: string, waitMs: number | undefined, policyName?: string): Answer;
  failed(op: string, fault: StatusFault): Answer;
  /** The partner's own "200 that is not success" in place of the honest answer, with what effects the lie has; `how` chooses one. */
  lie(request: PartnerRequest, honest: Answer, how?: string): Answer;
  rateHeaders(reading: RateReading | undefined): Readonly<Record<string, string>>;
  apply(effect: Deed, ms: number): void;
  /** Effects of asynchronous jobs that have come due by now. */
  settle(nowMs: number): readonly Deed[];
  state(id?: string): unknown;
}
