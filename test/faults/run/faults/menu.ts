import type { Random } from '../../../sim/engine/random.ts';
import type { Recording } from '../recording.ts';
import type { World } from '../world.ts';
import { brokerFaults } from './brokers.ts';
import { crashFaults } from './crash-points.ts';
import type { Fault } from './fault.ts';
import { groupFaults } from './groups.ts';
import { lineFaults } from './lines.ts';
import { partnerFaults } from './partners.ts';
import { processFaults } from './processes.ts';

/** Every fault of the matrix that one host can produce without harm to itself (reliability-plan §5). */
export const faultMenu = (world: World, recording: Recording, random: Random): Fault[] => [
  ...processFaults(world, recording),
  ...crashFaults(world, recording, random),
  ...brokerFaults(world.infrastructure.kafka.brokers),
  ...lineFaults(world, random),
  ...partnerFaults(world),
  ...groupFaults(world, random),
];
