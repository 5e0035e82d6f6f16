import { purposeId, type PurposeId } from '@entente/contracts';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Outcome } from '../partner/outcome.ts';
import { isPending, newDelivery, type Delivery } from './delivery.ts';
import { onClaimed, onEnded, onWindowClosed } from './attempt-step.ts';
import { onCatalogue, onChanged, type Enforcement } from './delivery-step.ts';
import { retryPolicy } from './next-step.ts';

const purposes = ['a', 'b', 'c'].map(purposeId);
const facts = { purposes, preloaded: false };

type Move =
  | { readonly do: 'share'; readonly purpose: PurposeId }
  | {
      readonly do: 'change';
      readonly allowed: PurposeId[];
      readonly erasure: boolean;
      readonly late: number;
      readonly mixed: boolean;
    }
  | { readonly do: 'catalogue'; readonly removed: PurposeId }
  | { readonly do: 'claim' }
  | { readonly do: 'crash' }
  | { readonly do: 'zombie' }
  | { readonly do: 'end'; readonly kind: Outcome['kind'] }
  | { readonly do: 'close' }
  | { readonly do: 'lose' }
  | { readonly do: 'pass'; readonly ms: number };

const someOf = fc.subarray(purposes);
/** Weighted so that most histories share, withdraw and answer; rare moves stay rare enough not to drown them. */
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('share' as const), purpose: fc.constantFrom(...purposes) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('change' as const),
      allowed: someOf,
      erasure: fc.nat({ max: 9 }).map((draw) => draw === 0),
      late: fc.nat({ max: 9 }).map((draw) => Math.max(0, draw - 6)),
      // It denies somewhere what this recipient does not have, and names it for what it grants.
      mixed: fc.nat({ max: 4 }).map((draw) => draw === 0),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('catalogue' as const), removed: fc.constantFrom(...purposes) }) },
  { weight: 8, arbitrary: fc.constant({ do: 'claim' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'crash' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'zombie' as const }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('end' as const),
      kind: fc.constantFrom('applied', 'applied', 'nothing-to-do', 'retry', 'refused', 'unclear'),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'close' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'lose' as const }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.nat({ max: 20_000 }) }) },
);

/** Long enough to get into trouble; fast-check's own idea of size would make most of them two moves. */
const history = fc.array(move, { minLength: 10, maxLength: 60, size: 'max' });

/** What each share asks for, milliseconds. */
const windowMs = 10_000;

/** One row with a partner that does what it is told, or says it does not know. */
class Model {
  row: Delivery = newDelivery;
  now = 1_000;
  newest = 0;
  /** End of the newest window truly opened, whatever the row still knows of it. */
  window: number | null = null;
  /** RST-3: the end of the last window that may have been lost. */
  lostWindowsEnd: number | null = null;
  catalogue = 1;
  active: PurposeId[] = purposes;
  claimed: { readonly before: Delivery; readonly row: Delivery; readonly beganAt: number } | null = null;
  /** Claims whose worker was taken for dead. */
  readonly lost: NonNullable<Model['claimed']>[] = [];
  readonly told: Enforcement[] = [];
  /** Versions in the order in which the partner was asked. */
  readonly asked: number[] = [];

  step({ delivery, enforcements }: { delivery: Delivery; enforcements: readonly Enforcement[] }): void {
    this.row = delivery;
    this.told.push(...enforcements);
  }

