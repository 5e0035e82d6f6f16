import type { ControllerId } from '@entente/contracts';
import { Refusal } from '@entente/http';
import type { FastifyReply } from 'fastify';
import type { GateWaiter } from '../gates/wait-for-gates.ts';
import type { RecordedAnswer, Rejection } from '../ledger/answer.ts';
import type { Command } from '../ledger/command.ts';
import type { Recorder } from '../ledger/recorder.ts';
import type { GatesBody, RecordedBody } from './answers.dto.ts';
import type { PropagationLinks } from './propagation-links.ts';

/** Records what a request asks for and answers it: the same for every recording route. */
export class Recording {
  readonly #recorder: Recorder;
  readonly #gates: GateWaiter;
  readonly #links: PropagationLinks;

  constructor(recorder: Recorder, gates: GateWaiter, links: PropagationLinks) {
    this.#recorder = recorder;
    this.#gates = gates;
    this.#links = links;
  }

  async record(command: Command, wait: 'gates' | 'none' | undefined, reply: FastifyReply): Promise<RecordedBody> {
    const recorded = await this.#recorder.record(command);
    if (recorded.kind === 'rejected') throw refusalOf(recorded.rejection);
    const { answer, committed } = recorded;
    const gates = wait === 'gates' ? { gates: await this.confirmed(command.controller, answer, committed) } : {};
    void reply.headers({ etag: `"${answer.version}"`, 'cache-control': 'no-store' });
    return { ...answer, ...gates, links: this.linksOf(answer.changeId) };
  }

  linksOf(changeId: string): RecordedBody['links'] {
    return this.#links.of(changeId);
  }

  /** GATE-6, for every key of the person that changed: as confirmed as the least confirmed of them. */
  async confirmed(controller: ControllerId, answer: RecordedAnswer, committed: boolean): Promise<GatesBody> {
    const changed = [answer, ...(answer.linked ?? [])];
    const waits = await Promise.all(
      changed.map(({ subjectKey, version }) => this.#gates.wait(controller, subjectKey, version, committed)),
    );
    return {
      confirmed: Math.min(...waits.map(({ confirmed }) => confirmed)),
      expired: Math.max(...waits.map(({ expired }) => expired)),
      waitedMs: Math.max(...waits.map(({ waitedMs }) => waitedMs)),
    };
  }
}

function refusalOf({ code, status, detail, errors }: Rejection): Refusal {
  const headers =
    status === 403
      ? { headers: { 'www-authenticate': 'Bearer realm="entente", error="insufficient_scope", scope="consent:grant"' } }
      : {};
  return new Refusal(code, status, detail, { ...headers, ...(errors === undefined ? {} : { errors }) });
}
