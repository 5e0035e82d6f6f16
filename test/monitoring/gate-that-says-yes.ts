import { existsSync } from 'node:fs';
import { Gate, type Decision, type Intent } from '@entente/gate';
import { systemClock } from '@entente/observability';

/**
 * Loaded into a connector by `node --import`, before its own code: while a file exists, its gate allows what it should deny,
 * at a version that no row of the exposure register knows better. Everything else of that process is as it ships, and nothing
 * that ships can be told to do this.
 */
const file = new URL(import.meta.url).searchParams.get('while');
if (file === null) throw new Error('say while which file exists: gate-that-says-yes.ts?while=PATH');

const honest: (this: Gate, intent: Intent) => Decision = Reflect.get(Gate.prototype, 'decide');
/** As long as half a lease. */
const allowedForMs = 1_000;

Gate.prototype.decide = function decide(this: Gate, intent: Intent): Decision {
  const decision = honest.call(this, intent);
  if (decision.kind !== 'deny' || !existsSync(file)) return decision;
  return { kind: 'allow', deadline: systemClock.monotonic() + allowedForMs, version: Number.MAX_SAFE_INTEGER };
};
