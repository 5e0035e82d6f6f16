import { idPattern } from '@entente/contracts';

/** What one recipient's canary agrees to, is named by, and carries (docs/canaries.md). */
export interface CanarySettings {
  readonly purpose: string;
  /** `id@version` of the notice it accepts; it names the recipient for that purpose. */
  readonly notice: string;
  /** Reserved addresses of the brand's own, of nobody. */
  readonly email?: string;
  readonly phone?: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Nobody's customer id: no person can have it, and whoever reads a ledger or an export knows it. */
export const canarySubject = (recipient: string): string => `canary:${recipient}:1`;

const members = new Set(['purpose', 'notice', 'email', 'phone', 'fields']);

/** What is wrong with the settings of one recipient's canary, or null. */
export function canaryFault(recipient: string, given: unknown): string | null {
  if (!new RegExp(idPattern.name).test(recipient))
    return `names ${JSON.stringify(recipient)}, which is no recipient id`;
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return `${recipient} must be an object`;
  const unknown = Object.keys(given).find((name) => !members.has(name));
  if (unknown !== undefined) return `${recipient}.${unknown} is not one of ${[...members].join(', ')}`;
  const text = (name: string): unknown => Reflect.get(given, name);
  if (!matches(text('purpose'), idPattern.name)) return `${recipient}.purpose must be a purpose’s id`;
  if (!matches(text('notice'), idPattern.noticeRef)) return `${recipient}.notice must be written as id@version`;
  for (const name of ['email', 'phone'])
    if (text(name) !== undefined && !matches(text(name), '^\\S{3,320}$')) return `${recipient}.${name} must be a text`;
  if (text('email') === undefined && text('phone') === undefined) return `${recipient} needs an email or a phone`;
  const fields = text('fields') ?? {};
  return typeof fields === 'object' && !Array.isArray(fields) ? null : `${recipient}.fields must be an object`;
}

const matches = (value: unknown, pattern: string): boolean =>
  typeof value === 'string' && new RegExp(pattern).test(value);

/** Of a configuration that has no fault. */
export const canariesOf = (
  configured: Readonly<Record<string, Omit<CanarySettings, 'fields'> & Partial<Pick<CanarySettings, 'fields'>>>>,
): ReadonlyMap<string, CanarySettings> =>
  new Map(Object.entries(configured).map(([recipient, one]) => [recipient, { fields: {}, ...one }]));
