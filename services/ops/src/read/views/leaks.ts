import type { ListPage } from './words.ts';

/** Something that left, or is still in use, after its withdrawal. */
export interface LeakLine {
  readonly recipient: string;
  readonly name: string;
  readonly purposes: readonly string[];
  readonly subject: string;
  /** For whoever may act (`ops:operate`); null for others. */
  readonly subjectKey: string | null;
  /** When it left, or was found to be in use. */
  readonly at: string;
  readonly detector: 'egress_audit' | 'canary' | 'readback';
  /** The last change before that which did not allow it; null once the tracker has forgotten it. */
  readonly changeId: string | null;
  readonly withdrawnAt: string | null;
}

export interface LeaksView extends ListPage<LeakLine> {
  /** Sends that the egress audit has held against the consent history; `since` the first of them, null when there is none. */
  readonly looked: { readonly sends: number; readonly since: string | null };
}
