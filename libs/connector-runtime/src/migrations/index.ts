import { Deliveries1700000000001 } from './1-deliveries.ts';
import { Confirmations1700000000002 } from './2-confirmations.ts';
import { Restores1700000000025 } from './3-restores.ts';
import { Traces1700000000031 } from './3-traces.ts';
import { DryComparisons1700000000032 } from './4-dry-comparisons.ts';
import { Replays1700000000051 } from './5-replays.ts';
import { ComparisonsOwed1700000000061 } from './6-comparisons-owed.ts';
import { RestoredAt1700000000071 } from './7-restored-at.ts';
import { RepublishOwed1700000000081 } from './8-republish-owed.ts';

/** Migrations of a connector service's schema, in order. The schema is the one of the connection's search path. */
export const connectorMigrations = [
  Deliveries1700000000001,
  Confirmations1700000000002,
  Restores1700000000025,
  Traces1700000000031,
  DryComparisons1700000000032,
  Replays1700000000051,
  ComparisonsOwed1700000000061,
  RestoredAt1700000000071,
  RepublishOwed1700000000081,
];
