import type { Identifiers, PurposeId } from '@entente/contracts';

/** Purpose → property of a person at the partner that says `granted` or `denied`. */
export type ConsentProperties = Readonly<Record<string, string>>;
type Decisions = Readonly<Record<string, 'granted' | 'denied'>>;

const propertyOf = (purpose: PurposeId, properties: ConsentProperties): string | undefined =>
  Object.hasOwn(properties, purpose) ? properties[purpose] : undefined;

/** What is written with a share for this purpose; undefined where no property stands for it. */
export function grantedBy(purpose: PurposeId, properties: ConsentProperties): Decisions | undefined {
  const property = propertyOf(purpose, properties);
  return property === undefined ? undefined : { [property]: 'granted' };
}

/** What must be written about a person for whom `allowed` is all that may stay. */
export interface Denial {
  readonly denied: Decisions;
  /** Purposes that may not stay and that no property stands for: a person must see to them. */
  readonly unmapped: readonly PurposeId[];
}

/** Every property whose purpose may not stay, that of a purpose the recipient no longer has included. */
export function denialOf(
  allowed: readonly PurposeId[],
  recipientPurposes: readonly PurposeId[],
  properties: ConsentProperties,
): Denial {
  const stays: ReadonlySet<string> = new Set(allowed);
  const denied = Object.entries(properties).filter(([purpose]) => !stays.has(purpose));
  return {
    denied: Object.fromEntries(denied.map(([, property]) => [property, 'denied'])),
    unmapped: recipientPurposes.filter(
      (purpose) => !stays.has(purpose) && propertyOf(purpose, properties) === undefined,
    ),
  };
}

/** Every property of the settings as denied: what stands of a person who is erased. */
export const deniedAll = (properties: ConsentProperties): Decisions =>
  Object.fromEntries(Object.values(properties).map((property) => [property, 'denied']));

/** Purposes a person's properties, as the partner shows them, still say `granted` for. */
export const servedBy = (
  shown: Readonly<Record<string, unknown>>,
  purposes: readonly PurposeId[],
  properties: ConsentProperties,
): PurposeId[] =>
  purposes.filter((purpose) => {
    const property = propertyOf(purpose, properties);
    return property !== undefined && shown[property] === 'granted';
  });

/** Whether the partner shows every decision as it was written. */
export const shows = (shown: Readonly<Record<string, unknown>>, written: Decisions): boolean =>
  Object.entries(written).every(([property, decision]) => shown[property] === decision);

/** The controller's own id is the distinct id at these partners, exactly as it was shared; each once. */
export const distinctIdsOf = (identifiers: readonly Identifiers[]): string[] => [
  ...new Set(identifiers.flatMap((set) => set['subject-id'] ?? [])),
];
