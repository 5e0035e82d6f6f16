import type { ShareItem } from '@entente/connector-runtime';
import type { Identifiers, PurposeId } from '@entente/contracts';
import type { SalesforceSettings } from './settings.ts';

type Fields = Readonly<Record<string, unknown>>;

/** What is to be written into one record, which is found or made by its external id. */
export interface RecordWrite {
  readonly id: string;
  readonly fields: Fields;
}

/** An object of the organisation and the external id its records are found by. */
export interface Target {
  readonly object: 'Individual' | 'Contact' | 'Lead' | 'ContactPointTypeConsent';
  readonly idField: string;
}

export const consentObject = 'ContactPointTypeConsent';

/** The objects this organisation keeps people in, in the order in which one refers to the other. */
export function targetsOf(settings: SalesforceSettings): readonly Target[] {
  const { individualIdField, consentIdField, object, externalIdField, contactPoints } = settings;
  return [
    ...(individualIdField === undefined ? [] : [{ object: 'Individual', idField: individualIdField } as const]),
    { object, idField: externalIdField },
    ...(consentIdField === undefined || Object.keys(contactPoints).length === 0
      ? []
      : [{ object: consentObject, idField: consentIdField } as const]),
  ];
}

/** The person's records are found by the controller's own id. Each once. */
export const subjectIdsOf = (identifiers: readonly Identifiers[]): string[] => [
  ...new Set(identifiers.flatMap(({ 'subject-id': id }) => (id === undefined ? [] : [id]))),
];

/** External id of the consent of one person for one purpose. */
export const consentId = (subjectId: string, purpose: string): string => `${subjectId}/${purpose}`;

const mapsOf = ({ optOutFields, individualOptOutFields, contactPoints }: SalesforceSettings) => [
  optOutFields,
  individualOptOutFields,
  contactPoints,
];

/** What nothing stands for could never be revoked, so it is not shared. */
export const isMapped = (purpose: PurposeId, settings: SalesforceSettings): boolean =>
  mapsOf(settings).some((map) => Object.hasOwn(map, purpose));

/** A checkbox says no while one of its purposes may not stay; those for a full opt-out while none may. */
function optOuts(
  allowed: readonly PurposeId[],
  map: Readonly<Record<string, string>>,
  whenNothingStays: readonly string[] = [],
): Readonly<Record<string, boolean>> {
  const stays = new Set<string>(allowed);
  const ticked: Record<string, boolean> = Object.fromEntries(
    whenNothingStays.map((field) => [field, stays.size === 0]),
  );
  for (const [purpose, field] of Object.entries(map)) ticked[field] = (ticked[field] ?? false) || !stays.has(purpose);
  return ticked;
}

/** The checkboxes of an object, ticked or not, as `allowed` wants them. */
export function checkboxesOf(
  { object }: Target,
  allowed: readonly PurposeId[],
  settings: SalesforceSettings,
): Readonly<Record<string, boolean>> {
  if (object === consentObject) return {};
  return object === 'Individual'
    ? optOuts(allowed, settings.individualOptOutFields, settings.individualFullOptOutFields)
    : optOuts(allowed, settings.optOutFields);
}

/** Only a tick is written: what stays allowed is not lifted here, as the person may have said no in Salesforce itself. */
const ticks = (checkboxes: Readonly<Record<string, boolean>>): Fields =>
  Object.fromEntries(Object.entries(checkboxes).filter(([, ticked]) => ticked));

/** What one object must be told of one person so that only the allowed purposes remain. */
export function revocationWrites(
  target: Target,
  subjectId: string,
  allowed: readonly PurposeId[],
  settings: SalesforceSettings,
  now: number,
): RecordWrite[] {
  if (target.object === consentObject)
    return Object.keys(settings.contactPoints)
      .filter((purpose) => !allowed.some((stays) => stays === purpose))
      .map((purpose) => consentWrite(subjectId, purpose, settings.deniedStatus, settings, now));
  const fields = ticks(checkboxesOf(target, allowed, settings));
  return Object.keys(fields).length === 0 ? [] : [{ id: subjectId, fields }];
}

/** Purposes that nothing stands for: they cannot be revoked, so a person must look. */
export const unmappedOf = (
  allowed: readonly PurposeId[],
  recipientPurposes: readonly PurposeId[],
  settings: SalesforceSettings,
): PurposeId[] => recipientPurposes.filter((purpose) => !allowed.includes(purpose) && !isMapped(purpose, settings));

