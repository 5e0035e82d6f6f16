import { subjectId, type PurposeId, type SubjectKey } from '@entente/contracts';
import type { Command } from '../../../services/consent/src/ledger/command.ts';
import type { Recorded } from '../../../services/consent/src/ledger/answer.ts';
import { beginningMs } from '../engine/virtual-host.ts';
import type { Random } from '../engine/random.ts';
import { acme, connectorNames, connectors, notice, person, purposes } from './catalogue.ts';
import type { Connector } from './connector.ts';
import type { ConsentClient } from './consent-client.ts';
import type { World } from './world.ts';

const people = 12;
/** Mean pauses between two requests, milliseconds. */
const pace = { changes: 140, shares: 45, mixed: 900 };
const clientTimeoutMs = 6_000;

const actor = { client: 'sim', route: 'POST /v1/consents' };

/** People who change their minds, and a platform team that shares all the time. Open loop: nobody waits for an answer. */
export class Workload {
  readonly #world: World;
  readonly #random: Random;
  /** For saves that grant and deny at once: what they draw moves nobody else's. */
  readonly #saves: Random;
  readonly #consent: ConsentClient;
  readonly #connectors: readonly Connector[];
  /** The newest version a grant was answered with (GATE-5). */
  readonly #granted = new Map<SubjectKey, number>();
  #ops = 0;
  #until = 0;

  constructor(world: World, consent: ConsentClient, connectors_: readonly Connector[]) {
    this.#world = world;
    this.#random = world.random('workload');
    this.#saves = world.random('saves');
    this.#consent = consent;
    this.#connectors = connectors_;
  }

  /** Everybody grants something first; then changes and shares until the given instant. */
  run(until: number): void {
    this.#until = until;
    for (let number = 1; number <= people; number += 1)
      this.#world.scheduler.after(this.#random.between(0, 500), () => this.#grant(person(number), [...purposes]), null);
    this.#changes();
    this.#shares();
    this.#mixed();
  }

  #again(mean: number, act: () => void, random = this.#random): void {
    const { scheduler } = this.#world;
    scheduler.after(
      random.exponential(mean),
      () => {
        if (scheduler.now >= this.#until) return;
        act();
      },
      null,
    );
  }

