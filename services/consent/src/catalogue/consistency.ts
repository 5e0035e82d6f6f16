import type { Catalogue, Notice, Purpose, PurposeId, Recipient, RecipientId } from '@entente/contracts';

/** Items as asked for; notices without their hash. */
interface Change {
  readonly purposes: readonly Purpose[];
  readonly notices: readonly Omit<Notice, 'contentHash'>[];
  readonly recipients: readonly Recipient[];
}

interface Fault {
  readonly pointer: string;
  readonly detail: string;
}

/**
 * Data categories of GDPR 9(1) as Fideslang spells them (data_categories.csv, v2); a child of one belongs to it.
 */
const specialCategories = [
  'user.health_and_medical',
  'user.biometric',
  'user.biometric_health',
  'user.genetic',
  'user.demographic.political_opinion',
  'user.demographic.race_ethnicity',
  'user.demographic.religious_belief',
  'user.demographic.sexual_orientation',
];

/** Rules that the catalogue keeps as a whole, judged as it would stand after the change. */
export function consistencyFaults(change: Change, held: Catalogue): Fault[] {
  const purposes = new Map([...held.purposes, ...change.purposes.map((purpose) => [purpose.id, purpose] as const)]);
  const recipients = new Map([...held.recipients, ...change.recipients.map((item) => [item.id, item] as const)]);
  return [
    ...change.purposes.flatMap((purpose, index) => purposeFaults(purpose, `/purposes/${index}`, purposes)),
    ...supplierFaults(change, purposes, recipients),
    ...change.notices.flatMap((notice, index) => noticeFaults(notice, `/notices/${index}`, change, held)),
  ];
}

/** G-9: a purpose whose basis fails cannot go on under another one. */
export function basisFaults({ purposes }: Change, held: Catalogue): Fault[] {
  return purposes.flatMap(({ id, legalBasis }, index) => {
    const before = held.purposes.get(id)?.legalBasis;
    return before === undefined || before === legalBasis
      ? []
      : [{ pointer: `/purposes/${index}/legalBasis`, detail: `is ${before} and never changes; add another purpose` }];
  });
}

function purposeFaults(
  { id, dataCategories, explicit, replacedBy }: Purpose,
  at: string,
  purposes: ReadonlyMap<PurposeId, Purpose>,
): Fault[] {
  const isSpecial = dataCategories.some((category) =>
    specialCategories.some((special) => category === special || category.startsWith(`${special}.`)),
  );
  const faults: Fault[] = [];
  if (isSpecial && explicit !== true)
    faults.push({ pointer: `${at}/explicit`, detail: 'must be true: a data category is a special one (GDPR 9)' });
  if (replacedBy !== undefined && (replacedBy === id || !purposes.has(replacedBy)))
    faults.push({ pointer: `${at}/replacedBy`, detail: 'must name another purpose' });
  return faults;
}

/**
 * A supplier holds the person although we never sent anything: only a recipient that serves the purpose and is preloaded
 * hears of every withdrawal (DLV-6). Judged for every purpose, because a recipient's change can break another's supplier.
 */
function supplierFaults(
  change: Change,
  purposes: ReadonlyMap<PurposeId, Purpose>,
  recipients: ReadonlyMap<RecipientId, Recipient>,
): Fault[] {
  return [...purposes.values()].flatMap(({ id, supplier }) => {
    if (supplier === undefined) return [];
    const recipient = recipients.get(supplier);
    if (recipient?.preloaded === true && recipient.purposes.includes(id)) return [];
    const inPurposes = change.purposes.findIndex((purpose) => purpose.id === id);
    const inRecipients = change.recipients.findIndex((item) => item.id === supplier);
    const pointer = inPurposes >= 0 ? `/purposes/${inPurposes}/supplier` : `/recipients/${inRecipients}`;
    const detail = `must be a preloaded recipient that serves ${id}, so that withdrawals reach who gave us the data`;
    return [{ pointer, detail }];
  });
}

/** What people have not seen cannot be called immaterial: an immaterial version names nothing its predecessor did not. */
function noticeFaults(notice: Change['notices'][number], at: string, { notices }: Change, held: Catalogue): Fault[] {
  if (notice.material !== false) return [];
  const [before] = [...held.notices.values(), ...notices]
    .filter(({ id, version }) => id === notice.id && version < notice.version)
    .sort((a, b) => b.version - a.version);
  const named = Object.entries(notice.purposes) as [PurposeId, readonly RecipientId[]][];
  return named.flatMap(([purpose, receivers]) => {
    const known = before?.purposes[purpose];
    return before === undefined || (known !== undefined && receivers.every((receiver) => known.includes(receiver)))
      ? []
      : [{ pointer: `${at}/material`, detail: `must not be false: ${purpose} or a recipient of it is new` }];
  });
}
