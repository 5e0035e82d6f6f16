import type { PurposeId } from '@entente/contracts';

/** How a decision came about; `import` and `signal` are no act of the person before us. */
export const methods = ['ui', 'import', 'signal', 'agent'] as const;
export type Method = (typeof methods)[number];

export const locales = ['en', 'fr'] as const;
export type Locale = (typeof locales)[number];

/** What names or describes a person: sealed under the person's own key, gone with an erasure. */
export interface PersonalEvidence {
  /** Age the person stated, in years. */
  readonly age?: number;
  /** The controller's reference of the guardian who decided for a child. */
  readonly guardian?: string;
  /** The controller's reference of the mandate under which an agent decided. */
  readonly mandate?: string;
}

/** G-2: what shows how a decision came about, beside the notice, the actor and the time, which every record has. */
export interface Evidence {
  readonly locale?: Locale;
  /** The purposes on the screen, decided or not. */
  readonly purposesShown?: readonly PurposeId[];
  readonly method?: Method;
  /** Where it was asked: `web`, `ios`, `shop-42` … */
  readonly channel?: string;
  /** Which variant of the screen was shown. */
  readonly variant?: string;
  /** ISO 8601 in UTC, by the person's device. */
  readonly clientTime?: string;
  /** A service the person was refused without this consent. */
  readonly conditionOf?: string;
  readonly personal?: PersonalEvidence;
}