  #changes(): void {
    this.#again(pace.changes, () => {
      const subject = person(1 + this.#random.below(people));
      if (this.#random.chance(0.5)) this.#grant(subject, this.#some());
      else this.#withdraw(subject);
      this.#changes();
    });
  }

  #shares(): void {
    this.#again(pace.shares, () => {
      this.#share();
      this.#shares();
    });
  }

  #mixed(): void {
    this.#again(
      pace.mixed,
      () => {
        this.#save(person(1 + this.#saves.below(people)));
        this.#mixed();
      },
      this.#saves,
    );
  }

  /** One purpose denied, the others granted under a precondition that is often stale (REC-3). */
  #save(subject: SubjectKey): void {
    const random = this.#saves;
    const denied = random.pick(purposes);
    const granted = purposes.filter((purpose) => purpose !== denied);
    const newest = this.#granted.get(subject) ?? 0;
    const key = random.chance(0.3) ? `key-${random.below(this.#ops + 1)}` : `mixed-${this.#ops}`;
    this.#send(subject, granted, [denied], random.chance(0.3) ? 'gates' : 'none', {
      deny: { purposes: [denied], to: 'denied' },
      grant: {
        items: granted.map((purpose, index) => ({ index, purpose })),
        notice,
        ...(random.chance(0.6) ? { ifMatch: { kind: 'version', version: newest } } : {}),
        key: { kind: 'given', key, fingerprint: `${key} ${subject} without ${denied}` },
        mayGrant: random.chance(0.9),
      },
    });
  }

  #some(): PurposeId[] {
    const chosen = purposes.filter(() => this.#random.chance(0.6));
    return chosen.length > 0 ? chosen : [this.#random.pick(purposes)];
  }

  #grant(subject: SubjectKey, granted: readonly PurposeId[]): void {
    const validMs = this.#random.between(1_500, 9_000);
    const validUntil = new Date(beginningMs + Math.floor(this.#world.scheduler.now + validMs)).toISOString();
    const expires = this.#random.chance(0.3) && !this.#world.clocksGoAhead ? { validUntil } : {};
    const key = `key-${this.#ops}`;
    this.#send(subject, granted, [], 'none', {
      grant: {
        items: granted.map((purpose, index) => ({ index, purpose, ...expires })),
        notice,
        key: { kind: 'given', key, fingerprint: key },
        mayGrant: true,
      },
    });
  }

  #withdraw(subject: SubjectKey): void {
    const all = this.#random.chance(0.4);
    const denied = all ? [...purposes] : this.#some();
    const wait = this.#random.chance(0.4) ? 'gates' : 'none';
    this.#send(subject, [], denied, wait, { deny: { purposes: all ? 'all' : denied, to: 'withdrawn' } });
  }

  #send(
    subject: SubjectKey,
    granted: readonly PurposeId[],
    denied: readonly PurposeId[],
    wait: 'none' | 'gates',
    parts: Partial<Command>,
  ): void {
    const { history, scheduler } = this.#world;
    const op = `op-${(this.#ops += 1)}`;
    const asked = Object.fromEntries([...granted.map((p) => [p, true]), ...denied.map((p) => [p, false])]) as Record<
      string,
      boolean
    >;
    history.add({
      kind: 'api.invoke',
      at: scheduler.now,
      op,
      client: 'person',
      controller: acme,
      call: 'record',
      subject,
      asked,
      wait,
    });
    const command: Command = {
      controller: acme,
      subjectId: subjectId(subject),
      candidates: [subject],
      actor,
      ...parts,
    };
    const service = this.#consent.next();
    this.#world
      .call(service.process, () => service.save(command, wait), clientTimeoutMs)
      .then(
        (recorded) => this.#answered(op, subject, recorded, granted.length > 0 && denied.length === 0),
        (error: unknown) => history.add({ kind: 'api.info', at: scheduler.now, op, why: String(error) }),
      );
  }

  #answered(op: string, subject: SubjectKey, recorded: Recorded, isGrant: boolean): void {
    const { history, scheduler } = this.#world;
    if (recorded.kind === 'rejected')
      return history.add({ kind: 'api.fail', at: scheduler.now, op, status: recorded.rejection.status });
    const { version, decisions } = recorded.answer;
    const told = Object.fromEntries(decisions.map(({ purpose, decision }) => [purpose, decision === 'granted']));
    const answers = [{ controller: acme, subject, version, recorded: told }];
    history.add({ kind: 'api.ok', at: scheduler.now, op, status: 200, answers });
    if (isGrant) this.#granted.set(subject, version);
  }

  #share(): void {
    const { history, scheduler } = this.#world;
    const name = this.#random.pick(connectorNames);
    const connector = this.#connectors.find((each) => each.name === name);
    if (connector === undefined || !connector.process.alive) return;
    const purpose = this.#random.pick(connectors[name].purposes);
    const subjectKey = person(1 + this.#random.below(people));
    const op = `op-${(this.#ops += 1)}`;
    const newest = this.#granted.get(subjectKey);
    const atLeastVersion = newest !== undefined && this.#random.chance(0.2) ? newest : undefined;
    const causal = atLeastVersion === undefined ? {} : { atLeastVersion };
    history.add({
      ...{ kind: 'api.invoke', at: scheduler.now, op, client: 'platform', controller: acme, call: 'share' },
      ...{ subject: subjectKey, process: name, recipient: connectors[name].recipient, purpose, ...causal },
    });
    const request = {
      subjectKey,
      purpose,
      identifiers: { email: subjectKey },
      fields: { note: op },
      requestId: op,
      ...causal,
    };
    this.#world
      .call(connector.process, () => connector.share(request).done, 60_000)
      .then(
        (share) => history.add({ kind: 'api.ok', at: scheduler.now, op, status: 200, share }),
        (error: unknown) => history.add({ kind: 'api.info', at: scheduler.now, op, why: String(error) }),
      );
  }
}
