import type { Random } from '../../../sim/engine/random.ts';
import type { Recording } from '../recording.ts';
import type { World } from '../world.ts';
import { brokerFaults } from './brokers.ts';
import { clockFaults } from './clocks.ts';
import { crashFaults } from './crash-points.ts';
import { databaseFaults } from './databases.ts';
import { diskFaults } from './disks.ts';
import type { Fault } from './fault.ts';
import { groupFaults } from './groups.ts';
import { keyFaults } from './keys.ts';
import { lineFaults } from './lines.ts';
import { logFaults } from './logs.ts';
import { partnerFaults } from './partners.ts';
import { processFaults } from './processes.ts';
import { strangeRecords } from './strange-records.ts';

/** Every fault of the matrix that one host can produce without harm to itself (reliability-plan §5). */
export const faultMenu = (world: World, recording: Recording, random: Random): Fault[] => [
  ...processFaults(world, recording),
  ...crashFaults(world, recording, random),
  ...brokerFaults(world, random),
  ...databaseFaults(world, recording),
  ...diskFaults(world, recording),
  ...logFaults(world, recording, random),
  ...lineFaults(world, random),
  ...partnerFaults(world),
  ...groupFaults(world, random),
  ...strangeRecords(world, random),
  ...keyFaults(world, recording),
  ...clockFaults(world, random),
];
