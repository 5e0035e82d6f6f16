import { createHash } from 'node:crypto';
import type { HistoryEvent } from '../../checker/index.ts';
import { monotonicMs } from '../clock.ts';
import { controller } from '../workload.ts';
import type { World } from '../world.ts';

interface MetaState {
  readonly audiences: Readonly<Record<string, readonly string[]>>;
}
interface SegmentState {
  readonly users: readonly {
    readonly userId: string;
    readonly preferences?: Readonly<Record<string, boolean>>;
    readonly suppressed: boolean;
  }[];
}
interface HubspotState {
  readonly people: readonly {
    readonly email: string;
    readonly subscriptions: Readonly<Record<string, string>>;
    readonly optedOutOfAll: boolean;
  }[];
}

/** What each partner may still use at the end, read from its own store. */
export async function readPartnerStates(world: World, keys: ReadonlyMap<string, string>): Promise<HistoryEvent[]> {
  const { partners } = world.stack;
  const read = async <T>(controlUrl: string): Promise<T> => (await (await fetch(`${controlUrl}/state`)).json()) as T;
  const meta = new Set(Object.values((await read<MetaState>(partners.meta.controlUrl)).audiences).flat());
  const users = new Map(
    (await read<SegmentState>(partners.segment.controlUrl)).users.map((user) => [user.userId, user]),
  );
  const contacts = new Map(
    (await read<HubspotState>(partners.hubspot.controlUrl)).people.map((one) => [one.email, one]),
  );
  return world.people.flatMap(({ subjectId, email }): HistoryEvent[] => {
    const subject = keys.get(subjectId);
    if (subject === undefined) return [];
    const user = users.get(subjectId);
    const contact = contacts.get(email);
    const held = (recipient: string, holds: boolean, purpose: string): HistoryEvent => ({
      ...{ kind: 'partner.state', at: monotonicMs(), controller, subject, recipient },
      purposes: holds ? [purpose] : [],
    });
    const analysed = user !== undefined && !user.suppressed && user.preferences?.['Analytics'] !== false;
    const mailed = contact !== undefined && !contact.optedOutOfAll && contact.subscriptions['1001'] !== 'UNSUBSCRIBED';
    return [
      held('meta-ads', meta.has(createHash('sha256').update(email).digest('hex')), 'personalised-ads'),
      held('segment-analytics', analysed, 'product-analytics'),
      held('hubspot-crm', mailed, 'email-marketing'),
    ];
  });
}
