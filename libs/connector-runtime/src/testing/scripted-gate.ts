import {
  catalogueOf,
  permission,
  type CatalogueDocument,
  type ConsentChanged,
  type ConsentVector,
  type SubjectKey,
} from '@entente/contracts';
import { Gate, type Decision, type DeniedListener, type Intent } from '@entente/gate';
import { systemClock } from '@entente/observability';

/** A gate whose replica the test writes: it decides by the same rule (GATE-4), with leases that never end. */
export class ScriptedGate {
  readonly vectors = new Map<SubjectKey, { version: number; vector: ConsentVector }>();
  readonly #listeners = new Set<DeniedListener>();
  readonly catalogue;
  stale = false;

  constructor(document: CatalogueDocument) {
    this.catalogue = catalogueOf(document);
  }

  decide({ subjectKey: key, purpose, recipient, atLeastVersion }: Intent): Decision {
    if (this.stale) return { kind: 'stale', reason: 'no-lease' };
    const known = this.vectors.get(key);
    if (atLeastVersion !== undefined && (known?.version ?? 0) < atLeastVersion)
      return { kind: 'stale', reason: 'below-version' };
    const verdict = permission(known?.vector, this.catalogue, purpose, recipient, systemClock.now());
    if (!verdict.allowed) return { kind: 'deny', reason: verdict.reason };
    return { kind: 'allow', deadline: systemClock.monotonic() + 1_950, version: known?.version ?? 0 };
  }

  prepare<T>(intent: Intent, payload: T) {
    return (Object.create(Gate.prototype) as Gate).prepare(intent, payload);
  }

  onDenied(listener: DeniedListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  apply(change: ConsentChanged): void {
    if ((this.vectors.get(change.subjectKey)?.version ?? 0) >= change.version) return;
    this.vectors.set(change.subjectKey, { version: change.version, vector: change.vector });
    if (change.direction === 'deny') for (const tell of this.#listeners) tell(change.subjectKey, change.version);
  }
}
