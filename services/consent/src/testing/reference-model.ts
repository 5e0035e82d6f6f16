/** What may be sent for one person and purpose: to whom, until when (days). */
interface Grant {
  readonly to: readonly string[];
  readonly until: number;
  /** Given under another id of the same person. */
  readonly lent: boolean;
  /** The person gave it, so that it stands for certain; of what an import says no model knows whether it was taken. */
  readonly sure: boolean;
}

/**
 * The most that may ever be allowed, written from the rules' text alone: REC-3, REC-4, REC-7, REC-8 and G-6. It knows no
 * versions, vectors, keys or batches. Where the service may deny more (an import refused as a whole, a purpose nobody asked
 * about), it says nothing.
 */
export class ReferenceModel {
  readonly #grants = new Map<string, Grant>();
  readonly #refused = new Set<string>();
  readonly #everErased = new Set<string>();
  readonly #awayErased = new Set<string>();
  readonly #goneMails = new Set<string>();
  readonly #leavingMails = new Set<string>();
  #circles: string[][] = [];
  day = 0;

  /** What was asked at the same time as an erasure, of another id, may have come first; what is asked from here on has not. */
  answered(): void {
    for (const mail of this.#leavingMails) this.#goneMails.add(mail);
    this.#leavingMails.clear();
  }

  allows(who: string, purpose: string, recipient: string, day: number): boolean {
    const grant = this.#grants.get(at(who, purpose));
    return grant !== undefined && day < grant.until && grant.to.includes(recipient);
  }

  grant(who: string, purpose: string, to: readonly string[], until: number, mail?: string): void {
    const before = this.#alive(who, purpose);
    this.#set(who, purpose, { to, until, lent: false, sure: true });
    this.#awayErased.delete(who);
    if (mail !== undefined) this.#goneMails.delete(mail);
    if (before !== undefined) for (const other of this.#others(who)) this.#lose(other, purpose, before, { to, until });
  }

  /** An import may be refused as a whole where this model knows no reason, so it takes nothing away here. */
  import(who: string, purpose: string, to: readonly string[], until: number, mail?: string): void {
    if (this.#isRefused(who, purpose) || (mail !== undefined && this.#goneMails.has(mail))) return;
    const held = this.#grants.get(at(who, purpose));
    // REC-7: what a person granted is neither widened nor prolonged by an import.
    if (held?.sure === true) return;
    this.#set(who, purpose, {
      to: [...new Set([...to, ...(held?.to ?? [])])],
      until: Math.max(until, held?.until ?? until),
      ...{ lent: false, sure: false },
    });
  }

  deny(who: string, purpose: string): void {
    for (const one of this.#circle(who)) this.#refuse(one, purpose);
  }

  refuseRecipient(who: string, purpose: string, recipient: string, isReachable: boolean): void {
    for (const one of this.#circle(who)) {
      const grant = this.#grants.get(at(one, purpose));
      // Nobody was asked yet: that this person minded is a refusal, of what the recipient may come to at all.
      if (grant === undefined && isReachable) this.#refuse(one, purpose);
      else if (grant !== undefined)
        this.#set(one, purpose, { ...grant, to: grant.to.filter((name) => name !== recipient) });
    }
  }

  merge(one: string, other: string, purposes: readonly string[]): void {
    if (this.#circle(one).includes(other) || this.#awayErased.has(one) || this.#awayErased.has(other)) return;
    for (const purpose of purposes) this.#mergePurpose(one, other, purpose);
    const joined = [...this.#circle(one), ...this.#circle(other)];
    this.#circles = [...this.#circles.filter((circle) => !circle.some((who) => joined.includes(who))), joined];
  }

  split(one: string, other: string, purposes: readonly string[]): void {
    if (one === other || !this.#circle(one).includes(other)) return;
    for (const who of this.#circle(one))
      for (const purpose of purposes)
        if (this.#grants.get(at(who, purpose))?.lent === true) this.#grants.delete(at(who, purpose));
    this.#circles = this.#circles.map((circle) => circle.filter((who) => who !== other));
  }

  erase(who: string, purposes: readonly string[], mailOf: (who: string) => string): void {
    for (const one of this.#circle(who)) {
      for (const purpose of purposes) this.#grants.delete(at(one, purpose));
      this.#everErased.add(one);
      this.#awayErased.add(one);
      this.#leavingMails.add(mailOf(one));
    }
    const gone = this.#circle(who);
    this.#circles = this.#circles.filter((circle) => !circle.some((one) => gone.includes(one)));
  }

  /** What it says now, to go back to. */
  copy(): ReferenceModel {
    const copy = new ReferenceModel();
    for (const [place, grant] of this.#grants) copy.#grants.set(place, grant);
    for (const place of this.#refused) copy.#refused.add(place);
    for (const who of this.#everErased) copy.#everErased.add(who);
    for (const who of this.#awayErased) copy.#awayErased.add(who);
    for (const mail of this.#goneMails) copy.#goneMails.add(mail);
    copy.#circles = this.#circles.map((circle) => [...circle]);
    copy.day = this.day;
    return copy;
  }

  /**
   * RST-4: this is the backup, `lost` what was in force. A refusal or an erasure of either stands, of two grants what both
   * allow, and a grant that only `lost` knows is over.
   */
  restore(lost: ReferenceModel, who: string, purposes: readonly string[]): void {
    for (const purpose of purposes) {
      if (this.#isRefused(who, purpose)) continue;
      const [ours, theirs] = [this.#grants.get(at(who, purpose)), lost.#grants.get(at(who, purpose))];
      if (lost.#isRefused(who, purpose)) this.deny(who, purpose);
      else if (ours !== undefined && theirs !== undefined) {
        const both = {
          to: ours.to.filter((name) => theirs.to.includes(name)),
          until: Math.min(ours.until, theirs.until),
        };
        const sure = ours.sure && theirs.sure;
        this.#set(who, purpose, { ...both, lent: ours.lent, sure });
        if (sure) for (const linked of this.#others(who)) this.#lose(linked, purpose, ours, both);
      } else this.#grants.delete(at(who, purpose));
    }
  }

  #mergePurpose(one: string, other: string, purpose: string): void {
    const [ours, theirs] = [this.#grants.get(at(one, purpose)), this.#grants.get(at(other, purpose))];
    const refusals = [this.#isRefused(one, purpose), this.#isRefused(other, purpose)];
    if (refusals.includes(true)) {
      // Whoever did not refuse yet learns of the other's refusal, with all their ids.
      for (const who of refusals[0] === true ? [] : this.#circle(one)) this.#refuse(who, purpose);
      for (const who of refusals[1] === true ? [] : this.#circle(other)) this.#refuse(who, purpose);
    } else if (ours !== undefined && theirs !== undefined) {
      const both = {
        to: ours.to.filter((name) => theirs.to.includes(name)),
        until: Math.min(ours.until, theirs.until),
        sure: ours.sure && theirs.sure,
      };
      for (const [who, grant] of [
        [one, ours],
        [other, theirs],
      ] as const) {
        this.#set(who, purpose, { ...both, lent: grant.lent });
        if (this.day < grant.until) for (const linked of this.#others(who)) this.#lose(linked, purpose, grant, both);
      }
    } else if (ours !== undefined) this.#set(other, purpose, { ...ours, lent: true });
    else if (theirs !== undefined) this.#set(one, purpose, { ...theirs, lent: true });
  }

  /** What went from one grant to the next is lost under the person's other ids too (REC-4). */
  #lose(who: string, purpose: string, from: Pick<Grant, 'to' | 'until'>, to: Pick<Grant, 'to' | 'until'>): void {
    const held = this.#grants.get(at(who, purpose));
    if (held === undefined) return;
    const lost = from.to.filter((name) => !to.to.includes(name));
    this.#set(who, purpose, {
      ...held,
      to: held.to.filter((name) => !lost.includes(name)),
      until: to.until < from.until ? Math.min(held.until, to.until) : held.until,
    });
  }

  #isRefused(who: string, purpose: string): boolean {
    const isErased = this.#everErased.has(who) && !this.#grants.has(at(who, purpose));
    return this.#refused.has(at(who, purpose)) || isErased;
  }

  #alive(who: string, purpose: string): Grant | undefined {
    const grant = this.#grants.get(at(who, purpose));
    return grant !== undefined && this.day < grant.until ? grant : undefined;
  }

  #set(who: string, purpose: string, grant: Grant): void {
    this.#grants.set(at(who, purpose), grant);
    this.#refused.delete(at(who, purpose));
  }

  #refuse(who: string, purpose: string): void {
    this.#grants.delete(at(who, purpose));
    this.#refused.add(at(who, purpose));
  }

  #circle(who: string): readonly string[] {
    return this.#circles.find((circle) => circle.includes(who)) ?? [who];
  }

  #others(who: string): string[] {
    return this.#circle(who).filter((one) => one !== who);
  }
}

const at = (who: string, purpose: string): string => `${who} ${purpose}`;
