import type { PartnerDefinition } from './definition.ts';

/** An address that a recipient's settings name, and where in them it stands. */
interface SettingsUrl {
  readonly path: string;
  readonly url: URL;
}

/** Every HTTP address among the values of settings, however deep. */
export function urlsIn(settings: unknown, path = ''): SettingsUrl[] {
  if (typeof settings === 'string')
    return /^https?:/i.test(settings) && URL.canParse(settings) ? [{ path, url: new URL(settings) }] : [];
  if (typeof settings !== 'object' || settings === null) return [];
  return Object.entries(settings).flatMap(([name, value]) => urlsIn(value, path === '' ? name : `${path}.${name}`));
}

/** Where a recipient may be reached: the hosts of the addresses in its settings, and what its partner adds. */
export const partnerHosts = <S extends object>(
  definition: Pick<PartnerDefinition<S>, 'hosts'>,
  settings: S,
): readonly string[] => [...urlsIn(settings).map(({ url }) => url.host), ...(definition.hosts?.(settings) ?? [])];
