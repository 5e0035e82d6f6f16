import {
  permission,
  type Catalogue,
  type PermittingVector,
  type Permission,
  type PurposeId,
  type RecipientId,
} from '@entente/contracts';

/** The answer for every instant: `before` the grant's end, `after` from there on. An end no clock can read has passed. */
interface Lasting {
  readonly end: number;
  readonly before: Permission;
  readonly after: Permission;
}

/** A vector that many subjects share, with what follows from it: most people have decided like many others. */
export class SharedVector {
  readonly vector: PermittingVector;
  readonly #answers = new Map<PurposeId, Map<RecipientId, Lasting>>();
  #catalogue: Catalogue | null = null;

  constructor(vector: PermittingVector) {
    this.vector = vector;
  }

  /** As `permission` of contracts says, worked out once for each catalogue. */
  permission(catalogue: Catalogue, purpose: PurposeId, recipient: RecipientId, now: number): Permission {
    if (this.#catalogue !== catalogue) {
      this.#answers.clear();
      this.#catalogue = catalogue;
    }
    const { end, before, after } =
      this.#answers.get(purpose)?.get(recipient) ?? this.#work(catalogue, purpose, recipient);
    return now < end ? before : after;
  }

  #work(catalogue: Catalogue, purpose: PurposeId, recipient: RecipientId): Lasting {
    const at = (now: number): Permission => permission(this.vector, catalogue, purpose, recipient, now);
    const validUntil = this.vector[purpose]?.validUntil;
    const lasting: Lasting = {
      end: validUntil === undefined ? Infinity : Date.parse(validUntil),
      before: at(-Infinity),
      after: at(Infinity),
    };
    // What callers make up is not kept: only names that the catalogue knows are few.
    if (catalogue.purposes.has(purpose) && catalogue.recipients.has(recipient)) {
      const answers = this.#answers.get(purpose) ?? new Map<RecipientId, Lasting>();
      this.#answers.set(purpose, answers.set(recipient, lasting));
    }
    return lasting;
  }
}
