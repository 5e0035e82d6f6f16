import type { OfRecipient, PartnerRequest } from '../history.ts';
import { BySubject } from './by-subject.ts';
import type { Evidence } from './evidence.ts';
import { entry, firstWhere, lastWhile } from './intervals.ts';

/** A documented success that left whole: the only thing an acceptance may rest on. */
export const succeeded = ({ outcome, answered }: PartnerRequest): boolean =>
  answered && (outcome === 'applied' || outcome === 'nothing-to-do');

/** From `at` on the partner holds a purpose by this share, or holds it no longer. */
interface Step {
  readonly at: number;
  readonly share: PartnerRequest | undefined;
}

/** What reached one partner about one subject. */
interface File {
  readonly requests: PartnerRequest[];
  /** Per purpose, in order of time; made when it is asked for first. */
  steps?: ReadonlyMap<string, readonly Step[]>;
}

export class PartnerHoldings {
  readonly #files = new BySubject<Map<string, File>>();

  constructor({ events }: Evidence) {
    for (const request of events.of('partner.request')) {
      const files = this.#files.entry(request, () => new Map<string, File>());
      entry(files, request.recipient, () => ({ requests: [] })).requests.push(request);
    }
  }

  /** Requests that arrived in [from, to], in order of time. */
  arrivedIn(of: OfRecipient, from: number, to: number): PartnerRequest[] {
    const requests = this.#files.get(of)?.get(of.recipient)?.requests ?? [];
    const first = firstWhere(requests, ({ at }) => at >= from);
    return requests.slice(
      first,
      firstWhere(requests, ({ at }) => at > to),
    );
  }

  /** Purposes held at `at`, each with the share that put it there. */
  *heldAt(of: OfRecipient, at: number): Generator<readonly [purpose: string, share: PartnerRequest]> {
    const file = this.#files.get(of)?.get(of.recipient);
    if (!file) return;
    file.steps ??= stepsOf(file.requests);
    for (const [purpose, steps] of file.steps) {
      const share = lastWhile(steps, (step) => step.at <= at)?.share;
      if (share) yield [purpose, share];
    }
  }
}

/** A removal counts from the success the partner documented, and again when it took effect, where that came later. */
function stepsOf(requests: readonly PartnerRequest[]): ReadonlyMap<string, readonly Step[]> {
  const steps = new Map<string, Step[]>();
  for (const request of requests) {
    if (request.effect !== 'share') continue;
    for (const purpose of request.purposes) entry(steps, purpose, () => []);
  }
  for (const [purpose, ofPurpose] of steps) {
    for (const request of requests) {
      const names = request.purposes.includes(purpose);
      const removes = request.effect === 'erase' || (request.effect === 'revoke' && names);
      const { effectAt } = request;
      if (removes && succeeded(request)) ofPurpose.push({ at: request.at, share: undefined });
      if (removes && effectAt !== undefined) ofPurpose.push({ at: effectAt, share: undefined });
      if (request.effect === 'share' && names && effectAt !== undefined)
        ofPurpose.push({ at: effectAt, share: request });
    }
    ofPurpose.sort((a, b) => a.at - b.at);
  }
  return steps;
}