/** Fields an Individual has of a person's name. */
const nameFields = ['Salutation', 'FirstName', 'MiddleName', 'LastName', 'Suffix'];

/** The data of a share in one object. */
export function shareWrites(target: Target, item: ShareItem, settings: SalesforceSettings, now: number): RecordWrite[] {
  const subjectId = item.identifiers['subject-id'] ?? '';
  if (target.object === consentObject)
    return [consentWrite(subjectId, item.purpose, settings.grantedStatus, settings, now)];
  const named = Object.entries(item.fields).map(([name, value]) => [settings.fieldNames[name] ?? name, value] as const);
  const checkboxes = new Set(Object.keys(checkboxesOf(target, [], settings)));
  // A share cannot say anything about consent, nor about which record it is.
  const data = named.filter(([name]) => !checkboxes.has(name) && !reserved.has(name) && name !== target.idField);
  const { individualIdField } = settings;
  if (target.object === 'Individual')
    return [{ id: subjectId, fields: Object.fromEntries(data.filter(([name]) => nameFields.includes(name))) }];
  return [
    {
      id: subjectId,
      fields: {
        ...Object.fromEntries(data),
        ...(individualIdField === undefined ? {} : { Individual: { [individualIdField]: subjectId } }),
      },
    },
  ];
}

const reserved = new Set(['Id', 'attributes', 'Individual', 'IndividualId']);

/** Whether a share of this purpose has something to write there. */
export const takesShares = ({ object }: Target, purpose: PurposeId, { contactPoints }: SalesforceSettings): boolean =>
  object !== consentObject || Object.hasOwn(contactPoints, purpose);

/** Checkboxes to clear for a purpose that came back, unless another purpose keeps them ticked. */
export function reinstatementWrites(
  target: Target,
  identifiers: readonly Identifiers[],
  concerned: ReadonlySet<string>,
  allowed: readonly PurposeId[],
  settings: SalesforceSettings,
): RecordWrite[] {
  const cleared = Object.entries(checkboxesOf(target, allowed, settings)).filter(
    ([field, ticked]) => !ticked && concerned.has(field),
  );
  return subjectIdsOf(identifiers).map((id) => ({ id, fields: Object.fromEntries(cleared) }));
}

/** The checkboxes of an object that a withdrawal of this purpose has ticked; `wholly` = when nothing else was left. */
export function clearedBy(
  { object }: Target,
  purpose: PurposeId,
  wholly: boolean,
  settings: SalesforceSettings,
): ReadonlySet<string> {
  const map = object === 'Individual' ? settings.individualOptOutFields : settings.optOutFields;
  const own = object !== consentObject && Object.hasOwn(map, purpose) ? [map[purpose] ?? ''] : [];
  return new Set(object === 'Individual' && wholly ? [...own, ...settings.individualFullOptOutFields] : own);
}

function consentWrite(
  subjectId: string,
  purpose: string,
  status: string,
  settings: SalesforceSettings,
  now: number,
): RecordWrite {
  const { individualIdField = '', contactPoints, dataUsePurposes } = settings;
  const at = new Date(now).toISOString();
  const dataUsePurpose = Object.hasOwn(dataUsePurposes, purpose) ? dataUsePurposes[purpose] : undefined;
  return {
    id: consentId(subjectId, purpose),
    fields: {
      Name: purpose,
      Party: { [individualIdField]: subjectId },
      ContactPointType: contactPoints[purpose],
      PrivacyConsentStatus: status,
      CaptureContactPointType: 'Web',
      CaptureSource: 'Entente',
      CaptureDate: at,
      EffectiveFrom: at,
      ...(dataUsePurpose === undefined ? {} : { DataUsePurposeId: dataUsePurpose }),
    },
  };
}

/** Two writes of one record in one request would both be refused: the later one is laid over the earlier. */
export function merged(writes: readonly RecordWrite[]): RecordWrite[] {
  const byId = new Map<string, RecordWrite>();
  for (const { id, fields } of writes) {
    byId.set(id, { id, fields: { ...byId.get(id)?.fields, ...fields } });
  }
  return [...byId.values()];
}
