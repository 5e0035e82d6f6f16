import type { Benchmark } from '../benchmark.ts';
import { withInfrastructure } from '../infrastructure.ts';
import { Latencies, type Summary } from '../latencies.ts';
import { stealShare } from '../machine.ts';
import { compared, interleaved } from '../rounds.ts';
import { agreed, allRevoked, setFaults, stackWithPreloaded } from './preloaded-partners.ts';
import { openLoop } from '../open-loop.ts';
import { starterCatalogue, starterNotice, type EntenteClient, type Stack } from '@entente/local';

const [slow, other] = ['slow-crm', 'other-crm'];
/** Half of what the partner's limit allows, so that its limit is not what is measured. */
const perSecond = 8;

/** What is done to one side of the system while the other is measured; ends it. */
type Disturbance = (stack: Stack, round: number) => Promise<{ stop(): Promise<void> }>;

interface Isolated extends Pick<Benchmark, 'id' | 'what' | 'baseline' | 'answers'> {
  readonly recipients: readonly string[];
  readonly neighbour?: string;
  readonly disturb: Disturbance;
  /** What else happens while the baseline is measured; nothing unless given. */
  readonly meanwhile?: Disturbance;
  readonly note: string;
}

const isolated = ({ recipients, neighbour, disturb, meanwhile, note, ...named }: Isolated): Benchmark => ({
  ...named,
  run: async ({ rounds, seconds, say }) =>
    withInfrastructure(say, async (infrastructure) => {
      const stack = await stackWithPreloaded(infrastructure, recipients, neighbour);
      try {
        let turn = 0;
        const side = async (disturbing?: Disturbance): Promise<Summary> => {
          turn += 1;
          const running = await disturbing?.(stack, turn);
          const summary = await withdrawals(stack, `${named.id}-${turn}`, seconds);
          await running?.stop();
          return summary;
        };
        await side(meanwhile);
        const measured = await interleaved<'ours' | 'baseline', Summary>(
          { ours: () => side(disturb), baseline: () => side(meanwhile) },
          rounds,
          stealShare,
        );
        for (const round of measured) say(JSON.stringify(round));
        const figure = (what: 'p50' | 'p99') => ({
          ...{ what, unit: 'ms' },
          ...compared(measured, ['ours', 'baseline'], (of) => of[what]),
        });
        return {
          figures: [figure('p50'), { ...figure('p99'), target: { of: 'ratio', atMost: 1.2 } }],
          notes: [
            `From the intended start of the withdrawal to its effect at the partner, by that partner’s own log. ${note}`,
          ],
        };
      } finally {
        await stack.stop();
      }
    }),
});

/** One partner that answers after two seconds, and another of the same service: how much later is the other one served? */
export const isolation = isolated({
  id: 'isolation',
  what: `withdrawal → effect at a partner, ${perSecond}/s, while another partner of the same service is slow`,
  baseline: 'the same, with both partners quick',
  answers: 'Whether one slow partner delays the others (head-of-line blocking).',
  recipients: [slow, other],
  disturb: async (stack) => {
    await setFaults(stack, slow, [{ kind: 'slow', ms: 2_000 }]);
    return { stop: () => setFaults(stack, slow, []) };
  },
  note: 'Both are HubSpots of the same connector service, with queues, limits and breakers of their own.',
});

/**
 * Changes of the disturbing side, 1/s: more than twice what everybody else asks for here, and less than what fills the two
 * cores that broker, database, services and load share, for then whoever shares them waits, whatever the queues do.
 */
const floodPerSecond = 20;

/**
 * The same work, asked for by everybody a little: on two cores that broker, database, services and load share, whoever else
 * works costs the others time. What one who asks for much costs them beyond that is what queues decide. Of a purpose that the
 * measured partner has nothing of, for the calls it allows are half used already.
 */
const spreadOut: Disturbance = (stack, round) => {
  let next = 0;
  return flood(stack.client('operator'), () => `spread-${round}-${Math.floor((next += 1) / 2)}`, 'personalised-ads');
};
const spreadOutBaseline = `the same, with as many changes a second made by ever other people`;

/** One person whose consents change twenty times a second. */
export const isolationSubject = isolated({
  id: 'isolation-subject',
  what: `withdrawal → effect at a partner, ${perSecond}/s, while one person’s consents change ${floodPerSecond} times a second`,
  baseline: spreadOutBaseline,
  answers: 'Whether one busy subject delays the others.',
  recipients: [other],
  disturb: (stack, round) => flood(stack.client('operator'), () => `busy-${round}`),
  meanwhile: spreadOut,
  note: 'The busy person’s changes alternate, so that each is committed, published, and revoked at the same partner.',
});

/** Another controller on the same consent service, all of whose people withdraw. */
export const isolationController = isolated({
  id: 'isolation-controller',
  what: `withdrawal → effect at a partner, ${perSecond}/s, while another controller’s people make ${floodPerSecond} changes a second`,
  baseline: spreadOutBaseline,
  answers: 'Whether one busy controller delays the others.',
  recipients: [other],
  neighbour: 'neighbour',
  disturb: async (stack, round) => {
    const client = stack.client('neighbour');
    // Once: a catalogue that stands already is no change.
    if (round === firstDisturbed) await client.changeCatalogue(starterCatalogue);
    let next = 0;
    return flood(client, () => `neighbour-${round}-${Math.floor((next += 1) / 2)}`, 'personalised-ads');
  },
  meanwhile: spreadOut,
  note: 'Both share consent service, relay and topics; connectors serve one controller each (ADR 3).',
});

/** The first round is the warm-up, without a disturbance. */
const firstDisturbed = 2;

/** Grants and withdrawals in turns, at a fixed rate until stopped; what is not answered in time is no reason to stop. */
async function flood(
  client: EntenteClient,
  subject: () => string,
  purpose = 'email-marketing',
): ReturnType<Disturbance> {
  const stopped = new AbortController();
  let turn = 0;
  const change = async (): Promise<void> => {
    const subjectId = subject();
    turn += 1;
    const decisions = [{ purpose, decision: 'granted' }] as const;
    const identifiers = { email: `${subjectId}@example.org` };
    if (turn % 2 === 1)
      await client.grant({ subjectId, notice: starterNotice, decisions, identifiers }, `${subjectId}-${turn}`);
    else await client.withdraw(subjectId, [purpose]);
  };
  const running = (async () => {
    while (!stopped.signal.aborted) await openLoop({ perSecond: floodPerSecond, seconds: 1, start: change });
  })();
  return {
    stop: async () => {
      stopped.abort();
      await running;
    },
  };
}

async function withdrawals(stack: Stack, name: string, seconds: number): Promise<Summary> {
  const people = await agreed(stack, name, Math.round(perSecond * seconds));
  const client = stack.client('operator');
  const intendedAt = new Map<string, number>();
  const toClock = Number(process.hrtime.bigint() / 1_000n) / 1_000 - performance.now();
  const paced = await openLoop({
    perSecond,
    seconds: people.length / perSecond,
    start: async (index, intended) => {
      const subjectId = people[index] ?? '';
      intendedAt.set(subjectId, intended + toClock);
      await client.withdraw(subjectId);
    },
  });
  if (paced.failed > 0) throw new Error(`${paced.failed} withdrawals were not answered`, { cause: paced.firstFailure });
  const { revoked } = await allRevoked(stack, other, people);
  const latencies = new Latencies();
  for (const [subjectId, at] of revoked) latencies.add(Math.max(0, at - (intendedAt.get(subjectId) ?? at)));
  return latencies.summary();
}
