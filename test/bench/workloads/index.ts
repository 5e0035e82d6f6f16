import type { Benchmark } from '../benchmark.ts';
import { durableWrites } from './b1-write.ts';
import { relayDrain } from './b2-relay.ts';
import { propagation } from './b3-propagate.ts';
import { gateCheck } from './b4-gate.ts';
import { decisionsOverHttp } from './b5-decisions.ts';
import { strict } from './b6-strict.ts';
import { enforcement } from './b7-enforce.ts';
import { catchUp } from './b9-catch-up.ts';
import { subjectsSweep } from './b10-subjects.ts';
import { consolePages } from './b11-console.ts';
import { ledger } from './b12-ledger.ts';
import { drain } from './drain.ts';
import { idle } from './idle.ts';
import { bulkImport } from './import.ts';
import { isolation, isolationController, isolationSubject } from './isolation.ts';
import { opsOverhead } from './ops-overhead.ts';

/** In the order of the page (reliability-plan.md §8). B8 is measured with B4, whose million subjects it needs. */
export const catalogue: readonly Benchmark[] = [
  ...[durableWrites, relayDrain, propagation, bulkImport, gateCheck, decisionsOverHttp, strict, enforcement],
  ...[catchUp, subjectsSweep, consolePages, ledger, idle],
  ...[opsOverhead, isolation, isolationSubject, isolationController, drain],
];

/** Of `--all`: every number of the plan; those that need long rounds to say anything are run by name. */
export const shortRun: readonly string[] = [
  ...['B1', 'B2', 'B3', 'import', 'B4', 'B5', 'B6', 'B7', 'B9', 'B10', 'B11', 'B12', 'idle'],
];
