import type { MigrationClass } from '@entente/postgres';
import { Tracker1700000000001 } from './0001-tracker.ts';
import { Contradictions1700000000021 } from './0003-contradictions.ts';

/** What `entente migrate` applies to the schema `ops`; oldest first. */
export const opsMigrations: MigrationClass[] = [Tracker1700000000001, Contradictions1700000000021];
