import { createHash } from 'node:crypto';
import type { PartnerName, Person } from '@entente/local';
import type { Effect } from '../../checker/index.ts';

/** One thing a request asked for, in the partner's own words. */
export interface Deed {
  readonly what: string;
  readonly identifiers: readonly string[];
  readonly scope: string;
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** What a partner's own words mean for a person's data. */
export interface Meaning {
  readonly effect: Effect;
  readonly purposes: readonly string[];
}

const subscriptions: Readonly<Record<string, string>> = {
  'subscription/1001': 'email-marketing',
  'subscription/1002': 'personalisation',
};
const categories: Readonly<Record<string, string>> = {
  Analytics: 'product-analytics',
  Personalisation: 'personalisation',
};

export const meanings: Readonly<Record<PartnerName, (deed: Deed) => readonly Meaning[]>> = {
  hubspot({ what, scope }) {
    const purpose = subscriptions[scope];
    if (what === 'writeContact') return [{ effect: 'share', purposes: ['email-marketing'] }];
    if (what === 'unsubscribeAll') return [{ effect: 'revoke', purposes: Object.values(subscriptions) }];
    if (purpose === undefined) return [];
    return [{ effect: what === 'subscribe' ? 'reinstate' : 'revoke', purposes: [purpose] }];
  },
  segment({ what, scope, detail }) {
    // Suppression stands beside the preferences, which said no before it and are told anew after it: its end alone allows nothing.
    if (what === 'regulate' && scope.endsWith('UNSUPPRESS')) return [{ effect: 'reinstate', purposes: [] }];
    if (what === 'regulate') return [{ effect: 'revoke', purposes: Object.values(categories) }];
    if (what !== 'updatePreference') return [{ effect: 'share', purposes: ['product-analytics'] }];
    const stated = Object.entries((detail?.['categoryPreferences'] ?? {}) as Record<string, boolean>);
    const purposes = (wanted: boolean) =>
      stated.flatMap(([category, value]) => (value === wanted ? [categories[category] ?? category] : []));
    return [
      { effect: 'revoke' as const, purposes: purposes(false) },
      { effect: 'reinstate' as const, purposes: purposes(true) },
    ].filter((meaning) => meaning.purposes.length > 0);
  },
  meta: ({ what }) => [{ effect: what === 'add' ? 'share' : 'revoke', purposes: ['personalised-ads'] }],
};

const hashed = (text: string): string => createHash('sha256').update(text.trim().toLowerCase()).digest('hex');
/** How a partner names a person. */
export const namesAt: Readonly<Record<PartnerName, (person: Person) => string>> = {
  hubspot: ({ email }) => email,
  segment: ({ subjectId }) => subjectId,
  meta: ({ email }) => hashed(email),
};
