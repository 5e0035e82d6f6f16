import type { Rule } from '../../faults/checker/index.ts';
import * as database from './database-mutants.ts';
import * as delivery from './delivery-mutants.ts';
import * as gate from './gate-mutants.ts';
import * as recording from './recording-mutants.ts';
import * as restore from './restore-mutants.ts';
import { noMutations, type Mutations } from './mutations.ts';

/** A planted bug, by what it should be caught, and within how many seeds. */
interface Mutant {
  readonly make: () => Partial<Mutations>;
  readonly caughtBy: readonly Rule[];
  readonly seeds: number;
  /** Where a campaign of more seeds has shown what it takes, which few have: they begin here. Default 1. */
  readonly from?: number;
}

/** reliability-plan §6. */
export const mutants: Readonly<Record<string, Mutant>> = {
  'ack-before-commit': { make: () => ({ database: database.ackBeforeCommit }), caughtBy: ['DURABLE-ACK'], seeds: 60 },
  'no-outbox': { make: () => ({ killed: database.noOutbox }), caughtBy: ['NO-LOSS', 'NO-LEAK'], seeds: 60 },
  'cursor-on-sequence': {
    make: () => ({ database: database.cursorOnSequence }),
    caughtBy: ['NO-LOSS', 'NO-LEAK'],
    seeds: 40,
  },
  'marked-before-produce': {
    make: () => ({ database: database.markedBeforeProduce }),
    caughtBy: ['NO-LOSS', 'NO-LEAK'],
    seeds: 40,
  },
  'proof-from-timer': { make: () => ({ database: database.proofFromTimer }), caughtBy: ['NO-LEAK'], seeds: 20 },
  'proof-after-truncated-batch': {
    make: () => ({ database: database.proofAfterTruncatedBatch }),
    caughtBy: ['NO-LEAK'],
    seeds: 60,
  },
  'unproven-primary': {
    make: () => ({ database: database.unprovenPrimary }),
    caughtBy: ['NO-LEAK', 'NO-LEAK-STRICT'],
    seeds: 400,
  },
  'no-lease': { make: () => ({ gate: gate.noLease }), caughtBy: ['FAIL-CLOSED', 'NO-LEAK', 'LEASE-RESET'], seeds: 20 },
  'lease-kept-over-restart': { make: () => ({ gate: gate.leaseKept() }), caughtBy: ['LEASE-RESET'], seeds: 60 },
  'no-recheck': { make: () => ({ gate: gate.decidedOnce() }), caughtBy: ['NO-LEAK', 'RE-CHECK'], seeds: 20 },
  'causal-ignored': { make: () => ({ gate: gate.causalIgnored }), caughtBy: ['CAUSAL'], seeds: 60 },
  'expiry-by-event': { make: () => ({ gate: gate.expiryByEvent }), caughtBy: ['EXPIRY'], seeds: 20 },
  'strict-without-waiting': {
    make: () => ({ waitForGates: () => Promise.resolve() }),
    caughtBy: ['NO-LEAK-STRICT'],
    seeds: 60,
  },
  'lost-gates-unthought-of': {
    make: () => ({ database: restore.lostGatesUnthoughtOf }),
    caughtBy: ['NO-LEAK-STRICT'],
    ...{ from: 900, seeds: 60 },
  },
  'no-version-check': { make: () => ({ ground: gate.noVersionCheck }), caughtBy: ['ORDER', 'NO-LEAK'], seeds: 20 },
  'offset-before-apply': {
    make: () => ({ ground: gate.offsetsFirst }),
    caughtBy: ['NO-LEAK', 'NO-LOSS', 'NO-LEAK-STRICT'],
    seeds: 200,
  },
  'old-snapshot': { make: () => ({ ground: gate.oldSnapshot }), caughtBy: ['NO-LEAK', 'NO-LOSS', 'ORDER'], seeds: 340 },
  'incarnation-kept': {
    make: () => ({ database: restore.incarnationKept }),
    caughtBy: ['ORDER', 'NO-LEAK'],
    seeds: 80,
  },
  'restore-unnoticed': {
    make: () => ({ database: delivery.restoreUnnoticed }),
    caughtBy: ['ACK-TRUTH', 'CONVERGENCE'],
    seeds: 120,
  },
  'window-forgotten': {
    make: () => ({ database: delivery.windowForgotten }),
    caughtBy: ['ACK-TRUTH'],
    seeds: 120,
  },
  'database-unasked': {
    make: () => ({ connected: () => () => Promise.resolve() }),
    caughtBy: ['ACK-TRUTH', 'CONVERGENCE'],
    seeds: 120,
  },
  'restore-gives-back': {
    make: () => ({ restoring: restore.givesBack }),
    caughtBy: ['RESTORED', 'NO-LEAK'],
    seeds: 60,
  },
  'restore-skips': {
    make: () => ({ restoring: restore.skips }),
    caughtBy: ['DURABLE-ACK', 'NO-LEAK', 'NO-PHANTOM'],
    seeds: 60,
  },
  'whole-or-nothing': { make: () => ({ recording: recording.wholeOrNothing }), caughtBy: ['NEVER-BLOCKED'], seeds: 20 },
  'numbers-by-cursor': { make: () => ({ database: database.numbersByCursor }), caughtBy: ['LEDGER'], seeds: 60 },
  'owner-never-freed': { make: () => ({ database: database.ownerNeverFreed }), caughtBy: ['TAKEOVER'], seeds: 60 },
  'epoch-kept': { make: () => ({ relayed: recording.epochKept }), caughtBy: ['GAP'], seeds: 60 },
  'gap-forgiven': { make: () => ({ ground: gate.gapForgiven }), caughtBy: ['NO-LOSS', 'NO-LEAK'], seeds: 120 },
  'unproven-read': {
    make: () => ({ database: database.unprovenRead }),
    caughtBy: ['DURABLE-ACK', 'NO-LEAK', 'NO-LEAK-STRICT'],
    seeds: 600,
  },
  'exposure-after-send': {
    make: () => ({ register: delivery.exposureAfterSend }),
    caughtBy: ['ACK-TRUTH', 'CONVERGENCE'],
    seeds: 40,
  },
  'grant-over-attempt': {
    make: () => ({ database: delivery.grantOverAttempt }),
    caughtBy: ['FENCE', 'ACK-TRUTH'],
    seeds: 80,
  },
  'denial-restates': {
    make: () => ({ database: delivery.denialRestates }),
    caughtBy: ['FAIL-CLOSED', 'RE-CHECK', 'LEASE-RESET', 'ACK-TRUTH'],
    seeds: 20,
  },
  'preloaded-forgotten': {
    make: () => ({ database: delivery.preloadedForgotten }),
    caughtBy: ['CONVERGENCE'],
    seeds: 40,
  },
  'settles-newer': { make: () => ({ tracked: delivery.settlesNewer }), caughtBy: ['ACK-TRUTH'], seeds: 40 },
  'timeout-is-enforced': {
    make: () => ({ revoked: (sent, outcome) => (sent.kind === 'unclear' ? { kind: 'applied' } : outcome) }),
    caughtBy: ['ACK-TRUTH'],
    seeds: 40,
  },
  'error-body-is-enforced': {
    make: () => ({
      revoked: (sent, outcome) =>
        sent.kind === 'answered' && sent.response.status === 200 ? { kind: 'applied' } : outcome,
    }),
    caughtBy: ['ACK-TRUTH'],
    seeds: 40,
  },
};

export const mutantNames: readonly string[] = Object.keys(mutants);

export function mutationOf(name: string | null): Mutations {
  const mutant = name === null ? undefined : mutants[name];
  return { ...noMutations, ...mutant?.make() };
}