  play(next: Move): void {
    switch (next.do) {
      case 'share':
        // SHR-1: the row lets nothing pass while a revocation is pending or the purpose is not allowed.
        if (isPending(this.row) || !this.row.desired.includes(next.purpose)) return;
        this.row = {
          ...this.row,
          exposed: [...new Set([...this.row.exposed, next.purpose])].sort(),
          // DLV-5: what is shared again is revoked anew by whatever takes it away next.
          revoked: this.row.revoked.filter((purpose) => purpose !== next.purpose),
          inFlightUntil: this.now + windowMs,
        };
        this.window = this.row.inFlightUntil;
        return;
      case 'change': {
        const version = Math.max(1, this.newest + 1 - next.late);
        this.newest = Math.max(this.newest, version);
        const desired = next.allowed.filter((purpose) => this.active.includes(purpose));
        const denies = next.mixed || this.row.desired.some((purpose) => !desired.includes(purpose));
        const direction = denies ? 'deny' : 'grant';
        const before = this.row;
        this.step(
          onChanged(
            this.row,
            {
              version,
              direction,
              desired,
              vector: {},
              erasure: next.erasure && direction === 'deny',
              concerned: direction === 'deny',
              catalogue: this.catalogue,
              behind: false,
              now: this.now,
            },
            facts,
          ),
        );
        if (version <= before.version) expect(this.row).toBe(before);
        if (direction === 'grant' && isPending(before) && before.attempted) {
          expect(isPending(this.row)).toBe(true);
          expect(this.row.revokeVersion).toBe(before.revokeVersion);
          expect(this.row.revokeTo).toEqual(before.revokeTo);
        }
        if (direction === 'grant' && isPending(before) && before.erasure) expect(isPending(this.row)).toBe(true);
        return;
      }
      case 'catalogue':
        this.catalogue += 1;
        this.active = this.active.filter((purpose) => purpose !== next.removed);
        this.step(
          onCatalogue(
            this.row,
            {
              desired: this.row.desired.filter((purpose) => this.active.includes(purpose)),
              catalogue: this.catalogue,
              now: this.now,
            },
            facts,
          ),
        );
        return;
      case 'claim': {
        const { state, nextAttemptAt } = this.row;
        const claimable =
          isPending(this.row) && state !== 'parked' && nextAttemptAt !== null && nextAttemptAt <= this.now;
        if (!claimable) return;
        if (this.claimed) this.lost.push(this.claimed);
        const before = this.row;
        // DLV-5: to revoke nothing would be to tell of what is allowed, past the gate.
        const takesNothing = [...before.exposed, ...purposes].every((purpose) => before.revokeTo.includes(purpose));
        expect(takesNothing && !before.erasure && !before.attempted).toBe(false);
        const row = onClaimed(before, { token: `t${this.asked.length}`, deadline: this.now + 12_000 }, facts);
        this.row = row;
        this.claimed = { before, row, beganAt: this.now };
        this.asked.push(row.revokeVersion);
        return;
      }
      case 'crash':
        if (this.claimed) this.lost.push(this.claimed);
        this.claimed = null;
        return;
      case 'zombie': {
        // A stopped worker wakes up: it may settle only what is still its own.
        const zombie = this.lost.find(({ row }) => row.claimToken !== this.row.claimToken);
        if (!zombie) return;
        const before = this.row;
        const { row, beganAt } = zombie;
        const end = { token: row.claimToken ?? '', claimed: row, outcome: { kind: 'applied' }, sent: true } as const;
        const { lostWindowsEnd, now } = this;
        this.step(onEnded(before, { ...end, beganAt, lostWindowsEnd, now, random: 0 }, retryPolicy));
        expect(this.row).toBe(before);
        return;
      }
      case 'end': {
        if (!this.claimed) return;
        const { before, row, beganAt } = this.claimed;
        this.claimed = null;
        const outcome: Outcome = next.kind === 'applied' ? { kind: 'applied' } : { kind: next.kind, why: 'x' };
        const end = {
          token: row.claimToken ?? '',
          claimed: {
            revokeVersion: row.revokeVersion,
            revokeTo: row.revokeTo,
            erasure: row.erasure,
            attempted: before.attempted,
            revoked: before.revoked,
          },
          outcome,
          sent: true,
          beganAt,
          lostWindowsEnd: this.lostWindowsEnd,
          now: this.now,
          random: 0.5,
        };
        const count = this.told.length;
        const { window } = this;
        this.step(onEnded(this.row, end, retryPolicy));
        for (const { outcome: said } of this.told.slice(count)) {
          // ACK-TRUTH: only a clean answer to an attempt begun after every earlier send had ended.
          if (said === 'accepted' || said === 'nothing-to-do') {
            expect(['applied', 'nothing-to-do']).toContain(next.kind);
            expect(window === null || window <= beganAt).toBe(true);
          }
        }
        return;
      }
      case 'close':
        this.row = onWindowClosed(this.row, this.now);
        this.window = this.now;
        return;
      case 'lose':
        this.row = { ...this.row, inFlightUntil: null };
        this.lostWindowsEnd = this.now + windowMs;
        return;
      case 'pass':
        this.now += next.ms;
    }
  }

  check(): void {
    const { row } = this;
    // A pending revocation keeps nothing that is not allowed, and its version was really seen.
    if (isPending(row)) {
      expect(row.revokeTo.every((purpose) => row.desired.includes(purpose) || row.attempted)).toBe(true);
      expect(row.revokeVersion).toBeLessThanOrEqual(row.version);
    }
    // Nothing withdrawn is forgotten: what may be there and may not stay is pending or was told off.
    const left = row.exposed.filter((purpose) => !row.desired.includes(purpose) && !row.revoked.includes(purpose));
    if (left.length > 0) expect(isPending(row)).toBe(true);
  }
}

test('ORDER, ACK-TRUTH, DLV-5: any interleaving of events, shares, claims, crashes and answers keeps the rules', () => {
  fc.assert(
    fc.property(history, (moves) => {
      const model = new Model();
      for (const next of moves) {
        model.play(next);
        model.check();
      }
      // The partner is never asked for an older version after a newer one.
      expect(model.asked).toEqual([...model.asked].sort((a, b) => a - b));
      // Per version at most one end of each revocation.
      const accepted = model.told.filter(({ outcome }) => outcome === 'accepted').map(({ version }) => version);
      expect(accepted).toEqual([...accepted].sort((a, b) => a - b));
    }),
    { numRuns: 2_000 },
  );
});

test('NO-LOSS: once the partner answers cleanly, every interleaving comes to rest with nothing left to revoke', () => {
  fc.assert(
    fc.property(history, (moves) => {
      const model = new Model();
      for (const next of moves) model.play(next);
      if (model.row.state === 'parked') return;
      for (let round = 0; round < 4 && isPending(model.row); round += 1) {
        model.now += 120_000;
        model.play({ do: 'claim' });
        model.play({ do: 'end', kind: 'applied' });
      }
      expect(isPending(model.row)).toBe(false);
    }),
    { numRuns: 1_000 },
  );
});
