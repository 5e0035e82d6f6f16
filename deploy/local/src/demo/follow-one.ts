import type { EntenteClient, Propagation } from '../client/entente-client.ts';
import { stackRecipients, type Stack } from '../stack/stack.ts';
import { decisionInWords, decisionOf } from './ask-decision.ts';
import { inMs } from './report.ts';
import { sharedPurpose } from './share-stream.ts';
import { untilAccepted, withdrawEverything, type Subject, type Withdrawal } from './withdrawals.ts';

/** What the enforcement point of the demo asks about. */
const asked = 'meta-ads';

/** Follows one withdrawal on the screen, hop by hop, as each becomes known. Milliseconds count from the commit. */
export async function followOne(options: {
  stack: Stack;
  client: EntenteClient;
  person: Subject;
  say: (line: string) => void;
}): Promise<Withdrawal> {
  const { client, person, say } = options;
  const question = { subjectId: person.subjectId, purpose: sharedPurpose(asked), recipient: asked };
  const before = await decisionOf(client, question);
  say(`may ${question.purpose} go to ${asked}? POST /v1/decisions:check says ${decisionInWords(before)}`);
  say(`one person says no to everything: POST /v1/withdrawals {"subjectId":"${person.subjectId}"}`);
  const withdrawal = await withdrawEverything(client, person);
  say(
    `  recorded and answered in ${inMs(withdrawal.answeredMs)} (version ${withdrawal.change.version}, ${withdrawal.change.changeId})`,
  );
  const told = new Set<string>();
  const tell = (key: string, line: string): void => {
    if (told.has(key)) return;
    told.add(key);
    say(line);
  };
  const show = (propagation: Propagation): void => {
    for (const { recipient, name, gateClosedMs, acceptedMs, outcome } of [...propagation.recipients].sort(
      (a, b) => (a.gateClosedMs ?? Infinity) - (b.gateClosedMs ?? Infinity),
    ))
      if (gateClosedMs !== undefined)
        tell(`gate ${recipient}`, `  ${inMs(gateClosedMs).padStart(8)}  gate closed: nothing more leaves for ${name}`);
      else if (acceptedMs !== undefined)
        tell(`early ${recipient} ${outcome}`, `            ${name} answered before its gate’s confirmation was seen`);
    for (const { recipient, name, acceptedMs, outcome } of [...propagation.recipients].sort(
      (a, b) => (a.acceptedMs ?? Infinity) - (b.acceptedMs ?? Infinity),
    ))
      if (acceptedMs !== undefined)
        tell(
          `accepted ${recipient}`,
          `  ${inMs(acceptedMs).padStart(8)}  ${name} ${outcome === 'accepted' ? 'accepted the revocation' : (outcome ?? 'answered')}`,
        );
  };
  const end = await untilAccepted(client, withdrawal.change.changeId, 30_000, show);
  if (!end?.allAccepted)
    say(
      `  not everywhere after 30 s: ${JSON.stringify(end?.recipients.map(({ recipient, state }) => ({ recipient, state })) ?? stackRecipients.map((r) => r.recipient))}`,
    );
  const after = await decisionOf(client, { ...question, atLeastVersion: withdrawal.change.version });
  say(`  may it go now? ${decisionInWords(after)}`);
  if (before.decision !== 'allow' || after.decision !== 'deny') throw new Error('a gate replica answered wrongly');
  return withdrawal;
}
