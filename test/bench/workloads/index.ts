import type { Benchmark } from '../benchmark.ts';
import { durableWrites } from './b1-write.ts';
import { relayDrain } from './b2-relay.ts';
export const catalogue: readonly Benchmark[] = [durableWrites, relayDrain];
export const shortRun: readonly string[] = ['B1', 'B2'];
