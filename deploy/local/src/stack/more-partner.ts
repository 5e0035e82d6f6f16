import type { RecipientKind } from '@entente/contracts';

/** The service each kind of partner is served by. */
export type ConnectorName = 'crm-connector' | 'analytics-connector' | 'ad-partner-connector';

/** A recipient beside those of the starter catalogue, with the contract server that stands for its partner. */
export interface MorePartner {
  readonly recipient: string;
  readonly name: string;
  readonly connector: ConnectorName;
  readonly kind: RecipientKind;
  /** The partner's name in the connector. */
  readonly partner: string;
  readonly purpose: string;
  readonly identifiers: readonly string[];
  /** The partner had people's data before Entente, and is given none by it (DLV-6). */
  readonly preloaded?: boolean;
  readonly server: { readonly kind: string; readonly args: readonly string[] };
  readonly settings: (url: string) => object;
  /** What is shared of a person; null where the partner takes no shares. */
  readonly fields: Readonly<Record<string, unknown>> | null;
}
