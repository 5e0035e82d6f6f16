import { deriveIdentifiers, seal, unseal } from '@entente/contracts';
import type {
  Audience,
  Catalogue,
  IdentifierKind,
  KeyRing,
  RawIdentifiers,
  Recipient,
  SubjectId,
} from '@entente/contracts';

export type AudienceKeys = ReadonlyMap<Audience, KeyRing>;

/** A person's identifiers as one sealed text at rest. Throws `Unsealable` for a lost key or an altered text. */
export async function openIdentifiers(ring: KeyRing, sealed: string): Promise<RawIdentifiers> {
  return (await unseal(ring, sealed)) as RawIdentifiers;
}

export const sealIdentifiers = (ring: KeyRing, identifiers: RawIdentifiers): Promise<string> => seal(ring, identifiers);

/** What is known afterwards: what was told last wins, what was not told stays. Null without the controller's own id. */
export function mergeIdentifiers(
  subjectId: SubjectId | undefined,
  known: RawIdentifiers | null,
  told: { readonly email?: string; readonly phone?: string },
): RawIdentifiers | null {
  const id = subjectId ?? known?.subjectId;
  return id === undefined ? null : { ...known, ...told, subjectId: id };
}

/** SEAL-1: what each audience's recipients declare, together. */
export function kindsByAudience(recipients: Iterable<Recipient>): Map<Audience, Set<IdentifierKind>> {
  const kinds = new Map<Audience, Set<IdentifierKind>>();
  for (const { audience, identifiers } of recipients) {
    const declared = kinds.get(audience) ?? new Set();
    for (const kind of identifiers) declared.add(kind);
    kinds.set(audience, declared);
  }
  return kinds;
}

/**
 * SEAL-1: per audience the identifiers its concerned recipients declare, under that audience's key. Nothing is sealed for
 * an audience nothing is known for, nor for one whose key this process lacks: that is `report`ed and no reason to stop a
 * denial, because connectors ask for what an event does not bring (DLV-4).
 */
export async function sealForAudiences(
  keys: AudienceKeys,
  identifiers: RawIdentifiers,
  recipients: Iterable<Recipient>,
  report: (audience: Audience) => void,
): Promise<Record<Audience, string>> {
  const sealed = [...kindsByAudience(recipients)].map(async ([audience, kinds]) => {
    const ring = keys.get(audience);
    if (ring === undefined) {
      report(audience);
      return null;
    }
    const derived = deriveIdentifiers(identifiers, kinds);
    return Object.keys(derived).length === 0 ? null : ([audience, await seal(ring, derived)] as const);
  });
  const entries = (await Promise.all(sealed)).filter((entry) => entry !== null);
  return Object.fromEntries(entries);
}

/** Active recipients that name one of these purposes, in order of id (REC-6, TRK-1). */
export function concernedRecipients(catalogue: Catalogue, purposes: readonly string[]): Recipient[] {
  return [...catalogue.recipients.values()]
    .filter((recipient) => recipient.active && recipient.purposes.some((purpose) => purposes.includes(purpose)))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}
