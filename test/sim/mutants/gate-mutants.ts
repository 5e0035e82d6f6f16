import { catalogueOf, permission } from '@entente/contracts';
import type { Decision, Gate, Intent } from '@entente/gate';
import type { Batch, Replica } from '../../../libs/gate/src/store/replica.ts';
import { catalogue } from '../system/catalogue.ts';
import type { GateSurroundings, Mutations } from './mutations.ts';

type Decide = (decide: (intent: Intent) => Decision, intent: Intent, around: GateSurroundings) => Decision;

/** The same gate with another mind; everything else is the shipped one's. */
const deciding =
  (decide: Decide): Mutations['gate'] =>
  (gate, around) =>
    new Proxy(gate, {
      get(target, name) {
        if (name === 'decide') return (intent: Intent) => decide((asked) => target.decide(asked), intent, around);
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as Gate['prepare']) : value;
      },
    });

const known = catalogueOf(catalogue);
const day = 86_400_000;

/** What the replica would say if nothing but consent counted. */
function byConsentAlone(
  { subjectKey, purpose, recipient }: Intent,
  { replica, clock }: GateSurroundings,
  now: number,
): Decision {
  const held = replica().get(subjectKey);
  const answer = permission(held?.vector, known, purpose, recipient, now);
  if (!answer.allowed) return { kind: 'deny', reason: answer.reason };
  return { kind: 'allow', deadline: clock.monotonic() + day, version: held?.version ?? 0 };
}

export const noLease = deciding((decide, intent, around) => {
  const decision = decide(intent);
  if (decision.kind !== 'stale' || decision.reason === 'below-version') return decision;
  return byConsentAlone(intent, around, around.clock.now());
});

/** The end of the last lease, remembered over restarts. */
export function leaseKept(): Mutations['gate'] {
  const ends = new Map<string, number>();
  return deciding((decide, intent, around) => {
    const decision = decide(intent);
    const key = `${around.process} ${intent.subjectKey}`;
    if (decision.kind === 'allow') ends.set(key, around.now() + decision.deadline - around.clock.monotonic());
    if (decision.kind !== 'stale' || decision.reason === 'below-version') return decision;
    if (around.now() >= (ends.get(key) ?? 0)) return decision;
    return byConsentAlone(intent, around, around.clock.now());
  });
}

/** Decided once per subject and purpose, then taken as decided. */
export function decidedOnce(): Mutations['gate'] {
  const allowed = new Set<string>();
  return deciding((decide, intent, { process, clock }) => {
    const decision = decide(intent);
    const key = `${process} ${intent.subjectKey} ${intent.purpose}`;
    if (decision.kind === 'allow') allowed.add(key);
    if (!allowed.has(key) || decision.kind === 'allow') return decision;
    return { kind: 'allow', deadline: clock.monotonic() + day, version: 0 };
  });
}

export const causalIgnored = deciding((decide, { subjectKey, purpose, recipient }) =>
  decide({ subjectKey, purpose, recipient }),
);

/** A grant ends when an event says so, and only then. */
export const expiryByEvent = deciding((decide, intent, around) => {
  const decision = decide(intent);
  if (decision.kind === 'allow') return { ...decision, deadline: decision.deadline + day };
  if (decision.kind !== 'deny' || decision.reason !== 'expired') return decision;
  return byConsentAlone(intent, around, 0);
});

/** The replica behind a wrapper that commits differently. */
const committing =
  (commit: (replica: Replica, batch: Batch) => void): Mutations['ground'] =>
  (ground) => ({
    ...ground,
    replica: new Proxy(ground.replica, {
      get(target, name) {
        if (name === 'commit') return (batch: Batch) => commit(target, batch);
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as Replica['get']) : value;
      },
    }),
  });

type Unfenced = Replica & { readonly subjects: Map<string, unknown>; readonly broken: boolean };

export const noVersionCheck = committing((replica, batch) => {
  for (const { subjectKey } of batch.subjects ?? []) (replica as Unfenced).subjects.delete(subjectKey);
  replica.commit(batch);
});

/** Offsets first, state a little later: a process that ends in between has lost it. */
export const offsetsFirst = committing((replica, batch) => {
  const { subjects, ...rest } = batch;
  replica.commit(rest);
  if (subjects !== undefined) setTimeout(() => (replica as Unfenced).broken || replica.commit({ subjects }), 40);
});

/** GATE-3: a gap is noted, and the replica goes on as it is from wherever the logs are by then. */
export const gapForgiven: Mutations['ground'] = ({ replica, api, ...ground }) => {
  const held = replica as Unfenced;
  return {
    ...ground,
    replica: new Proxy(replica, {
      get(target, name) {
        if (name === 'empty') return () => {};
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as Replica['get']) : value;
      },
    }),
    api: {
      catalogue: (signal) => api.catalogue(signal),
      async *snapshot(signal) {
        const before = held.subjects.size > 0;
        for await (const line of api.snapshot(signal)) if (line.kind !== 'subject' || !before) yield line;
      },
    },
  };
};

/** The snapshot is older than the ends of the logs that were noted before it. */
export const oldSnapshot: Mutations['ground'] = (ground, { now }) => {
  const { api } = ground;
  return {
    ...ground,
    api: {
      catalogue: (signal) => api.catalogue(signal),
      async *snapshot(signal) {
        if (snapshotKept === null || now() < snapshotKept.at || now() - snapshotKept.at > 4_000) {
          const lines = [];
          for await (const line of api.snapshot(signal)) lines.push(line);
          snapshotKept = { at: now(), lines };
        }
        yield* snapshotKept.lines as never[];
      },
    },
  };
};
let snapshotKept: { readonly at: number; readonly lines: readonly unknown[] } | null = null;
