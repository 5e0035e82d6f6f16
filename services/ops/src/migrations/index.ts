import type { MigrationClass } from '@entente/postgres';
import { Tracker1700000000001 } from './0001-tracker.ts';
import { Console1700000000002 } from './0002-console.ts';
import { Contradictions1700000000021 } from './0003-contradictions.ts';
import { Canaries1700000000031 } from './0004-canaries.ts';
import { Leaks1700000000032 } from './0005-leaks.ts';
import { LogHorizon1700000000033 } from './0006-log-horizon.ts';
import { DocumentedDelays1700000000041 } from './0007-documented-delays.ts';
import { EgressLookedAt1700000000042 } from './0008-egress-looked-at.ts';
import { BacklogPace1700000000051 } from './0009-backlog-pace.ts';
import { DismissedRecords1700000000061 } from './0010-dismissed-records.ts';

/** What `entente migrate` applies to the schema `ops`; oldest first. */
export const opsMigrations: MigrationClass[] = [
  Tracker1700000000001,
  Console1700000000002,
  Contradictions1700000000021,
  Canaries1700000000031,
  Leaks1700000000032,
  LogHorizon1700000000033,
  DocumentedDelays1700000000041,
  EgressLookedAt1700000000042,
  BacklogPace1700000000051,
  DismissedRecords1700000000061,
];
