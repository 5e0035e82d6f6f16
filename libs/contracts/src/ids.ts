/**
 * Names for the things that travel: branded strings, so that swapping two of them does not compile.
 * They are checked once, at the edge (DTOs, `parse*` of the event schemas), and trusted inside.
 */
declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** The brand responsible for the data; the tenant. Lower-case letters, digits and dashes, at most 63. */
export type ControllerId = Branded<'ControllerId'>;
/** The controller's own id of a person. Never leaves the consent service and the HTTP edge of a connector. */
export type SubjectId = Branded<'SubjectId'>;
/** `k1.` + base64url of 16 bytes of HMAC-SHA-256: the only name of a person in Kafka, logs and metrics. */
export type SubjectKey = Branded<'SubjectKey'>;
export type PurposeId = Branded<'PurposeId'>;
export type RecipientId = Branded<'RecipientId'>;
/** `noticeId@version`: the exact text a person accepted. */
export type NoticeRef = Branded<'NoticeRef'>;
/** Who may open a sealed part: `crm`, `analytics`, `ad-partner` or one webhook subscriber. */
export type Audience = Branded<'Audience'>;
/** 48 random bits as 12 hex digits: one start of one gate process. */
export type GateStartId = Branded<'GateStartId'>;

/** Shapes of the ids, shared by DTOs, JSON Schemas and config. */
export const idPattern = {
  controller: '^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$',
  subjectId: '^[^\\u0000-\\u001f\\u007f]{1,256}$',
  subjectKey: '^k[0-9]{1,3}\\.[A-Za-z0-9_-]{22}$',
  name: '^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$',
  noticeRef: '^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?@[1-9][0-9]{0,8}$',
  gateStart: '^[0-9a-f]{12}$',
  uuid: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$',
} as const;

export const controllerId = (text: string): ControllerId => text as ControllerId;
export const subjectId = (text: string): SubjectId => text as SubjectId;
export const subjectKey = (text: string): SubjectKey => text as SubjectKey;
export const purposeId = (text: string): PurposeId => text as PurposeId;
export const recipientId = (text: string): RecipientId => text as RecipientId;
export const audience = (text: string): Audience => text as Audience;
export const gateStartId = (text: string): GateStartId => text as GateStartId;
export const noticeRef = (notice: string, version: number): NoticeRef => `${notice}@${version}` as NoticeRef;
