import type { EntenteClient, Propagation } from '../client/entente-client.ts';
import { stackRecipients } from '../stack/stack.ts';
import { starterCatalogue, starterNotice } from '../stack/starter-catalogue.ts';
import type { LeakCount } from './leak-count.ts';
import type { SignalFigures } from './report.ts';
import { sharedPurpose } from './share-stream.ts';
import { acceptedAll, takenBack } from './tc-string.ts';
import type { Subject, Withdrawal } from './withdrawals.ts';

/** What a browser may say a person wants: a header that it sends to every site, or a string of the site's consent banner. */
export const signalKinds = ['gpc', 'tcf'] as const;
export type SignalKind = (typeof signalKinds)[number];

export interface SignalWithdrawal extends Withdrawal {
  readonly kind: SignalKind;
}

/** Most TC strings on their way at once. */
const atOnce = 50;
/** The banner of the demo's shop. */
const source = 'www';

/** What a TC string can speak of; e-mail marketing is none of it. */
const inBanner = new Set<string>(
  starterCatalogue.purposes.flatMap(({ id, mapping }) => ('tcf' in mapping ? [id] : [])),
);
export const notInBanner: readonly string[] = starterCatalogue.purposes
  .map(({ id }) => id)
  .filter((id) => !inBanner.has(id));

/** These people accepted in the banner: a TC string each, which grants what nobody had asked them yet (SIG-2). */
export async function acceptInBanner(client: EntenteClient, people: readonly Subject[]): Promise<void> {
  const raw = acceptedAll();
  for (let from = 0; from < people.length; from += atOnce)
    await Promise.all(
      people.slice(from, from + atOnce).map(async ({ subjectId }) => {
        const { results } = await client.signal({ subjectId, kind: 'tcf', raw, source, notice: starterNotice });
        const granted = results.filter(({ decision }) => decision === 'granted').length;
        if (granted < inBanner.size) throw new Error(`a TC string granted ${granted} purposes of ${inBanner.size}`);
      }),
    );
}

/**
 * A browser says no: by `Sec-GPC: 1`, or by a TC string that takes everything back. It denies what it can speak of, so the leak
 * count looks at the partners that were given the person's data for just that.
 */
export async function withdrawBySignal(
  client: EntenteClient,
  person: Subject,
  kind: SignalKind,
): Promise<SignalWithdrawal> {
  const { subjectId } = person;
  const started = performance.now();
  const { change, results } =
    kind === 'gpc'
      ? await client.signal({ subjectId, kind, source }, { 'sec-gpc': '1' })
      : await client.signal({ subjectId, kind, source, raw: takenBack() });
  const answeredNs = process.hrtime.bigint();
  const denied = new Set(results.flatMap(({ purpose, decision }) => (decision === 'denied' ? [purpose] : [])));
  const at = stackRecipients.filter(({ recipient }) => denied.has(sharedPurpose(recipient)));
  if (change === undefined || at.length === 0) throw new Error(`a ${kind} signal took nothing away`);
  return {
    ...person,
    ...{ kind, change, answeredNs, answeredMs: performance.now() - started },
    at: at.map(({ partner }) => partner),
  };
}

/** Each kind's own figures: how many there were, how many of them every partner concerned has accepted, and leaks of them. */
export function signalFigures(
  withdrawals: readonly SignalWithdrawal[],
  propagations: readonly Propagation[],
  { leaks }: Pick<LeakCount, 'leaks'>,
): Pick<SignalFigures, SignalKind> {
  const accepted = new Set(propagations.flatMap((p) => (p.allAccepted ? [p.changeId] : [])));
  const of = (kind: SignalKind) => {
    const those = withdrawals.filter((withdrawal) => withdrawal.kind === kind);
    const people = new Set(those.map(({ subjectId }) => subjectId));
    return {
      withdrawals: those.length,
      accepted: those.filter(({ change }) => accepted.has(change.changeId)).length,
      leaks: leaks.filter(({ subjectId }) => people.has(subjectId)).length,
    };
  };
  return { gpc: of('gpc'), tcf: of('tcf') };
}

/** In one line of the screen. */
export const inWords = ({ gpc, tcf }: Pick<SignalFigures, SignalKind>): string =>
  `browsers said no too: ${gpc.withdrawals} by Sec-GPC (ads stop, ${gpc.accepted} accepted), ${tcf.withdrawals} by a TC string (all but e-mail stops, ${tcf.accepted} accepted); ${gpc.leaks + tcf.leaks} leaks of what they took away`;
